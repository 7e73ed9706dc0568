//! The thread that makes all changes of standings. It writes a change to the disk, then makes it visible to
//! the workers, then replies. It also follows the journal of another process and takes it over.
//!
//! The thread that removes expired standings is separate, because the writer may wait for a slow disk, and an
//! account must return to service within a second after its standing expires.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use switchboard_model::UnixMillis;
use switchboard_registry::Stamp;

use super::journal::{Journal, JournalContents, OpenedJournal, StandingChange};
use super::standing::{AccountKey, Author, Standing, StandingError, StandingsEvent, StandingsObserver};
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
    /// Calls the function after the journal is released.
    HandOver(Box<dyn FnOnce() + Send>),
}

type Reply = Box<dyn FnOnce(Result<(), StandingError>) + Send>;

/// A handle that changes standings from any thread.
#[derive(Clone)]
pub struct Standings {
    store: Store,
    requests: Sender<Request>,
    path: Option<Arc<Path>>,
    state: Arc<Mutex<JournalState>>,
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
    /// Sends the ends of standings to the expirer, which stops when this sender is dropped.
    ends: Sender<UnixMillis>,
}

impl Standings {
    /// Opens the journal and sets its standings in the store. The caller runs the writer and the expirer,
    /// each on a thread. Without a path, standings are not kept. If the journal can be read but not written,
    /// its standings are in force and cannot be changed.
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
    ) -> io::Result<(Standings, StandingsWriter, Expirer)> {
        let (to_writer, requests) = channel();
        let (to_expirer, ends) = channel();
        let expirer = Expirer { store: store.clone(), observer: Arc::clone(&observer), ends };
        let path: Option<Arc<Path>> = path.map(Into::into);
        let state = Arc::new(Mutex::new(JournalState::InMemory));
        let standings = Standings {
            store: store.clone(),
            requests: to_writer,
            path: path.clone(),
            state: Arc::clone(&state),
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

    /// Sets or removes the standing of an account. Calls `reply` on the writer's thread when the change is on
    /// the disk and every worker sees it. Drops `reply` if the writer has ended.
    pub fn change(
        &self,
        key: AccountKey,
        standing: Option<Standing>,
        author: Author,
        reply: impl FnOnce(Result<(), StandingError>) + Send + 'static,
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
            let request = if self.is_following() {
                self.requests.recv_timeout(FOLLOW_INTERVAL)
            } else if self.journal.is_some() {
                self.requests.recv_timeout(CHECK_INTERVAL)
            } else {
                self.requests.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match request {
                Ok(first) => self.serve(first),
                Err(RecvTimeoutError::Timeout) => self.check_journal(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
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

    /// Serves all pending requests, with one write to the disk for all changes.
    fn serve(&mut self, first: Request) {
        let mut changes = Vec::new();
        let (mut authors, mut replies) = (Vec::new(), Vec::new());
        let more: Vec<Request> = self.requests.try_iter().take(MAX_BATCH).collect();
        let mut hand_over = None;
        for request in std::iter::once(first).chain(more) {
            match request {
                Request::HandOver(then) => hand_over = Some(then),
                Request::Change(mut change, author, reply) => match self.check(&change) {
                    Err(error) => reply(Err(error)),
                    Ok(()) if change.standing.is_none() && !self.has_standing(&change.key, &changes) => {
                        reply(Ok(()));
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
            reply(written.clone());
        }
        if let Some(then) = hand_over {
            self.check_journal();
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
        if change.is_none() && !journal.needs_rewrite(self.store.standing_count()) {
            return Ok(());
        }
        let copy = match &change {
            Some(_) => journal.copy_foreign()?,
            None => None,
        };
        let standings = self.store.standings();
        journal.rewrite(standings.iter().map(|(key, standing)| (key, standing)))?;
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
            match Journal::open(&path) {
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
                    standings: contents.standings.len(),
                    torn: contents.torn,
                    damaged: &contents.damaged,
                    damaged_copy: damaged_copy.as_deref(),
                });
                self.replace_standings(contents);
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
                if stamp.is_some() {
                    self.replace_standings(JournalContents::read(&path)?);
                    self.last_read = stamp;
                }
            }
        }
        Ok(())
    }

    /// Replaces all standings in the store by the unexpired standings of the journal.
    fn replace_standings(&self, contents: JournalContents) {
        let mut standings = contents.standings;
        let now = SystemTime::now().into();
        standings.retain(|_, standing| !standing.has_ended(now));
        let end = nearest_end(standings.values());
        self.store.replace_standings(standings);
        self.announce_end(end);
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

/// Maximum sleep while a standing has an end, because the system clock may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_millis(500);

/// The state of the expirer thread. [`run`](Self::run) is the thread's function.
pub struct Expirer {
    store: Store,
    observer: StandingsObserver,
    /// Receives the end of each standing that is set. Closed when the writer ends.
    ends: Receiver<UnixMillis>,
}

impl Expirer {
    /// Removes expired standings. Returns when the writer has ended.
    pub fn run(self) {
        let mut nearest: Option<UnixMillis> = None;
        loop {
            let received = match nearest {
                None => self.ends.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(end) => self.ends.recv_timeout(time_until(end).min(MAX_SLEEP)),
            };
            match received {
                Ok(end) => nearest = Some(nearest.map_or(end, |nearest| nearest.min(end))),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = UnixMillis::from(SystemTime::now());
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
        let expirer = Expirer { store: store.clone(), observer, ends: receiver };
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
