//! Simulated replicas: the bus, the supervised watches, the judgement of releases, the status report and the shared
//! standings of a daemon, with an observer in place of the store and the disk. A thousand fit into one process.
//!
//! A simulated replica serves a release as soon as it would fetch it, and has no journal.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use switchboard_fleet::bus::{Bucket, Bus, BusError, BusSettings, Unreachable};
use switchboard_fleet::release::{
    CURRENT_KEY, Candidate, Current, Judgement, ROLLOUT_KEY, Reason, Rollouts, judge,
};
use switchboard_fleet::shared::{
    BusWrite, Changes, Key, Outcome, Reply, Request, SharedEvent, SharedStandings, Ticket, exchange,
    random_write_id,
};
use switchboard_fleet::standings::{Standing, Value};
use switchboard_fleet::status::{ReplicaStatus, ReportHealth, State, report, rfc3339};
use switchboard_fleet::watch::{Watch, WatchEvent};
use switchboard_model::UnixMillis;
use switchboard_release::Manifest;
use switchboard_snapshot::header;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// The interval at which a daemon looks for standings that are put back.
const DUE_INTERVAL: Duration = Duration::from_millis(50);

/// What a simulated replica reports to its observer.
#[derive(Debug)]
pub enum Seen<'a> {
    /// Another value decides about an account.
    InForce {
        /// The account.
        key: &'a Key,
        /// The value that restricts the account. `None` without one.
        value: Option<&'a Value>,
    },
    /// A release is in service.
    Serving {
        /// The generation of the release.
        generation: u64,
    },
    /// Everything in the buckets of the release and of the standings was read since the last connection.
    Current,
}

/// Receives what the replica with a number reports. It is called on the threads of the runtime.
pub type Observer = Arc<dyn Fn(usize, Seen<'_>) + Send + Sync>;

/// The settings of a simulated replica.
#[derive(Debug, Clone)]
pub struct SimulatedSettings {
    /// The connection to the broker.
    pub bus: BusSettings,
    /// The id of the replica.
    pub id: String,
    /// The digest of the record types that the replica reads, in hexadecimal.
    pub schema: String,
}

impl SimulatedSettings {
    /// Returns the settings of a replica that reads the records of this program.
    #[must_use]
    pub fn new(bus: BusSettings, id: String) -> SimulatedSettings {
        let bus = BusSettings { name: format!("switchboard {id}"), ..bus };
        SimulatedSettings { bus, id, schema: format!("{:016x}", header::schema_digest()) }
    }
}

/// A running simulated replica. It ends when this is dropped.
pub struct SimulatedReplica {
    inner: Arc<Inner>,
    tasks: Vec<JoinHandle<()>>,
}

struct Inner {
    number: usize,
    settings: SimulatedSettings,
    observer: Observer,
    shared: Mutex<Shared>,
    release: Mutex<Release>,
    status: watch::Sender<ReplicaStatus>,
    /// Whether the observer knows that everything was read.
    is_reported: AtomicBool,
    /// Wakes the task that does what is due without an event.
    due: Notify,
}

struct Shared {
    standings: SharedStandings,
    writes: UnboundedSender<BusWrite>,
    waiting: HashMap<Ticket, oneshot::Sender<Reply>>,
    is_current: bool,
}

#[derive(Default)]
struct Release {
    manifest: Option<(Manifest, String)>,
    rollouts: Rollouts,
    is_current: bool,
    serving: Option<(u64, String)>,
}

impl SimulatedReplica {
    /// Starts a replica on a runtime with time and I/O. Waits for no broker.
    pub fn start(
        runtime: &Handle,
        number: usize,
        settings: SimulatedSettings,
        observer: Observer,
    ) -> SimulatedReplica {
        let started = rfc3339(now());
        let status = ReplicaStatus {
            id: settings.id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: settings.schema.clone(),
            generation: None,
            digest: None,
            state: State::Waiting,
            reason: None,
            since: started.clone(),
            standings_revision: 0,
            clock: started.clone(),
            started,
            signed: false,
        };
        let (writes, receiver) = unbounded_channel();
        let shared = Shared {
            standings: SharedStandings::default(),
            writes,
            waiting: HashMap::new(),
            is_current: false,
        };
        let inner = Arc::new(Inner {
            number,
            settings,
            observer,
            shared: Mutex::new(shared),
            release: Mutex::default(),
            status: watch::Sender::new(status),
            is_reported: AtomicBool::new(false),
            due: Notify::new(),
        });
        let tasks = vec![
            runtime.spawn(Arc::clone(&inner).run(receiver)),
            runtime.spawn(Arc::clone(&inner).keep_up()),
        ];
        SimulatedReplica { inner, tasks }
    }

    /// Returns the id of the replica.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.inner.settings.id
    }

    /// Sets or clears a standing, as a request to a daemon does. Returns its answer.
    ///
    /// # Errors
    /// Returns an error if the system has no random bytes.
    pub async fn set(&self, key: Key, standing: Option<Standing>) -> Result<Reply, BusError> {
        let answer = self.begin(key, standing)?;
        // The sender is dropped with the replica alone.
        Ok(answer.await.unwrap_or(Reply::NoBroker("the replica has ended".to_owned())))
    }

    /// Begins to set or to clear a standing. Returns what receives the answer.
    ///
    /// # Errors
    /// Returns an error if the system has no random bytes.
    pub fn begin(&self, key: Key, standing: Option<Standing>) -> Result<oneshot::Receiver<Reply>, BusError> {
        let (sender, receiver) = oneshot::channel();
        let now = now();
        let request = Request { key, standing, since: rfc3339(now), by: None, id: random_write_id()? };
        let mut shared = self.inner.shared.lock();
        let begun = shared.standings.request(request, now, Instant::now());
        shared.waiting.insert(begun.ticket, sender);
        self.inner.carry_out(&mut shared, begun.changes);
        drop(shared);
        self.inner.due.notify_one();
        Ok(receiver)
    }

    /// Returns the standing that restricts an account.
    #[must_use]
    pub fn in_force(&self, key: &Key) -> Option<Standing> {
        self.inner.shared.lock().standings.in_force(key, now()).and_then(|value| value.standing.clone())
    }

    /// Returns every standing that restricts an account.
    #[must_use]
    pub fn all_in_force(&self) -> BTreeMap<Key, Standing> {
        let shared = self.inner.shared.lock();
        let all = shared.standings.all_in_force(now());
        all.filter_map(|(key, value)| Some((key.clone(), value.standing.clone()?))).collect()
    }

    /// Returns the number of standings that the broker does not have yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.inner.shared.lock().standings.pending().len()
    }

    /// Returns whether everything in the buckets was read since the last connection.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.inner.is_current()
    }

    /// Returns the generation in service.
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        self.inner.release.lock().serving.as_ref().map(|(generation, _)| *generation)
    }

    /// Returns the status that the replica reports to the broker.
    #[must_use]
    pub fn status(&self) -> ReplicaStatus {
        self.inner.status.borrow().clone()
    }
}

impl Drop for SimulatedReplica {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Inner {
    async fn run(self: Arc<Inner>, writes: UnboundedReceiver<BusWrite>) {
        let connected = Bus::connect(&self.settings.bus, Unreachable::Wait).await;
        let Ok(bus) = connected.inspect_err(|error| tracing::error!(%error, "a simulated replica has ended"))
        else {
            return;
        };
        let this = Arc::clone(&self);
        let report =
            report(bus.clone(), self.status.subscribe(), watch::Sender::new(ReportHealth::default()));
        let exchange = exchange(bus.clone(), None, writes, move |events| this.receive(events));
        // Tasks of their own, as in a daemon, so that an event of one does not wake the others. They end with this one.
        let mut tasks = JoinSet::new();
        tasks.spawn(report);
        tasks.spawn(exchange);
        self.watch_release(&bus).await;
    }

    /// Receives events of the exchange of standings, as the writer of the standings and the replica of a daemon do.
    fn receive(&self, events: Vec<SharedEvent>) {
        let (now, at) = (now(), Instant::now());
        let mut revision = None;
        let mut shared = self.shared.lock();
        let was_current = shared.is_current;
        for event in events {
            let changes = match event {
                SharedEvent::Written(key, ticket, outcome) => {
                    shared.standings.written(&key, ticket, &outcome, now, at)
                }
                SharedEvent::Watched(event, _) => {
                    (shared.is_current, revision) = match &event {
                        WatchEvent::Entry(entry) => (shared.is_current, Some(entry.revision)),
                        WatchEvent::Current(position) => (true, Some(position.revision)),
                        WatchEvent::MemoryLost(_) => (false, Some(0)),
                        WatchEvent::Reached(_) | WatchEvent::Lost(_) => (false, revision),
                    };
                    shared.standings.watched(event, now, at)
                }
            };
            self.carry_out(&mut shared, changes);
        }
        let is_current = shared.is_current;
        drop(shared);
        if let Some(revision) = revision {
            self.status.send_modify(|status| status.standings_revision = revision);
        }
        if is_current != was_current {
            self.report_current();
        }
        self.due.notify_one();
    }

    fn carry_out(&self, shared: &mut Shared, changes: Changes) {
        let Changes { in_force, writes, replies, .. } = changes;
        for in_force in &in_force {
            let seen = Seen::InForce { key: &in_force.key, value: in_force.value.as_ref() };
            (self.observer)(self.number, seen);
        }
        let unsent: Vec<BusWrite> = writes
            .into_iter()
            .filter_map(|write| shared.writes.send(write).err())
            .map(|unsent| unsent.0)
            .collect();
        for (ticket, reply) in replies {
            if let Some(waiting) = shared.waiting.remove(&ticket) {
                // The request was given up if nothing waits.
                let _ = waiting.send(reply);
            }
        }
        for BusWrite { key, ticket, .. } in unsent {
            let outcome = Outcome::NotSent("the replica has no connection to the broker".to_owned());
            let changes = shared.standings.written(&key, ticket, &outcome, now(), Instant::now());
            self.carry_out(shared, changes);
        }
    }

    /// Does what is due without an event, at the interval of a daemon.
    async fn keep_up(self: Arc<Inner>) {
        loop {
            if !self.has_due() {
                self.due.notified().await;
            }
            sleep(DUE_INTERVAL).await;
            let (now, at) = (now(), Instant::now());
            let mut shared = self.shared.lock();
            if shared.standings.next_due().is_some_and(|due| due <= at) {
                let changes = shared.standings.tick(now, at);
                self.carry_out(&mut shared, changes);
            }
        }
    }

    fn has_due(&self) -> bool {
        let shared = self.shared.lock();
        shared.standings.pending().len() > 0 || shared.standings.next_due().is_some()
    }

    async fn watch_release(&self, bus: &Bus) {
        let mut watch = Watch::start(bus, Bucket::Release, None);
        while let Some(event) = watch.next().await {
            if self.release_event(event) {
                self.report_current();
            }
        }
    }

    /// Receives an event of the release. Returns whether it changed that everything was read.
    fn release_event(&self, event: WatchEvent) -> bool {
        let mut release = self.release.lock();
        let was_current = release.is_current;
        match event {
            WatchEvent::Reached(_) | WatchEvent::Lost(_) => release.is_current = false,
            WatchEvent::MemoryLost(_) => {
                release.is_current = false;
                release.rollouts = Rollouts::default();
            }
            WatchEvent::Current(_) => release.is_current = true,
            WatchEvent::Entry(entry) => match (&*entry.key, &entry.value) {
                (CURRENT_KEY, Some(value)) => {
                    let read = Current::parse(value).ok();
                    release.manifest =
                        read.and_then(|current| Some((current.manifest(None).ok()?, current.identity())));
                }
                // As in a daemon, a value that cannot be read changes nothing.
                (ROLLOUT_KEY, value) => drop(release.rollouts.receive(value.as_deref())),
                _ => {}
            },
        }
        if release.is_current {
            self.step(&mut release);
        }
        release.is_current != was_current
    }

    /// Judges the release, and serves it if a daemon would fetch it.
    fn step(&self, release: &mut Release) {
        let Release { manifest: Some((manifest, identity)), rollouts, serving, .. } = release else { return };
        let generation = manifest.generation;
        let candidate = Candidate {
            replica_id: &self.settings.id,
            canary: false,
            schema: &self.settings.schema,
            serving: serving.as_ref().map(|(generation, digest)| (*generation, &**digest)),
            floor: 0,
            rejected: None,
        };
        let rollout = rollouts.of(generation);
        let (state, reason) = match judge(manifest, identity, rollout, &candidate, now()) {
            Judgement::Serving => (State::Serving, None),
            Judgement::Fetch(variant) => {
                *serving = Some((generation, variant.digest.clone()));
                (self.observer)(self.number, Seen::Serving { generation });
                (State::Serving, None)
            }
            Judgement::WaitForWave => (State::Waiting, None),
            Judgement::Behind => (State::Behind, Some(Reason::Schema)),
            Judgement::Reject(reason) => (State::Rejected, Some(reason)),
        };
        let serving = serving.clone().unzip();
        self.status.send_if_modified(|status| {
            let before = (status.state, status.reason, status.generation);
            (status.state, status.reason) = (state, reason);
            (status.generation, status.digest) = serving;
            before != (status.state, status.reason, status.generation)
        });
    }

    fn is_current(&self) -> bool {
        let release = self.release.lock().is_current;
        release && self.shared.lock().is_current
    }

    /// Reports that everything was read, once after each connection.
    fn report_current(&self) {
        let is_current = self.is_current();
        if !self.is_reported.swap(is_current, Ordering::SeqCst) && is_current {
            (self.observer)(self.number, Seen::Current);
        }
    }
}

fn now() -> UnixMillis {
    SystemTime::now().into()
}
