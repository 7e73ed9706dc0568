//! The standings of all accounts of one replica, and the task that exchanges them with the broker.
//!
//! [`SharedStandings`] belongs to the thread that makes all changes. It has no I/O and no clock: requests, events of
//! the watch and outcomes of writes go in, and [`Changes`] come out, which the thread carries out. [`exchange`] is the
//! other side, on the runtime of the fleet: it sends the writes, and reports the outcomes and the watch.
//!
//! One write of an account at a time is under way, so that an earlier request never replaces a later one.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use compact_str::CompactString;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use serde::{Deserialize, Serialize};
use switchboard_model::UnixMillis;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::bus::{Bucket, Bus, BusError, Entry, random_hex, read_standing_key, standing_key};
use crate::standings::{Account, Course, Overruled, SavedAccount, Standing, Value, WriteId};
use crate::watch::{Position, Watch, WatchEvent};

/// The time within which the broker acknowledges a write, repetitions included.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// The time over which replicas put back standings after the broker has lost its memory.
pub const PUT_BACK_SPREAD: Duration = Duration::from_secs(10);
/// The number of overruled standings that are kept for `/status`.
pub const MAX_OVERRULED: usize = 100;
/// The maximum number of writes that are under way at the same time.
const MAX_WRITES: usize = 256;
/// The maximum number of them that are not those of requests, which must not wait.
const MAX_PENDING_WRITES: usize = 128;
/// The maximum number of events of the watch that wait for the thread of the standings. Requests wait behind them.
const MAX_EVENTS: usize = 256;
/// The shortest time after which a pending value is written again. Up to the same time is added at random.
const RETRY: Duration = Duration::from_millis(500);

/// The ids of an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The id of the company.
    pub company: CompactString,
    /// The id of the account.
    pub account: CompactString,
}

/// A change that a user requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The account.
    pub key: Key,
    /// The standing. `None` clears.
    pub standing: Option<Standing>,
    /// The time of the request in RFC 3339, for people.
    pub since: String,
    /// The name of the principal, for people.
    pub by: Option<String>,
    /// A random id, as from [`random_write_id`].
    pub id: WriteId,
}

/// The number of a request or of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The broker has the change, or there was nothing to change at the broker.
    Fleet,
    /// The change is in force on this replica, and pending. The text is the reason.
    Replica(String),
    /// The change is not made, because it needs the broker. The text is the reason.
    NoBroker(String),
}

/// What decides about an account now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The account.
    pub key: Key,
    /// The value that restricts the account. `None` without one.
    pub value: Option<Value>,
}

/// A standing that lost against a more restrictive one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverruledStanding {
    /// The account.
    pub key: Key,
    /// The two values.
    pub values: Overruled,
    /// The time of the decision.
    pub at: UnixMillis,
}

/// A write for [`exchange`]: a compare-and-set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusWrite {
    /// The number that comes back with the outcome.
    pub ticket: Ticket,
    /// The account.
    pub key: Key,
    /// The value.
    pub value: Value,
    /// The expected revision. 0 for a key without a value.
    pub expected: u64,
    /// The time after which the write is given up.
    pub deadline: Instant,
}

/// The outcome of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The broker has the value, with this revision.
    Written(u64),
    /// Another writer was faster. The broker did not take the value.
    Conflict,
    /// The broker did not get the write. The text is the reason.
    NotSent(String),
    /// The broker did not acknowledge the write. It may have the value all the same, also later. The text is the
    /// reason.
    Unknown(String),
}

/// What the thread of the standings has to do, in the order of the members.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What changed in force.
    pub in_force: Vec<InForce>,
    /// The writes for [`exchange`].
    pub writes: Vec<BusWrite>,
    /// What lost: to be logged and recorded.
    pub overruled: Vec<OverruledStanding>,
    /// Whether [`SharedStandings::take_unsaved`] must be on the disk before the answers are sent.
    pub must_save: bool,
    /// The answers to requests.
    pub replies: Vec<(Ticket, Reply)>,
}

/// A request that has begun.
#[derive(Debug)]
pub struct Begun {
    /// The number of the request in [`Changes::replies`].
    pub ticket: Ticket,
    /// The record that must be on the disk before the changes are carried out. If it cannot be written, call
    /// [`SharedStandings::undo`] instead, in the opposite order of the requests.
    pub record: Option<Record>,
    /// What to do. Has the answer if there is nothing to wait for.
    pub changes: Changes,
    undo: (Key, Option<Box<State>>),
}

/// What the journal keeps of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The ids of the account.
    #[serde(flatten)]
    pub key: Key,
    /// What is known of the account.
    #[serde(flatten)]
    pub account: SavedAccount,
}

/// What is not in the journal yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unsaved {
    /// The accounts. They are written before the position.
    pub records: Vec<Record>,
    /// The position of the watch, behind which a later start resumes. `None` if nothing was read.
    pub position: Option<Position>,
}

/// The standings of all accounts of one replica.
#[derive(Debug, Default)]
pub struct SharedStandings {
    /// Boxed, because a growing table moves its entries, and much of it is empty.
    accounts: HashMap<Key, Box<State>>,
    /// The accounts with a pending value.
    pending: BTreeSet<Key>,
    /// The accounts with a pending value that is to be compared with the broker's, and written.
    due: BTreeSet<Key>,
    /// The accounts whose pending value is due later.
    later: BTreeSet<(Instant, Key)>,
    /// The ends of the requests that wait for the entry of a faster writer.
    deadlines: BTreeSet<(Instant, Key)>,
    /// The number of writes of pending values that are under way, without those of requests.
    under_way: usize,
    unsaved: HashSet<Key>,
    position: Option<Position>,
    /// Whether the revisions of the accounts are not known, because the journal has no position.
    is_unplaced: bool,
    /// Whether everything of the bucket was read since the connection.
    is_current: bool,
    /// The number of losses of the broker's memory. An outcome from before a loss has the revision of another life.
    losses: u64,
    tickets: u64,
    overruled: VecDeque<OverruledStanding>,
    overruled_total: u64,
}

#[derive(Debug, Clone, Default)]
struct State {
    account: Account,
    /// Boxed, because most accounts have none, and a replica may know a million accounts.
    under_way: Option<Box<UnderWay>>,
    /// Requests that wait for the write that is under way.
    waiting: VecDeque<Waiting>,
    /// The revision on which a write met a faster writer. The next write waits for a later one.
    conflict: Option<u64>,
    /// The time before which a pending value is not written.
    not_before: Option<Instant>,
}

#[derive(Debug, Clone)]
struct UnderWay {
    ticket: Ticket,
    value: Value,
    expected: u64,
    losses: u64,
    /// Whether the broker might have had the value before this write.
    was_doubtful: bool,
    /// What a request waits for. `None` for a value that is pending from before.
    request: Option<WaitsFor>,
}

#[derive(Debug, Clone)]
struct Waiting {
    ticket: Ticket,
    value: Value,
    request: WaitsFor,
}

#[derive(Debug, Clone)]
struct WaitsFor {
    course: Course,
    /// The value that was pending when the change was requested.
    pending_then: Option<WriteId>,
    deadline: Instant,
}

impl SharedStandings {
    /// Restores the standings from the records and the position of the journal. A later record of an account replaces
    /// an earlier one. Without a position, the whole bucket is read before a standing counts as lost by the broker.
    pub fn restore(records: impl IntoIterator<Item = Record>, position: Option<Position>) -> SharedStandings {
        let mut restored = SharedStandings { position, ..SharedStandings::default() };
        for Record { key, account } in records {
            let mut account = Account::restore(account);
            if restored.position.is_none() {
                account.forget_revision();
            }
            restored.is_unplaced |= account.is_missing_at_broker();
            restored.accounts.insert(key.clone(), Box::new(State { account, ..State::default() }));
            restored.note_pending(&key);
        }
        if restored.is_unplaced
            && let Some(position) = &mut restored.position
        {
            // The process ended before the whole bucket was read.
            position.revision = 0;
        }
        restored
    }

    /// Returns the position to which the bucket was read, for [`exchange`] and for the status.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// Returns the accounts with a pending value, in the order of their ids.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.pending.iter()
    }

    /// Returns the last standings that were overruled, the latest last, and the number of all of them.
    pub fn overruled(&self) -> (impl Iterator<Item = &OverruledStanding>, u64) {
        (self.overruled.iter(), self.overruled_total)
    }

    /// Returns the value that restricts an account now. Another one may do so after the end of a standing.
    pub fn in_force(&self, key: &Key, now: UnixMillis) -> Option<&Value> {
        restricting(&self.accounts.get(key)?.account, now)
    }

    /// Returns every value that restricts an account now, for a start.
    pub fn all_in_force(&self, now: UnixMillis) -> impl Iterator<Item = (&Key, &Value)> {
        self.accounts.iter().filter_map(move |(key, state)| Some((key, restricting(&state.account, now)?)))
    }

    /// Returns the number of accounts that are known.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Returns whether no account is known.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Returns the records of all accounts, for a journal that is rewritten.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        self.accounts.iter().map(|(key, state)| record(key, &state.account))
    }

    /// Begins a request. `at` is the monotonic clock, from which the time limit counts.
    pub fn request(&mut self, request: Request, now: UnixMillis, at: Instant) -> Begun {
        let Request { key, standing, since, by, id } = request;
        let ticket = self.next_ticket();
        let before = self.accounts.get(&key).cloned();
        let pending = before.as_ref().and_then(|state| state.account.pending());
        let pending_then = pending.map(|(_, pending)| pending.id.clone());
        let mut changes = Changes::default();
        let mut value = Value { id, standing, since: since.into(), by, replaces: None, earlier: Vec::new() };
        let course = self.update(&key, now, &mut changes, |account| account.change(&mut value, now));
        let record = match course {
            Course::LocalFirst | Course::LocalOnly => Some(self.record(&key)),
            Course::BrokerFirst | Course::Nothing => None,
        };
        match course {
            Course::LocalFirst | Course::BrokerFirst => {
                let request = WaitsFor { course, pending_then, deadline: at + WRITE_TIMEOUT };
                let waiting = Waiting { ticket, value, request };
                let state = self.accounts.entry(key.clone()).or_default();
                state.waiting.push_back(waiting);
                if state.conflict.is_some() {
                    self.deadlines.insert((at + WRITE_TIMEOUT, key.clone()));
                }
                self.proceed(&key, now, at, &mut changes);
            }
            Course::LocalOnly | Course::Nothing => changes.replies.push((ticket, Reply::Fleet)),
        }
        Begun { ticket, record, changes, undo: (key, before) }
    }

    /// Takes back a request whose record cannot be written. Its changes must not be carried out.
    pub fn undo(&mut self, begun: Begun) {
        let (key, before) = begun.undo;
        match before {
            Some(state) => drop(self.accounts.insert(key.clone(), state)),
            None => drop(self.accounts.remove(&key)),
        }
        self.note_pending(&key);
        if self.pending.contains(&key) {
            match self.accounts.get(&key).and_then(|state| state.not_before) {
                Some(due) => drop(self.later.insert((due, key))),
                None => drop(self.due.insert(key)),
            }
        }
    }

    /// Receives the outcome of a write.
    pub fn written(
        &mut self,
        key: &Key,
        ticket: Ticket,
        outcome: &Outcome,
        now: UnixMillis,
        at: Instant,
    ) -> Changes {
        let mut changes = Changes::default();
        let under_way = self.accounts.get_mut(key).map(|state| &mut state.under_way);
        let done = under_way.and_then(|under_way| under_way.take_if(|write| write.ticket == ticket));
        let Some(write) = done else { return changes };
        if write.request.is_none() {
            self.under_way = self.under_way.saturating_sub(1);
        }
        let lost = Outcome::Unknown("the broker has lost its memory".to_owned());
        let outcome = if write.losses == self.losses { outcome } else { &lost };
        let reply = match outcome {
            Outcome::Written(revision) => Some(self.acknowledged(key, &write, *revision, now, &mut changes)),
            Outcome::Conflict => self.conflicted(key, &write, at),
            Outcome::NotSent(reason) => {
                self.update(key, now, &mut changes, |account| {
                    account.not_sent(&write.value.id, write.was_doubtful);
                });
                self.retry(key, at);
                Some(failed(&write, reason))
            }
            Outcome::Unknown(reason) => {
                let is_pending = self.has_pending(key, &write.value.id);
                if !is_pending {
                    self.update(key, now, &mut changes, |account| account.doubt(&write.value.id));
                    changes.must_save = true;
                }
                self.retry(key, at);
                Some(failed(&write, reason))
            }
        };
        if let (Some(reply), Some(_)) = (reply, &write.request) {
            changes.replies.push((ticket, reply));
        }
        self.proceed(key, now, at, &mut changes);
        self.fill(now, at, &mut changes);
        changes
    }

    /// Receives that the broker has the value of a write.
    fn acknowledged(
        &mut self,
        key: &Key,
        write: &UnderWay,
        revision: u64,
        now: UnixMillis,
        changes: &mut Changes,
    ) -> Reply {
        let value = &write.value;
        let overruled = match &write.request {
            Some(WaitsFor { course: Course::BrokerFirst, pending_then, .. }) => {
                self.update(key, now, changes, |account| {
                    account.changed_at_broker(value, revision, pending_then.as_ref());
                });
                None
            }
            _ => self.learn(key, revision, Some(value.clone()), now, changes),
        };
        self.note_overruled(key, overruled, now, changes);
        Reply::Fleet
    }

    /// Lets a request wait for the entry of the faster writer. Returns the answer if there is no time left.
    fn conflicted(&mut self, key: &Key, write: &UnderWay, at: Instant) -> Option<Reply> {
        let state = self.accounts.get_mut(key)?;
        // The watch may have been faster than this answer.
        state.conflict = (state.account.revision() <= write.expected).then_some(write.expected);
        let Some(request) = write.request.clone().filter(|request| request.deadline > at) else {
            return Some(failed(write, CONFLICT));
        };
        self.deadlines.insert((request.deadline, key.clone()));
        state.waiting.push_front(Waiting { ticket: write.ticket, value: write.value.clone(), request });
        None
    }

    fn has_pending(&self, key: &Key, id: &WriteId) -> bool {
        let pending = self.accounts.get(key).and_then(|state| state.account.pending());
        pending.is_some_and(|(_, pending)| pending.id == *id)
    }

    /// Puts the next write of a pending value off.
    fn retry(&mut self, key: &Key, at: Instant) {
        self.put_off(key, at + RETRY.mul_f64(1.0 + fastrand::f64()));
    }

    fn put_off(&mut self, key: &Key, due: Instant) {
        if let Some(state) = self.accounts.get_mut(key).filter(|state| state.account.pending().is_some()) {
            if let Some(before) = state.not_before.replace(due) {
                self.later.remove(&(before, key.clone()));
            }
            self.due.remove(key);
            self.later.insert((due, key.clone()));
        }
    }

    /// Receives an event of the watch.
    pub fn watched(&mut self, event: WatchEvent, now: UnixMillis, at: Instant) -> Changes {
        let mut changes = Changes::default();
        match event {
            WatchEvent::Lost(_) => self.is_current = false,
            WatchEvent::Reached(memory) => {
                self.is_current = false;
                let is_known = self.position.as_ref().is_none_or(|position| position.memory == memory);
                if !is_known {
                    self.memory_lost(now, at, &mut changes);
                }
                if self.position.is_none() {
                    // Revisions without a position may be those of another life.
                    for state in self.accounts.values_mut() {
                        state.account.forget_revision();
                        self.is_unplaced |= state.account.is_missing_at_broker();
                    }
                }
                if self.position.is_none() || !is_known {
                    self.position = Some(Position { memory, revision: 0 });
                }
            }
            WatchEvent::MemoryLost(memory) => {
                self.is_current = false;
                self.memory_lost(now, at, &mut changes);
                self.position = Some(Position { memory, revision: 0 });
            }
            WatchEvent::Entry(entry) => {
                self.arrived(&entry, now, at, &mut changes);
                self.fill(now, at, &mut changes);
            }
            WatchEvent::Current(position) => {
                if !self.is_current {
                    self.is_current = true;
                    self.became_current(now, at, &mut changes);
                }
                self.position = Some(position);
                self.fill(now, at, &mut changes);
            }
        }
        changes
    }

    /// Returns the next time at which something is due without a request, for [`tick`](Self::tick).
    pub fn next_due(&self) -> Option<Instant> {
        let later = self.later.first().filter(|_| self.is_current);
        self.deadlines.first().into_iter().chain(later).map(|(due, _)| *due).min()
    }

    /// Writes what is pending and due, and answers requests whose time is over.
    pub fn tick(&mut self, now: UnixMillis, at: Instant) -> Changes {
        let mut changes = Changes::default();
        while let Some((due, _)) = self.deadlines.first()
            && *due <= at
            && let Some((due, key)) = self.deadlines.pop_first()
        {
            let Some(state) = self.accounts.get_mut(&key) else { continue };
            if state.conflict.is_none() {
                continue;
            }
            let is_over = |waiting: &mut Waiting| waiting.request.deadline <= due;
            if let Some(waiting) = state.waiting.pop_front_if(is_over) {
                state.conflict = None;
                let reply = refused(waiting.request.course, CONFLICT);
                changes.replies.push((waiting.ticket, reply));
                self.proceed(&key, now, at, &mut changes);
            }
        }
        self.fill(now, at, &mut changes);
        changes
    }

    /// Receives that the exchange ends. A write that is under way may take effect after its request was answered as
    /// not made. Write what is unsaved before that answer.
    pub fn give_up(&mut self) {
        for (key, state) in &mut self.accounts {
            let pending = state.account.pending().map(|(_, pending)| pending.id.clone());
            let sent = state.under_way.as_ref().map(|write| &write.value.id);
            if let Some(id) = sent.filter(|id| pending.as_ref() != Some(id)) {
                state.account.doubt(id);
                self.unsaved.insert(key.clone());
            }
        }
    }

    /// Returns what the journal does not have yet. Write it within a second.
    pub fn take_unsaved(&mut self) -> Unsaved {
        let mut keys: Vec<Key> = self.unsaved.drain().collect();
        keys.sort_unstable();
        let records = keys.iter().map(|key| self.record(key)).collect();
        Unsaved { records, position: self.position.clone() }
    }

    /// Notes that records could not be written.
    pub fn keep_unsaved(&mut self, unsaved: Unsaved) {
        self.unsaved.extend(unsaved.records.into_iter().map(|record| record.key));
    }

    fn memory_lost(&mut self, now: UnixMillis, at: Instant, changes: &mut Changes) {
        self.losses += 1;
        let keys: Vec<Key> = self.accounts.keys().cloned().collect();
        for key in keys {
            self.lose(&key, now, at, changes);
        }
    }

    /// Receives that the broker has no value of an account any more.
    fn lose(&mut self, key: &Key, now: UnixMillis, at: Instant, changes: &mut Changes) {
        let overruled = self.update(key, now, changes, |account| account.memory_lost(now));
        self.note_overruled(key, overruled, now, changes);
        let state = self.accounts.get_mut(key);
        if state.is_some_and(|state| state.conflict.take().is_some()) {
            self.proceed(key, now, at, changes);
        }
        self.put_off(key, at + PUT_BACK_SPREAD.mul_f64(fastrand::f64()));
    }

    /// Makes due what is pending, because the connection is new.
    fn became_current(&mut self, now: UnixMillis, at: Instant, changes: &mut Changes) {
        if std::mem::take(&mut self.is_unplaced) {
            let states = self.accounts.iter();
            let missing = states.filter(|(_, state)| state.account.is_missing_at_broker());
            let missing: Vec<Key> = missing.map(|(key, _)| key.clone()).collect();
            for key in missing {
                self.lose(&key, now, at, changes);
            }
        }
        for key in &self.pending {
            let Some(state) = self.accounts.get_mut(key) else { continue };
            if state.waiting.is_empty() {
                state.conflict = None;
            }
            let is_put_off = state.account.is_put_back() && state.not_before.is_some_and(|due| due > at);
            if !is_put_off {
                if let Some(due) = state.not_before.take() {
                    self.later.remove(&(due, key.clone()));
                }
                self.due.insert(key.clone());
            }
        }
    }

    fn arrived(&mut self, entry: &Entry, now: UnixMillis, at: Instant, changes: &mut Changes) {
        if let Some(position) = &mut self.position {
            position.revision = position.revision.max(entry.revision);
        }
        let revision = entry.revision;
        let Some((company, account)) = read_standing_key(&entry.key) else {
            tracing::warn!(revision, "a key of the standings names no account: the key is ignored");
            return;
        };
        let value = match entry.value.as_ref().map(|value| Value::from_json(value)) {
            Some(Ok(value)) => Some(value),
            Some(Err(error)) => {
                tracing::warn!(revision, %error, "the standing in force stays, because its new value is unreadable");
                None
            }
            None => None,
        };
        let key = Key { company, account };
        let overruled = self.learn(&key, revision, value, now, changes);
        self.note_overruled(&key, overruled, now, changes);
        let Some(state) = self.accounts.get_mut(&key) else { return };
        let State { account, under_way, conflict, .. } = &mut **state;
        if under_way.is_none() && conflict.is_none() && account.pending().is_none() {
            return;
        }
        let pending = account.pending().map(|(_, pending)| &pending.id);
        // The watch may be faster than the acknowledgement, and comes although that is lost.
        let done = under_way
            .take_if(|write| account.took_effect(&write.value.id) && pending != Some(&write.value.id));
        if let Some(write) = done {
            let reply = self.acknowledged(&key, &write, revision, now, changes);
            match &write.request {
                Some(_) => changes.replies.push((write.ticket, reply)),
                None => self.under_way = self.under_way.saturating_sub(1),
            }
            self.proceed(&key, now, at, changes);
        }
        let Some(state) = self.accounts.get_mut(&key) else { return };
        if state.conflict.take_if(|expected| *expected < revision).is_some() {
            self.proceed(&key, now, at, changes);
        }
        if self.pending.contains(&key) {
            self.due.insert(key);
        }
    }

    /// Receives a value of the broker, and notes what follows. Copies less than [`update`](Self::update), because
    /// this is the work of every standing on every replica.
    fn learn(
        &mut self,
        key: &Key,
        revision: u64,
        value: Option<Value>,
        now: UnixMillis,
        changes: &mut Changes,
    ) -> Option<Overruled> {
        let State { account, .. } = &mut **self.accounts.entry(key.clone()).or_default();
        if revision <= account.revision() {
            return None;
        }
        // Also the standing, because a value that another program wrote may have the id of the one before.
        let before = restricting(account, now).map(|value| (value.id.clone(), value.standing.clone()));
        let overruled = account.arrived(revision, value, now);
        let after = restricting(account, now);
        if after.map(|value| (&value.id, &value.standing)) != before.as_ref().map(|(id, it)| (id, it)) {
            changes.in_force.push(InForce { key: key.clone(), value: after.cloned() });
        }
        let is_pending = account.pending().is_some();
        if !self.unsaved.contains(key) {
            self.unsaved.insert(key.clone());
        }
        if is_pending || !self.pending.is_empty() {
            self.note_pending(key);
        }
        overruled
    }

    /// Changes an account, and notes what follows.
    fn update<T>(
        &mut self,
        key: &Key,
        now: UnixMillis,
        changes: &mut Changes,
        change: impl FnOnce(&mut Account) -> T,
    ) -> T {
        let state = self.accounts.entry(key.clone()).or_default();
        let before = state.account.clone();
        let result = change(&mut state.account);
        if state.account != before {
            let value = restricting(&state.account, now);
            if value != restricting(&before, now) {
                changes.in_force.push(InForce { key: key.clone(), value: value.cloned() });
            }
            self.unsaved.insert(key.clone());
        }
        self.note_pending(key);
        result
    }

    fn note_pending(&mut self, key: &Key) {
        if self.accounts.get(key).is_some_and(|state| state.account.pending().is_some()) {
            self.pending.insert(key.clone());
        } else if self.pending.remove(key) {
            self.due.remove(key);
            let not_before = self.accounts.get_mut(key).and_then(|state| state.not_before.take());
            if let Some(due) = not_before {
                self.later.remove(&(due, key.clone()));
            }
        }
    }

    fn note_overruled(
        &mut self,
        key: &Key,
        overruled: Option<Overruled>,
        now: UnixMillis,
        changes: &mut Changes,
    ) {
        let Some(values) = overruled else { return };
        let overruled = OverruledStanding { key: key.clone(), values, at: now };
        changes.overruled.push(overruled.clone());
        self.overruled.push_back(overruled);
        if self.overruled.len() > MAX_OVERRULED {
            self.overruled.pop_front();
        }
        self.overruled_total += 1;
    }

    /// Sends the next request of an account, if no write is under way.
    fn proceed(&mut self, key: &Key, now: UnixMillis, at: Instant, changes: &mut Changes) {
        loop {
            let state = self.accounts.get_mut(key);
            let idle = state.filter(|state| state.under_way.is_none() && state.conflict.is_none());
            let Some(waiting) = idle.and_then(|state| state.waiting.pop_front()) else { break };
            let Waiting { ticket, mut value, request } = waiting;
            if request.course == Course::LocalFirst && self.has_pending(key, &value.id) {
                let (write, overruled) = self.update(key, now, changes, |account| account.reconcile(now));
                self.note_overruled(key, overruled, now, changes);
                match write {
                    Some(write) => value = write.value,
                    None => {
                        changes.replies.push((ticket, self.settled(key, &value.id)));
                        continue;
                    }
                }
            } else if request.course == Course::LocalFirst && !self.pending.contains(key) {
                // It lost, arrived, or was cleared while it waited.
                changes.replies.push((ticket, self.settled(key, &value.id)));
                continue;
            } else if let Some(state) = self.accounts.get(key) {
                state.account.complete(&mut value);
            }
            self.send(key, ticket, value, Some(request), at, changes);
            break;
        }
        let is_pending = self.pending.contains(key);
        let state = self.accounts.get(key);
        if is_pending && state.is_some_and(|state| state.is_idle() && state.not_before.is_none()) {
            self.due.insert(key.clone());
        }
    }

    /// Returns the answer to a restriction that is not pending any more.
    fn settled(&self, key: &Key, id: &WriteId) -> Reply {
        if self.accounts.get(key).is_some_and(|state| state.account.took_effect(id)) {
            Reply::Fleet
        } else {
            Reply::Replica("a later or more restrictive standing decides about the account".to_owned())
        }
    }

    fn send(
        &mut self,
        key: &Key,
        ticket: Ticket,
        value: Value,
        request: Option<WaitsFor>,
        at: Instant,
        changes: &mut Changes,
    ) {
        let losses = self.losses;
        let Some(state) = self.accounts.get_mut(key) else { return };
        let was_doubtful = state.account.sent(&value.id);
        let expected = state.account.revision();
        let deadline = request.as_ref().map_or(at + WRITE_TIMEOUT, |request| request.deadline);
        let under_way = UnderWay { ticket, value: value.clone(), expected, losses, was_doubtful, request };
        state.under_way = Some(Box::new(under_way));
        changes.writes.push(BusWrite { ticket, key: key.clone(), value, expected, deadline });
    }

    /// Sends what is pending and due, as far as writes may be under way.
    fn fill(&mut self, now: UnixMillis, at: Instant, changes: &mut Changes) {
        if !self.is_current {
            return;
        }
        while let Some((due, _)) = self.later.first()
            && *due <= at
            && let Some((_, key)) = self.later.pop_first()
        {
            if let Some(state) = self.accounts.get_mut(&key) {
                state.not_before = None;
            }
            self.due.insert(key);
        }
        while self.under_way < MAX_PENDING_WRITES
            && let Some(key) = self.due.pop_first()
        {
            let Some(state) = self.accounts.get(&key) else { continue };
            // A request, or the outcome of the write, makes it due again.
            if !state.is_idle() || state.not_before.is_some() {
                continue;
            }
            let (write, overruled) = self.update(&key, now, changes, |account| account.reconcile(now));
            self.note_overruled(&key, overruled, now, changes);
            let Some(write) = write else { continue };
            let ticket = self.next_ticket();
            self.under_way += 1;
            self.send(&key, ticket, write.value, None, at, changes);
        }
    }

    fn record(&self, key: &Key) -> Record {
        self.accounts
            .get(key)
            .map_or_else(|| record(key, &Account::default()), |state| record(key, &state.account))
    }

    fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }
}

/// Returns the value in force, if it restricts.
fn restricting(account: &Account, now: UnixMillis) -> Option<&Value> {
    account.in_force(now).filter(|_| account.standing(now).is_some())
}

impl State {
    /// Returns whether a pending value may be written: no write is under way, and nothing waits for one.
    fn is_idle(&self) -> bool {
        self.under_way.is_none() && self.waiting.is_empty() && self.conflict.is_none()
    }
}

fn record(key: &Key, account: &Account) -> Record {
    Record { key: key.clone(), account: account.saved() }
}

/// The reason of a request whose write met a faster writer, if the entry of that writer does not come in time.
const CONFLICT: &str = "another replica changed the account, and its value did not arrive in time";

fn failed(write: &UnderWay, reason: &str) -> Reply {
    refused(write.request.as_ref().map_or(Course::LocalFirst, |request| request.course), reason)
}

fn refused(course: Course, reason: &str) -> Reply {
    match course {
        Course::BrokerFirst => Reply::NoBroker(reason.to_owned()),
        _ => Reply::Replica(reason.to_owned()),
    }
}

/// What [`exchange`] reports.
#[derive(Debug)]
pub enum SharedEvent {
    /// An event of the watch, for [`SharedStandings::watched`]. Drop the place when the event was received, because
    /// the number of events that wait is limited.
    Watched(WatchEvent, OwnedSemaphorePermit),
    /// The outcome of a write, for [`SharedStandings::written`].
    Written(Key, Ticket, Outcome),
}

/// Returns a random id of 96 bits in hexadecimal. A longer text would need memory of its own.
///
/// # Errors
/// Returns an error if the system has no random bytes.
pub fn random_write_id() -> Result<WriteId, BusError> {
    Ok(WriteId(random_hex::<12>()?.into()))
}

/// Watches the standings from a position, and carries out writes. Reports events together that are there together, so
/// that they wake their receiver once. Ends when the sender of the writes is dropped.
pub async fn exchange(
    bus: Bus,
    position: Option<Position>,
    mut writes: UnboundedReceiver<BusWrite>,
    mut report: impl FnMut(Vec<SharedEvent>),
) {
    let mut watch = Watch::start(&bus, Bucket::Standings, position);
    let mut under_way = FuturesUnordered::new();
    let places = Arc::new(Semaphore::new(MAX_EVENTS));
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((watch.next().await?, place))
        };
        tokio::select! {
            event = next => match event {
                Some((event, place)) => {
                    let mut events = vec![SharedEvent::Watched(event, place)];
                    while let Ok(place) = Arc::clone(&places).try_acquire_owned()
                        && let Some(event) = watch.try_next()
                    {
                        events.push(SharedEvent::Watched(event, place));
                    }
                    report(events);
                }
                None => return,
            },
            write = writes.recv(), if under_way.len() < MAX_WRITES => match write {
                Some(write) => under_way.push(carry_out(&bus, write)),
                None => return,
            },
            Some((key, ticket, outcome)) = under_way.next() => {
                let mut events = vec![SharedEvent::Written(key, ticket, outcome)];
                while let Some(Some((key, ticket, outcome))) = under_way.next().now_or_never() {
                    events.push(SharedEvent::Written(key, ticket, outcome));
                }
                report(events);
            }
        }
    }
}

async fn carry_out(bus: &Bus, write: BusWrite) -> (Key, Ticket, Outcome) {
    let BusWrite { ticket, key, value, expected, deadline } = write;
    let left = deadline.saturating_duration_since(Instant::now());
    let outcome = if left.is_zero() {
        Outcome::NotSent("the time of the write was over before it was sent".to_owned())
    } else {
        let name = standing_key(&key.company, &key.account);
        match bus.update(Bucket::Standings, &name, value.to_json(), expected, left).await {
            Ok(revision) => Outcome::Written(revision),
            Err(BusError::Conflict(_)) => Outcome::Conflict,
            Err(error @ (BusError::Disconnected | BusError::NoBucket(_))) => {
                Outcome::NotSent(error.to_string())
            }
            Err(error) => Outcome::Unknown(error.to_string()),
        }
    };
    (key, ticket, outcome)
}
