//! The standings of all accounts of one replica, and the task that exchanges them with the broker.
//!
//! [`SharedStandings`] belongs to the thread that makes all changes. It has no I/O and no clock: requests, events of
//! the watch and outcomes of writes go in, and [`Changes`] come out, which the thread carries out. [`exchange`] is the
//! other side, on the runtime of the fleet: it sends the writes, and reports the outcomes and the watch.
//!
//! One write of an account at a time is under way, so that an earlier request never replaces a later one.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use switchboard_model::UnixMillis;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use crate::bus::{Bucket, Bus, BusError, Entry, read_standing_key, standing_key};
use crate::standings::{Account, Course, Overruled, Standing, Value, WriteId};
use crate::watch::{Position, Watch, WatchEvent};

/// The time within which the broker acknowledges a write, repetitions included.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// The time over which replicas put back standings after the broker has lost its memory.
pub const PUT_BACK_SPREAD: Duration = Duration::from_secs(10);
/// The number of overruled standings that are kept for `/status`.
pub const MAX_OVERRULED: usize = 100;
/// The maximum number of writes that are under way at the same time.
const MAX_WRITES: usize = 256;

/// The ids of an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The id of the company.
    pub company: String,
    /// The id of the account.
    pub account: String,
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
    /// A random id, as from [`random_id`](crate::bus::random_id).
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
    /// Whether the write is repeated with the new revision if another writer was faster.
    pub repeats: bool,
    /// The time after which the write is given up.
    pub deadline: Instant,
}

/// The outcome of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The broker has the value, with this revision.
    Written(u64),
    /// The broker did not acknowledge the write. It may have the value all the same.
    Failed(String),
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
    undo: (Key, Option<State>),
}

/// What the journal keeps of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The ids of the account.
    #[serde(flatten)]
    pub key: Key,
    /// The last revision of the broker. 0 for a key without a value.
    pub revision: u64,
    /// The broker's last value that could be read.
    pub value: Option<Value>,
    /// The pending value with the revision that it is based on.
    pub pending: Option<(u64, Value)>,
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
    accounts: HashMap<Key, State>,
    /// The accounts with a pending value.
    pending: BTreeSet<Key>,
    unsaved: BTreeSet<Key>,
    position: Option<Position>,
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
    under_way: Option<UnderWay>,
    /// Requests that wait for the write that is under way.
    waiting: VecDeque<Waiting>,
    /// The time before which a pending value is not put back.
    not_before: Option<Instant>,
}

#[derive(Debug, Clone)]
struct UnderWay {
    ticket: Ticket,
    value: Value,
    losses: u64,
    /// The course of a request. `None` for a value that is pending from before.
    course: Option<Course>,
    /// The value that was pending when the change was requested.
    pending_then: Option<WriteId>,
}

#[derive(Debug, Clone)]
struct Waiting {
    ticket: Ticket,
    value: Value,
    course: Course,
    pending_then: Option<WriteId>,
    deadline: Instant,
}

impl SharedStandings {
    /// Restores the standings from the records and the position of the journal. A later record of an account replaces
    /// an earlier one.
    pub fn restore(records: impl IntoIterator<Item = Record>, position: Option<Position>) -> SharedStandings {
        let mut restored = SharedStandings { position, ..SharedStandings::default() };
        for Record { key, revision, value, pending } in records {
            let account = Account::restore(revision, value, pending);
            restored.accounts.insert(key.clone(), State { account, ..State::default() });
            restored.note_pending(&key);
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
        let mut value = Value { id, standing, since, by, replaces: None };
        let course = self.update(&key, now, &mut changes, |account| account.change(&mut value, now));
        let record = match course {
            Course::LocalFirst | Course::LocalOnly => Some(self.record(&key)),
            Course::BrokerFirst | Course::Nothing => None,
        };
        match course {
            Course::LocalFirst | Course::BrokerFirst => {
                let deadline = at + WRITE_TIMEOUT;
                let waiting = Waiting { ticket, value, course, pending_then, deadline };
                self.accounts.entry(key.clone()).or_default().waiting.push_back(waiting);
                self.proceed(&key, &mut changes);
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
    }

    /// Receives the outcome of a write.
    pub fn written(&mut self, key: &Key, ticket: Ticket, outcome: &Outcome, now: UnixMillis) -> Changes {
        let mut changes = Changes::default();
        let under_way = self.accounts.get_mut(key).map(|state| &mut state.under_way);
        let done = under_way.and_then(|under_way| under_way.take_if(|write| write.ticket == ticket));
        let Some(UnderWay { value, course, losses, pending_then, .. }) = done else { return changes };
        let reply = match outcome {
            Outcome::Written(revision) if losses == self.losses => {
                let overruled = self.update(key, now, &mut changes, |account| match course {
                    Some(Course::BrokerFirst) => {
                        account.changed_at_broker(&value, *revision, pending_then.as_ref());
                        None
                    }
                    _ => account.acknowledged(&value, *revision),
                });
                self.note_overruled(key, overruled, now, &mut changes);
                Reply::Fleet
            }
            Outcome::Written(_) => failed(course, "the broker has lost its memory"),
            Outcome::Failed(reason) => failed(course, reason),
        };
        if course.is_some() {
            changes.replies.push((ticket, reply));
        }
        self.proceed(key, &mut changes);
        changes
    }

    /// Receives an event of the watch.
    pub fn watched(&mut self, event: WatchEvent, now: UnixMillis, at: Instant) -> Changes {
        let mut changes = Changes::default();
        match event {
            WatchEvent::Lost(_) => self.is_current = false,
            WatchEvent::Reached(memory) => {
                self.is_current = false;
                let is_known = match &self.position {
                    Some(position) => position.memory == memory,
                    // Revisions without a position may be those of another life.
                    None => self.accounts.values().all(|state| state.account.revision() == 0),
                };
                if !is_known {
                    self.memory_lost(now, at, &mut changes);
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
            WatchEvent::Entry(entry) => self.arrived(&entry, now, &mut changes),
            WatchEvent::Current(position) => {
                self.is_current = true;
                self.position = Some(position);
                self.reconcile(now, at, &mut changes);
            }
        }
        changes
    }

    /// Returns the next time at which a standing is put back, for [`tick`](Self::tick).
    pub fn next_due(&self) -> Option<Instant> {
        let states = self.pending.iter().filter_map(|key| self.accounts.get(key));
        let idle = states.filter(|state| self.is_current && state.under_way.is_none());
        idle.filter_map(|state| state.not_before).min()
    }

    /// Writes what is pending and due.
    pub fn tick(&mut self, now: UnixMillis, at: Instant) -> Changes {
        let mut changes = Changes::default();
        if self.is_current {
            self.reconcile(now, at, &mut changes);
        }
        changes
    }

    /// Returns what the journal does not have yet. Write it within a second.
    pub fn take_unsaved(&mut self) -> Unsaved {
        let keys = std::mem::take(&mut self.unsaved);
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
            let overruled = self.update(&key, now, changes, |account| account.memory_lost(now));
            self.note_overruled(&key, overruled, now, changes);
            if let Some(state) = self.accounts.get_mut(&key) {
                state.not_before = Some(at + PUT_BACK_SPREAD.mul_f64(fastrand::f64()));
            }
        }
    }

    fn arrived(&mut self, entry: &Entry, now: UnixMillis, changes: &mut Changes) {
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
        self.update(&key, now, changes, |account| account.arrived(revision, value));
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
        } else {
            self.pending.remove(key);
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
    fn proceed(&mut self, key: &Key, changes: &mut Changes) {
        let losses = self.losses;
        let Some(state) = self.accounts.get_mut(key).filter(|state| state.under_way.is_none()) else {
            return;
        };
        let Some(Waiting { ticket, value, course, pending_then, deadline }) = state.waiting.pop_front()
        else {
            return;
        };
        let expected = state.account.revision();
        state.under_way =
            Some(UnderWay { ticket, value: value.clone(), losses, course: Some(course), pending_then });
        changes.writes.push(BusWrite { ticket, key: key.clone(), value, expected, repeats: true, deadline });
    }

    /// Sends what is pending and due.
    fn reconcile(&mut self, now: UnixMillis, at: Instant, changes: &mut Changes) {
        let keys: Vec<Key> = self.pending.iter().cloned().collect();
        for key in keys {
            let Some(state) = self.accounts.get_mut(&key) else { continue };
            if state.under_way.is_some() || state.not_before.is_some_and(|due| due > at) {
                continue;
            }
            state.not_before = None;
            let (write, overruled) = self.update(&key, now, changes, |account| account.reconcile(now));
            self.note_overruled(&key, overruled, now, changes);
            let Some(write) = write else { continue };
            let (ticket, losses) = (self.next_ticket(), self.losses);
            if let Some(state) = self.accounts.get_mut(&key) {
                state.under_way = Some(UnderWay {
                    ticket,
                    value: write.value.clone(),
                    losses,
                    course: None,
                    pending_then: None,
                });
            }
            let (value, expected, deadline) = (write.value, write.expected, at + WRITE_TIMEOUT);
            changes.writes.push(BusWrite { ticket, key, value, expected, repeats: false, deadline });
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

fn record(key: &Key, account: &Account) -> Record {
    Record {
        key: key.clone(),
        revision: account.revision(),
        value: account.known().cloned(),
        pending: account.pending().map(|(base, value)| (base, value.clone())),
    }
}

fn failed(course: Option<Course>, reason: &str) -> Reply {
    match course {
        Some(Course::BrokerFirst) => Reply::NoBroker(reason.to_owned()),
        _ => Reply::Replica(reason.to_owned()),
    }
}

/// What [`exchange`] reports.
#[derive(Debug)]
pub enum SharedEvent {
    /// An event of the watch, for [`SharedStandings::watched`].
    Watched(WatchEvent),
    /// The outcome of a write, for [`SharedStandings::written`].
    Written(Key, Ticket, Outcome),
}

/// Watches the standings from a position, and carries out writes. Ends when the sender of the writes is dropped.
pub async fn exchange(
    bus: Bus,
    position: Option<Position>,
    mut writes: UnboundedReceiver<BusWrite>,
    mut report: impl FnMut(SharedEvent),
) {
    let mut watch = Watch::start(&bus, Bucket::Standings, position);
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            event = watch.next() => match event {
                Some(event) => report(SharedEvent::Watched(event)),
                None => return,
            },
            write = writes.recv(), if under_way.len() < MAX_WRITES => match write {
                Some(write) => under_way.push(carry_out(&bus, write)),
                None => return,
            },
            Some((key, ticket, outcome)) = under_way.next() => {
                report(SharedEvent::Written(key, ticket, outcome));
            }
        }
    }
}

async fn carry_out(bus: &Bus, write: BusWrite) -> (Key, Ticket, Outcome) {
    let outcome = match set(bus, &write).await {
        Ok(revision) => Outcome::Written(revision),
        Err(error) => Outcome::Failed(error.to_string()),
    };
    (write.key, write.ticket, outcome)
}

/// Writes a value, and repeats the write while another writer is faster.
async fn set(bus: &Bus, write: &BusWrite) -> Result<u64, BusError> {
    let late = || BusError::TimedOut { call: "set a standing", limit: WRITE_TIMEOUT, refusal: None };
    let left = || write.deadline.saturating_duration_since(Instant::now());
    let key = standing_key(&write.key.company, &write.key.account);
    let mut expected = write.expected;
    while !left().is_zero() {
        let conflict =
            match bus.update(Bucket::Standings, &key, write.value.to_json(), expected, left()).await {
                Err(conflict @ BusError::Conflict(_)) if write.repeats => conflict,
                result => return result,
            };
        let entry = timeout(left(), bus.get(Bucket::Standings, &key)).await.map_err(|_| late())??;
        let revision = entry.map_or(0, |entry| entry.revision);
        if revision < expected {
            // The broker has lost its memory. The watch will find the loss, and the value is put back.
            return Err(conflict);
        }
        expected = revision;
    }
    Err(late())
}
