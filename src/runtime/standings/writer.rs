//! The thread that makes all changes of standings. It writes a change to the disk, then makes it visible to
//! the workers, then replies. It also follows the journal of another process and takes it over.
//!
//! The thread that removes expired standings is separate, because the writer may wait for a slow disk, and an
//! account must return to service within a second after its standing expires.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use switchboard_fleet::shared::{
    Begun, BusWrite, Changes, Key, Outcome, Record as SharedRecord, Reply as SharedReply,
    Request as SharedRequest, SharedEvent, SharedStandings, random_write_id,
};
use switchboard_fleet::standings::Value;
use switchboard_fleet::status::rfc3339;
use switchboard_model::UnixMillis;
use switchboard_registry::Stamp;

use super::journal::{Journal, JournalContents, OpenedJournal, SharedContents, StandingChange, left_fleet};
use super::shared::{
    OwnedChange, Reply, Shared, SharedStatus, StartExchange, WaitingRequest, is_nothing, returning,
};
use super::standing::{
    AccountKey, Author, Reach, Standing, StandingError, StandingsEvent, StandingsObserver,
};
use crate::runtime::state::is_missing;
use crate::runtime::store::Store;

/// Interval at which changes of another process are read. They must be visible within a second.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);
/// Interval at which the journal is compared with what this process wrote, so that a restart finds it whole.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum number of further requests that share one write to the disk.
const MAX_BATCH: usize = 256;

/// The state of the journal of standings, for `/status` and the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalState {
    /// There is no journal. Standings end with the process.
    InMemory,
    /// The journal is written by this process.
    Writing,
    /// The journal is written by another process, whose changes this process follows.
    Following,
    /// The journal cannot be read or written. The text is the error of the system.
    Failed(String),
}

/// A change that a request makes.
#[derive(Debug)]
pub struct LoggedChange<'c> {
    /// The account of the standing.
    pub key: &'c AccountKey,
    /// The author of the change.
    pub author: &'c Author,
    /// The standing before the change.
    pub before: Option<Standing>,
    /// The standing after the change.
    pub after: Option<Standing>,
    /// Generation of the snapshot that has the account.
    pub generation: Option<u64>,
}

/// Records changes with their authors before they are made.
pub trait ChangeLog: Send + Sync {
    /// Writes changes to the disk. A change that is not written is not made.
    ///
    /// # Errors
    /// Returns the reason why the changes are not on the disk.
    fn record(&self, changes: &[LoggedChange<'_>]) -> Result<(), ChangeLogError>;

    /// Writes later that recorded changes were not made, because of this error.
    fn failed(&self, changes: &[LoggedChange<'_>], error: &str);

    /// Writes later that a standing lost against a more restrictive one of another replica.
    fn overruled(&self, key: &AccountKey, lost: Option<&Standing>, won: Option<&Standing>);
}

/// The reason why a change is not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeLogError {
    /// Another process writes the log.
    Closed,
    /// The log cannot be written. The text is the path and the error of the system.
    Failed(String),
}

enum Request {
    Change(StandingChange, Author, Reply),
    /// Events of the exchange with the broker.
    Shared(Vec<SharedEvent>),
    /// Calls the function after the journal is released.
    HandOver(Box<dyn FnOnce() + Send>),
}

/// A handle that changes standings from any thread.
#[derive(Clone)]
pub struct Standings {
    store: Store,
    requests: Sender<Request>,
    path: Option<Arc<Path>>,
    state: Arc<Mutex<JournalState>>,
    /// `None` without a fleet.
    shared: Option<Arc<Mutex<SharedStatus>>>,
}

/// The state of the writer thread. [`run`](Self::run) is the thread's function.
pub struct StandingsWriter {
    store: Store,
    requests: Receiver<Request>,
    path: Option<Arc<Path>>,
    /// `Some` while this process writes the journal.
    journal: Option<Journal>,
    /// Stamp of the journal of another process when it was last read.
    last_read: Option<Stamp>,
    /// Whether a journal in a missing folder is an error of the start.
    is_required: bool,
    /// Whether another process takes over. This one must not open the journal again.
    is_handed_over: bool,
    state: Arc<Mutex<JournalState>>,
    observer: StandingsObserver,
    /// `None` without an audit log.
    change_log: Option<Arc<dyn ChangeLog>>,
    last_look: Instant,
    /// `None` without a fleet.
    fleet: Option<FleetSide>,
    /// Sends the ends of standings to the expirer, which stops when this sender is dropped.
    ends: Sender<UnixMillis>,
}

/// What the writer has in a fleet.
struct FleetSide {
    /// What starts the exchange with the broker, and the channel of its events. `None` after the start.
    start: Option<(StartExchange, Sender<Request>)>,
    /// `None` while another process holds the journal.
    shared: Option<Shared>,
    status: Arc<Mutex<SharedStatus>>,
}

/// A request that has begun and is not on the disk yet.
struct BegunRequest {
    begun: Begun,
    change: OwnedChange,
    reply: Reply,
}

impl OwnedChange {
    fn logged(&self) -> LoggedChange<'_> {
        let OwnedChange { key, author, before, after, generation } = self;
        let (before, after) = (before.clone(), after.clone());
        LoggedChange { key, author, before, after, generation: *generation }
    }
}

impl Standings {
    /// Opens the journal and sets its standings in the store. The caller runs the writer and the expirer,
    /// each on a thread. Without a path, standings are not kept. If the journal can be read but not written,
    /// its standings are in force and cannot be changed. `exchange` starts the exchange with the broker of a fleet.
    ///
    /// # Errors
    /// Fails if the journal cannot be read, or if `is_required` and its folder is missing. A start without
    /// the journal would put suspended accounts back in service.
    pub fn open(
        store: Store,
        path: Option<PathBuf>,
        is_required: bool,
        observer: StandingsObserver,
        change_log: Option<Arc<dyn ChangeLog>>,
        exchange: Option<StartExchange>,
    ) -> io::Result<(Standings, StandingsWriter, Expirer)> {
        let (to_writer, requests) = channel();
        let (to_expirer, ends) = channel();
        let grace = if exchange.is_some() { FLEET_GRACE } else { Duration::ZERO };
        let expirer = Expirer { store: store.clone(), observer: Arc::clone(&observer), ends, grace };
        let path: Option<Arc<Path>> = path.map(Into::into);
        let state = Arc::new(Mutex::new(JournalState::InMemory));
        let fleet = exchange.map(|exchange| FleetSide {
            start: Some((exchange, to_writer.clone())),
            shared: None,
            status: Arc::default(),
        });
        let standings = Standings {
            store: store.clone(),
            requests: to_writer,
            path: path.clone(),
            state: Arc::clone(&state),
            shared: fleet.as_ref().map(|fleet| Arc::clone(&fleet.status)),
        };
        let mut writer = StandingsWriter {
            store,
            requests,
            path,
            journal: None,
            last_read: None,
            is_required,
            is_handed_over: false,
            state,
            observer,
            change_log,
            last_look: Instant::now(),
            fleet,
            ends: to_expirer,
        };
        writer.look_at_journal()?;
        Ok((standings, writer, expirer))
    }

    /// Returns the store that contains the standings.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the path and the state of the journal.
    pub fn journal_state(&self) -> (Option<&Path>, JournalState) {
        (self.path.as_deref(), self.state.lock().clone())
    }

    /// Returns the state of the shared standings. `None` without a fleet.
    pub fn shared(&self) -> Option<SharedStatus> {
        self.shared.as_ref().map(|shared| shared.lock().clone())
    }

    /// Sets or removes the standing of an account. Calls `reply` on the writer's thread when the change is on
    /// the disk and every worker sees it. Drops `reply` if the writer has ended.
    pub fn change(
        &self,
        key: AccountKey,
        standing: Option<Standing>,
        author: Author,
        reply: impl FnOnce(Result<Reach, StandingError>) + Send + 'static,
    ) {
        let _ =
            self.requests.send(Request::Change(StandingChange { key, standing }, author, Box::new(reply)));
    }

    /// Releases the journal, so that another process can take it over. Then calls `then` on the writer's thread.
    pub fn hand_over(&self, then: impl FnOnce() + Send + 'static) {
        let _ = self.requests.send(Request::HandOver(Box::new(then)));
    }
}

impl StandingsWriter {
    /// Makes changes. Returns when every [`Standings`] is dropped.
    pub fn run(mut self) {
        loop {
            let interval = if self.is_following() {
                Some(FOLLOW_INTERVAL)
            } else {
                self.journal.as_ref().map(|_| CHECK_INTERVAL)
            };
            let now = UnixMillis::from(SystemTime::now());
            let due_in = self.shared().map(|shared| shared.due_in(now));
            let request = match interval.into_iter().chain(due_in).min() {
                Some(timeout) => self.requests.recv_timeout(timeout),
                None => self.requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match request {
                Ok(first) => self.serve(first),
                Err(RecvTimeoutError::Timeout) => self.check_journal(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.keep_up_with_fleet();
            if self.is_following() && self.last_look.elapsed() >= FOLLOW_INTERVAL {
                if let Err(error) = self.look_at_journal() {
                    self.report_failure(&error);
                }
                self.last_look = Instant::now();
            }
        }
    }

    /// Returns whether a journal is configured that this process does not write.
    fn is_following(&self) -> bool {
        self.path.is_some() && self.journal.is_none()
    }

    fn shared(&mut self) -> Option<&mut Shared> {
        self.fleet.as_mut().and_then(|fleet| fleet.shared.as_mut())
    }

    /// Serves all pending requests, with one write to the disk for all changes.
    fn serve(&mut self, first: Request) {
        let mut begun = Vec::new();
        let mut changes = Vec::new();
        let (mut authors, mut replies) = (Vec::new(), Vec::new());
        let more: Vec<Request> = self.requests.try_iter().take(MAX_BATCH).collect();
        let mut hand_over = None;
        for request in std::iter::once(first).chain(more) {
            match request {
                Request::HandOver(then) => hand_over = Some(then),
                Request::Shared(events) => {
                    // Before the events, because a request that fails is undone.
                    self.carry_out_requests(std::mem::take(&mut begun));
                    events.into_iter().for_each(|event| self.receive(event));
                }
                Request::Change(mut change, author, reply) => match self.check(&change) {
                    Err(error) => reply(Err(error)),
                    Ok(()) if self.fleet.is_some() => {
                        // Before the requests begin, because a rewrite contains what has begun.
                        let prepared = if begun.is_empty() { self.prepare_journal() } else { Ok(()) };
                        match prepared.map_err(|error| self.refusal(&error)) {
                            Err(error) => reply(Err(error)),
                            Ok(()) => match self.begin(change, author, reply) {
                                Ok(request) => begun.push(request),
                                Err((error, reply)) => reply(Err(error)),
                            },
                        }
                    }
                    Ok(()) if change.standing.is_none() && !self.has_standing(&change.key, &changes) => {
                        reply(Ok(Reach::Daemon));
                    }
                    Ok(()) => {
                        if let Some(standing) = &mut change.standing {
                            standing.since = Some(SystemTime::now().into());
                        }
                        changes.push(change);
                        authors.push(author);
                        replies.push(reply);
                    }
                },
            }
        }
        let written = self.record_and_write(&changes, &authors);
        if written.is_ok() {
            for (change, author) in changes.into_iter().zip(&authors) {
                self.apply(change, author);
            }
        }
        for reply in replies {
            reply(written.clone().map(|()| Reach::Daemon));
        }
        self.carry_out_requests(begun);
        if let Some(then) = hand_over {
            self.check_journal();
            self.leave_fleet();
            self.journal = None;
            self.is_handed_over = true;
            self.set_state(JournalState::Following);
            then();
        }
    }

    /// Returns whether an account has a standing after these changes.
    fn has_standing(&self, key: &AccountKey, changes: &[StandingChange]) -> bool {
        match changes.iter().rfind(|change| change.key == *key) {
            Some(change) => change.standing.is_some(),
            None => self.store.standing(key).is_some(),
        }
    }

    /// Rewrites the journal if another program has changed it.
    fn check_journal(&mut self) {
        if self.journal.as_ref().is_some_and(|journal| journal.foreign_change().is_some()) {
            match self.prepare_journal() {
                Ok(()) => drop(self.set_state(JournalState::Writing)),
                Err(error) => self.report_failure(&error),
            }
        }
    }

    /// Rewrites the journal from memory if it needs that before the next change.
    fn prepare_journal(&mut self) -> io::Result<()> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let change = journal.foreign_change();
        let shared = self.fleet.as_ref().and_then(|fleet| fleet.shared.as_ref());
        let current = shared.map_or_else(|| self.store.standing_count(), |shared| shared.standings.len());
        if change.is_none() && !journal.needs_rewrite(current) {
            return Ok(());
        }
        let copy = match &change {
            Some(_) => journal.copy_foreign()?,
            None => None,
        };
        match self.fleet.as_ref().and_then(|fleet| fleet.shared.as_ref()) {
            Some(shared) => journal.rewrite_shared(&shared.standings)?,
            None => {
                let standings = self.store.standings();
                journal.rewrite(standings.iter().map(|(key, standing)| (key, standing)))?;
            }
        }
        if let Some(change) = &change {
            (self.observer)(&StandingsEvent::Rewritten { change, copy: copy.as_deref() });
        }
        Ok(())
    }

    /// Checks that the account exists, and that this process may make the change.
    fn check(&self, StandingChange { key, standing }: &StandingChange) -> Result<(), StandingError> {
        if standing.as_ref().is_some_and(|standing| standing.has_ended(SystemTime::now().into())) {
            return Err(StandingError::Ended);
        }
        self.store.check_account(key)?;
        match &*self.state.lock() {
            JournalState::Failed(error) if self.is_following() => Err(StandingError::Journal(error.clone())),
            _ if self.is_following() => Err(StandingError::Following),
            _ => Ok(()),
        }
    }

    /// Records changes in the change log, and then writes them to the journal.
    fn record_and_write(
        &mut self,
        changes: &[StandingChange],
        authors: &[Author],
    ) -> Result<(), StandingError> {
        let Some(log) = self.change_log.clone().filter(|_| !changes.is_empty()) else {
            return self.write(changes);
        };
        let generation = self.store.current().map(|current| current.snapshot.generation());
        let logged = changes.iter().zip(authors).enumerate().map(|(at, (change, author))| {
            let StandingChange { key, standing } = change;
            // Of several changes of one account, each begins with the result of the one before.
            let earlier = changes.iter().take(at).rfind(|earlier| earlier.key == *key);
            let before = earlier.map_or_else(|| self.store.standing(key), |earlier| earlier.standing.clone());
            LoggedChange { key, author, before, after: standing.clone(), generation }
        });
        let logged: Vec<LoggedChange<'_>> = logged.collect();
        log.record(&logged).map_err(|error| match error {
            ChangeLogError::Closed => StandingError::Following,
            ChangeLogError::Failed(error) => StandingError::ChangeLog(error),
        })?;
        let written = self.write(changes);
        if let Err(error) = &written {
            log.failed(&logged, &error.to_string());
        }
        written
    }

    /// Writes changes to the journal, if there is one.
    fn write(&mut self, changes: &[StandingChange]) -> Result<(), StandingError> {
        if changes.is_empty() || self.journal.is_none() {
            return Ok(());
        }
        let written = self.prepare_journal().and_then(|()| match &mut self.journal {
            Some(journal) => journal.append(changes),
            None => Ok(()),
        });
        match written {
            Ok(()) => {
                self.set_state(JournalState::Writing);
                Ok(())
            }
            Err(error) => {
                self.report_failure(&error);
                Err(StandingError::Journal(error.to_string()))
            }
        }
    }

    /// Makes a change that is in the journal visible to the workers.
    fn apply(&self, StandingChange { key, standing }: StandingChange, author: &Author) {
        self.store.set_standing(key.clone(), standing.clone());
        self.announce_end(nearest_end(standing.iter()));
        (self.observer)(&match &standing {
            Some(standing) => StandingsEvent::Set { key: &key, standing },
            None => StandingsEvent::Removed { key: &key, expired: false, author: Some(author) },
        });
    }

    /// Sends the end of a standing to the expirer.
    fn announce_end(&self, end: Option<UnixMillis>) {
        if let Some(end) = end {
            let _ = self.ends.send(end);
        }
    }

    /// Tries to open the journal. While another process holds it, reads the changes of that process.
    fn look_at_journal(&mut self) -> io::Result<()> {
        let Some(path) = self.path.clone().filter(|_| self.journal.is_none()) else { return Ok(()) };
        let (opened, unwritable) = if self.is_handed_over {
            (None, None)
        } else {
            match Journal::open(&path, self.fleet.is_some()) {
                Ok(opened) => (opened, None),
                Err(error) if self.is_required && is_missing(&error) => return Err(error),
                Err(error) => (None, Some(error)),
            }
        };
        match opened {
            Some(OpenedJournal { journal, contents, damaged_copy }) => {
                self.journal = Some(journal);
                self.set_state(JournalState::Writing);
                (self.observer)(&StandingsEvent::Opened {
                    standings: contents.in_force().len(),
                    torn: contents.torn,
                    damaged: &contents.damaged,
                    damaged_copy: damaged_copy.as_deref(),
                });
                if self.fleet.is_some() {
                    self.join_fleet(contents);
                } else {
                    self.replace_standings(&contents);
                }
            }
            None => {
                match &unwritable {
                    Some(error) => self.report_failure(error),
                    None if self.set_state(JournalState::Following) => {
                        (self.observer)(&StandingsEvent::Following);
                    }
                    None => {}
                }
                // A missing file has no changes.
                let stamp =
                    Stamp::from_file(&path).ok().filter(|stamp| self.last_read.as_ref() != Some(stamp));
                // The shared standings of this process are newer than the file that it cannot write.
                if stamp.is_some() && self.shared().is_none() {
                    self.replace_standings(&JournalContents::read(&path)?);
                    self.last_read = stamp;
                }
                // What others restrict is in force here, also while this process cannot write.
                if unwritable.is_some() && self.fleet.is_some() && self.shared().is_none() {
                    self.join_fleet(JournalContents::read(&path)?);
                }
            }
        }
        Ok(())
    }

    /// Replaces all standings in the store by the unexpired standings of the journal.
    fn replace_standings(&self, contents: &JournalContents) {
        let mut standings = contents.in_force();
        let now = SystemTime::now().into();
        standings.retain(|_, standing| !standing.has_ended(now));
        let end = nearest_end(standings.values());
        self.store.replace_standings(standings);
        self.announce_end(end);
    }

    /// Takes the standings of the journal over, and starts the exchange with the broker. The standings of a journal
    /// from before the fleet are pending, so that the broker gets them.
    fn join_fleet(&mut self, contents: JournalContents) {
        if let Some(journal) = &mut self.journal
            && let Some(shared) = self.fleet.as_ref().and_then(|fleet| fleet.shared.as_ref())
        {
            // This process could not write the file until now.
            if let Err(error) = journal.rewrite_shared(&shared.standings) {
                self.report_failure(&error);
            }
            return;
        }
        self.replace_standings(&contents);
        let is_damaged = !contents.damaged.is_empty();
        let (records, position) = match contents.shared {
            Some(SharedContents { accounts, mut position }) => {
                // A damaged record may be one that the broker has: its values are read from the first one on.
                if let Some(position) = position.as_mut().filter(|_| is_damaged) {
                    position.revision = 0;
                }
                (accounts.into_values().collect(), position)
            }
            None => {
                let left = self.path.as_deref().and_then(left_fleet);
                returning(&contents.standings, left.unwrap_or_default(), SystemTime::now().into())
            }
        };
        let standings = SharedStandings::restore(records, position);
        if let Some(fleet) = &mut self.fleet
            && let Some((start, events)) = fleet.start.take()
        {
            let report = move |reported| drop(events.send(Request::Shared(reported)));
            fleet.shared = Some(Shared::start(standings, start, report));
        }
        self.write_status();
        if let Err(error) = self.prepare_journal() {
            self.report_failure(&error);
        }
    }

    /// Ends the exchange with the broker, because another process takes over.
    fn leave_fleet(&mut self) {
        if let Some(shared) = self.shared() {
            shared.standings.give_up();
        }
        self.save(true);
        if let Some(fleet) = &mut self.fleet {
            fleet.start = None;
            let waiting = fleet.shared.take().map(|shared| shared.waiting);
            for request in waiting.into_iter().flat_map(HashMap::into_values) {
                let WaitingRequest { change, is_local, reply } = request;
                if is_local {
                    reply(Ok(Reach::Replica));
                    continue;
                }
                let reason = "the process stopped before the broker acknowledged the change";
                if let Some(log) = &self.change_log {
                    log.failed(&[change.logged()], reason);
                }
                reply(Err(StandingError::NoBroker(reason.to_owned())));
            }
        }
    }

    /// Begins a request. Its record is not on the disk yet.
    fn begin(
        &mut self,
        StandingChange { key, standing }: StandingChange,
        author: Author,
        reply: Reply,
    ) -> Result<BegunRequest, (StandingError, Reply)> {
        let now = UnixMillis::from(SystemTime::now());
        let id = match random_write_id() {
            Ok(id) => id,
            Err(error) => return Err((StandingError::NoBroker(error.to_string()), reply)),
        };
        let generation = self.store.current().map(|current| current.snapshot.generation());
        let Some(shared) = self.shared() else { return Err((StandingError::Following, reply)) };
        let shared_key = Key::from(&key);
        let before = shared.standings.in_force(&shared_key, now).and_then(Standing::from_value);
        let request = SharedRequest {
            key: shared_key,
            standing: standing.as_ref().map(Standing::to_shared),
            since: rfc3339(now),
            by: author.principal.as_deref().map(str::to_owned),
            id,
        };
        let begun = shared.standings.request(request, now, Instant::now());
        let after = standing.map(|standing| Standing { since: Some(now), ..standing });
        Ok(BegunRequest { begun, change: OwnedChange { key, author, before, after, generation }, reply })
    }

    /// Puts requests on the disk, with one write for all, and carries them out. Undoes all of them if that fails.
    fn carry_out_requests(&mut self, requests: Vec<BegunRequest>) {
        if requests.is_empty() {
            return;
        }
        let is_change = |request: &&BegunRequest| {
            !is_nothing(&request.begun.changes.replies, request.begun.record.is_some())
        };
        let changes = || requests.iter().filter(is_change).map(|request| request.change.logged());
        let logged: Vec<LoggedChange<'_>> = changes().collect();
        let records: Vec<SharedRecord> = requests.iter().filter_map(|it| it.begun.record.clone()).collect();
        let log = self.change_log.clone().filter(|_| !logged.is_empty());
        let recorded = log.as_ref().map_or(Ok(()), |log| log.record(&logged)).map_err(|error| match error {
            ChangeLogError::Closed => StandingError::Following,
            ChangeLogError::Failed(error) => StandingError::ChangeLog(error),
        });
        let written = recorded.and_then(|()| {
            let written = self.append_shared(&records);
            if let (Err(error), Some(log)) = (&written, &log) {
                log.failed(&logged, &error.to_string());
            }
            written
        });
        drop(logged);
        if let Err(error) = written {
            for BegunRequest { begun, reply, .. } in requests.into_iter().rev() {
                if let Some(shared) = self.shared() {
                    shared.standings.undo(begun);
                }
                reply(Err(error.clone()));
            }
            return;
        }
        for BegunRequest { begun, change, reply } in requests {
            if let Some(shared) = self.shared() {
                let is_local = begun.record.is_some();
                shared.waiting.insert(begun.ticket, WaitingRequest { change, is_local, reply });
            }
            self.carry_out(begun.changes);
        }
    }

    fn append_shared(&mut self, records: &[SharedRecord]) -> Result<(), StandingError> {
        if records.is_empty() || self.journal.is_none() {
            return Ok(());
        }
        let position = self.shared().and_then(|shared| shared.safe_position());
        let written = match &mut self.journal {
            Some(journal) => journal.append_shared(records, position.as_ref()),
            None => Ok(()),
        };
        written.map_err(|error| self.refusal(&error))?;
        self.set_state(JournalState::Writing);
        Ok(())
    }

    /// Reports that the journal cannot be written, and returns the reason for a request.
    fn refusal(&self, error: &io::Error) -> StandingError {
        self.report_failure(error);
        StandingError::Journal(error.to_string())
    }

    /// Receives an event of the exchange with the broker.
    fn receive(&mut self, event: SharedEvent) {
        let now = UnixMillis::from(SystemTime::now());
        let Some(shared) = self.shared() else { return };
        let changes = match event {
            SharedEvent::Watched(event, _) => shared.standings.watched(event, now, Instant::now()),
            SharedEvent::Written(key, ticket, outcome) => {
                shared.standings.written(&key, ticket, &outcome, now, Instant::now())
            }
        };
        self.carry_out(changes);
    }

    /// Carries out what the shared standings decided.
    fn carry_out(&mut self, changes: Changes) {
        let Changes { in_force, writes, overruled, must_save, replies } = changes;
        for in_force in in_force {
            if let Some(shared) = self.shared() {
                shared.note_end(&in_force);
            }
            self.put_in_force((&in_force.key).into(), in_force.value.as_ref());
        }
        let unsent = self.shared().map(|shared| shared.send(writes)).unwrap_or_default();
        for BusWrite { key, ticket, .. } in unsent {
            let outcome = Outcome::NotSent("the replica has no connection to the broker".to_owned());
            self.receive(SharedEvent::Written(key, ticket, outcome));
        }
        for overruled in overruled {
            let key = AccountKey::from(&overruled.key);
            let [lost, won] = [&overruled.values.lost, &overruled.values.won].map(Standing::from_value);
            if let Some(log) = &self.change_log {
                log.overruled(&key, lost.as_ref(), won.as_ref());
            }
            let (lost, won) = (lost.as_ref(), won.as_ref());
            (self.observer)(&StandingsEvent::Overruled { key: &key, lost, won });
        }
        self.save(must_save);
        for (ticket, reply) in replies {
            let Some(request) = self.shared().and_then(|shared| shared.waiting.remove(&ticket)) else {
                continue;
            };
            let WaitingRequest { change, reply: answer, .. } = request;
            answer(match reply {
                SharedReply::Fleet => Ok(Reach::Fleet),
                SharedReply::Replica(_) => Ok(Reach::Replica),
                SharedReply::NoBroker(reason) => {
                    if let Some(log) = &self.change_log {
                        log.failed(&[change.logged()], &reason);
                    }
                    Err(StandingError::NoBroker(reason))
                }
            });
        }
    }

    /// Makes what decides about an account visible to the workers.
    fn put_in_force(&self, key: AccountKey, value: Option<&Value>) {
        let standing = value.and_then(Standing::from_value);
        self.store.set_standing(key.clone(), standing.clone());
        self.announce_end(nearest_end(standing.iter()));
        (self.observer)(&match &standing {
            Some(standing) => StandingsEvent::Set { key: &key, standing },
            None => StandingsEvent::Removed { key: &key, expired: false, author: None },
        });
    }

    /// Does what is due without a request: standings that follow others, writes that are put off, and the journal.
    fn keep_up_with_fleet(&mut self) {
        let now = UnixMillis::from(SystemTime::now());
        let Some(shared) = self.shared() else { return };
        let ended = shared.ended(now);
        let due = shared.tick(now);
        let must_save = shared.must_save();
        for in_force in ended {
            let key = AccountKey::from(&in_force.key);
            if in_force.value.is_some() {
                self.put_in_force(key, in_force.value.as_ref());
            } else if self.store.standing(&key).is_some() {
                self.store.set_standing(key.clone(), None);
                (self.observer)(&StandingsEvent::Removed { key: &key, expired: true, author: None });
            }
        }
        if let Some(due) = due {
            self.carry_out(due);
        }
        self.save(must_save);
        self.write_status();
    }

    fn write_status(&self) {
        if let Some(FleetSide { shared: Some(shared), status, .. }) = &self.fleet {
            shared.write_status(&mut status.lock());
        }
    }

    /// Writes what arrived from the broker to the journal.
    fn save(&mut self, is_due: bool) {
        if !is_due || self.journal.is_none() {
            return;
        }
        let Some(shared) = self.shared() else { return };
        let unsaved = shared.standings.take_unsaved();
        if unsaved.records.is_empty() && shared.has_saved(unsaved.position.as_ref()) {
            return;
        }
        let written = self.prepare_journal().and_then(|()| match &mut self.journal {
            Some(journal) => journal.append_shared(&unsaved.records, unsaved.position.as_ref()),
            None => Ok(()),
        });
        match written {
            Ok(()) => {
                self.set_state(JournalState::Writing);
                if let Some(shared) = self.shared() {
                    shared.set_saved(unsaved.position);
                }
            }
            Err(error) => {
                self.report_failure(&error);
                if let Some(shared) = self.shared() {
                    shared.standings.keep_unsaved(unsaved);
                }
            }
        }
    }

    /// Sets the state. Returns whether it has changed.
    fn set_state(&self, state: JournalState) -> bool {
        let mut current = self.state.lock();
        let has_changed = *current != state;
        *current = state;
        has_changed
    }

    fn report_failure(&self, error: &io::Error) {
        if self.set_state(JournalState::Failed(error.to_string())) {
            (self.observer)(&StandingsEvent::Failed { error });
        }
    }
}

fn nearest_end<'s>(standings: impl Iterator<Item = &'s Standing>) -> Option<UnixMillis> {
    standings.filter_map(|standing| standing.until.as_ref().map(|until| until.at)).min()
}

/// In a fleet, the writer puts what follows a standing in force at its end. If a slow disk holds the writer up, the
/// expirer removes the standing after this time. A follower reads the journal in less.
const FLEET_GRACE: Duration = Duration::from_millis(500);
/// Maximum sleep while a standing has an end, because the system clock may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_millis(500);

/// The state of the expirer thread. [`run`](Self::run) is the thread's function.
pub struct Expirer {
    store: Store,
    observer: StandingsObserver,
    /// Receives the end of each standing that is set. Closed when the writer ends.
    ends: Receiver<UnixMillis>,
    /// The time that the writer has to remove or replace an expired standing by itself.
    grace: Duration,
}

impl Expirer {
    /// Removes expired standings. Returns when the writer has ended.
    pub fn run(self) {
        let mut nearest: Option<UnixMillis> = None;
        loop {
            let received = match nearest {
                None => self.ends.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(end) => self.ends.recv_timeout((time_until(end) + self.grace).min(MAX_SLEEP)),
            };
            match received {
                Ok(end) => nearest = Some(nearest.map_or(end, |nearest| nearest.min(end))),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = UnixMillis::from(SystemTime::now() - self.grace);
            if nearest.is_some_and(|end| end <= now) {
                for key in self.store.expire(now) {
                    (self.observer)(&StandingsEvent::Removed { key: &key, expired: true, author: None });
                }
                nearest = self.store.next_expiry();
            }
        }
    }
}

fn time_until(end: UnixMillis) -> Duration {
    let now = UnixMillis::from(SystemTime::now());
    Duration::from_millis(UnixMillis(end.0.saturating_sub(now.0)).as_u64())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn standings_are_removed_in_the_order_of_their_ends_whatever_the_order_they_were_set_in() {
        let store = Store::default();
        let (ends, receiver) = channel();
        let (to, removed) = channel();
        let observer = Arc::new(move |event: &StandingsEvent<'_>| {
            if let StandingsEvent::Removed { key, expired: true, .. } = event {
                to.send(key.account.to_string()).unwrap();
            }
        });
        let expirer = Expirer { store: store.clone(), observer, ends: receiver, grace: Duration::ZERO };
        let thread = thread::spawn(move || expirer.run());
        let now = UnixMillis::from(SystemTime::now());
        for (account, in_ms) in [("last", 300), ("first", 100), ("never", 60_000)] {
            let end = jiff::Timestamp::from_millisecond(now.0 + in_ms).unwrap();
            let json = format!(r#"{{"standing":"suspended","reason":"x","until":"{end}"}}"#);
            let standing = Standing::from_json(json.as_bytes()).unwrap();
            let end = standing.until.as_ref().unwrap().at;
            store.set_standing(AccountKey { company: "c".into(), account: account.into() }, Some(standing));
            ends.send(end).unwrap();
        }
        for account in ["first", "last"] {
            assert_eq!(removed.recv_timeout(Duration::from_secs(20)).unwrap(), account);
        }
        assert_eq!(store.standing_count(), 1);
        drop(ends);
        thread.join().unwrap();
    }
}
