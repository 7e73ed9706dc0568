//! Publishes a release: uploads snapshots, sets `rollout` and `current` by compare-and-set, raises the waves, and
//! removes snapshots that no release names.
//!
//! The order makes a publisher safe to kill: a snapshot is uploaded and read back before a release names it, and a
//! release is one value of one key. Replicas see the release before or the whole new one.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_nats::jetstream::object_store::ObjectInfo;
use async_nats::jetstream::stream::Stream as JetStream;
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use switchboard_model::UnixMillis;
use switchboard_release::{Envelope, Manifest, Variant};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::bus::{Bucket, Bus, BusError, BusSettings, CALL_TIMEOUT, Entry, decode_token};
use crate::fetch::{FetchError, Fetched, Fetcher};
use crate::folder::Folder;
use crate::history::{rollout_of, values};
use crate::release::{
    CURRENT_KEY, Candidate, Current, Encoding, InvalidValue, Judgement, ROLLOUT_KEY, Reason, Rollout, Source,
    is_ahead, is_digest, judge, wave_position,
};
use crate::status::REPORT_INTERVAL;
use crate::watch::{Watch, WatchEvent};

/// The age from which a snapshot that no release names is removed.
pub const REMOVAL_AGE: Duration = Duration::from_secs(60 * 60);
/// The level of zstd. A higher one takes many times as long for a few percent.
const ZSTD_LEVEL: i32 = 3;
/// A snapshot in the store that is younger is used as it is. An older one is uploaded again, because another
/// publisher may be about to remove it.
const REUSE_AGE: Duration = Duration::from_secs(30 * 60);
/// The time in which a write without an acknowledgement is repeated.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(15);
const SETTLE_INTERVAL: Duration = Duration::from_millis(200);
/// The time to wait for a publisher that has set `rollout`, and not yet `current`.
const OTHER_PUBLISHER: Duration = Duration::from_secs(3);
/// The time after which a replica that runs has reported, and has seen a release.
const SILENCE: Duration = Duration::from_secs(REPORT_INTERVAL.as_secs() * 5 / 4);
/// The age of a status after which the replica does not live.
const LIVING: Duration = Duration::from_secs(60);
/// The interval in which a wave names the replicas that it waits for, and their maximum number.
const NOTICE_INTERVAL: Duration = Duration::from_secs(60);
const MAX_NAMED: usize = 3;
/// The share of a wave that must serve the release, in percent.
const ENOUGH_PERCENT: usize = 99;

/// The place of the snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// The object store of the broker.
    Broker,
    /// A folder that a web server serves.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The URL of the folder, with or without a slash at its end.
        url: String,
    },
}

/// A publisher, with its connection to the broker.
#[derive(Clone)]
pub struct Publisher {
    bus: Bus,
    fetcher: Fetcher,
    store: Store,
}

/// A release in the bucket: the present one, or one of the history.
#[derive(Debug, Clone)]
pub struct Published {
    /// The revision of the value.
    pub revision: u64,
    /// The time of the broker's clock when the release was published, in Unix milliseconds.
    pub time_millis: i64,
    /// The value.
    pub current: Current,
    /// The manifest. Its signatures are not verified.
    pub manifest: Manifest,
}

/// The release as a publisher has seen it. A write succeeds only if nothing has changed since.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The release. `None` if there is none, or if it cannot be read.
    pub release: Option<Published>,
    /// The fault of a release that cannot be read.
    pub fault: Option<String>,
    /// The generation that the next release must exceed, 0 if there is none: that of the release. A release that
    /// cannot be read does not count, and neither does one that is more than 24 h ahead of this machine's clock and of
    /// the broker's when it was published, because replicas reject it and every release above it. Then the newest other
    /// release of the history counts.
    pub generation: u64,
    /// The greatest generation that a living replica serves, if the bucket has no release: after a loss of the broker's
    /// memory, a new release must exceed it, and the same one may come back. Else 0.
    pub served: u64,
    /// The value of the key `rollout`, if it can be read.
    pub rollout: Option<Rollout>,
    /// The percentage of the replicas that take the release, as replicas decide it.
    pub percent: u8,
    current_revision: u64,
    rollout_revision: u64,
}

/// A release that was published by this publisher.
#[derive(Debug, Clone)]
pub struct Announced {
    /// The manifest.
    pub manifest: Manifest,
    /// The percentage of the wave.
    pub percent: u8,
    revision: u64,
    time_millis: i64,
    rollout_revision: u64,
}

/// Another release that was published meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherRelease {
    /// The generation.
    pub generation: u64,
    /// The earlier generation whose content a rollback published again.
    pub rollback_to: Option<u64>,
}

/// A replica of a wave that does not serve the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lagging {
    /// The id of the replica.
    pub id: String,
    /// The state of the replica.
    pub state: String,
    /// The reason of the state.
    pub reason: Option<String>,
}

/// A step of the waves, for people who watch them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaveEvent {
    /// A wave began.
    Raised {
        /// The percentage.
        percent: u8,
    },
    /// The number of replicas that serve the release has changed.
    Progress {
        /// The replicas of the wave that serve the release.
        serving: usize,
        /// The living replicas of the wave.
        members: usize,
        /// All living replicas.
        living: usize,
    },
    /// The wave waits for replicas. Reported once a replica has a reason, and every minute.
    Waiting {
        /// Up to three of the replicas, those with a reason first.
        replicas: Vec<Lagging>,
        /// The number of the other replicas that the wave waits for.
        others: usize,
    },
    /// Enough replicas of the wave serve the release. The next wave begins after this time.
    Holding(Duration),
}

/// The reason why a release is not published, or not to all replicas.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The broker refuses a call, or does not answer.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Another publisher changed the release.
    #[error(
        "another publisher changed the release at the same time{}: nothing of this one is in force; look at `switchboard \
         fleet status`, and publish again if it is still wanted",
        .0.as_ref().map(|other| format!(", to {other}")).unwrap_or_default()
    )]
    Overtaken(Option<OtherRelease>),
    /// Another release was published while this one was in its waves.
    #[error("{0} was published meanwhile, so that the waves of this release end")]
    Replaced(OtherRelease),
    /// The generation is not greater than that of the release.
    #[error("the generation {generation} is not greater than {current}, the one that the fleet serves")]
    NotNewer {
        /// The generation to publish.
        generation: u64,
        /// The generation of the release.
        current: u64,
    },
    /// The generation is more than 24 h ahead of the clock.
    #[error(
        "the generation {0} is more than 24 h ahead of the clock of this machine, and replicas reject it: check the \
         clock, or compile the snapshot again"
    )]
    Ahead(u64),
    /// The release is too large, or a URL is malformed.
    #[error("the release cannot be published: {0}")]
    Invalid(String),
    /// A replica rejected the release.
    #[error(
        "the replica {replica} {}: the release stays at {percent} %. Publish a corrected one, or go back with \
         `switchboard fleet rollback`",
        described(.state, .reason)
    )]
    Rejected {
        /// The id of the replica.
        replica: String,
        /// The state of the replica.
        state: String,
        /// The reason of the replica.
        reason: String,
        /// The percentage of the wave.
        percent: u8,
    },
    /// The snapshot cannot be written to the place of the snapshots.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file or object.
        path: PathBuf,
        /// The error.
        error: String,
    },
    /// The snapshot was uploaded, and cannot be read back.
    #[error("the snapshot was uploaded, but cannot be read back from {url}: {error}; nothing was published")]
    NotReadable {
        /// The URL of the snapshot.
        url: String,
        /// The error.
        error: FetchError,
    },
    /// This machine cannot do the work.
    #[error("{0}")]
    System(String),
}

/// A replica in the bucket of the status, as far as waves need it. The status of another version is read as well.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct ReplicaView {
    id: String,
    state: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    generation: Option<u64>,
    #[serde(default)]
    digest: Option<String>,
}

/// The living replicas, kept up to date while waves run.
pub struct Replicas {
    watch: Watch,
    known: BTreeMap<String, Known>,
    /// The rejections before the release.
    before: BTreeMap<String, ReplicaView>,
}

struct Known {
    view: ReplicaView,
    arrived: Instant,
    time_millis: i64,
}

impl std::fmt::Display for OtherRelease {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "generation {}", self.generation)?;
        match self.rollback_to {
            Some(earlier) => write!(out, " (a rollback to the content of generation {earlier})"),
            None => Ok(()),
        }
    }
}

impl Published {
    /// Returns whether two releases have the same content for the same versions of the program.
    pub fn has_content_of(&self, other: &Published) -> bool {
        let contents = |manifest: &Manifest| {
            let mut contents: Vec<_> =
                manifest.variants.iter().map(|it| (it.schema.clone(), it.content.clone())).collect();
            contents.sort();
            contents
        };
        contents(&self.manifest) == contents(&other.manifest)
    }

    /// Returns whether replicas reject the generation because of their clocks. A clock of this machine that is behind
    /// must not make a good release look so, therefore the broker's clock counts too.
    fn is_too_far_ahead(&self) -> bool {
        let published_at = UnixMillis(self.time_millis);
        is_ahead(self.manifest.generation, now_millis().max(published_at))
    }
}

impl Publisher {
    /// Creates a publisher. The settings are those of the bus: certificates count for web servers as well.
    ///
    /// # Errors
    /// Returns [`BusError::Settings`] for a file that cannot be used.
    pub fn new(bus: Bus, settings: &BusSettings, store: Store) -> Result<Publisher, BusError> {
        let fetcher = Fetcher::new(settings, Some(bus.clone()))?;
        Ok(Publisher { bus, fetcher, store })
    }

    /// Returns the connection.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Reads the release and the wave. Waits a moment for a publisher between its two writes.
    ///
    /// # Errors
    /// Returns an error if the broker does not answer, or has no buckets or no epoch.
    pub async fn read(&self) -> Result<Seen, BusError> {
        self.bus.memory(Bucket::Release).await?;
        let started = Instant::now();
        loop {
            // The wave first: a publisher that sets it after this read makes the write of this one fail.
            let rollout = self.bus.get(Bucket::Release, ROLLOUT_KEY).await?;
            let current = self.bus.get(Bucket::Release, CURRENT_KEY).await?;
            let mut seen = Seen {
                release: None,
                fault: None,
                generation: 0,
                rollout: rollout.as_ref().and_then(|entry| Rollout::parse(entry.value.as_ref()?).ok()),
                served: 0,
                percent: 100,
                current_revision: current.as_ref().map_or(0, |entry| entry.revision),
                rollout_revision: rollout.as_ref().map_or(0, |entry| entry.revision),
            };
            match current.as_ref().map(published).transpose() {
                Ok(release) => seen.release = release.flatten(),
                Err(error) => seen.fault = Some(error.to_string()),
            }
            let generation = seen.release.as_ref().map_or(0, |release| release.manifest.generation);
            let is_between = seen.rollout.is_some_and(|rollout| rollout.generation > generation);
            if !is_between || seen.fault.is_some() || started.elapsed() > OTHER_PUBLISHER {
                let is_too_far = seen.release.as_ref().is_some_and(Published::is_too_far_ahead);
                let is_unknown = seen.fault.is_some() || is_too_far;
                seen.generation = if is_unknown { self.newest_in_history().await? } else { generation };
                if current.is_none() {
                    let statuses = self.bus.list(Bucket::Status).await?;
                    let views = statuses.iter().filter_map(|entry| ReplicaView::read(entry)?.generation);
                    seen.served = views.filter(|served| !is_ahead(*served, now_millis())).max().unwrap_or(0);
                }
                if seen.release.is_some() {
                    let counting = rollout_of(&self.bus, rollout.as_ref(), generation).await?;
                    seen.percent = Rollout::percent_of(counting, generation);
                }
                return Ok(seen);
            }
            sleep(SETTLE_INTERVAL).await;
        }
    }

    /// Returns the releases that the bucket keeps, the newest first. Leaves out those that cannot be read.
    ///
    /// # Errors
    /// Returns an error if the broker does not answer.
    pub async fn history(&self) -> Result<Vec<Published>, BusError> {
        let values = values(&self.bus).await?;
        let releases = values.iter().rev().filter(|entry| entry.key == CURRENT_KEY);
        Ok(releases.filter_map(|entry| published(entry).ok().flatten()).collect())
    }

    /// Describes a release of another publisher. It is a rollback if its content is that of a release before the one
    /// that it replaced.
    async fn other(&self, release: Published) -> OtherRelease {
        let history = self.history().await.unwrap_or_default();
        let mut before = history.iter().filter(|it| it.revision < release.revision);
        let is_other = before.next().is_some_and(|replaced| !replaced.has_content_of(&release));
        let rollback_to = before.find(|it| it.has_content_of(&release)).filter(|_| is_other);
        OtherRelease {
            generation: release.manifest.generation,
            rollback_to: rollback_to.map(|it| it.manifest.generation),
        }
    }

    async fn overtaken(&self, entry: Option<&Entry>) -> PublishError {
        match entry.and_then(|entry| published(entry).ok().flatten()) {
            Some(release) => PublishError::Overtaken(Some(self.other(release).await)),
            None => PublishError::Overtaken(None),
        }
    }

    /// Returns the newest generation of the history that is not too far ahead of this machine's clock.
    async fn newest_in_history(&self) -> Result<u64, BusError> {
        let history = self.history().await?;
        let usable = history.iter().filter(|release| !release.is_too_far_ahead());
        Ok(usable.map(|release| release.manifest.generation).max().unwrap_or(0))
    }

    /// Fetches a snapshot of a release into a folder.
    ///
    /// # Errors
    /// Returns an error if no source gives the snapshot.
    pub async fn fetch(
        &self,
        current: &Current,
        variant: &Variant,
        folder: &Path,
    ) -> Result<Fetched, FetchError> {
        self.fetcher.fetch(current, variant, folder, Duration::ZERO).await
    }

    /// Uploads a snapshot and reads it back into `folder`, which is for temporary files. A snapshot that is there
    /// already is not uploaded again. Compresses where the result is smaller.
    ///
    /// # Errors
    /// Returns an error if the snapshot cannot be written, or cannot be read back. A release must not name it then.
    pub async fn upload(
        &self,
        snapshot: &Bytes,
        variant: &Variant,
        folder: &Path,
    ) -> Result<Source, PublishError> {
        let there = self.find(variant).await?;
        if let Some(source) = there
            && self.read_back(&source, variant, folder).await.is_ok()
        {
            return Ok(source);
        }
        let original = snapshot.clone();
        let packed = tokio::task::spawn_blocking(move || zstd::bulk::compress(&original, ZSTD_LEVEL)).await;
        let packed = packed.map_err(io::Error::other).and_then(|packed| packed);
        let packed =
            packed.map_err(|error| PublishError::System(format!("cannot compress the snapshot: {error}")))?;
        let (encoding, bytes) = if packed.len() < snapshot.len() {
            (Encoding::Zstd, Bytes::from(packed))
        } else {
            (Encoding::Identity, snapshot.clone())
        };
        let name = file_name(&variant.digest, encoding);
        match &self.store {
            Store::Broker => self.put_object(&name, &bytes).await?,
            Store::Folder { folder: path, .. } => {
                let (folder, path) = (self.folder(path).await?, path.join(&name));
                let (name, bytes) = (name.clone(), bytes.clone());
                let write = move || {
                    let written = folder.write(&name, &bytes);
                    written.map_err(|error| PublishError::Write { path, error: error.to_string() })
                };
                let written = tokio::task::spawn_blocking(write).await;
                written.map_err(|error| PublishError::System(error.to_string()))??;
            }
        }
        let source = self.source(&variant.digest, encoding, bytes.len() as u64);
        match self.read_back(&source, variant, folder).await {
            Ok(()) => Ok(source),
            Err(error) => {
                let url = source.urls.first().cloned().unwrap_or_default();
                Err(PublishError::NotReadable { url, error })
            }
        }
    }

    /// Returns the sources of a release, from which a snapshot can be read. Uploads the snapshot if it is gone or damaged
    /// in the store of this publisher, or if that is another folder than the place that the release names.
    ///
    /// # Errors
    /// Returns an error as [`Publisher::upload`] does. A web server whose folder is not known cannot be repaired.
    pub async fn resupply(
        &self,
        release: &Current,
        snapshot: &Bytes,
        variant: &Variant,
        folder: &Path,
    ) -> Result<Vec<Source>, PublishError> {
        let is_on_web =
            release.sources_of(variant).flat_map(|it| &it.urls).any(|url| !url.starts_with("nats:"));
        // The broker is the store of a publisher without a folder. It does not replace a web server.
        let has_no_folder = is_on_web && self.store == Store::Broker;
        for source in release.sources_of(variant) {
            let own = self.source(&source.digest, source.encoding, source.size);
            if own != *source && !has_no_folder {
                continue;
            }
            match self.read_back(source, variant, folder).await {
                Ok(()) => return Ok(release.sources.clone()),
                Err(error) if has_no_folder => {
                    return Err(PublishError::System(format!(
                        "the snapshot of the release cannot be read: {error}: repair the web server, or name its folder \
                         with --blobs and --url"
                    )));
                }
                Err(_) => {}
            }
        }
        let others = release.sources.iter().filter(|source| source.digest != variant.digest).cloned();
        let uploaded = self.upload(snapshot, variant, folder).await?;
        Ok([uploaded].into_iter().chain(others).collect())
    }

    /// Returns the source of a snapshot that was uploaded a short time ago.
    async fn find(&self, variant: &Variant) -> Result<Option<Source>, PublishError> {
        for encoding in [Encoding::Zstd, Encoding::Identity] {
            let name = file_name(&variant.digest, encoding);
            let size = match &self.store {
                Store::Broker => {
                    let store = self.bus.snapshots().await?;
                    let info = limited("look for a snapshot", store.info(&*name)).await?.ok();
                    let info = info.filter(|info| !info.deleted && is_recent(info));
                    info.and_then(|info| u64::try_from(info.size).ok())
                }
                Store::Folder { folder: path, .. } => {
                    let folder = self.folder(path).await?;
                    let found = folder.find(&name, REUSE_AGE);
                    if found.is_some() {
                        // Another fleet may have written the file.
                        let added = folder.add(&name);
                        added.map_err(|error| PublishError::Write {
                            path: path.join(&name),
                            error: error.to_string(),
                        })?;
                    }
                    found
                }
            };
            if let Some(size) = size {
                return Ok(Some(self.source(&variant.digest, encoding, size)));
            }
        }
        Ok(None)
    }

    /// Returns the folder, with the list of this fleet.
    async fn folder(&self, path: &Path) -> Result<Folder, BusError> {
        let (memory, _) = self.bus.memory(Bucket::Release).await?;
        Ok(Folder::new(path, &memory.epoch))
    }

    fn source(&self, digest: &str, encoding: Encoding, size: u64) -> Source {
        let name = file_name(digest, encoding);
        let url = match &self.store {
            Store::Broker => format!("nats:{name}"),
            Store::Folder { url, .. } => format!("{}/{name}", url.trim_end_matches('/')),
        };
        Source { digest: digest.to_owned(), encoding, size, urls: vec![url] }
    }

    async fn put_object(&self, name: &str, bytes: &Bytes) -> Result<(), PublishError> {
        let store = self.bus.snapshots().await?;
        let mut reader = &**bytes;
        // Each block has its own time limit.
        let put = store.put(name, &mut reader).await;
        put.map(drop).map_err(|error| PublishError::Write {
            path: PathBuf::from(format!("nats:{name}")),
            error: format!("{error}; check the disk of the broker, and the permissions of the publisher"),
        })
    }

    async fn read_back(&self, source: &Source, variant: &Variant, folder: &Path) -> Result<(), FetchError> {
        let current = Current { manifest: RawValue::NULL.to_owned(), sources: vec![source.clone()] };
        self.fetch(&current, variant, folder).await.map(drop)
    }

    /// Publishes a release, of which every snapshot was uploaded: sets `rollout`, then `current`.
    ///
    /// # Errors
    /// Returns [`PublishError::Overtaken`] if anything has changed since `seen`. The release before is in force then.
    pub async fn announce(
        &self,
        seen: &Seen,
        envelope: &Envelope,
        sources: Vec<Source>,
        percent: u8,
    ) -> Result<Announced, PublishError> {
        let manifest = envelope.unverified().map_err(|error| PublishError::Invalid(error.to_string()))?;
        let generation = manifest.generation;
        let json = String::from_utf8(envelope.to_json()).unwrap_or_default();
        let raw = RawValue::from_string(json.trim_end().to_owned());
        let raw = raw.map_err(|error| PublishError::Invalid(error.to_string()))?;
        let current = Current { manifest: raw, sources };
        check(&current, &manifest, seen)?;
        let value = current.to_json();
        let now = self.bus.get(Bucket::Release, CURRENT_KEY).await?;
        if now.as_ref().map_or(0, |entry| entry.revision) != seen.current_revision {
            return Err(self.overtaken(now.as_ref()).await);
        }
        let rollout = Rollout { generation, percent }.to_json();
        let Some(rollout_revision) = self.set(ROLLOUT_KEY, rollout, seen.rollout_revision).await? else {
            // The other publisher writes its release directly after its rollout.
            let release = self.read().await?.release;
            return Err(match release.filter(|release| release.revision != seen.current_revision) {
                Some(release) => PublishError::Overtaken(Some(self.other(release).await)),
                None => PublishError::Overtaken(None),
            });
        };
        match self.set(CURRENT_KEY, value, seen.current_revision).await {
            Ok(Some(revision)) => {
                let entry = self.bus.get(Bucket::Release, CURRENT_KEY).await?;
                let entry = entry.filter(|entry| entry.revision == revision);
                let time_millis = entry.map_or_else(|| now_millis().0, |entry| entry.time_millis);
                Ok(Announced { manifest, percent, revision, time_millis, rollout_revision })
            }
            lost => {
                // The wave of the other release counts again.
                if let Some(before) = seen.rollout {
                    let restored = self.set(ROLLOUT_KEY, before.to_json(), rollout_revision).await;
                    restored.map(drop).unwrap_or_else(|error| {
                        tracing::warn!(%error, "the wave of the other release could not be restored");
                    });
                }
                lost?;
                let entry = self.bus.get(Bucket::Release, CURRENT_KEY).await?;
                Err(self.overtaken(entry.as_ref()).await)
            }
        }
    }

    /// Returns the release that is in force as one of this publisher, to go on with its waves.
    pub fn resume(&self, seen: &Seen) -> Option<Announced> {
        let release = seen.release.as_ref()?;
        Some(Announced {
            manifest: release.manifest.clone(),
            percent: seen.percent,
            revision: release.revision,
            time_millis: release.time_millis,
            rollout_revision: seen.rollout_revision,
        })
    }

    /// Raises the percentage of a release.
    ///
    /// # Errors
    /// Returns [`PublishError::Replaced`] if another release is in force.
    pub async fn raise(&self, announced: &mut Announced, percent: u8) -> Result<(), PublishError> {
        let generation = announced.manifest.generation;
        let value = Rollout { generation, percent };
        loop {
            if let Some(revision) = self.set(ROLLOUT_KEY, value.to_json(), announced.rollout_revision).await?
            {
                (announced.rollout_revision, announced.percent) = (revision, percent);
                return Ok(());
            }
            let seen = self.read().await?;
            match seen.release {
                Some(release) if release.revision == announced.revision => {
                    // A publisher that lost against this one wrote the wave, and wrote it back.
                    announced.rollout_revision = seen.rollout_revision;
                }
                Some(release) => return Err(PublishError::Replaced(self.other(release).await)),
                None => return Err(PublishError::Overtaken(None)),
            }
        }
    }

    /// Sets a key by compare-and-set. Repeats a write without an acknowledgement. Returns `None` if another writer
    /// was faster.
    async fn set(&self, key: &str, value: Vec<u8>, expected: u64) -> Result<Option<u64>, BusError> {
        let started = Instant::now();
        loop {
            let written = self.bus.update(Bucket::Release, key, value.clone(), expected, CALL_TIMEOUT).await;
            let error = match written {
                Ok(revision) => return Ok(Some(revision)),
                Err(BusError::Conflict(_)) => {
                    // It may be the own write, of which the acknowledgement was lost.
                    let entry = self.bus.get(Bucket::Release, key).await?;
                    let own = entry.filter(|entry| entry.value.as_deref() == Some(&value));
                    return Ok(own.filter(|own| own.revision > expected).map(|own| own.revision));
                }
                Err(error @ (BusError::TimedOut { refusal: None, .. } | BusError::Disconnected)) => error,
                Err(error) => return Err(error),
            };
            if started.elapsed() > SETTLE_TIMEOUT {
                return Err(error);
            }
            sleep(SETTLE_INTERVAL).await;
        }
    }

    /// Begins to observe the replicas, before a release is published.
    ///
    /// # Errors
    /// Returns an error if the broker does not answer.
    pub async fn replicas(&self) -> Result<Replicas, BusError> {
        let entries = self.bus.list(Bucket::Status).await?;
        let mut replicas = Replicas {
            watch: Watch::start(&self.bus, Bucket::Status, None),
            known: BTreeMap::new(),
            before: BTreeMap::new(),
        };
        entries.into_iter().for_each(|entry| replicas.enter(entry));
        let views = replicas.known.values().map(|known| &known.view);
        let refusing = views.filter(|view| view.is_refusing()).cloned();
        replicas.before = refusing.map(|view| (view.id.clone(), view)).collect();
        Ok(replicas)
    }

    /// Raises a release from wave to wave. Each wave ends when 99 % of its living replicas serve the release, and
    /// `hold` has passed after that. A wave without a living replica is raised until it has one. If no replica
    /// lives, the waves are empty, and end after 25 s.
    ///
    /// # Errors
    /// Returns [`PublishError::Rejected`] at the first rejection. The wave stays then.
    pub async fn run_waves(
        &self,
        announced: &mut Announced,
        waves: &[u8],
        hold: Duration,
        replicas: &mut Replicas,
        report: &mut (dyn FnMut(WaveEvent) + Send),
    ) -> Result<(), PublishError> {
        let mut release = Watch::start(&self.bus, Bucket::Release, None);
        report(WaveEvent::Raised { percent: announced.percent });
        let started = Instant::now();
        // The first wave may have another percentage than the list, because the one of the list selected no replica.
        let mut later = waves.to_vec();
        later.push(100);
        later.dedup();
        let first = announced.percent;
        later.retain(|percent| *percent > first);
        for percent in std::iter::once(first).chain(later) {
            if percent < announced.percent {
                continue;
            }
            if percent > announced.percent {
                self.raise(announced, percent).await?;
                report(WaveEvent::Raised { percent });
            }
            let mut complete_since = None;
            let mut reported = None;
            let (mut notice, mut is_noticed) = (Instant::now() + NOTICE_INTERVAL, false);
            loop {
                replicas.forget_the_dead();
                if let Some(rejected) = replicas.rejection(announced) {
                    return Err(rejected);
                }
                let (serving, members) = replicas.wave(announced);
                let living = replicas.known.len();
                if reported != Some((serving, members, living)) {
                    reported = Some((serving, members, living));
                    report(WaveEvent::Progress { serving, members, living });
                }
                let mut wake = Instant::now() + LIVING / 10;
                if members == 0 {
                    complete_since = None;
                    let selecting = replicas.selecting(announced.manifest.generation);
                    if let Some(percent) = selecting.filter(|_| announced.percent < 100) {
                        self.raise(announced, percent).await?;
                        report(WaveEvent::Raised { percent });
                        continue;
                    }
                    let silent = started + SILENCE;
                    if silent <= Instant::now() {
                        break;
                    }
                    wake = wake.min(silent);
                } else if serving * 100 >= members * ENOUGH_PERCENT {
                    let hold = if announced.percent < 100 { hold } else { Duration::ZERO };
                    let since = *complete_since.get_or_insert_with(|| {
                        if !hold.is_zero() {
                            report(WaveEvent::Holding(hold));
                        }
                        Instant::now()
                    });
                    if since.elapsed() >= hold {
                        break;
                    }
                    wake = wake.min(since + hold);
                } else {
                    complete_since = None;
                    let (mut lagging, now) = (replicas.lagging(announced), Instant::now());
                    let has_reason = lagging.first().is_some_and(|first| first.reason.is_some());
                    if now >= notice || (has_reason && !is_noticed) {
                        let others = lagging.len().saturating_sub(MAX_NAMED);
                        lagging.truncate(MAX_NAMED);
                        report(WaveEvent::Waiting { replicas: lagging, others });
                        (notice, is_noticed) = (now + NOTICE_INTERVAL, true);
                    }
                    wake = wake.min(notice);
                }
                tokio::select! {
                    event = replicas.watch.next() => replicas.receive(event)?,
                    event = release.next() => {
                        if let Some(other) = replaced(event, announced) {
                            return Err(PublishError::Replaced(self.other(other).await));
                        }
                    }
                    () = sleep_until(wake) => {}
                }
            }
        }
        Ok(())
    }

    /// Returns the first percentage of the waves that selects a living replica.
    pub fn first_wave(waves: &[u8], generation: u64, replicas: &Replicas) -> u8 {
        let first = waves.first().copied().unwrap_or(100);
        replicas.selecting(generation).map_or(first, |selecting| selecting.max(first))
    }

    /// Removes the snapshots that no release of the history names, and what killed publishers left, if they are
    /// older than `age`. Returns the number of snapshots.
    ///
    /// # Errors
    /// Returns an error if the broker does not answer, or if the folder cannot be read.
    pub async fn sweep(&self, age: Duration) -> Result<usize, PublishError> {
        let history = self.history().await?;
        let Some(newest) = history.iter().map(|release| release.time_millis).max() else { return Ok(0) };
        let urls =
            history.iter().flat_map(|release| &release.current.sources).flat_map(|source| &source.urls);
        let named: HashSet<&str> = urls.filter_map(|url| url.rsplit(['/', ':']).next()).collect();
        match &self.store {
            Store::Broker => self.sweep_objects(&named, newest, age).await,
            Store::Folder { folder, .. } => {
                let swept = self.folder(folder).await?.sweep(&named, age, is_file_name);
                swept.map_err(|error| PublishError::Write { path: folder.clone(), error: error.to_string() })
            }
        }
    }

    async fn sweep_objects(
        &self,
        named: &HashSet<&str>,
        newest: i64,
        age: Duration,
    ) -> Result<usize, PublishError> {
        const CALL: &str = "list the snapshots";
        let stream = self.bus.snapshot_stream().await?;
        let name = self.bus.object_store_name();
        let subjects = async |kind: &str| {
            let filter = format!("$O.{name}.{kind}.>");
            let info = limited(CALL, stream.info_with_subjects(&filter)).await?;
            let mut info = info.map_err(|error| refused(CALL, &error))?;
            let mut subjects = Vec::new();
            while let Some(subject) = limited(CALL, info.next()).await? {
                subjects.push(subject.map_err(|error| refused(CALL, &error))?.0);
            }
            Ok::<_, BusError>(subjects)
        };
        let is_old = |time: i128| {
            let millis = i64::try_from(time / 1_000_000).unwrap_or(i64::MAX);
            i64::try_from(age.as_millis()).is_ok_and(|age| millis.saturating_add(age) <= newest)
        };
        // Blocks first: an object that is completed meanwhile is then among the objects.
        let blocks = subjects("C").await?;
        let (mut used, mut removed) = (HashSet::new(), 0);
        for subject in subjects("M").await? {
            let Some(message) = last_of(&stream, &subject).await? else { continue };
            let Ok(info) = serde_json::from_slice::<ObjectInfo>(&message.payload) else { continue };
            let is_named = named.contains(&*info.name) || !is_file_name(&info.name);
            if is_named || !is_old(message.time.unix_timestamp_nanos()) {
                used.insert(format!("$O.{name}.C.{}", info.nuid));
                continue;
            }
            purge(&stream, &subject).await?;
            removed += 1;
        }
        for subject in blocks.into_iter().filter(|subject| !used.contains(subject)) {
            let last = last_of(&stream, &subject).await?;
            if last.is_some_and(|message| is_old(message.time.unix_timestamp_nanos())) {
                purge(&stream, &subject).await?;
            }
        }
        Ok(removed)
    }
}

impl Replicas {
    /// Returns the number of living replicas.
    pub fn living(&self) -> usize {
        self.known.len()
    }

    fn receive(&mut self, event: Option<WatchEvent>) -> Result<(), PublishError> {
        match event {
            Some(WatchEvent::Entry(entry)) => self.enter(entry),
            Some(WatchEvent::Lost(error)) => {
                tracing::debug!(%error, "the status of the replicas is not read")
            }
            Some(_) => {}
            None => return Err(PublishError::Bus(BusError::Disconnected)),
        }
        Ok(())
    }

    fn enter(&mut self, entry: Entry) {
        let view = ReplicaView::read(&entry);
        let key = entry.key;
        match view {
            Some(view) => {
                let known = Known { view, arrived: Instant::now(), time_millis: entry.time_millis };
                self.known.insert(key, known);
            }
            None => {
                self.known.remove(&key);
            }
        }
    }

    fn forget_the_dead(&mut self) {
        self.known.retain(|_, known| known.arrived.elapsed() < LIVING);
    }

    /// Returns the numbers of replicas of the wave that serve the release, and of all in the wave.
    fn wave(&self, announced: &Announced) -> (usize, usize) {
        let generation = announced.manifest.generation;
        let views = self.known.values().map(|known| &known.view);
        let members = views.filter(|view| wave_position(&view.id, generation) < announced.percent);
        let (mut serving, mut all) = (0, 0);
        for view in members {
            all += 1;
            serving += usize::from(view.serves(&announced.manifest));
        }
        (serving, all)
    }

    /// Returns the lowest percentage that selects a living replica.
    fn selecting(&self, generation: u64) -> Option<u8> {
        self.known.values().map(|known| wave_position(&known.view.id, generation) + 1).min()
    }

    /// Returns the replicas of the wave that do not serve the release, those with a reason first.
    fn lagging(&self, announced: &Announced) -> Vec<Lagging> {
        let generation = announced.manifest.generation;
        let views = self.known.values().map(|known| &known.view);
        let lagging = views.filter(|view| {
            wave_position(&view.id, generation) < announced.percent && !view.serves(&announced.manifest)
        });
        let mut lagging: Vec<Lagging> = lagging
            .map(|view| Lagging {
                id: view.id.clone(),
                state: view.state.clone(),
                reason: view.reason.clone(),
            })
            .collect();
        lagging.sort_by_key(|replica| replica.reason.is_none());
        lagging
    }

    /// Makes every refusal count, also one from before, because no status changes with a release that is not written
    /// again.
    pub fn count_refusals_from_before(&mut self) {
        self.before.clear();
    }

    /// Returns whether a replica rejected the bytes of its release.
    pub fn has_rejected_bytes(&self) -> bool {
        let digest = Some(Reason::Digest.as_str());
        self.known.values().any(|it| it.view.state == "rejected" && it.view.reason.as_deref() == digest)
    }

    /// Returns the first rejection of the release. A replica that refused a release before counts once it has changed
    /// its status: each release, and each attempt, changes the time of the status.
    fn rejection(&self, announced: &Announced) -> Option<PublishError> {
        let generation = announced.manifest.generation;
        let refusing = self.known.values().find(|known| {
            let is_member = wave_position(&known.view.id, generation) < announced.percent;
            let before = self.before.get(&known.view.id);
            known.is_new_refusal(before, announced.time_millis)
                && (is_member || known.view.state == "rejected")
        })?;
        Some(PublishError::Rejected {
            replica: refusing.view.id.clone(),
            state: refusing.view.state.clone(),
            reason: refusing.view.reason.clone().unwrap_or_else(|| "unknown".to_owned()),
            percent: announced.percent,
        })
    }
}

impl Known {
    /// Returns whether the status refuses a release of this time or of a later one, other than the status before.
    fn is_new_refusal(&self, before: Option<&ReplicaView>, since_millis: i64) -> bool {
        self.view.is_refusing() && before != Some(&self.view) && self.time_millis >= since_millis
    }
}

impl ReplicaView {
    /// Reads the status of a replica under its own key.
    fn read(entry: &Entry) -> Option<ReplicaView> {
        let view = serde_json::from_slice::<ReplicaView>(entry.value.as_ref()?).ok()?;
        (decode_token(&entry.key).as_deref() == Some(&view.id)).then_some(view)
    }

    fn is_refusing(&self) -> bool {
        matches!(&*self.state, "rejected" | "behind")
    }

    fn serves(&self, manifest: &Manifest) -> bool {
        self.state == "serving"
            && self.generation == Some(manifest.generation)
            && self.digest.as_deref().is_some_and(|digest| manifest.names(digest))
    }
}

/// Reads an entry of the key `current`. Returns `None` for one that was deleted.
fn published(entry: &Entry) -> Result<Option<Published>, InvalidValueOrManifest> {
    let Some(value) = &entry.value else { return Ok(None) };
    let current = Current::parse(value)?;
    let envelope = Envelope::from_json(current.manifest.get().as_bytes());
    let manifest = envelope
        .and_then(|envelope| envelope.unverified())
        .map_err(|error| InvalidValueOrManifest::Manifest(error.to_string()))?;
    Ok(Some(Published { revision: entry.revision, time_millis: entry.time_millis, current, manifest }))
}

/// The fault of a release in the bucket.
#[derive(Debug, thiserror::Error)]
enum InvalidValueOrManifest {
    #[error(transparent)]
    Value(#[from] InvalidValue),
    #[error("the manifest of the release cannot be used: {0}")]
    Manifest(String),
}

/// Checks a release as a replica does.
fn check(current: &Current, manifest: &Manifest, seen: &Seen) -> Result<(), PublishError> {
    let generation = manifest.generation;
    // The same snapshots may get further signatures.
    let is_same = seen.release.as_ref().is_some_and(|before| {
        (generation, &manifest.variants) == (before.manifest.generation, &before.manifest.variants)
    });
    if generation <= seen.generation && !is_same {
        return Err(PublishError::NotNewer { generation, current: seen.generation });
    }
    if generation < seen.served {
        return Err(PublishError::NotNewer { generation, current: seen.served });
    }
    Current::parse(&current.to_json()).map_err(|error| PublishError::Invalid(error.to_string()))?;
    for variant in &manifest.variants {
        if current.sources_of(variant).next().is_none() {
            return Err(PublishError::Invalid(format!(
                "the variant of the schema {} has no source: add its snapshot with --with FILE.swb",
                variant.schema
            )));
        }
        let candidate = Candidate {
            replica_id: "publisher",
            canary: true,
            schema: &variant.schema,
            serving: None,
            floor: 0,
            rejected: None,
        };
        match judge(manifest, "", None, &candidate, now_millis()) {
            Judgement::Fetch(_) => {}
            Judgement::Reject(Reason::GenerationAhead) => return Err(PublishError::Ahead(generation)),
            other => return Err(PublishError::Invalid(format!("a replica would judge {other:?}"))),
        }
    }
    Ok(())
}

/// Returns another release that is in force.
fn replaced(event: Option<WatchEvent>, announced: &Announced) -> Option<Published> {
    let Some(WatchEvent::Entry(entry)) = event else { return None };
    if entry.key != CURRENT_KEY || entry.revision <= announced.revision {
        return None;
    }
    published(&entry).ok().flatten()
}

fn described(state: &str, reason: &str) -> String {
    match state {
        "behind" => {
            "has no variant of the release that it can read; add the snapshot of its version with --with \
                     FILE.swb"
                .to_owned()
        }
        _ => format!("rejected the release ({reason})"),
    }
}

/// Returns the name of a snapshot in the store: its digest, and its encoding.
fn file_name(digest: &str, encoding: Encoding) -> String {
    match encoding {
        Encoding::Zstd => format!("{digest}.swb.zst"),
        Encoding::Identity => format!("{digest}.swb"),
    }
}

fn is_file_name(name: &str) -> bool {
    let digest = name.strip_suffix(".zst").unwrap_or(name).strip_suffix(".swb");
    digest.is_some_and(is_digest)
}

fn is_recent(info: &ObjectInfo) -> bool {
    let modified = info.modified.map(|time| time.unix_timestamp_nanos() / 1_000_000);
    let age = modified.map(|modified| i128::from(now_millis().0) - modified);
    age.is_some_and(|age| age.unsigned_abs() < REUSE_AGE.as_millis())
}

async fn last_of(
    stream: &JetStream,
    subject: &str,
) -> Result<Option<async_nats::jetstream::message::StreamMessage>, BusError> {
    const CALL: &str = "look at a snapshot";
    use async_nats::jetstream::stream::LastRawMessageErrorKind::NoMessageFound;
    match limited(CALL, stream.get_last_raw_message_by_subject(subject)).await? {
        Ok(message) => Ok(Some(message)),
        Err(error) if matches!(error.kind(), NoMessageFound) => Ok(None),
        Err(error) => Err(refused(CALL, &error)),
    }
}

async fn purge(stream: &JetStream, subject: &str) -> Result<(), BusError> {
    const CALL: &str = "remove a snapshot";
    let purged = limited(CALL, stream.purge().filter(subject).into_future()).await?;
    purged.map(drop).map_err(|error| refused(CALL, &error))
}

async fn limited<T>(call: &'static str, work: impl Future<Output = T>) -> Result<T, BusError> {
    let limit = CALL_TIMEOUT;
    timeout(limit, work).await.map_err(|_| BusError::TimedOut { call, limit, refusal: None })
}

fn refused(call: &'static str, error: &dyn std::fmt::Display) -> BusError {
    BusError::Refused { call, reason: error.to_string() }
}

fn now_millis() -> UnixMillis {
    UnixMillis::from(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_from_before_counts_only_once_it_has_changed() {
        let known = |state: &str, since: &str, time_millis| Known {
            view: ReplicaView {
                id: "r".to_owned(),
                state: state.to_owned(),
                reason: Some("disk".to_owned()),
                since: Some(since.to_owned()),
                generation: Some(6),
                digest: None,
            },
            arrived: Instant::now(),
            time_millis,
        };
        let before = known("rejected", "1", 900).view;
        let hour = 3_600_000;
        for (status, is_new) in [
            (known("rejected", "1", 900), false),
            // Repeated for an hour after the release, as a replica does that waits for another one.
            (known("rejected", "1", 1_000 + hour), false),
            (known("rejected", "2", 1_000), true),
            (known("behind", "2", 1_000), true),
            (known("rejected", "2", 999), false),
            (known("waiting", "2", 1_000), false),
        ] {
            assert_eq!(status.is_new_refusal(Some(&before), 1_000), is_new, "{:?}", status.view);
        }
        assert!(known("rejected", "1", 1_000).is_new_refusal(None, 1_000));
    }
}
