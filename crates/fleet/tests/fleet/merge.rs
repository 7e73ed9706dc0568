//! Every order of writers, cuts, reconnections and losses of the broker's memory, within a bound.
//!
//! The model has one account, several replicas with the code of the fleet, and a broker of some lines. From each
//! state that can be reached, the search also lets everything settle, and compares the replicas.

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
    /// The least restrictive of the requests that were under way at the same time. It may be the later one.
    lowest: u8,
}

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
    life: u8,
    ids: u8,
    budget: Budget,
    /// At least this must be in force after everything has settled.
    promised: u8,
    /// Nothing may be in force after everything has settled.
    cleared: bool,
}

/// One step. The numbers are those of the replica and of its flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Request(usize, Request),
    /// The request is answered without the broker: a second has passed.
    GiveUp(usize),
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
        State { replicas, log: Vec::new(), life: 0, ids: 0, budget, promised: 0, cleared: false }
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
    fn answered(&mut self, at: usize, restricts: bool) {
        let Some(attempt) = self.replicas[at].attempt.take() else { return };
        let wanted = rank(attempt.value.standing.as_ref());
        if !restricts {
            return;
        }
        if attempt.lowest >= wanted {
            self.promised = self.promised.max(wanted);
        }
        let others = self.replicas.iter().enumerate().filter(|(other, _)| *other != at);
        let is_alone = others.into_iter().all(|(_, other)| {
            other.attempt.is_none() && other.account.pending().is_none() && other.flights.is_empty()
        });
        self.cleared = wanted == 0 && is_alone && self.replicas[at].flights.is_empty();
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
                let id = WriteId(self.ids.to_string());
                let mut value = Value { id, standing, since: String::new(), by: None, replaces: None };
                let replica = &self.replicas[at];
                // A request of a replica that was cut off, and could not know of what was promised, changes nothing
                // of the promise.
                if replica.connected || replica.in_force() >= self.promised {
                    self.promised = self.promised.min(rank_of(request));
                }
                self.cleared = false;
                for attempt in self.replicas.iter_mut().filter_map(|replica| replica.attempt.as_mut()) {
                    attempt.lowest = attempt.lowest.min(rank_of(request));
                }
                // A write may outlast the answer of its request.
                let lowest = self.replicas.iter().flat_map(Replica::under_way).min().unwrap_or(u8::MAX);
                let replica = &mut self.replicas[at];
                let course = replica.account.change(&mut value, NOW);
                let is_local_first = match course {
                    Course::LocalFirst => true,
                    Course::BrokerFirst => false,
                    Course::LocalOnly | Course::Nothing => return Some(at),
                };
                replica.attempt = Some(Attempt { value: value.clone(), is_local_first, lowest });
                if replica.connected {
                    let write = Write { value, expected: replica.account.revision() };
                    replica.flights.push(Flight { write, answer: None, awaited: true });
                }
            }
            Step::GiveUp(at) => {
                let replica = &mut self.replicas[at];
                let id = replica.attempt.as_ref().map(|attempt| attempt.value.id.clone());
                let own =
                    replica.flights.iter_mut().filter(|flight| Some(&flight.write.value.id) == id.as_ref());
                own.for_each(|flight| flight.awaited = false);
                let is_local_first = replica.attempt.as_ref().is_some_and(|attempt| attempt.is_local_first);
                self.answered(at, is_local_first);
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
                let value = &flight.write.value;
                let attempt = replica.attempt.as_ref().filter(|attempt| attempt.value.id == value.id);
                match (flight.answer, attempt) {
                    (Some(Ok(revision)), Some(Attempt { is_local_first: false, .. })) => {
                        let pending = replica.account.pending().map(|(_, pending)| pending.id.clone());
                        replica.account.changed_at_broker(value, revision, pending.as_ref());
                        self.answered(at, true);
                    }
                    (Some(Ok(revision)), attempt) => {
                        let is_answer = attempt.is_some();
                        replica.account.acknowledged(value, revision);
                        if is_answer {
                            self.answered(at, true);
                        }
                    }
                    // Another writer was faster: the request is repeated with the revision that the broker has.
                    (Some(Err(expected)), Some(_)) => {
                        let write = Write { expected, ..flight.write };
                        replica.flights.push(Flight { write, answer: None, awaited: true });
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
                replica.account.arrived(revision, Some(value));
                replica.seen = revision;
                replica.current |= revision == last;
                return Some(at);
            }
            Step::Reconcile(at) => {
                let replica = &mut self.replicas[at];
                let pending = replica.account.pending().map(|(_, value)| value.id.clone());
                let (write, _) = replica.account.reconcile(NOW);
                if let Some(write) = write {
                    replica.flights.push(Flight { write, answer: None, awaited: true });
                }
                // A request that saw the pending value has replaced it.
                let known = replica.account.known().and_then(|value| value.replaces.clone());
                return (known.is_some() && known == pending).then_some(at);
            }
            Step::Cut(at) => {
                self.budget.cuts -= 1;
                self.disconnect(at);
            }
            Step::Reconnect(at) => {
                let (life, last) = (self.life, self.last());
                let replica = &mut self.replicas[at];
                if replica.life != life {
                    replica.account.memory_lost(NOW);
                    (replica.life, replica.seen) = (life, 0);
                }
                replica.connected = true;
                replica.current = replica.seen == last;
            }
            Step::LoseMemory(kept) => {
                self.budget.losses -= 1;
                self.log.truncate(kept);
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
                assert!(broker >= state.promised, "a promise was broken: {self:#?}\n{state:#?}");
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
