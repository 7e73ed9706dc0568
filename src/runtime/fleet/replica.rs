//! The thread of the replica: what it knows, what it decides after each event, and what it does next.

use std::fs::{self, File};
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use switchboard_fleet::bus::{Bucket, Bus, BusError, Entry, Unreachable};
use switchboard_fleet::fetch::Fetcher;
use switchboard_fleet::release::{
    CURRENT_KEY, Candidate, Current, Judgement, ROLLOUT_KEY, Reason, Rollouts, judge, wave_position,
};
use switchboard_fleet::shared::{SharedEvent, exchange};
use switchboard_fleet::status::{ReplicaStatus, ReportHealth, State, report, rfc3339};
use switchboard_fleet::watch::{Watch, WatchEvent};
use switchboard_release::{MAX_ENVELOPE_BYTES, Manifest, Variant, release_path};
use switchboard_snapshot::{RejectionStage, file, header};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::kept::{Failure, Kept, Ready, Work, blocking_work, disk_failure};
use super::{FleetEvent, FleetObserver, InService, Outcome, RELEASE, ReplicaContext, Shared, now};
use crate::runtime::read_bounded;
use crate::runtime::reload_event::ReloadSignal;
use crate::runtime::standings::Exchange;
use crate::runtime::state::{CURRENT, PREVIOUS, StateDir};
use crate::runtime::store::Store;
use crate::runtime::trusted_keys::KeysInForce;

/// Files of a fetch that was under way when the process ended.
const LEFTOVERS: [&str; 2] = ["fetch-", "restamp-"];
/// The time after which a fetch that failed is tried again, and after which the clock is compared again with the
/// generation of a release. Replicas add up to a quarter.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);
/// The maximum time of the reload thread for a file that was placed. Then the file is placed again.
const OFFER_TIMEOUT: Duration = Duration::from_secs(300);
/// The minimum time between two reasons of one lost connection that are reported.
const LOSS_INTERVAL: Duration = Duration::from_secs(60);

/// What the replica is doing.
enum Task {
    Idle,
    /// Fetches a snapshot. May be cancelled.
    Fetch {
        identity: String,
        digest: String,
        /// Why the last attempt failed, while the fetch goes on.
        trouble: watch::Receiver<Option<String>>,
        work: Work<Result<Ready, Failure>>,
    },
    /// Writes files, which ends soon.
    Place {
        identity: String,
        work: Work<Result<(), Failure>>,
    },
}

/// The end of a task, or of an attempt of a fetch.
enum Done {
    Troubled,
    Fetched(Result<Ready, Failure>),
    Placed(Result<(), Failure>),
}

/// The value `current`, with what was read from it.
struct Received {
    current: Result<Current, String>,
    identity: String,
    revision: u64,
}

pub(super) struct Replica {
    shared: Arc<Shared>,
    store: Store,
    state: StateDir,
    trusted_keys: Option<KeysInForce>,
    reload: ReloadSignal,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
    exchanges: mpsc::UnboundedReceiver<Exchange>,
    observer: FleetObserver,
    folder: PathBuf,
    status: watch::Sender<ReplicaStatus>,
    /// The task that writes the status to the broker.
    reporter: Option<JoinHandle<()>>,

    in_service: Option<InService>,
    /// Whether the signatures of the next outcome's file were verified.
    is_verified: bool,
    received: Option<Arc<Received>>,
    /// Whether every value of the bucket was read. Values of its history are not judged.
    is_caught_up: bool,
    rollouts: Rollouts,
    /// The identity of the manifest in the folder.
    placed: Option<String>,
    /// Whether the reload thread rejected the snapshot in the folder.
    is_file_refused: bool,
    task: Task,
    /// The manifest whose snapshot the reload thread reads now.
    offered: Option<(String, Instant)>,
    /// The manifest that was rejected for good, with the reason.
    rejected: Option<(String, Failure)>,
    /// The manifest whose fetch failed, the reason, and the time of the next attempt.
    failed: Option<(String, Failure, Instant)>,
    /// The last manifest that was accepted as genuine, and the percentage of its wave.
    release: Option<(Manifest, u8)>,
    /// The manifest of the last reported state.
    reported: Option<String>,
    /// The time at which the reason of a lost connection was reported last.
    reported_loss: Option<Instant>,
}

impl Replica {
    pub(super) fn new(
        shared: Arc<Shared>,
        context: ReplicaContext,
        folder: PathBuf,
        status: ReplicaStatus,
    ) -> Replica {
        let ReplicaContext { store, state, trusted_keys, reload, outcomes, exchanges, observer, .. } =
            context;
        let envelope = read_bounded(&release_path(&folder.join(RELEASE)), MAX_ENVELOPE_BYTES).ok();
        Replica {
            shared,
            store,
            state,
            trusted_keys,
            reload,
            outcomes: outcomes.0,
            exchanges: exchanges.0,
            observer,
            placed: envelope.map(|envelope| identity_of(&envelope)),
            folder,
            status: watch::Sender::new(status),
            reporter: None,
            in_service: None,
            is_verified: false,
            received: None,
            is_caught_up: false,
            rollouts: Rollouts::default(),
            is_file_refused: false,
            task: Task::Idle,
            offered: None,
            rejected: None,
            failed: None,
            release: None,
            reported: None,
            reported_loss: None,
        }
    }

    pub(super) async fn run(mut self) {
        let settings = self.shared.settings.clone();
        // The settings were checked at the start, so that only a file that was removed since then is an error.
        let connected = Bus::connect(&settings.bus, Unreachable::Wait).await;
        let opened = connected.and_then(|bus| Ok((Fetcher::new(&settings.bus, Some(bus.clone()))?, bus)));
        let (fetcher, bus) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.shared.view.lock().error = Some(error.to_string());
                return (self.observer)(&FleetEvent::Unreadable { error: &error });
            }
        };
        let observer = Arc::clone(&self.observer);
        let fetcher = fetcher.with_counter(move |bytes| observer(&FleetEvent::Fetched(bytes)));
        let (health, mut reported) = watch::channel(ReportHealth::default());
        let mut release = Watch::start(&bus, Bucket::Release, None);
        let mut link = bus.link();
        let shared = Arc::clone(&self.shared);
        let mut stop = shared.stop.subscribe();
        self.link_changed(&bus);
        loop {
            self.become_writer(&bus, &health);
            self.step(&fetcher);
            self.shared.pace.set_fetching(matches!(self.task, Task::Fetch { .. }));
            let next_look = self.next_look();
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {
                    // The next process writes the same files.
                    if matches!(self.task, Task::Place { .. }) {
                        finish(&mut self.task).await;
                    }
                    return;
                }
                event = release.next() => match event {
                    Some(event) => self.watch_event(event),
                    None => return,
                },
                outcome = self.outcomes.recv() => match outcome {
                    Some(outcome) => self.outcome(outcome),
                    None => return,
                },
                Some(exchange) = self.exchanges.recv() => self.exchange(exchange, &bus),
                done = finish(&mut self.task) => self.done(done),
                Ok(()) = link.changed() => self.link_changed(&bus),
                Ok(()) = reported.changed() => {
                    let health = reported.borrow_and_update().clone();
                    let mut view = shared.view.lock();
                    view.clock_offset_millis = health.clock_offset_millis;
                    if view.connected {
                        view.error = health.error;
                    }
                }
                () = shared.wake.notified() => {}
                () = sleep(next_look) => {}
            }
        }
    }

    /// Returns the time after which the release is judged again without an event.
    fn next_look(&self) -> Duration {
        let retry = self.failed.as_ref().map(|(.., at)| at.saturating_duration_since(Instant::now()));
        retry.map_or(RETRY_INTERVAL, |retry| retry.min(RETRY_INTERVAL))
    }

    /// Returns whether this process writes the folder. Of two processes that share it during a hand-over, one does.
    /// A state directory that cannot be locked at all has no other writer.
    fn is_writer(&self) -> bool {
        let status = self.state.status();
        status.has_lock || status.error.is_some()
    }

    /// Begins to write the folder and the status when this process is the writer.
    fn become_writer(&mut self, bus: &Bus, health: &watch::Sender<ReportHealth>) {
        if self.reporter.is_some() || !self.is_writer() {
            return;
        }
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if LEFTOVERS.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes())) {
                let _ = fs::remove_file(entry.path());
            }
        }
        let report = report(bus.clone(), self.status.subscribe(), health.clone());
        self.reporter = Some(tokio::spawn(report));
    }

    /// Exchanges standings with the broker, until the writer of the standings ends it.
    fn exchange(&self, Exchange { position, writes, mut report }: Exchange, bus: &Bus) {
        let (shared, status) = (Arc::clone(&self.shared), self.status.clone());
        let report = move |events: Vec<SharedEvent>| {
            let (now, mut revision) = (Instant::now(), None);
            for event in &events {
                let SharedEvent::Watched(event, _) = event else { continue };
                revision = match event {
                    WatchEvent::Entry(entry) => {
                        shared.pace.arrived(now);
                        Some(entry.revision)
                    }
                    WatchEvent::Current(position) => Some(position.revision),
                    WatchEvent::MemoryLost(_) => Some(0),
                    WatchEvent::Reached(_) | WatchEvent::Lost(_) => revision,
                };
            }
            if let Some(revision) = revision {
                shared.view.lock().heard = now;
                status.send_modify(|status| status.standings_revision = revision);
            }
            report(events);
        };
        tokio::spawn(exchange(bus.clone(), position, writes, report));
    }

    fn link_changed(&mut self, bus: &Bus) {
        let link = bus.link().borrow().clone();
        let mut view = self.shared.view.lock();
        let is_reason = !link.connected && view.error != link.error;
        // The servers of a broker may fail in turn, each for a reason of its own.
        let is_due = self.reported_loss.is_none_or(|at| at.elapsed() >= LOSS_INTERVAL);
        let is_new = view.connected != link.connected || (is_reason && is_due);
        if link.connected {
            self.reported_loss = None;
        } else if is_new && link.error.is_some() {
            self.reported_loss = Some(Instant::now());
        }
        (view.connected, view.error) = (link.connected, link.error.clone());
        if link.connected {
            view.heard = Instant::now();
        }
        drop(view);
        let servers = &*self.shared.servers;
        if is_new && link.connected {
            let version = bus.server_version();
            (self.observer)(&FleetEvent::Connected { servers, version: &version });
        } else if is_new {
            (self.observer)(&FleetEvent::Disconnected { servers, error: link.error.as_deref() });
        }
    }

    fn watch_event(&mut self, event: WatchEvent) {
        let mut view = self.shared.view.lock();
        match &event {
            // The state of the connection says more than this.
            WatchEvent::Lost(BusError::Disconnected) => return,
            WatchEvent::Lost(error) => view.error = Some(error.to_string()),
            _ => {
                view.heard = Instant::now();
                view.error = view.error.take().filter(|_| !view.connected);
            }
        }
        drop(view);
        match event {
            WatchEvent::Lost(error) => (self.observer)(&FleetEvent::Unreadable { error: &error }),
            WatchEvent::Reached(_) => self.is_caught_up = false,
            WatchEvent::MemoryLost(_) => {
                self.is_caught_up = false;
                self.rollouts = Rollouts::default();
                (self.observer)(&FleetEvent::MemoryLost);
            }
            WatchEvent::Current(_) => self.is_caught_up = true,
            WatchEvent::Entry(entry) => self.entry(&entry),
        }
    }

    /// Takes a value of the bucket. A release that was deleted stays known, because nothing restricts less without it.
    fn entry(&mut self, entry: &Entry) {
        match (&*entry.key, &entry.value) {
            (CURRENT_KEY, Some(value)) => {
                let current = Current::parse(value).map_err(|error| error.to_string());
                let identity = match &current {
                    Ok(current) => current.identity(),
                    Err(_) => identity_of(value),
                };
                // A manifest that was published again may have other sources, or repaired ones, which are tried at
                // once.
                self.failed = None;
                if self.received.as_ref().is_some_and(|before| before.revision != entry.revision) {
                    self.rejected.take_if(|(_, failure)| failure.reason == Reason::Digest);
                    // It may be reading what was repaired.
                    self.cancel_fetch();
                }
                let revision = entry.revision;
                self.received = Some(Arc::new(Received { current, identity, revision }));
            }
            (ROLLOUT_KEY, value) => {
                if let Err(error) = self.rollouts.receive(value.as_deref()) {
                    (self.observer)(&FleetEvent::Ignored { reason: &error.to_string() });
                }
            }
            _ => {}
        }
    }

    fn outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Verified => self.is_verified = true,
            Outcome::InService(in_service) => {
                let is_signed = std::mem::take(&mut self.is_verified) && !in_service.is_restored;
                self.set_in_service(in_service, is_signed);
            }
            Outcome::Unchanged => {
                let is_signed = std::mem::take(&mut self.is_verified);
                if let Some(in_service) = self.in_service.clone() {
                    let is_signed = is_signed || self.status.borrow().signed;
                    self.set_in_service(InService { is_restored: false, ..in_service }, is_signed);
                }
            }
            Outcome::Rejected(stage, text) => {
                self.is_verified = false;
                self.is_file_refused = true;
                let reason = match stage {
                    RejectionStage::Signature => Reason::Signature,
                    RejectionStage::Generation => Reason::GenerationOld,
                    _ => Reason::Invalid,
                };
                // Without an offer, the file is the one of an earlier process.
                let offered = self.offered.take().map(|(identity, _)| identity);
                if let Some(identity) = offered.or_else(|| self.placed.clone()) {
                    self.rejected = Some((identity, Failure { reason, text }));
                }
            }
            Outcome::Unreadable(text) => {
                self.is_verified = false;
                if let Some((identity, _)) = self.offered.take() {
                    self.set_failed(identity, Failure { reason: Reason::Disk, text });
                }
            }
        }
    }

    fn set_in_service(&mut self, in_service: InService, is_signed: bool) {
        let (generation, digest) = (in_service.generation, in_service.digest.clone());
        if !in_service.is_restored {
            self.is_file_refused = false;
        }
        self.in_service = Some(in_service);
        let mut view = self.shared.view.lock();
        let status = &mut view.status;
        (status.generation, status.digest, status.signed) = (Some(generation), Some(digest), is_signed);
        self.status.send_if_modified(|before| {
            let is_new = before != status;
            before.clone_from(status);
            is_new
        });
    }

    fn set_failed(&mut self, identity: String, failure: Failure) {
        // Replicas that fail at the same time must not try again at the same time.
        let place = wave_position(&self.shared.settings.id, now().as_u64());
        let jitter = RETRY_INTERVAL.mul_f64(f64::from(place) / 400.0);
        self.failed = Some((identity, failure, Instant::now() + RETRY_INTERVAL + jitter));
    }

    fn done(&mut self, done: Done) {
        match done {
            // The fetch goes on. The next step shows its trouble.
            Done::Troubled => {}
            Done::Fetched(fetched) => {
                let Task::Fetch { identity, .. } = std::mem::replace(&mut self.task, Task::Idle) else {
                    return;
                };
                match fetched {
                    Ok(ready) => self.place(Some(ready), identity),
                    // The bytes of a source do not become right by themselves.
                    Err(failure) if failure.reason == Reason::Digest => {
                        self.rejected = Some((identity, failure));
                    }
                    Err(failure) => self.set_failed(identity, failure),
                }
            }
            Done::Placed(placed) => {
                let Task::Place { identity, .. } = std::mem::replace(&mut self.task, Task::Idle) else {
                    return;
                };
                match placed {
                    Ok(()) => {
                        self.placed = Some(identity.clone());
                        self.is_file_refused = false;
                        self.offered = Some((identity, Instant::now()));
                        self.reload.fs_event();
                    }
                    Err(failure) => self.set_failed(identity, failure),
                }
            }
        }
    }

    /// Writes the manifest, and then the snapshot if there is one, for the reload thread.
    fn place(&mut self, ready: Option<Ready>, identity: String) {
        let Some(received) = self.received.clone().filter(|received| received.identity == identity) else {
            // Another manifest came meanwhile.
            return;
        };
        let (folder, is_refused) = (self.folder.clone(), self.is_file_refused);
        let work = blocking_work(move || {
            let Ok(current) = &received.current else { return Ok(()) };
            let path = folder.join(RELEASE);
            let failed = |error: io::Error| disk_failure(&path, &error);
            // The reload thread must not judge a file that it rejected with the manifest of another one.
            if is_refused && ready.is_some() {
                let _ = fs::remove_file(&path);
            }
            file::write(&release_path(&path), current.manifest.get().as_bytes())
                .map_err(|error| failed(error.into()))?;
            match ready {
                None => return Ok(()),
                Some(Ready::Fetched(fetched)) => fetched.rename(&path),
                Some(Ready::Restamped(restamped)) => fs::rename(restamped, &path),
            }
            .and_then(|()| File::open(&folder)?.sync_all())
            .map_err(failed)
        });
        self.task = Task::Place { identity, work };
    }

    /// Judges the release, and does what is next.
    fn step(&mut self, fetcher: &Fetcher) {
        let Some(received) = self.received.clone().filter(|_| self.is_caught_up) else { return };
        let identity = &received.identity;
        let read = match &received.current {
            Err(fault) => Err(Failure { reason: Reason::Signature, text: fault.clone() }),
            Ok(current) => self.manifest(current).map(|manifest| (current, manifest)),
        };
        let (current, manifest) = match read {
            Ok(read) => read,
            Err(failure) => {
                self.cancel_fetch();
                return self.set_state(identity, None, State::Rejected, Some(&failure));
            }
        };
        let generation = manifest.generation;
        let rollout = self.rollouts.of(generation);
        self.set_release(&manifest, rollout.map(|rollout| rollout.percent));
        let in_service = self.in_service.clone();
        let schema = format!("{:016x}", header::schema_digest());
        let candidate = Candidate {
            replica_id: &self.shared.settings.id,
            canary: self.shared.settings.canary,
            schema: &schema,
            serving: in_service.as_ref().map(|it| (it.generation, &*it.digest)),
            floor: self.state.floor(),
            rejected: self.rejected.as_ref().map(|(identity, failure)| (&**identity, failure.reason)),
        };
        let set = |this: &mut Replica, state, failure: Option<&Failure>| {
            this.set_state(identity, Some(generation), state, failure);
        };
        match judge(&manifest, identity, rollout, &candidate, now()) {
            Judgement::Serving => {
                self.cancel_fetch();
                self.offered = None;
                set(self, State::Serving, None);
                let restored = in_service.as_ref().filter(|it| it.is_restored);
                if restored.is_some() || self.placed.as_ref() != Some(identity) {
                    let digest = restored.map(|it| &it.digest);
                    let variant = manifest.variants.iter().find(|it| Some(&it.digest) == digest);
                    self.complete_folder(identity, variant.cloned(), generation);
                }
            }
            Judgement::Fetch(variant) => {
                let variant = variant.clone();
                self.fetch(fetcher, &received, current, variant, generation);
            }
            Judgement::WaitForWave => {
                self.cancel_fetch();
                set(self, State::Waiting, None);
            }
            Judgement::Behind => {
                self.cancel_fetch();
                let text = format!(
                    "the release has no variant for this program, which reads the records {schema}: publish with \
                     --with, or upgrade this replica"
                );
                set(self, State::Behind, Some(&Failure { reason: Reason::Schema, text }));
            }
            Judgement::Reject(reason) => {
                self.cancel_fetch();
                let known = self.rejected.as_ref().filter(|(rejected, _)| rejected == identity);
                let text = match known {
                    Some((_, failure)) if failure.reason == reason => failure.text.clone(),
                    _ => rejection_text(reason, generation, self.state.floor(), in_service.as_ref()),
                };
                set(self, State::Rejected, Some(&Failure { reason, text }));
            }
        }
    }

    /// Reads the manifest. With trusted keys, its signatures come first.
    fn manifest(&self, current: &Current) -> Result<Manifest, Failure> {
        let read = match &self.trusted_keys {
            Some(keys) => keys.with_keys(|keys| current.manifest(Some(keys))),
            None => current.manifest(None),
        };
        read.map_err(|error| Failure { reason: Reason::of(&error), text: format!("the manifest: {error}") })
    }

    /// Fetches a variant, unless this is done or cannot be done now.
    fn fetch(
        &mut self,
        fetcher: &Fetcher,
        received: &Arc<Received>,
        current: &Current,
        variant: Variant,
        generation: u64,
    ) {
        let identity = &received.identity;
        let is_offered =
            |(offered, at): &(String, Instant)| offered == identity && at.elapsed() < OFFER_TIMEOUT;
        let failed = self.failed.as_ref().filter(|(of, _, at)| of == identity && *at > Instant::now());
        if let Some((_, failure, _)) = failed {
            let failure = failure.clone();
            let is_waiting = failure.reason == Reason::FetchFailed;
            let state = if is_waiting { State::Waiting } else { State::Rejected };
            return self.set_state(identity, Some(generation), state, Some(&failure));
        }
        if !self.is_writer() {
            // The process with the lock fetches the snapshot for both.
            return self.set_state(identity, Some(generation), State::Waiting, None);
        }
        let trouble = match &self.task {
            Task::Fetch { identity: of, trouble, .. } if of == identity => trouble.borrow().clone(),
            _ => None,
        };
        let trouble = trouble.map(|text| Failure { reason: Reason::FetchFailed, text });
        self.set_state(identity, Some(generation), State::Fetching, trouble.as_ref());
        let is_under_way = match &self.task {
            Task::Idle => self.offered.as_ref().is_some_and(is_offered),
            // A manifest that names the same snapshot, such as one with a further signature.
            Task::Fetch { digest, identity: of, .. } => *digest == variant.digest && of == identity,
            Task::Place { .. } => true,
        };
        if is_under_way {
            return;
        }
        (self.offered, self.failed) = (None, None);
        // Ends the fetch of another release before its files are created anew.
        self.task = Task::Idle;
        let kept = self.kept(&variant);
        let (current, fetcher, spread) = (current.clone(), fetcher.clone(), self.shared.settings.spread);
        let (folder, observer) = (self.folder.clone(), Arc::clone(&self.observer));
        let digest = variant.digest.clone();
        let (sender, trouble) = watch::channel(None);
        let fetcher = fetcher.with_report(move |text| drop(sender.send_replace(Some(text.to_owned()))));
        let work = Box::pin(async move {
            let restamped = kept.restamp(variant.clone(), generation, folder.clone()).await?;
            if let Some(path) = restamped {
                observer(&FleetEvent::Restamped { generation });
                return Ok(Ready::Restamped(path));
            }
            let fetched = fetcher.fetch(&current, &variant, &folder, spread).await;
            fetched
                .map(Ready::Fetched)
                .map_err(|error| Failure { reason: error.reason(), text: error.to_string() })
        });
        self.task = Task::Fetch { identity: identity.clone(), digest, trouble, work };
    }

    /// Puts the manifest of the release in service into the folder, and the snapshot if it is not there.
    fn complete_folder(&mut self, identity: &str, variant: Option<Variant>, generation: u64) {
        let is_failed =
            self.failed.as_ref().is_some_and(|(of, _, at)| of == identity && *at > Instant::now());
        if is_failed || !matches!(self.task, Task::Idle) || !self.is_writer() {
            return;
        }
        let Some(variant) = variant else { return self.place(None, identity.to_owned()) };
        let (kept, folder) = (self.kept(&variant), self.folder.clone());
        let digest = variant.digest.clone();
        let work = Box::pin(async move {
            let restamped = kept.restamp(variant, generation, folder).await?;
            let text = "the snapshot in service is not kept".to_owned();
            restamped.map(Ready::Restamped).ok_or(Failure { reason: Reason::Disk, text })
        });
        let trouble = watch::Sender::new(None).subscribe();
        self.task = Task::Fetch { identity: identity.to_owned(), digest, trouble, work };
    }

    /// Returns the snapshots that may have the content of a variant.
    fn kept(&self, variant: &Variant) -> Kept {
        let has_content = self.in_service.as_ref().is_some_and(|it| it.content == variant.content);
        let paths =
            [self.folder.join(RELEASE), self.state.path().join(CURRENT), self.state.path().join(PREVIOUS)];
        Kept { in_service: self.store.current().filter(|_| has_content), paths }
    }

    fn cancel_fetch(&mut self) {
        if matches!(self.task, Task::Fetch { .. }) {
            self.task = Task::Idle;
        }
    }

    /// Remembers the release, which is shown together with its state.
    fn set_release(&mut self, manifest: &Manifest, percent: Option<u8>) {
        let is_new = self.release.as_ref().is_none_or(|(known, _)| known != manifest);
        self.release = Some((manifest.clone(), percent.unwrap_or(100)));
        if is_new {
            (self.observer)(&FleetEvent::Released { manifest });
        }
    }

    /// Sets the state with its reason, and reports a change. `since` is the time of the change, also if another
    /// manifest has the same result.
    fn set_state(
        &mut self,
        identity: &str,
        generation: Option<u64>,
        state: State,
        failure: Option<&Failure>,
    ) {
        let reason = failure.map(|failure| failure.reason);
        let text = failure.map(|failure| &*failure.text);
        let is_same = {
            let status = self.status.borrow();
            (status.state, status.reason) == (state, reason) && self.reported.as_deref() == Some(identity)
        };
        let mut view = self.shared.view.lock();
        view.detail = text.map(str::to_owned);
        (view.release, view.percent) = self.release.clone().unzip();
        if !is_same {
            (view.status.state, view.status.reason) = (state, reason);
            view.status.since = rfc3339(now());
            self.status.send_replace(view.status.clone());
        }
        drop(view);
        if is_same {
            return;
        }
        self.reported = Some(identity.to_owned());
        // While a fetch goes on, the release is not given up.
        if let Some(reason) = reason.filter(|_| state != State::Fetching) {
            (self.observer)(&FleetEvent::Failed { reason });
        }
        (self.observer)(&FleetEvent::Changed { state, generation, reason, text });
    }
}

/// Waits for the end of a task. May be cancelled.
async fn finish(task: &mut Task) -> Done {
    match task {
        Task::Idle => pending().await,
        Task::Fetch { work, trouble, .. } => tokio::select! {
            done = work => Done::Fetched(done),
            Ok(()) = trouble.changed() => Done::Troubled,
        },
        Task::Place { work, .. } => Done::Placed(work.await),
    }
}

/// Returns the identity of an envelope, as [`Current::identity`] has it.
fn identity_of(envelope: &[u8]) -> String {
    Sha256::digest(envelope).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn rejection_text(reason: Reason, generation: u64, floor: u64, in_service: Option<&InService>) -> String {
    match (reason, in_service) {
        (Reason::GenerationOld, Some(it)) if it.generation == generation => {
            format!("generation {generation} is in service with other content: publish again")
        }
        (Reason::GenerationOld, _) => format!(
            "generation {generation} is older than generation {floor}, which was in service here: publish again"
        ),
        (Reason::GenerationAhead, _) => format!(
            "generation {generation} is more than 24 h ahead of this machine's clock: check the clocks here and at \
             the publisher, and publish again"
        ),
        (reason, _) => format!("the release was rejected before: {}", reason.as_str()),
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(reporter) = &self.reporter {
            reporter.abort();
        }
    }
}
