//! The replica of a fleet: watches the release at the broker, judges and fetches it, and places its snapshot as a
//! file that the reload thread reads like any other snapshot file.
//!
//! | file in the state directory | content |
//! |---|---|
//! | `fleet/release.swb` | the snapshot of the last release that was fetched: the source of the reload thread |
//! | `fleet/release.swb.release` | its signed manifest, which is written first |
//! | `replica-id` | the random suffix of the default replica id |
//!
//! The thread of the replica only writes files, so a fault of the broker means that there is nothing new. The reload
//! thread verifies and publishes the file, and its events come back through [`Outcomes`].

mod kept;
mod pace;
mod replica;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use serde_json::{Value, json};
use switchboard_fleet::bus::{BusError, BusSettings, random_id};
use switchboard_fleet::release::{Reason, is_replica_id};
use switchboard_fleet::status::{ReplicaStatus, State, rfc3339};
use switchboard_model::UnixMillis;
use switchboard_release::Manifest;
use switchboard_snapshot::{RejectionStage, file, header};
use tokio::sync::{Notify, mpsc, watch};

use self::pace::Pace;
use self::replica::Replica;
use super::read_bounded;
use super::reload_event::{ReloadEvent, ReloadSignal};
use super::standings::{Exchange, StartExchange};
use super::state::StateDir;
use super::store::Store;
use super::trusted_keys::KeysInForce;
use crate::telemetry::FleetMeasurements;

/// The folder of the replica in the state directory.
const FOLDER: &str = "fleet";
const RELEASE: &str = "release.swb";
const REPLICA_ID: &str = "replica-id";
/// The length of the random suffix of a replica id.
const SUFFIX_LEN: usize = 8;
/// The maximum length of a host name in a replica id.
const MAX_HOST_LEN: usize = 100;
/// The maximum time that a stop waits for work on the disk.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The settings of a replica.
#[derive(Debug, Clone)]
pub struct ReplicaSettings {
    /// The connection to the broker.
    pub bus: BusSettings,
    /// The id of the replica.
    pub id: String,
    /// Whether the replica takes every release at once.
    pub canary: bool,
    /// The maximum of the random delay before a fetch.
    pub spread: Duration,
}

/// An event of the replica.
#[derive(Debug)]
pub enum FleetEvent<'a> {
    /// The broker is connected.
    Connected {
        /// The servers, without user and password.
        servers: &'a str,
        /// The version of the server.
        version: &'a str,
    },
    /// The broker is not connected, for this reason.
    Disconnected {
        /// The servers, without user and password.
        servers: &'a str,
        /// The reason, if it is known.
        error: Option<&'a str>,
    },
    /// The bucket of the release cannot be read.
    Unreadable {
        /// The reason.
        error: &'a BusError,
    },
    /// The broker lost its memory. What is in service stays.
    MemoryLost,
    /// The bucket of the release has a value that cannot be used. It is ignored.
    Ignored {
        /// The reason.
        reason: &'a str,
    },
    /// A manifest was accepted as genuine. The replica may still wait for its wave.
    Released {
        /// The manifest.
        manifest: &'a Manifest,
    },
    /// The state of the replica changed.
    Changed {
        /// The new state.
        state: State,
        /// The generation of the release, if it is known.
        generation: Option<u64>,
        /// The reason of the state.
        reason: Option<Reason>,
        /// The reason for people.
        text: Option<&'a str>,
    },
    /// A release was not taken, for the first time or in another attempt.
    Failed {
        /// The reason.
        reason: Reason,
    },
    /// Bytes of a snapshot arrived.
    Fetched(u64),
    /// The snapshot was made from a kept one, without a transfer.
    Restamped {
        /// The generation.
        generation: u64,
    },
    /// The state directory cannot keep the replica's own id, so that the replica has another one after a restart.
    IdNotKept {
        /// The path and the error.
        error: &'a str,
    },
}

/// Receives every event of the replica. It is called on the replica's threads, so it must be quick.
pub type FleetObserver = Arc<dyn Fn(&FleetEvent<'_>) + Send + Sync>;

/// What the replica needs from the other parts of the daemon.
pub struct ReplicaContext {
    /// The snapshot in service.
    pub store: Store,
    /// The state directory.
    pub state: StateDir,
    /// The keys that must have signed a manifest.
    pub trusted_keys: Option<KeysInForce>,
    /// Wakes the reload thread after a file was placed.
    pub reload: ReloadSignal,
    /// The events of the reload thread.
    pub outcomes: OutcomeReceiver,
    /// The exchange of standings, when this process writes them.
    pub exchanges: ExchangeReceiver,
    /// Receives the events of the replica.
    pub observer: FleetObserver,
    /// Called on each thread that does long work, to lower its priority.
    pub on_long_work: fn(),
}

/// Passes the events of the reload thread to the replica.
#[derive(Clone)]
pub struct Outcomes(mpsc::UnboundedSender<Outcome>);

/// The receiving end of [`Outcomes`].
pub struct OutcomeReceiver(mpsc::UnboundedReceiver<Outcome>);

/// Receives the exchange of standings from their writer.
pub struct ExchangeReceiver(mpsc::UnboundedReceiver<Exchange>);

/// Returns what starts the exchange of standings, and the end for the replica.
pub fn exchanges() -> (StartExchange, ExchangeReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    // The replica has ended if the channel is closed.
    (Box::new(move |exchange| drop(sender.send(exchange))), ExchangeReceiver(receiver))
}

/// What the reload thread did.
#[derive(Debug)]
enum Outcome {
    /// Signatures were verified. The next outcome is that of the same file.
    Verified,
    InService(InService),
    Unchanged,
    Rejected(RejectionStage, String),
    Unreadable(String),
}

/// The snapshot in service.
#[derive(Debug, Clone)]
struct InService {
    generation: u64,
    digest: String,
    content: String,
    /// Whether it comes from the state directory instead of the file of the release.
    is_restored: bool,
}

/// Creates both ends of the channel from the reload thread to the replica.
pub fn outcomes() -> (Outcomes, OutcomeReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Outcomes(sender), OutcomeReceiver(receiver))
}

impl Outcomes {
    /// Passes an event of the reload thread on, if the replica needs it.
    pub fn observe(&self, event: &ReloadEvent<'_>) {
        let outcome = match event {
            ReloadEvent::Verified { .. } => Outcome::Verified,
            ReloadEvent::Published { snapshot, .. } | ReloadEvent::Restored { snapshot, .. } => {
                Outcome::InService(InService {
                    generation: snapshot.generation(),
                    digest: snapshot.digest(),
                    content: snapshot.content_digest(),
                    is_restored: matches!(event, ReloadEvent::Restored { .. }),
                })
            }
            ReloadEvent::Unchanged => Outcome::Unchanged,
            ReloadEvent::Rejected { stage, reason, .. } => Outcome::Rejected(*stage, (*reason).to_owned()),
            ReloadEvent::Unreadable { reason } => Outcome::Unreadable((*reason).to_owned()),
            _ => return,
        };
        // The replica has ended if the channel is closed.
        let _ = self.0.send(outcome);
    }
}

/// Returns the file of the release in a state directory.
pub fn release_file(state: &Path) -> PathBuf {
    state.join(FOLDER).join(RELEASE)
}

/// Returns the default id of a replica: the name of the host, and a random suffix that the state directory keeps.
pub fn default_replica_id(state: &Path, observer: &FleetObserver) -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.chars().filter(char::is_ascii_graphic).take(MAX_HOST_LEN).collect();
    let host = if host.is_empty() { "replica" } else { &host };
    let path = state.join(REPLICA_ID);
    let is_suffix = |text: &&str| text.len() == SUFFIX_LEN && is_replica_id(text);
    let kept = read_bounded(&path, 64).ok().and_then(|content| String::from_utf8(content).ok());
    if let Some(suffix) = kept.as_deref().map(str::trim).filter(is_suffix) {
        return format!("{host}-{suffix}");
    }
    // Without random bytes of the system, the time distinguishes replicas.
    let mut suffix = random_id().unwrap_or_else(|_| format!("{:016x}", now().as_u64()));
    suffix = suffix.split_off(suffix.len().saturating_sub(SUFFIX_LEN));
    let kept = fs::create_dir_all(state)
        .and_then(|()| file::write(&path, format!("{suffix}\n").as_bytes()).map_err(io::Error::from));
    if let Err(error) = kept {
        observer(&FleetEvent::IdNotKept { error: &format!("{}: {error}", path.display()) });
    }
    format!("{host}-{suffix}")
}

/// A handle of the running replica. Clones share their state.
#[derive(Clone)]
pub struct Fleet(Arc<Shared>);

struct Shared {
    settings: ReplicaSettings,
    servers: String,
    view: Mutex<View>,
    wake: Notify,
    pace: Pace,
    stop: watch::Sender<bool>,
    ended: Mutex<Option<blocking::Receiver<()>>>,
}

/// What `/status` and the metrics show.
struct View {
    connected: bool,
    /// Why the broker is not connected, or cannot be read or written.
    error: Option<String>,
    status: ReplicaStatus,
    /// The reason of the state, for people.
    detail: Option<String>,
    /// The last manifest that was accepted as genuine.
    release: Option<Manifest>,
    percent: Option<u8>,
    heard: Instant,
    clock_offset_millis: Option<i64>,
}

impl Fleet {
    /// Starts the thread of the replica. Waits for no broker.
    ///
    /// # Errors
    /// Returns the error of the system if it refuses the thread or its runtime.
    pub fn start(settings: ReplicaSettings, context: ReplicaContext) -> io::Result<Fleet> {
        let (ended, end) = blocking::channel();
        let started = now();
        let status = ReplicaStatus {
            id: settings.id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: format!("{:016x}", header::schema_digest()),
            generation: None,
            digest: None,
            state: State::Waiting,
            reason: None,
            since: rfc3339(started),
            standings_revision: 0,
            clock: rfc3339(started),
            started: rfc3339(started),
            signed: false,
        };
        let shared = Arc::new(Shared {
            servers: settings.bus.server_names(),
            settings,
            view: Mutex::new(View {
                connected: false,
                error: None,
                status: status.clone(),
                detail: None,
                release: None,
                percent: None,
                heard: Instant::now(),
                clock_offset_millis: None,
            }),
            wake: Notify::new(),
            pace: Pace::default(),
            stop: watch::Sender::new(false),
            ended: Mutex::new(Some(end)),
        });
        let folder = context.state.path().join(FOLDER);
        // The reload thread watches this folder. The first fetch reports a folder that cannot be created.
        let _ = fs::create_dir_all(&folder);
        let paced = Arc::clone(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || paced.pace.park())
            .on_thread_start(context.on_long_work)
            .build()?;
        let replica = Replica::new(Arc::clone(&shared), context, folder, status);
        thread::Builder::new().name("fleet".into()).spawn(move || {
            runtime.block_on(replica.run());
            // Drops the sender, for which `stop` waits. A name that is being resolved is not waited for.
            drop(ended);
            runtime.shutdown_background();
        })?;
        Ok(Fleet(shared))
    }

    /// Makes the replica judge the release again, because the trusted keys or the lock of the state directory changed.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Ends the replica. Waits until it writes no more files, at most 2 s.
    pub fn stop(&self) {
        self.0.stop.send_replace(true);
        if let Some(end) = self.0.ended.lock().take() {
            let _ = end.recv_timeout(STOP_TIMEOUT);
        }
    }

    /// Returns the measurements for the metrics.
    pub fn measurements(&self) -> FleetMeasurements {
        let view = self.0.view.lock();
        FleetMeasurements {
            connected: view.connected,
            stale: view.heard.elapsed(),
            release_generation: view.release.as_ref().map_or(0, |release| release.generation),
            rollout_percent: view.percent.unwrap_or(100),
            release_expires: view.release.as_ref().and_then(|release| release.expires),
            clock_offset_millis: view.clock_offset_millis.unwrap_or(0),
        }
    }

    /// Returns the part of `/status` about the fleet.
    pub fn status(&self) -> Value {
        let view = self.0.view.lock();
        let release = view.release.as_ref();
        json!({
            "url": self.0.servers,
            "replica_id": self.0.settings.id,
            "canary": self.0.settings.canary,
            "connected": view.connected,
            "state": view.status.state,
            "reason": view.status.reason,
            "detail": view.detail,
            "since": view.status.since,
            "signed": view.status.signed,
            "release_generation": release.map(|release| release.generation),
            "release_expires": release.and_then(|release| release.expires).map(|time| time.to_string()),
            "percent": view.percent,
            "stale_seconds": view.heard.elapsed().as_secs(),
            "clock_offset_seconds": view.clock_offset_millis.map(|millis| millis as f64 / 1000.0),
            "error": view.error,
        })
    }
}

fn now() -> UnixMillis {
    SystemTime::now().into()
}
