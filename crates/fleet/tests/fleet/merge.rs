//! Every order of writers, cuts, reconnections and losses of the broker's memory, within a bound.
//!
//! The model has one account, several replicas with the code of the fleet, and a broker of some lines. From each
//! state that can be reached, the search also lets everything settle, and compares the replicas. A write may take
//! effect long after its request was answered without it.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use switchboard_fleet::standings::{Account, Course, Standing, Value, Write, WriteId};
use switchboard_model::{Condition, UnixMillis};

const NOW: UnixMillis = UnixMillis(0);

/// What may happen in a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Budget {
    requests: u8,
    cuts: u8,
    losses: u8,
}

/// A request of a user: `None` clears.
type Request = Option<Condition>;

/// A request that is not yet answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Attempt {
    value: Value,
    is_local_first: bool,
    pending_then: Option<WriteId>,
    /// Whether a write was sent, and not refused.
    is_sent: bool,
    /// The revision on which the write met a faster writer.
    conflict: Option<u64>,
    /// The least restrictive of the requests that were under way at the same time. It may be the later one.
    lowest: u8,
    /// The promises that the request takes back if it is made.
    takes_back: Vec<Promise>,
    /// Whether another request was made since.
    is_disturbed: bool,
}

/// A restriction that was acknowledged, with its rank.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Promise(WriteId, u8);

/// A write on its way to the broker, and the answer on its way back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Flight {
    write: Write,
    answer: Option<Result<u64, u64>>,
    /// Whether the replica still waits for the answer.
    awaited: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Replica {
    account: Account,
    connected: bool,
    /// The life of the broker that the watch knows, and the last revision that it reported.
    life: u8,
    seen: u64,
    /// Whether the watch was current since the connection.
    current: bool,
    attempt: Option<Attempt>,
    flights: Vec<Flight>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    replicas: Vec<Replica>,
    /// The values of the broker. The revision is the place, from 1.
    log: Vec<Value>,
    /// The number of values that a broker without the last ones does not have any more: its history is 1.
    gone: u64,
    life: u8,
    ids: u8,
    budget: Budget,
    /// At least these must be in force after everything has settled.
    promises: Vec<Promise>,
    /// Nothing may be in force after everything has settled.
    cleared: bool,
}

/// One step. The numbers are those of the replica and of its flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Request(usize, Request),
    /// The request is answered without the broker: a second has passed.
    GiveUp(usize),
    /// The write of the request is sent again, because the entry of the faster writer has come.
    Repeat(usize),
    /// The broker receives a write.
    Receive(usize, usize),
    /// A write is lost on its way.
    Lose(usize, usize),
    /// The replica receives an answer.
    Answer(usize, usize),
    /// The watch reports an entry, the next or the last.
    Report(usize, u64),
    Reconcile(usize),
    Cut(usize),
    Reconnect(usize),
    /// The broker restarts with the first so many values that it had.
    LoseMemory(usize),
}

fn rank(value: Option<&Standing>) -> u8 {
    value.map_or(0, |standing| standing.condition as u8)
}

fn follows(value: &Value, id: &WriteId) -> bool {
    value.replaces.iter().chain(&value.earlier).any(|earlier| earlier == id)
}

fn rank_of(request: Request) -> u8 {
    request.map_or(0, |condition| condition as u8)
}

impl Replica {
    fn in_force(&self) -> u8 {
        rank(self.account.standing(NOW))
    }

    /// Returns the ranks of the requests and writes that may still take effect.
    fn under_way(&self) -> Vec<u8> {
        let writes = self.flights.iter().filter(|flight| flight.answer.is_none());
        let writes = writes.map(|flight| &flight.write.value);
        let requests = self.attempt.iter().map(|attempt| &attempt.value);
        writes.chain(requests).map(|value| rank(value.standing.as_ref())).collect()
    }
}

impl State {
    fn new(replicas: usize, budget: Budget) -> State {
        let replica = Replica {
            account: Account::default(),
            connected: true,
            life: 0,
            seen: 0,
            current: true,
            attempt: None,
            flights: Vec::new(),
        };
        let replicas = vec![replica; replicas];
        State {
            replicas,
            log: Vec::new(),
            gone: 0,
            life: 0,
            ids: 0,
            budget,
            promises: Vec::new(),
            cleared: false,
        }
    }

    fn last(&self) -> u64 {
        self.log.len() as u64
    }

    /// Returns the steps that go on without anything new: no requests and no faults.
    fn settling(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (at, replica) in self.replicas.iter().enumerate() {
            if !replica.connected {
                steps.push(Step::Reconnect(at));
                continue;
            }
            for (flight, state) in replica.flights.iter().enumerate() {
                steps.push(if state.answer.is_none() {
                    Step::Receive(at, flight)
                } else {
                    Step::Answer(at, flight)
                });
            }
            if replica.seen < self.last() {
                steps.push(Step::Report(at, replica.seen + 1));
            }
            if replica.attempt.as_ref().is_some_and(|attempt| {
                attempt.conflict.is_some_and(|expected| expected < replica.account.revision())
            }) {
                steps.push(Step::Repeat(at));
            }
            let writes = replica.flights.iter().any(|flight| flight.awaited);
            if replica.current && replica.account.pending().is_some() && replica.attempt.is_none() && !writes
            {
                steps.push(Step::Reconcile(at));
            }
        }
        steps
    }

    fn steps(&self, requests: &[Request]) -> Vec<Step> {
        let mut steps = self.settling();
        for (at, replica) in self.replicas.iter().enumerate() {
            if self.budget.requests > 0 && replica.attempt.is_none() {
                steps.extend(requests.iter().map(|request| Step::Request(at, *request)));
            }
            if replica.attempt.is_some() {
                steps.push(Step::GiveUp(at));
            }
            if replica.connected && replica.seen + 1 < self.last() {
                // The broker keeps the last value alone.
                steps.push(Step::Report(at, self.last()));
            }
            if !replica.connected {
                // Writes may arrive, or be lost, after the replica has lost the connection.
                for (flight, state) in replica.flights.iter().enumerate() {
                    if state.answer.is_none() {
                        steps.extend([Step::Receive(at, flight), Step::Lose(at, flight)]);
                    }
                }
            } else if self.budget.cuts > 0 {
                steps.push(Step::Cut(at));
            }
        }
        if self.budget.losses > 0 {
            steps.push(Step::LoseMemory(0));
            steps.extend((self.log.len() > 1).then(|| Step::LoseMemory(self.log.len() - 1)));
        }
        steps
    }

    /// Ends an attempt: the request is answered, and what was promised is noted.
    fn answered(&mut self, at: usize, is_made: bool) {
        let Some(attempt) = self.replicas[at].attempt.take() else { return };
        let wanted = rank(attempt.value.standing.as_ref());
        if !is_made {
            // Nothing was changed.
            if !attempt.is_disturbed {
                self.promises.extend(attempt.takes_back);
            }
            return;
        }
        if attempt.lowest >= wanted && wanted > 0 {
            self.promises.push(Promise(attempt.value.id.clone(), wanted));
        }
        self.cleared = wanted == 0 && self.is_alone(at, &attempt.value);
    }

    /// Returns whether no other replica has anything that may restrict the account after this clearing.
    fn is_alone(&self, at: usize, clearing: &Value) -> bool {
        let others = self.replicas.iter().enumerate().filter(|(other, _)| *other != at);
        others.into_iter().all(|(_, other)| {
            let pending = other.account.pending().is_none_or(|(_, pending)| {
                self.log.iter().any(|value| value.id == pending.id) || follows(clearing, &pending.id)
            });
            let may_arrive =
                |flight: &Flight| flight.answer.is_none() && flight.write.expected == self.last();
            other.attempt.is_none() && pending && !other.flights.iter().any(may_arrive)
        })
    }

    fn apply(&mut self, step: Step) {
        let before: Vec<u8> = self.replicas.iter().map(Replica::in_force).collect();
        let may_restrict_less = self.advance(step);
        for (at, (replica, before)) in self.replicas.iter().zip(before).enumerate() {
            let after = replica.in_force();
            assert!(
                after >= before || may_restrict_less == Some(at),
                "{step:?} cleared a restriction: {self:#?}"
            );
        }
    }

    /// Takes a step. Returns the replica on which the step may take away a restriction, because a user asked for it.
    fn advance(&mut self, step: Step) -> Option<usize> {
        match step {
            Step::Request(at, request) => {
                self.budget.requests -= 1;
                self.ids += 1;
                let standing =
                    request.map(|condition| Standing { condition, reason: String::new(), until: None });
                let id = WriteId(self.ids.to_string().into());
                let mut value = Value {
                    id,
                    standing,
                    since: String::new().into(),
                    by: None,
                    replaces: None,
                    earlier: Vec::new(),
                };
                self.cleared = false;
                for attempt in self.replicas.iter_mut().filter_map(|replica| replica.attempt.as_mut()) {
                    attempt.lowest = attempt.lowest.min(rank_of(request));
                    attempt.is_disturbed = true;
                }
                // A write may outlast the answer of its request.
                let lowest = self.replicas.iter().flat_map(Replica::under_way).min().unwrap_or(u8::MAX);
                let account = &mut self.replicas[at].account;
                let pending_then = account.pending().map(|(_, pending)| pending.id.clone());
                let mut takes_back = Vec::new();
                let is_local_first = match account.change(&mut value, NOW) {
                    Course::LocalFirst => true,
                    Course::BrokerFirst => {
                        takes_back = std::mem::take(&mut self.promises);
                        false
                    }
                    Course::LocalOnly => {
                        self.promises.retain(|Promise(id, _)| !follows(&value, id));
                        self.cleared = self.is_alone(at, &value);
                        return Some(at);
                    }
                    Course::Nothing => return Some(at),
                };
                let replica = &mut self.replicas[at];
                replica.attempt = Some(Attempt {
                    value,
                    is_local_first,
                    pending_then,
                    is_sent: false,
                    conflict: None,
                    lowest,
                    takes_back,
                    is_disturbed: false,
                });
                if replica.connected {
                    self.send(at);
                }
            }
            Step::Repeat(at) => {
                self.send(at);
                return Some(at);
            }
            Step::GiveUp(at) => {
                let replica = &mut self.replicas[at];
                let Some(attempt) = &replica.attempt else { return None };
                let Attempt { value, is_local_first, is_sent, .. } = attempt.clone();
                let own = replica.flights.iter_mut().filter(|flight| flight.write.value.id == value.id);
                own.for_each(|flight| flight.awaited = false);
                let took_effect = replica.account.took_effect(&value.id);
                if took_effect && !is_local_first {
                    let (revision, pending) = (replica.account.revision(), attempt.pending_then.clone());
                    replica.account.changed_at_broker(&value, revision, pending.as_ref());
                } else if is_sent && !is_local_first {
                    replica.account.doubt(&value.id);
                }
                self.answered(at, is_local_first || took_effect);
                return took_effect.then_some(at);
            }
            Step::Receive(at, flight) => {
                let last = self.last();
                let flight = &mut self.replicas[at].flights[flight];
                let revision = if self.log.is_empty() { 0 } else { last };
                flight.answer = Some(if flight.write.expected == revision {
                    self.log.push(flight.write.value.clone());
                    Ok(last + 1)
                } else {
                    Err(revision)
                });
                self.drop_unheard(at);
            }
            Step::Lose(at, flight) => {
                self.replicas[at].flights.remove(flight);
            }
            Step::Answer(at, flight) => {
                let replica = &mut self.replicas[at];
                let flight = replica.flights.remove(flight);
                if !flight.awaited {
                    return None;
                }
                let (id, value) = (&flight.write.value.id, &flight.write.value);
                let attempt = replica.attempt.as_mut().filter(|attempt| attempt.value.id == *id);
                match (flight.answer, attempt) {
                    (Some(Ok(revision)), Some(Attempt { is_local_first: false, pending_then, .. })) => {
                        replica.account.changed_at_broker(value, revision, pending_then.as_ref());
                        self.answered(at, true);
                    }
                    (Some(Ok(revision)), attempt) => {
                        let is_answer = attempt.is_some();
                        replica.account.arrived(revision, Some(value.clone()), NOW);
                        if is_answer {
                            self.answered(at, true);
                        }
                    }
                    // Another writer was faster: the request waits for its entry.
                    (Some(Err(_)), Some(attempt)) => {
                        attempt.is_sent = false;
                        attempt.conflict = Some(flight.write.expected);
                        return None;
                    }
                    _ => return None,
                }
                return Some(at);
            }
            Step::Report(at, revision) => {
                let value = self.log[usize::try_from(revision).unwrap() - 1].clone();
                let last = self.last();
                let replica = &mut self.replicas[at];
                replica.account.arrived(revision, Some(value), NOW);
                replica.seen = revision;
                replica.current |= revision == last;
                let pending = replica.account.pending().map(|(_, pending)| &pending.id);
                let own = replica.attempt.as_ref().filter(|attempt| {
                    replica.account.took_effect(&attempt.value.id) && pending != Some(&attempt.value.id)
                });
                // The watch was faster than the acknowledgement.
                if own.is_some() {
                    self.advance(Step::GiveUp(at));
                }
                return Some(at);
            }
            Step::Reconcile(at) => {
                let replica = &mut self.replicas[at];
                let pending = replica.account.pending().map(|(_, value)| value.id.clone());
                let (write, overruled) = replica.account.reconcile(NOW);
                if let Some(write) = write {
                    replica.account.sent(&write.value.id);
                    replica.flights.push(Flight { write, answer: None, awaited: true });
                }
                // A request that saw the pending value has replaced it.
                let is_replaced = pending.is_some_and(|id| replica.account.took_effect(&id));
                return (is_replaced || overruled.is_some()).then_some(at);
            }
            Step::Cut(at) => {
                self.budget.cuts -= 1;
                self.disconnect(at);
            }
            Step::Reconnect(at) => {
                let (life, last, gone) = (self.life, self.last(), self.gone);
                let replica = &mut self.replicas[at];
                if replica.life != life {
                    replica.account.memory_lost(NOW);
                    (replica.life, replica.seen) = (life, gone);
                }
                replica.connected = true;
                replica.current = replica.seen == last;
            }
            Step::LoseMemory(kept) => {
                self.budget.losses -= 1;
                self.log.truncate(kept);
                self.gone = kept.saturating_sub(1) as u64;
                self.life += 1;
                self.cleared = false;
                for at in 0..self.replicas.len() {
                    self.disconnect(at);
                    self.replicas[at].flights.clear();
                }
            }
        }
        None
    }

    /// Sends the write of a request, unless the request is settled meanwhile.
    fn send(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        let Some(attempt) = &mut replica.attempt else { return };
        attempt.conflict = None;
        let pending = replica.account.pending().map(|(_, pending)| pending.id.clone());
        let write = if !attempt.is_local_first {
            let mut value = attempt.value.clone();
            replica.account.complete(&mut value);
            Some(Write { value, expected: replica.account.revision() })
        } else if pending.as_ref() == Some(&attempt.value.id) {
            replica.account.reconcile(NOW).0
        } else {
            None
        };
        match write {
            Some(write) => {
                attempt.is_sent = true;
                replica.account.sent(&write.value.id);
                replica.flights.push(Flight { write, answer: None, awaited: true });
            }
            None => self.answered(at, true),
        }
    }

    fn disconnect(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        (replica.connected, replica.current) = (false, false);
        replica.flights.iter_mut().for_each(|flight| flight.awaited = false);
        self.drop_unheard(at);
    }

    /// Removes answers that no replica receives.
    fn drop_unheard(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        let connected = replica.connected;
        replica.flights.retain(|flight| flight.answer.is_none() || (connected && flight.awaited));
    }

    /// Lets everything settle, and compares.
    fn settle(&self) {
        let mut state = self.clone();
        for at in 0..state.replicas.len() {
            if state.replicas[at].attempt.is_some() {
                state.apply(Step::GiveUp(at));
            }
        }
        for _ in 0..1000 {
            let Some(step) = state.settling().first().copied() else {
                let broker = rank(state.log.last().and_then(|value| value.standing.as_ref()));
                for replica in &state.replicas {
                    assert_eq!(replica.account.pending(), None, "{self:#?}\n{state:#?}");
                    assert_eq!(replica.in_force(), broker, "the replicas differ: {self:#?}\n{state:#?}");
                }
                let promised = state.promises.iter().map(|Promise(_, rank)| *rank).max().unwrap_or(0);
                assert!(broker >= promised, "a promise was broken: {self:#?}\n{state:#?}");
                assert!(!state.cleared || broker == 0, "a clearing was undone: {self:#?}\n{state:#?}");
                return;
            };
            state.apply(step);
        }
        panic!("the replicas do not settle: {self:#?}\n{state:#?}");
    }
}

/// Visits every state that can be reached. Returns their number. States that differ only in the order of the replicas
/// are one state.
fn search(replicas: usize, budget: Budget, requests: &[Request]) -> usize {
    let hasher = RandomState::new();
    let start = State::new(replicas, budget);
    let (mut visited, mut waiting) = (HashSet::from([hasher.hash_one(&start)]), vec![start]);
    while let Some(state) = waiting.pop() {
        state.settle();
        for step in state.steps(requests) {
            let mut next = state.clone();
            next.apply(step);
            next.replicas.sort_by_cached_key(|replica| hasher.hash_one(replica));
            if visited.insert(hasher.hash_one(&next)) {
                waiting.push(next);
            }
        }
    }
    visited.len()
}

const ALL: [Request; 3] = [Some(Condition::Draining), Some(Condition::Suspended), None];

#[test]
fn two_replicas_agree_after_every_order_of_requests_and_cuts() {
    let states = search(2, Budget { requests: 2, cuts: 2, losses: 0 }, &ALL);
    assert!(states > 10_000, "{states}");
}

#[test]
fn broker_that_loses_its_memory_clears_nothing() {
    let states = search(2, Budget { requests: 2, cuts: 0, losses: 1 }, &ALL);
    assert!(states > 5_000, "{states}");
}

#[test]
fn three_replicas_agree_after_every_order_of_restrictions() {
    let restricting = [Some(Condition::Draining), Some(Condition::Suspended)];
    let states = search(3, Budget { requests: 2, cuts: 1, losses: 0 }, &restricting);
    assert!(states > 10_000, "{states}");
}
