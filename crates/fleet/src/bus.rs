//! The bus: a connection to the broker (NATS JetStream), the buckets on the broker, and calls with time limits.
//!
//! A bucket is a stream that keeps the last values of each key, in the layout of the key-value stores of NATS.
//! The calls of the client library that create or open key-value stores need a newer broker than 2.9. The bus
//! uses the streams beneath, which every broker from 2.9.10 has.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig};
use async_nats::jetstream::context::{GetStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, LastRawMessageErrorKind, StorageType, Stream as JetStream,
};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{ConnectOptions, Event, HeaderMap, ServerAddr, ServerError, header};
use bytes::Bytes;
use compact_str::CompactString;
use futures_util::StreamExt;
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use tokio::sync::watch;
use tokio::time::{error::Elapsed, timeout};

use crate::backoff::jittered;
use crate::credentials;

/// The default prefix of the buckets' names.
pub const DEFAULT_PREFIX: &str = "switchboard";
/// The maximum length of a prefix in bytes.
pub const MAX_PREFIX_BYTES: usize = 64;
/// The maximum time of a call, if the caller does not give one.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum time of a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Two pings without an answer end a connection. A broker that is stopped is noticed after 4 to 6 s.
const PING_INTERVAL: Duration = Duration::from_secs(2);
const FIRST_RECONNECT: Duration = Duration::from_millis(100);
const LAST_RECONNECT: Duration = Duration::from_secs(2);
/// Messages that wait for a slow reader. More are dropped by the client and read again.
const SUBSCRIPTION_CAPACITY: usize = 4096;
/// The time within which an error of the broker explains a call that got no answer.
const REFUSAL_EXPLAINS: Duration = Duration::from_secs(10);
/// The minimum time between two log lines about dropped messages: the client reports each message.
const SLOW_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// The key of the epoch in the bucket of the release.
pub const EPOCH_KEY: &str = "epoch";
/// The time after which entries of the status bucket expire.
pub const STATUS_MAX_AGE: Duration = Duration::from_secs(60);
/// The number of values of each key that the bucket of the release keeps.
pub const RELEASE_HISTORY: i64 = 16;
/// The maximum number of readers of a bucket. From 2.15, a server allows 1,000 where a stream does not say another
/// number, and knows no number that means no limit.
const MAX_READERS: i32 = 100_000;
/// The window in which a broker recognizes repeated messages, as the key-value stores of NATS have it.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// The settings of a connection to the broker.
#[derive(Clone, Default)]
pub struct BusSettings {
    /// The URLs of the broker's servers, separated by commas: `nats://` or `tls://`, with a user and a password or
    /// with a token where the broker needs one.
    pub urls: String,
    /// The prefix of the buckets' names.
    pub prefix: String,
    /// The name of this client in the broker's lists of connections.
    pub name: String,
    /// The file of the credentials (`.creds`).
    pub credentials: Option<PathBuf>,
    /// The PEM file of the certificate authorities that are trusted, instead of those of the system.
    pub ca: Option<PathBuf>,
    /// The PEM files of the client certificate and of its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// What [`Bus::connect`] does while no server can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// Return an error, for a command.
    Fail,
    /// Return at once, and connect as soon as there is a server, for a replica.
    Wait,
}

/// The buckets with keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// The release of the fleet: `epoch`, `current` and `rollout`.
    Release,
    /// The standings, one key for each account.
    Standings,
    /// The status of the replicas, one key for each. Entries expire.
    Status,
}

/// A value of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, as it is stored.
    pub key: String,
    /// The value. `None` for a key that was deleted.
    pub value: Option<Bytes>,
    /// The revision that the broker gave the value.
    pub revision: u64,
    /// The time of the broker's clock when the value arrived, in Unix milliseconds.
    pub time_millis: i64,
}

/// The state of the connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Whether the client is connected.
    pub connected: bool,
    /// The number of connections since the start.
    pub connections: u64,
    /// The reason why the last attempt failed. `None` while the client is connected.
    pub error: Option<String>,
}

/// What distinguishes one life of a bucket from another. A broker that lost its storage has another one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Memory {
    /// The random id that `fleet init` wrote.
    pub epoch: String,
    /// The time when the stream of the bucket was created, in Unix nanoseconds, as a decimal number.
    pub created: String,
}

/// The error of a call to the broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// A setting of the connection cannot be used.
    #[error("{0}")]
    Settings(String),
    /// No server of the broker accepted a connection.
    #[error("cannot connect to the broker at {servers}: {reason}: check that it runs, and its credentials")]
    Connect {
        /// The servers, as host and port.
        servers: String,
        /// The reason, of the last server.
        reason: String,
    },
    /// There is no connection at the moment.
    #[error("the broker is not connected: the connection is retried for as long as the program runs")]
    Disconnected,
    /// A call got no answer in time.
    #[error("the broker did not answer within {limit:?} ({call}){}", refusal.as_deref().map(|text| format!(": it reported: {text}")).unwrap_or_default())]
    TimedOut {
        /// The call.
        call: &'static str,
        /// The time limit.
        limit: Duration,
        /// The error that the broker reported meanwhile. A call that is not permitted gets no other answer.
        refusal: Option<String>,
    },
    /// A bucket does not exist, or its stream has no leader at the moment.
    #[error("the broker has no stream {0}: create the buckets with `switchboard fleet init`")]
    NoBucket(String),
    /// The buckets exist without an epoch.
    #[error("the bucket {0} has no epoch: complete the buckets with `switchboard fleet init`")]
    NoEpoch(String),
    /// Another writer changed the key since the expected revision.
    #[error("another writer changed the key {0} at the same time: read it again and repeat the change")]
    Conflict(String),
    /// A call failed: the broker refused it, its answer makes no sense, or the connection broke.
    #[error("a call to the broker failed ({call}): {reason}")]
    Refused {
        /// The call.
        call: &'static str,
        /// The reason, in the broker's words.
        reason: String,
    },
}

/// What [`Bus::init`] found or did about one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketReport {
    /// The name of the stream.
    pub stream: String,
    /// Whether the stream was created by this call.
    pub created: bool,
    /// The settings that differ from the expected ones. They are never changed.
    pub differences: Vec<Difference>,
}

/// A setting of a stream that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The name of the setting, as `nats stream info` has it.
    pub setting: &'static str,
    /// The expected value.
    pub expected: String,
    /// The value of the stream.
    pub found: String,
}

/// A connection to the broker. Clones share the connection, which ends with the last one.
#[derive(Clone)]
pub struct Bus {
    connection: Arc<Connection>,
    jetstream: jetstream::Context,
    prefix: String,
}

/// The client, and what its events say.
struct Connection {
    client: async_nats::Client,
    /// The servers as host and port.
    servers: String,
    link: watch::Sender<Link>,
    /// The last error that the broker reported.
    refusal: Mutex<Option<(Instant, String)>>,
    slow: Mutex<Slow>,
}

/// How a client proves who it is, from a URL.
#[derive(Clone, PartialEq, Eq)]
enum Login {
    Password(String, String),
    Token(String),
}

impl Bucket {
    const ALL: [Bucket; 3] = [Bucket::Release, Bucket::Standings, Bucket::Status];

    fn suffix(self) -> &'static str {
        match self {
            Bucket::Release => "release",
            Bucket::Standings => "standings",
            Bucket::Status => "status",
        }
    }
}

impl fmt::Debug for BusSettings {
    /// Leaves out the URLs, which may contain a password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("BusSettings").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl BusSettings {
    /// Checks the URLs and the prefix. No message repeats a URL, which may contain a password.
    ///
    /// # Errors
    /// Returns [`BusError::Settings`] with the fault and the expected form.
    pub fn check(&self) -> Result<(), BusError> {
        self.servers().map(drop)
    }

    /// Checks the files of the settings, without a connection.
    ///
    /// # Errors
    /// Returns [`BusError::Settings`] with the file and what is expected in it.
    pub fn check_files(&self) -> Result<(), BusError> {
        identity(self).map(drop)
    }

    /// Returns the servers as host and port with commas between them, without user and password. Empty if a URL is
    /// not usable.
    pub fn server_names(&self) -> String {
        self.servers().map_or_else(|_| String::new(), |(servers, _)| named(&servers))
    }

    /// Returns the servers, and the user that their URLs name. The client ignores a user in a URL, and may log URLs.
    fn servers(&self) -> Result<(Vec<ServerAddr>, Option<Login>), BusError> {
        let wrong = |text: String| Err(BusError::Settings(text));
        let prefix_is_valid =
            self.prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if self.prefix.is_empty() || self.prefix.len() > MAX_PREFIX_BYTES || !prefix_is_valid {
            return wrong(format!(
                "the prefix of the fleet's buckets has other characters: expected 1 to {MAX_PREFIX_BYTES} \
                 letters, digits, _ or -"
            ));
        }
        let mut servers = Vec::new();
        let mut login = None;
        for (at, url) in self.urls.split(',').map(str::trim).enumerate() {
            let Some((server, own)) = read_url(url) else {
                return wrong(format!(
                    "URL {} of the fleet's broker is not usable: expected nats://HOST:PORT or tls://HOST:PORT, \
                     several separated by commas",
                    at + 1
                ));
            };
            servers.push(server);
            if own.is_some() && login.is_some() && own != login {
                return wrong(format!(
                    "URL {} of the fleet's broker names another user than an earlier URL: write the user in the \
                     first URL alone",
                    at + 1
                ));
            }
            login = login.or(own);
        }
        Ok((servers, login))
    }
}

/// Returns servers as host and port.
fn named(servers: &[ServerAddr]) -> String {
    let named = servers.iter().map(|server| format!("{}:{}", server.host(), server.port()));
    named.collect::<Vec<_>>().join(", ")
}

/// Reads the URL of a server. Returns the server without the user, and the user.
fn read_url(url: &str) -> Option<(ServerAddr, Option<Login>)> {
    let is_known = url.starts_with("nats://") || url.starts_with("tls://");
    let mut url = url.parse::<ServerAddr>().ok().filter(|_| is_known)?.into_inner();
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
    let user = decoded(url.username())?;
    let password = url.password().map(decoded);
    let login = match password {
        Some(password) => Some(Login::Password(user, password?)),
        None if user.is_empty() => None,
        None => Some(Login::Token(user)),
    };
    // Fails for a URL without a host.
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some((ServerAddr::from_url(url).ok()?, login))
}

impl Bus {
    /// Connects to the broker, and reconnects with jittered delays for as long as the bus lives.
    ///
    /// # Errors
    /// Returns [`BusError::Settings`] for settings or files that cannot be used. Returns [`BusError::Connect`]
    /// only with [`Unreachable::Fail`].
    pub async fn connect(settings: &BusSettings, unreachable: Unreachable) -> Result<Bus, BusError> {
        let (addresses, login) = settings.servers()?;
        let servers = named(&addresses);
        let slot = Arc::new(OnceLock::<Weak<Connection>>::new());
        let observer = Arc::clone(&slot);
        let mut options = identity(settings)?
            .name(&settings.name)
            .connection_timeout(CONNECT_TIMEOUT)
            .request_timeout(Some(CALL_TIMEOUT))
            .ping_interval(PING_INTERVAL)
            .subscription_capacity(SUBSCRIPTION_CAPACITY)
            .reconnect_delay_callback(|attempt| {
                jittered(FIRST_RECONNECT, LAST_RECONNECT, u32::try_from(attempt).unwrap_or(u32::MAX))
            })
            .event_callback(move |event| {
                if let Some(connection) = observer.get().and_then(Weak::upgrade) {
                    connection.receive(&event);
                }
                std::future::ready(())
            });
        options = match login {
            Some(Login::Password(user, password)) => options.user_and_password(user, password),
            Some(Login::Token(token)) => options.token(token),
            None => options,
        };
        if unreachable == Unreachable::Wait {
            options = options.retry_on_initial_connect();
        }
        let failed = |reason: String| BusError::Connect { servers: servers.clone(), reason };
        let limit = CONNECT_TIMEOUT * u32::try_from(addresses.len()).unwrap_or(1) + CONNECT_TIMEOUT;
        let client = timeout(limit, options.connect(addresses))
            .await
            .map_err(|Elapsed { .. }| failed(format!("no answer within {limit:?}")))?
            .map_err(|error| failed(error.to_string()))?;
        let jetstream = jetstream::ContextBuilder::new()
            .timeout(CALL_TIMEOUT)
            .ack_timeout(CALL_TIMEOUT)
            .build(client.clone());
        let connection = Arc::new(Connection {
            client,
            servers,
            link: watch::Sender::new(Link::default()),
            refusal: Mutex::default(),
            slow: Mutex::default(),
        });
        // The client holds a weak reference alone, because it would otherwise never end.
        let _ = slot.set(Arc::downgrade(&connection));
        connection.refresh(connection.is_connected(), None);
        Ok(Bus { connection, jetstream, prefix: settings.prefix.clone() })
    }

    /// Returns the state of the connection, and later changes.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.connection.link.subscribe()
    }

    /// Returns the servers of the broker as host and port, without user and password.
    pub fn servers(&self) -> &str {
        &self.connection.servers
    }

    /// Returns the version of the server that the client is connected to. Empty before the first connection.
    pub fn server_version(&self) -> String {
        self.connection.client.server_info().version
    }

    /// Returns the name of a bucket's stream.
    pub fn stream_name(&self, bucket: Bucket) -> String {
        format!("KV_{}_{}", self.prefix, bucket.suffix())
    }

    /// Returns the name of the object store of the snapshots.
    pub fn object_store_name(&self) -> String {
        format!("{}_snapshots", self.prefix)
    }

    pub(crate) fn key_prefix(&self, bucket: Bucket) -> String {
        format!("$KV.{}_{}.", self.prefix, bucket.suffix())
    }

    /// Returns the value of a key, as the leader of the bucket has it. Call [`memory`](Self::memory) before, if the
    /// bucket may be about to be created.
    ///
    /// # Errors
    /// Returns an error if the broker does not answer, or has no such bucket.
    pub async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<Entry>, BusError> {
        const CALL: &str = "get a value";
        let name = self.stream_name(bucket);
        let stream = self.jetstream.get_stream_no_info(&name).await.map_err(|error| refused(CALL, error))?;
        let subject = format!("{}{key}", self.key_prefix(bucket));
        let answer = self.limited(CALL, CALL_TIMEOUT, stream.get_last_raw_message_by_subject(&subject));
        match answer.await? {
            Ok(message) => Ok(Some(Entry {
                key: key.to_owned(),
                value: (!is_deletion(&message.headers)).then_some(message.payload),
                revision: message.sequence,
                time_millis: unix_millis(message.time.unix_timestamp_nanos()),
            })),
            Err(error) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => Ok(None),
                LastRawMessageErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    Err(BusError::NoBucket(name))
                }
                _ => Err(refused(CALL, error)),
            },
        }
    }

    /// Sets the value of a key if its revision is still the expected one. 0 expects a key without a value.
    /// Returns the new revision.
    ///
    /// A write without an acknowledgement may take effect all the same, also later: readers recognize the
    /// value by what is in it.
    ///
    /// # Errors
    /// Returns [`BusError::Conflict`] if another writer was faster.
    pub async fn update(
        &self,
        bucket: Bucket,
        key: &str,
        value: Vec<u8>,
        expected: u64,
        limit: Duration,
    ) -> Result<u64, BusError> {
        self.publish(bucket, key, value, Some(expected), limit).await
    }

    /// Sets the value of a key, whatever it is. Returns the new revision.
    ///
    /// # Errors
    /// Returns an error if the broker does not acknowledge the write in time.
    pub async fn put(&self, bucket: Bucket, key: &str, value: Vec<u8>) -> Result<u64, BusError> {
        self.publish(bucket, key, value, None, CALL_TIMEOUT).await
    }

    async fn publish(
        &self,
        bucket: Bucket,
        key: &str,
        value: Vec<u8>,
        expected: Option<u64>,
        limit: Duration,
    ) -> Result<u64, BusError> {
        const CALL: &str = "set a value";
        let mut headers = HeaderMap::new();
        if let Some(expected) = expected {
            headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
        }
        let subject = format!("{}{key}", self.key_prefix(bucket));
        let written = self.limited(CALL, limit, async {
            self.jetstream.publish_with_headers(subject, headers, value.into()).await?.await
        });
        match written.await? {
            Ok(acknowledged) => Ok(acknowledged.sequence),
            Err(error) => Err(match error.kind() {
                PublishErrorKind::WrongLastSequence => BusError::Conflict(key.to_owned()),
                PublishErrorKind::StreamNotFound => BusError::NoBucket(self.stream_name(bucket)),
                PublishErrorKind::TimedOut => self.timed_out(CALL, limit),
                _ => refused(CALL, error),
            }),
        }
    }

    /// Returns the last value of every key of a bucket, in the order of the keys.
    ///
    /// # Errors
    /// Returns an error if the broker does not answer, or if no value arrives for the time of a call.
    pub async fn list(&self, bucket: Bucket) -> Result<Vec<Entry>, BusError> {
        const CALL: &str = "list a bucket";
        let stream = self.stream(bucket).await?;
        // A key that is written meanwhile comes twice.
        let mut entries = BTreeMap::new();
        let (mut messages, mut pending) =
            self.consume(&stream, bucket, DeliverPolicy::LastPerSubject).await?;
        while pending > 0 {
            let next = self.limited(CALL, CALL_TIMEOUT, messages.next()).await?;
            let message = next.ok_or(BusError::Disconnected)?.map_err(|error| refused(CALL, error))?;
            let unexpected = || refused(CALL, "a message is no entry of the bucket");
            let (entry, left) = self.read_entry(bucket, &message).ok_or_else(unexpected)?;
            pending = left;
            entries.insert(entry.key.clone(), entry);
        }
        Ok(entries.into_values().collect())
    }

    /// Returns the life of a bucket, and the last revision that the broker gave in the bucket.
    ///
    /// # Errors
    /// Returns an error if the broker does not answer, has no such bucket, or has no epoch.
    pub async fn memory(&self, bucket: Bucket) -> Result<(Memory, u64), BusError> {
        let release = self.stream(Bucket::Release).await?;
        let epoch = self.epoch(&release).await?.and_then(|entry| entry.value);
        let epoch = epoch.and_then(|value| String::from_utf8(value.to_vec()).ok());
        let epoch = epoch.ok_or_else(|| BusError::NoEpoch(self.stream_name(Bucket::Release)))?;
        let stream = if bucket == Bucket::Release { release } else { self.stream(bucket).await? };
        let info = stream.cached_info();
        let created = info.created.unix_timestamp_nanos().to_string();
        Ok((Memory { epoch, created }, info.state.last_sequence))
    }

    /// Returns the entry of the epoch. `release` is the stream of the release with fresh information.
    ///
    /// nats-server 2.9 crashes if a value is requested while its stream is being created, which replicas that wait for
    /// the buckets would do. Such a stream has no message.
    async fn epoch(&self, release: &JetStream) -> Result<Option<Entry>, BusError> {
        if release.cached_info().state.messages == 0 {
            return Ok(None);
        }
        self.get(Bucket::Release, EPOCH_KEY).await
    }

    /// Opens the stream of a bucket, with fresh information about it.
    pub(crate) async fn stream(&self, bucket: Bucket) -> Result<JetStream, BusError> {
        self.stream_named(self.stream_name(bucket)).await
    }

    async fn stream_named(&self, name: String) -> Result<JetStream, BusError> {
        const CALL: &str = "open a bucket";
        match self.limited(CALL, CALL_TIMEOUT, self.jetstream.get_stream(&name)).await? {
            Ok(stream) => Ok(stream),
            Err(error) => Err(match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    BusError::NoBucket(name)
                }
                _ => refused(CALL, error),
            }),
        }
    }

    /// Opens the stream of the object store of the snapshots.
    pub(crate) async fn snapshot_stream(&self) -> Result<JetStream, BusError> {
        self.stream_named(format!("OBJ_{}", self.object_store_name())).await
    }

    /// Opens the object store of the snapshots.
    ///
    /// # Errors
    /// Returns an error if the broker does not answer, or has no such store.
    pub async fn snapshots(&self) -> Result<ObjectStore, BusError> {
        const CALL: &str = "open the object store";
        let name = self.object_store_name();
        self.stream_named(format!("OBJ_{name}")).await?;
        let store = self.limited(CALL, CALL_TIMEOUT, self.jetstream.get_object_store(name)).await?;
        store.map_err(|error| refused(CALL, error))
    }

    /// Begins to read a bucket. Returns the messages, and the number of those that are there already.
    pub(crate) async fn consume(
        &self,
        stream: &JetStream,
        bucket: Bucket,
        from: DeliverPolicy,
    ) -> Result<(Ordered, u64), BusError> {
        const CALL: &str = "watch a bucket";
        let config = OrderedConfig {
            deliver_subject: self.connection.client.new_inbox(),
            filter_subject: format!("{}>", self.key_prefix(bucket)),
            deliver_policy: from,
            description: Some(format!("switchboard, {}", bucket.suffix())),
            ..OrderedConfig::default()
        };
        let consumer = self.limited(CALL, CALL_TIMEOUT, stream.create_consumer(config)).await?;
        let consumer = consumer.map_err(|error| refused(CALL, error))?;
        let pending = consumer.cached_info().num_pending;
        let messages = self.limited(CALL, CALL_TIMEOUT, consumer.messages()).await?;
        Ok((messages.map_err(|error| refused(CALL, error))?, pending))
    }

    /// Reads a message of a bucket. Returns the entry and the number of entries that follow.
    pub(crate) fn read_entry(&self, bucket: Bucket, message: &jetstream::Message) -> Option<(Entry, u64)> {
        let info = message.info().ok()?;
        let bucket_and_key = message.subject.as_str().strip_prefix("$KV.")?.strip_prefix(&*self.prefix)?;
        let key = bucket_and_key.strip_prefix('_')?.strip_prefix(bucket.suffix())?.strip_prefix('.')?;
        let entry = Entry {
            key: key.to_owned(),
            value: (!message.headers.as_ref().is_some_and(is_deletion)).then(|| message.payload.clone()),
            revision: info.stream_sequence,
            time_millis: unix_millis(info.published.unix_timestamp_nanos()),
        };
        Some((entry, info.pending))
    }

    /// Creates the buckets that do not exist, and the epoch. Never changes one that exists: the report says
    /// how it differs.
    ///
    /// # Errors
    /// Returns an error if the broker does not answer, or refuses to create a bucket.
    pub async fn init(&self, copies: usize) -> Result<Vec<BucketReport>, BusError> {
        const CALL: &str = "create a bucket";
        let buckets = Bucket::ALL.map(|bucket| self.bucket_config(bucket, copies));
        let mut reports = Vec::new();
        for wanted in buckets.into_iter().chain([self.object_store_config(copies)]) {
            let name = wanted.name.clone();
            let (found, created) = match self.stream_named(name.clone()).await {
                Ok(stream) => (stream.cached_info().config.clone(), false),
                Err(BusError::NoBucket(_)) => {
                    let made = self.limited(CALL, CALL_TIMEOUT, self.jetstream.create_stream(wanted.clone()));
                    let made = made.await?.map_err(|error| refused(CALL, error))?;
                    // A server ignores a setting that it does not know, so the settings are read again.
                    (made.cached_info().config.clone(), true)
                }
                Err(error) => return Err(error),
            };
            reports.push(BucketReport { stream: name, created, differences: compare(&wanted, &found) });
        }
        let epoch = self.epoch(&self.stream(Bucket::Release).await?).await?;
        if epoch.as_ref().is_some_and(|epoch| epoch.value.is_some()) {
            return Ok(reports);
        }
        let revision = epoch.map_or(0, |epoch| epoch.revision);
        let written =
            self.update(Bucket::Release, EPOCH_KEY, random_id()?.into_bytes(), revision, CALL_TIMEOUT);
        match written.await {
            // Another call was faster.
            Ok(_) | Err(BusError::Conflict(_)) => Ok(reports),
            Err(error) => Err(error),
        }
    }

    fn bucket_config(&self, bucket: Bucket, copies: usize) -> Config {
        let (history, max_age) = match bucket {
            Bucket::Release => (RELEASE_HISTORY, Duration::ZERO),
            Bucket::Standings => (1, Duration::ZERO),
            Bucket::Status => (1, STATUS_MAX_AGE),
        };
        Config {
            name: self.stream_name(bucket),
            description: Some(format!("Switchboard: {}", bucket.suffix())),
            subjects: vec![format!("{}>", self.key_prefix(bucket))],
            max_messages_per_subject: history,
            max_consumers: MAX_READERS,
            max_messages: -1,
            max_bytes: -1,
            max_age,
            // Also for the status: a server forgets a stream in memory when it restarts.
            storage: StorageType::File,
            num_replicas: copies,
            discard: DiscardPolicy::New,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            duplicate_window: if max_age.is_zero() {
                DUPLICATE_WINDOW
            } else {
                max_age.min(DUPLICATE_WINDOW)
            },
            ..Config::default()
        }
    }

    fn object_store_config(&self, copies: usize) -> Config {
        let name = self.object_store_name();
        Config {
            name: format!("OBJ_{name}"),
            description: Some("Switchboard: snapshots".to_owned()),
            subjects: vec![format!("$O.{name}.C.>"), format!("$O.{name}.M.>")],
            max_consumers: MAX_READERS,
            max_messages: -1,
            max_bytes: -1,
            storage: StorageType::File,
            num_replicas: copies,
            discard: DiscardPolicy::New,
            allow_rollup: true,
            allow_direct: true,
            duplicate_window: DUPLICATE_WINDOW,
            ..Config::default()
        }
    }

    /// Runs a call for at most a time. Without a connection, a call fails at once and is not sent later.
    async fn limited<T>(
        &self,
        call: &'static str,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, BusError> {
        if !self.connection.is_connected() {
            return Err(BusError::Disconnected);
        }
        timeout(limit, work).await.map_err(|Elapsed { .. }| self.timed_out(call, limit))
    }

    fn timed_out(&self, call: &'static str, limit: Duration) -> BusError {
        let refusal = self.connection.refusal.lock().clone();
        let refusal = refusal.filter(|(at, _)| at.elapsed() < REFUSAL_EXPLAINS).map(|(_, text)| text);
        BusError::TimedOut { call, limit, refusal }
    }
}

/// Dropped messages since the last log line.
#[derive(Default)]
struct Slow {
    logged: Option<Instant>,
    messages: u64,
}

impl Connection {
    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Updates the state of the connection. The daemon logs its changes.
    fn refresh(&self, connected: bool, error: Option<String>) {
        let connections = self.client.statistics().connects.load(Ordering::Relaxed);
        self.link.send_if_modified(|link| {
            let error = error.or_else(|| link.error.clone()).filter(|_| !connected);
            let new = Link { connected, connections, error };
            let is_new = *link != new;
            *link = new;
            is_new
        });
    }

    fn receive(&self, event: &Event) {
        match event {
            Event::Connected => return self.refresh(true, None),
            Event::Disconnected | Event::Closed => return self.refresh(false, None),
            Event::ClientError(error) => return self.refresh(self.is_connected(), Some(error.to_string())),
            Event::SlowConsumer(_) => {
                let mut slow = self.slow.lock();
                slow.messages += 1;
                if slow.logged.is_none_or(|at| at.elapsed() >= SLOW_LOG_INTERVAL) {
                    tracing::warn!(
                        messages = slow.messages,
                        "messages of the broker are read again, because they arrived faster than they were processed"
                    );
                    *slow = Slow { logged: Some(Instant::now()), messages: 0 };
                }
            }
            Event::ServerError(ServerError::Other(text)) => {
                *self.refusal.lock() = Some((Instant::now(), text.clone()));
            }
            Event::ServerError(error) => *self.refusal.lock() = Some((Instant::now(), error.to_string())),
            _ => {}
        }
        // The client drops events that do not fit its queue, also those of connections. Others follow those.
        self.refresh(self.is_connected(), None);
    }
}

/// Returns whether a message says that a key was deleted. A marker of an expired value has a reason instead of an
/// operation.
fn is_deletion(headers: &HeaderMap) -> bool {
    headers.get("KV-Operation").is_some_and(|operation| operation.as_str() != "PUT")
        || headers.get("Nats-Marker-Reason").is_some()
}

/// Returns options with the credentials, the certificate authorities and the client certificate. The files are read
/// once here, so that a file that cannot be used is an error of the settings, and again at each connection.
fn identity(settings: &BusSettings) -> Result<ConnectOptions, BusError> {
    let read = |file: &PathBuf| {
        std::fs::read_to_string(file)
            .map_err(|error| BusError::Settings(format!("{}: cannot be read: {error}", file.display())))
    };
    let pem = |file: &PathBuf, what: &str| {
        if read(file)?.contains(&format!("-----BEGIN {what}")) {
            return Ok(());
        }
        Err(BusError::Settings(format!("{}: no {what} in PEM is in this file", file.display())))
    };
    let credentials = settings.credentials.as_deref().map(credentials::options);
    let mut options = credentials.transpose().map_err(BusError::Settings)?.unwrap_or_default();
    if let Some(ca) = &settings.ca {
        pem(ca, "CERTIFICATE")?;
        options = options.add_root_certificates(ca.clone()).require_tls(true);
    }
    if let Some((certificate, key)) = &settings.certificate {
        pem(certificate, "CERTIFICATE")?;
        if !read(key)?.contains("PRIVATE KEY-----") {
            let reason = "no PRIVATE KEY in PEM is in this file";
            return Err(BusError::Settings(format!("{}: {reason}", key.display())));
        }
        options = options.add_client_certificate(certificate.clone(), key.clone()).require_tls(true);
    }
    Ok(options)
}

/// Returns the settings that matter and differ.
fn compare(expected: &Config, found: &Config) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut check = |setting, expected: String, found: String| {
        if expected != found {
            differences.push(Difference { setting, expected, found });
        }
    };
    check("subjects", expected.subjects.join(" "), found.subjects.join(" "));
    check("storage", format!("{:?}", expected.storage), format!("{:?}", found.storage));
    check("retention", format!("{:?}", expected.retention), format!("{:?}", found.retention));
    check("num_replicas", expected.num_replicas.to_string(), found.num_replicas.to_string());
    let history = |config: &Config| config.max_messages_per_subject.max(0).to_string();
    check("max_msgs_per_subject", history(expected), history(found));
    check("max_age", format!("{:?}", expected.max_age), format!("{:?}", found.max_age));
    // 0 and -1 both mean that there is no limit.
    let limit = |limit: i64| if limit <= 0 { "unlimited".to_owned() } else { limit.to_string() };
    check("max_msgs", limit(expected.max_messages), limit(found.max_messages));
    check("max_bytes", limit(expected.max_bytes), limit(found.max_bytes));
    check("max_msg_size", limit(expected.max_message_size.into()), limit(found.max_message_size.into()));
    // -1 is unlimited, which a server before 2.15 keeps. More than expected is no fault.
    let is_enough = found.max_consumers <= 0 || found.max_consumers >= expected.max_consumers;
    let readers = if is_enough { expected.max_consumers } else { found.max_consumers };
    check("max_consumers", expected.max_consumers.to_string(), readers.to_string());
    check("discard", format!("{:?}", expected.discard), format!("{:?}", found.discard));
    check("allow_rollup_hdrs", expected.allow_rollup.to_string(), found.allow_rollup.to_string());
    check("deny_delete", expected.deny_delete.to_string(), found.deny_delete.to_string());
    check("allow_direct", expected.allow_direct.to_string(), found.allow_direct.to_string());
    check("sealed", expected.sealed.to_string(), found.sealed.to_string());
    differences
}

fn refused(call: &'static str, error: impl fmt::Display) -> BusError {
    BusError::Refused { call, reason: error.to_string() }
}

fn unix_millis(nanos: i128) -> i64 {
    i64::try_from(nanos / 1_000_000).unwrap_or_default()
}

/// Returns 128 random bits in hexadecimal.
///
/// # Errors
/// Returns an error if the system has no random bytes.
pub fn random_id() -> Result<String, BusError> {
    random_hex::<16>()
}

/// Returns random bytes in hexadecimal.
pub(crate) fn random_hex<const LEN: usize>() -> Result<String, BusError> {
    let mut bytes = [0; LEN];
    getrandom::fill(&mut bytes)
        .map_err(|error| BusError::Settings(format!("the system has no random bytes: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns a text as one token of a key. Bytes other than letters, digits, `_` and `-` become `=` and two
/// hexadecimal digits, because keys cannot contain them, or because they separate tokens.
pub fn encode_token(text: &str) -> String {
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            token.push(char::from(byte));
        } else {
            token.push_str(&format!("={byte:02X}"));
        }
    }
    token
}

/// Returns whether a byte stands for itself in a token.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Reads a token of a key. Returns `None` for a token that [`encode_token`] does not write, so that each text has
/// one key.
pub fn decode_token(token: &str) -> Option<CompactString> {
    if token.bytes().all(is_plain) {
        return (!token.is_empty()).then(|| token.into());
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    (encode_token(&text) == token).then(|| text.into())
}

/// Returns the key of an account's standing: the company and the account, each as a token.
pub fn standing_key(company: &str, account: &str) -> String {
    format!("{}.{}", encode_token(company), encode_token(account))
}

/// Reads the key of an account's standing. Returns the company and the account.
pub fn read_standing_key(key: &str) -> Option<(CompactString, CompactString)> {
    let (company, account) = key.split_once('.')?;
    Some((decode_token(company)?, decode_token(account)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(urls: &str, prefix: &str) -> BusSettings {
        BusSettings { urls: urls.to_owned(), prefix: prefix.to_owned(), ..BusSettings::default() }
    }

    #[test]
    fn every_text_has_one_key() {
        for (text, token) in [
            ("acme", "acme"),
            ("a.b", "a=2Eb"),
            ("a=b", "a=3Db"),
            ("+49 1", "=2B49=201"),
            ("ü*>", "=C3=BC=2A=3E"),
        ] {
            assert_eq!(encode_token(text), token);
            assert_eq!(decode_token(token).as_deref(), Some(text));
        }
        for token in ["", "=", "=2", "=2e", "=61", "a.b", "a*", "=FF", "=+1", "a b"] {
            assert_eq!(decode_token(token), None, "{token}");
        }
        let key = standing_key("a.b", "c.d");
        assert_eq!(key, "a=2Eb.c=2Ed");
        assert_eq!(read_standing_key(&key), Some(("a.b".into(), "c.d".into())));
        for key in ["acme", "acme.", ".wa", "a.b.c", ""] {
            assert_eq!(read_standing_key(key), None, "{key}");
        }
    }

    #[test]
    fn settings_are_checked_and_never_repeated() {
        for urls in ["nats://localhost", "tls://user:secret@[::1]:4333", "nats://a:1, nats://b:2"] {
            assert!(settings(urls, "switchboard").check().is_ok(), "{urls}");
        }
        for urls in [
            "",
            "secret",
            "http://secret",
            "ws://secret",
            "nats://",
            "nats://a,",
            "nats://secret:x",
            "localhost:1",
        ] {
            let error = settings(urls, "switchboard").check().unwrap_err().to_string();
            assert!(
                error.contains("expected nats://HOST:PORT") && !error.contains("secret"),
                "{urls}: {error}"
            );
        }
        for prefix in ["", "a.b", "a b", "ü", &"a".repeat(65)] {
            let error = settings("nats://a", prefix).check().unwrap_err().to_string();
            assert!(error.contains("expected 1 to 64 letters"), "{prefix}: {error}");
        }
        assert!(!format!("{:?}", settings("nats://u:secret@a", "p")).contains("secret"));
        let error = settings("nats://u:secret@a,nats://v:secret@b", "p").check().unwrap_err().to_string();
        assert!(error.starts_with("URL 2 ") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn user_of_a_url_is_taken_from_the_url() {
        let read = |urls: &str| {
            let (servers, login) = settings(urls, "p").servers().ok().unwrap();
            let servers: Vec<_> = servers.iter().map(|server| server.as_url_str().to_owned()).collect();
            let login = login.map(|login| match login {
                Login::Password(user, password) => format!("{user}:{password}"),
                Login::Token(token) => token,
            });
            (servers.join(" "), login)
        };
        for (urls, servers, login) in [
            ("nats://a:1,tls://b", "nats://a:1 tls://b", None),
            ("nats://u:s%40%2F%3a@a:1,nats://b", "nats://a:1 nats://b", Some("u:s@/:")),
            ("nats://a,nats://u:p@[::1]:5", "nats://a nats://[::1]:5", Some("u:p")),
            ("nats://u:p@a,nats://u:p@b", "nats://a nats://b", Some("u:p")),
            ("nats://token@a", "nats://a", Some("token")),
        ] {
            assert_eq!(read(urls), (servers.to_owned(), login.map(str::to_owned)), "{urls}");
        }
    }

    #[test]
    fn ids_are_random() {
        let (a, b) = (random_id().unwrap(), random_id().unwrap());
        assert!(a.len() == 32 && a != b);
    }
}
