//! The standings of several replicas: random orders of everything that may happen, and a real broker.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use switchboard_fleet::bus::{Bucket, Bus, Entry, Memory, Unreachable, random_id, standing_key};
use switchboard_fleet::shared::{
    BusWrite, Changes, Key, MAX_OVERRULED, Outcome, PUT_BACK_SPREAD, Record, Reply, Request, SharedEvent,
    SharedStandings, Ticket, exchange,
};
use switchboard_fleet::standings::{Standing, Value, WriteId};
use switchboard_fleet::watch::{Position, WatchEvent};
use switchboard_model::{Condition, UnixMillis};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use fleet_testbed::broker::{Broker, programs};

const NOW: UnixMillis = UnixMillis(0);
const PATIENCE: Duration = Duration::from_secs(20);

fn key(account: usize) -> Key {
    Key { company: "acme".into(), account: format!("wa.{account}").into() }
}

fn request(account: usize, condition: Option<Condition>, id: &str) -> Request {
    let standing = condition.map(|condition| Standing { condition, reason: "test".to_owned(), until: None });
    Request {
        key: key(account),
        standing,
        since: "2026-11-29T00:00:00Z".to_owned(),
        by: None,
        id: WriteId(id.into()),
    }
}

fn value_of(Request { id, standing, since, by, .. }: Request) -> Value {
    Value { id, standing, since: since.into(), by, replaces: None, earlier: Vec::new() }
}

fn rank(value: Option<&Value>) -> u8 {
    value.and_then(|value| value.standing.as_ref()).map_or(0, |standing| standing.condition as u8)
}

/// A broker of some lines.
#[derive(Default)]
struct Model {
    life: u64,
    log: Vec<(Key, Value)>,
    replicas: Vec<Replica>,
    ids: u64,
}

#[derive(Default)]
struct Replica {
    standings: SharedStandings,
    connected: bool,
    is_current: bool,
    life: u64,
    seen: u64,
    writes: Vec<BusWrite>,
    /// Writes without an outcome, which may take effect later.
    late: Vec<BusWrite>,
    /// What the thread of the standings knows from the changes alone.
    in_force: HashMap<Key, Value>,
    /// What is on the disk.
    journal: BTreeMap<Key, Record>,
    position: Option<Position>,
    unanswered: Vec<Ticket>,
}

impl Model {
    fn memory(&self) -> Memory {
        Memory { epoch: self.life.to_string(), created: String::new() }
    }

    fn last(&self, key: &Key) -> (u64, Option<&Value>) {
        let found = self.log.iter().enumerate().rev().find(|(_, (written, _))| written == key);
        found.map_or((0, None), |(at, (_, value))| (at as u64 + 1, Some(value)))
    }

    /// Does what the thread of the standings does.
    fn carry_out(&mut self, at: usize, changes: Changes) {
        let replica = &mut self.replicas[at];
        for change in changes.in_force {
            match change.value {
                Some(value) => replica.in_force.insert(change.key, value),
                None => replica.in_force.remove(&change.key),
            };
        }
        for write in changes.writes {
            // The watch may bring a value before its acknowledgement.
            let is_open = |other: &&BusWrite| {
                other.key == write.key && !self.log.iter().any(|(_, value)| value.id == other.value.id)
            };
            let same = replica.writes.iter().find(is_open);
            assert!(same.is_none(), "two writes of one account are under way: {same:?}, {write:?}");
            replica.writes.push(write);
        }
        if changes.must_save {
            let unsaved = replica.standings.take_unsaved();
            replica.position = unsaved.position;
            replica.journal.extend(unsaved.records.into_iter().map(|record| (record.key.clone(), record)));
        }
        for (ticket, _) in changes.replies {
            let at = replica.unanswered.iter().position(|waiting| *waiting == ticket);
            replica.unanswered.remove(at.expect("each request is answered once"));
        }
        // The ids of the values before decide nothing.
        let effect = |value: &Value| (value.id.clone(), value.standing.clone());
        let held: HashMap<Key, _> =
            replica.standings.all_in_force(NOW).map(|(key, value)| (key.clone(), effect(value))).collect();
        let reported: HashMap<Key, _> =
            replica.in_force.iter().map(|(key, value)| (key.clone(), effect(value))).collect();
        assert_eq!(reported, held, "the changes are not what changed");
    }

    fn request(&mut self, at: usize, account: usize, condition: Option<Condition>) {
        self.ids += 1;
        let request = request(account, condition, &self.ids.to_string());
        let replica = &mut self.replicas[at];
        let begun = replica.standings.request(request.clone(), NOW, Instant::now());
        // A disk that fails: nothing has happened.
        let begun = if begun.record.is_some() && fastrand::u8(..10) == 0 {
            let ticket = begun.ticket;
            replica.standings.undo(begun);
            let held = replica.standings.all_in_force(NOW).count();
            assert_eq!(replica.in_force.len(), held);
            let again = replica.standings.request(request, NOW, Instant::now());
            assert!(again.ticket > ticket);
            again
        } else {
            begun
        };
        replica.unanswered.push(begun.ticket);
        if let Some(record) = begun.record {
            let json = serde_json::to_string(&record).unwrap();
            let record: Record = serde_json::from_str(&json).unwrap();
            replica.journal.insert(record.key.clone(), record);
        }
        self.carry_out(at, begun.changes);
    }

    /// Lets the broker receive a write.
    fn receive(&mut self, write: &BusWrite) -> Outcome {
        if self.last(&write.key).0 != write.expected {
            return Outcome::Conflict;
        }
        self.log.push((write.key.clone(), write.value.clone()));
        Outcome::Written(self.log.len() as u64)
    }

    /// Lets the broker receive a write, or loses the write or its answer. A lost write may take effect later.
    fn deliver(&mut self, at: usize, write: usize, arrives: bool, is_answered: bool) {
        let write = self.replicas[at].writes.remove(write);
        let lost = Outcome::Unknown("lost".to_owned());
        let outcome = match (arrives, is_answered) {
            (true, true) => self.receive(&write),
            (true, false) => {
                self.receive(&write);
                lost
            }
            (false, _) if self.replicas[at].connected => {
                self.replicas[at].late.push(write.clone());
                lost
            }
            (false, _) => Outcome::NotSent("no connection".to_owned()),
        };
        let replica = &mut self.replicas[at];
        let changes = replica.standings.written(&write.key, write.ticket, &outcome, NOW, Instant::now());
        self.carry_out(at, changes);
    }

    /// Lets the broker receive a write that was given up.
    fn deliver_late(&mut self, at: usize) {
        let late = self.replicas[at].late.len();
        if late > 0 {
            let write = self.replicas[at].late.remove(fastrand::usize(..late));
            self.receive(&write);
        }
    }

    fn watch(&mut self, at: usize, event: WatchEvent) {
        // What is put back is due at once.
        let late = Instant::now() + PUT_BACK_SPREAD;
        let replica = &mut self.replicas[at];
        let changes = replica.standings.watched(event, NOW, late);
        self.carry_out(at, changes);
    }

    /// Reports the next entries, as many as there are or one alone.
    fn report(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        if !replica.connected {
            return;
        }
        if replica.seen < self.log.len() as u64 {
            replica.seen += 1;
            let revision = replica.seen;
            let (key, value) = &self.log[usize::try_from(revision).unwrap() - 1];
            let key = standing_key(&key.company, &key.account);
            let value = Some(value.to_json().into());
            self.watch(at, WatchEvent::Entry(Entry { key, value, revision, time_millis: 0 }));
        }
        if self.replicas[at].seen == self.log.len() as u64 {
            let revision = self.log.len() as u64;
            if !std::mem::replace(&mut self.replicas[at].is_current, true) {
                self.watch(at, WatchEvent::Current(Position { memory: self.memory(), revision }));
            }
            let replica = &mut self.replicas[at];
            let due = replica.standings.next_due();
            let changes = due.map(|due| replica.standings.tick(NOW, due));
            self.carry_out(at, changes.unwrap_or_default());
        }
    }

    fn cut(&mut self, at: usize) {
        self.replicas[at].connected = false;
        self.watch(at, WatchEvent::Lost(switchboard_fleet::bus::BusError::Disconnected));
        while !self.replicas[at].writes.is_empty() {
            self.deliver(at, 0, fastrand::bool(), false);
        }
    }

    fn connect(&mut self, at: usize) {
        let (memory, last) = (self.memory(), self.log.len() as u64);
        let replica = &mut self.replicas[at];
        if replica.connected {
            return;
        }
        replica.connected = true;
        let known = replica.standings.position().cloned();
        let event = match known {
            Some(known) if known.memory == memory && known.revision <= last => {
                replica.seen = known.revision;
                WatchEvent::Reached(memory)
            }
            None => {
                replica.seen = 0;
                WatchEvent::Reached(memory)
            }
            Some(_) => {
                replica.seen = 0;
                WatchEvent::MemoryLost(memory)
            }
        };
        replica.life = self.life;
        replica.is_current = false;
        self.watch(at, event);
    }

    fn save(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        let unsaved = replica.standings.take_unsaved();
        if fastrand::u8(..5) == 0 {
            replica.standings.keep_unsaved(unsaved);
            return;
        }
        replica.position = unsaved.position;
        replica.journal.extend(unsaved.records.into_iter().map(|record| (record.key.clone(), record)));
    }

    /// Kills a replica, and starts it again from its journal.
    fn restart(&mut self, at: usize) {
        let old = std::mem::take(&mut self.replicas[at]);
        let standings = SharedStandings::restore(old.journal.values().cloned(), old.position.clone());
        let held = standings.all_in_force(NOW).map(|(key, value)| (key.clone(), value.clone())).collect();
        let (journal, position) = (old.journal, old.position);
        let late = [old.late, old.writes].concat();
        self.replicas[at] =
            Replica { standings, in_force: held, journal, position, late, ..Replica::default() };
    }

    fn lose_memory(&mut self) {
        for at in 0..self.replicas.len() {
            self.cut(at);
            self.replicas[at].late.clear();
        }
        self.life += 1;
        self.log.clear();
    }

    /// Lets everything go on without faults until nothing changes, and compares.
    fn settle(&mut self) {
        for round in 0..200 {
            for at in 0..self.replicas.len() {
                self.connect(at);
                self.deliver_late(at);
                while !self.replicas[at].writes.is_empty() {
                    self.deliver(at, 0, true, true);
                }
                self.report(at);
            }
            let is_settled = self.replicas.iter().all(|replica| {
                replica.writes.is_empty()
                    && replica.late.is_empty()
                    && replica.seen == self.log.len() as u64
                    && replica.standings.pending().len() == 0
            });
            if is_settled && round > 2 {
                break;
            }
            let states: Vec<_> =
                self.replicas.iter().map(|replica| (replica.seen, &replica.standings)).collect();
            assert!(round < 199, "the replicas do not settle: {} {states:#?}", self.log.len());
        }
        for replica in &self.replicas {
            assert!(replica.unanswered.is_empty(), "{:?}", replica.unanswered);
            for account in 0..2 {
                let (_, value) = self.last(&key(account));
                let held = replica.standings.in_force(&key(account), NOW);
                assert_eq!(rank(held), rank(value), "{account}: {held:?}, {value:?}");
            }
        }
    }
}

/// Runs a random order of events. Returns the highest standing that the users asked for last.
fn run(seed: u64, steps: usize) {
    fastrand::seed(seed);
    let mut model = Model { replicas: (0..3).map(|_| Replica::default()).collect(), ..Model::default() };
    let conditions = [Some(Condition::Draining), Some(Condition::Suspended), None];
    let faults = fastrand::u32(..30);
    for _ in 0..steps {
        let at = fastrand::usize(..3);
        let writes = model.replicas[at].writes.len();
        match fastrand::u32(..100) {
            0..20 => {
                let condition = conditions[fastrand::usize(..3)];
                model.request(at, fastrand::usize(..2), condition);
            }
            20..50 if writes > 0 => {
                let fails = fastrand::u32(..100) < faults;
                model.deliver(at, fastrand::usize(..writes), !fails || fastrand::bool(), !fails);
            }
            50..80 => model.report(at),
            80..88 => model.connect(at),
            88..93 => model.save(at),
            93..96 if faults > 5 => model.cut(at),
            99 => model.deliver_late(at),
            96..98 if faults > 10 => model.restart(at),
            98 if faults > 20 && fastrand::u8(..10) == 0 => model.lose_memory(),
            _ => {}
        }
    }
    model.settle();
    // Suspended everywhere, and nothing takes this away but a request.
    model.request(0, 0, Some(Condition::Suspended));
    model.settle();
    for _ in 0..3 {
        for at in 0..3 {
            model.cut(at);
            assert_eq!(rank(model.replicas[at].standings.in_force(&key(0), NOW)), 2);
        }
        model.lose_memory();
        model.settle();
        assert_eq!(rank(model.last(&key(0)).1), 2);
    }
    model.request(1, 0, None);
    model.settle();
    assert_eq!(rank(model.last(&key(0)).1), 0);
}

#[test]
fn replicas_agree_after_random_orders_of_everything() {
    for seed in 0..2_000 {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed, 200)) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn overruled_standings_are_the_last_hundred() {
    let mut standings = SharedStandings::default();
    let memory = Memory { epoch: "e".to_owned(), created: String::new() };
    let at = Instant::now();
    for account in 0..150 {
        let begun = standings.request(
            request(account, Some(Condition::Draining), &account.to_string()),
            NOW,
            Instant::now(),
        );
        let write = &begun.changes.writes[0];
        let changes =
            standings.written(&write.key, write.ticket, &Outcome::NotSent("no broker".to_owned()), NOW, at);
        assert_eq!(changes.replies, [(begun.ticket, Reply::Replica("no broker".to_owned()))]);
        let value = request(account, Some(Condition::Suspended), "other");
        let value = value_of(value);
        let entry = Entry {
            key: standing_key("acme", &key(account).account),
            value: Some(value.to_json().into()),
            revision: account as u64 + 1,
            time_millis: 0,
        };
        standings.watched(WatchEvent::Entry(entry), NOW, Instant::now());
    }
    assert_eq!(standings.pending().len(), 150);
    let current = WatchEvent::Current(Position { memory, revision: 150 });
    let changes = standings.watched(current, NOW, Instant::now());
    assert_eq!((changes.overruled.len(), changes.writes.len()), (150, 0));
    assert_eq!(changes.in_force, []);
    let (last, total) = standings.overruled();
    let last: Vec<_> = last.collect();
    assert_eq!(
        (last.len(), total, &last[99].key),
        (MAX_OVERRULED, 150, changes.overruled.last().map(|o| &o.key).unwrap())
    );
    assert_eq!(last[0].values.lost.standing.as_ref().unwrap().condition, Condition::Draining);
}

#[test]
fn later_request_waits_for_the_write_that_is_under_way() {
    let mut standings = SharedStandings::default();
    let at = Instant::now();
    let first = standings.request(request(0, Some(Condition::Draining), "1"), NOW, at);
    let second = standings.request(request(0, Some(Condition::Suspended), "2"), NOW, at);
    // The second is in force, and its write waits.
    assert_eq!(rank(second.changes.in_force[0].value.as_ref()), 2);
    assert!(second.changes.writes.is_empty() && second.changes.replies.is_empty());
    let write = &first.changes.writes[0];
    let changes = standings.written(&write.key, write.ticket, &Outcome::Written(5), NOW, at);
    assert_eq!(changes.replies, [(first.ticket, Reply::Fleet)]);
    assert_eq!((changes.in_force.len(), changes.writes.len(), changes.writes[0].expected), (0, 1, 5));
    let write = &changes.writes[0];
    let changes = standings.written(&write.key, write.ticket, &Outcome::Written(6), NOW, at);
    assert_eq!(changes.replies, [(second.ticket, Reply::Fleet)]);
    assert_eq!(standings.pending().len(), 0);
    // Clearing needs the broker.
    let clear = standings.request(request(0, None, "3"), NOW, at);
    assert!(clear.record.is_none() && clear.changes.in_force.is_empty());
    let write = &clear.changes.writes[0];
    let changes = standings.written(&write.key, write.ticket, &Outcome::NotSent("away".to_owned()), NOW, at);
    assert_eq!(changes.replies, [(clear.ticket, Reply::NoBroker("away".to_owned()))]);
    assert_eq!(rank(standings.in_force(&key(0), NOW)), 2);
}

#[test]
fn acknowledgement_of_an_earlier_life_does_not_count() {
    let mut standings = SharedStandings::default();
    let at = Instant::now();
    let memory = |epoch: &str| Memory { epoch: epoch.to_owned(), created: String::new() };
    standings.watched(WatchEvent::Reached(memory("1")), NOW, at);
    let begun = standings.request(request(0, Some(Condition::Draining), "1"), NOW, at);
    standings.watched(WatchEvent::MemoryLost(memory("2")), NOW, at);
    let write = &begun.changes.writes[0];
    let changes = standings.written(&write.key, write.ticket, &Outcome::Written(50), NOW, at);
    assert!(matches!(changes.replies[..], [(ticket, Reply::Replica(_))] if ticket == begun.ticket));
    assert_eq!(standings.pending().len(), 1);
    assert_eq!(standings.take_unsaved().records[0].account.revision, 0);
    // An entry of the new life is not older.
    let standing = request(0, Some(Condition::Suspended), "2").standing;
    let value = value_of(Request { standing, ..request(0, None, "2") });
    let entry = Entry {
        key: standing_key("acme", "wa.0"),
        value: Some(value.to_json().into()),
        revision: 1,
        time_millis: 0,
    };
    let changes = standings.watched(WatchEvent::Entry(entry), NOW, at);
    assert_eq!(rank(changes.in_force[0].value.as_ref()), 2);
}

fn entry(revision: u64, account: usize, value: &Value) -> WatchEvent {
    let key = standing_key("acme", &key(account).account);
    WatchEvent::Entry(Entry { key, value: Some(value.to_json().into()), revision, time_millis: 0 })
}

#[test]
fn restriction_that_meets_a_more_restrictive_one_loses() {
    let mut standings = SharedStandings::default();
    let at = Instant::now();
    let begun = standings.request(request(0, Some(Condition::Draining), "1"), NOW, at);
    let write = &begun.changes.writes[0];
    let changes = standings.written(&write.key, write.ticket, &Outcome::Conflict, NOW, at);
    assert_eq!((changes.replies, changes.writes), (vec![], vec![]));
    // It waits for the entry of the faster writer, at most for a second.
    let due = standings.next_due().unwrap();
    assert!(due > at && due <= at + Duration::from_secs(1));
    let other = value_of(request(0, Some(Condition::Suspended), "2"));
    let changes = standings.watched(entry(1, 0, &other), NOW, at);
    let [(ticket, Reply::Replica(_))] = &changes.replies[..] else { panic!("{changes:?}") };
    assert_eq!((*ticket, changes.writes.len(), changes.overruled.len()), (begun.ticket, 0, 1));
    assert_eq!(rank(Some(&changes.overruled[0].values.lost)), 1);
    assert_eq!((rank(standings.in_force(&key(0), NOW)), standings.pending().len()), (2, 0));

    // A clearing is repeated, and given up if the entry does not come.
    let clear = standings.request(request(0, None, "3"), NOW, at);
    let write = &clear.changes.writes[0];
    standings.written(&write.key, write.ticket, &Outcome::Conflict, NOW, at);
    let mut late = value_of(request(0, Some(Condition::Suspended), "4"));
    late.replaces = Some(WriteId("2".into()));
    let changes = standings.watched(entry(2, 0, &late), NOW, at);
    assert_eq!((changes.writes.len(), changes.writes[0].expected), (1, 2));
    let write = &changes.writes[0];
    // A process that takes over knows that the write may take effect.
    standings.take_unsaved();
    standings.give_up();
    let doubts = standings.take_unsaved().records.remove(0).account.doubts;
    assert_eq!(doubts.iter().map(|doubt| doubt.id.0.as_str()).collect::<Vec<_>>(), ["3"]);
    standings.written(&write.key, write.ticket, &Outcome::Conflict, NOW, at);
    let changes = standings.tick(NOW, standings.next_due().unwrap());
    assert!(matches!(&changes.replies[..], [(_, Reply::NoBroker(_))]), "{changes:?}");
    assert_eq!(rank(standings.in_force(&key(0), NOW)), 2);
}

#[test]
fn journal_without_a_position_is_no_loss_of_the_brokers_memory() {
    let records = [0, 1].map(|account| {
        let mut saved = switchboard_fleet::standings::SavedAccount::default();
        let id = account.to_string();
        (saved.revision, saved.value) =
            (5, Some(value_of(request(account, Some(Condition::Suspended), &id))));
        Record { key: key(account), account: saved }
    });
    let mut standings = SharedStandings::restore(records, None);
    let (at, memory) = (Instant::now(), Memory { epoch: "e".to_owned(), created: String::new() });
    standings.watched(WatchEvent::Reached(memory.clone()), NOW, at);
    assert_eq!((standings.pending().len(), standings.all_in_force(NOW).count()), (0, 2));
    // One was replaced and cleared meanwhile. The other one is not in the bucket.
    standings.watched(entry(9, 0, &value_of(request(0, None, "9"))), NOW, at);
    let current = Position { memory, revision: 9 };
    let changes = standings.watched(WatchEvent::Current(current), NOW, at);
    assert_eq!((changes.writes, rank(standings.in_force(&key(0), NOW))), (vec![], 0));
    assert_eq!(standings.pending().collect::<Vec<_>>(), [&key(1)]);
    let changes = standings.tick(NOW, standings.next_due().unwrap());
    assert_eq!((changes.writes.len(), changes.writes[0].expected), (1, 0));
}

/// The work for an event must not grow with the number of accounts.
#[test]
fn hundred_thousand_pending_and_arriving_standings_keep_a_replica_quick() {
    const MANY: usize = 100_000;
    let started = Instant::now();
    let mut standings = SharedStandings::default();
    let memory = Memory { epoch: "e".to_owned(), created: String::new() };
    for account in 0..MANY {
        let begun = standings.request(
            request(account, Some(Condition::Draining), &account.to_string()),
            NOW,
            started,
        );
        let write = &begun.changes.writes[0];
        let outcome = Outcome::NotSent("no broker".to_owned());
        standings.written(&write.key, write.ticket, &outcome, NOW, started);
    }
    standings.watched(WatchEvent::Reached(memory.clone()), NOW, started);
    let current = |revision| WatchEvent::Current(Position { memory: memory.clone(), revision });
    let mut writes = standings.watched(current(0), NOW, started).writes;
    let mut revision = 0;
    while let Some(write) = writes.pop() {
        assert!(writes.len() < 256, "writes do not wait in a queue");
        revision += 1;
        let outcome = Outcome::Written(revision);
        writes.extend(standings.written(&write.key, write.ticket, &outcome, NOW, started).writes);
        writes.extend(standings.watched(current(revision), NOW, started).writes);
    }
    assert_eq!((standings.pending().len(), revision), (0, MANY as u64));
    for account in 0..MANY {
        revision += 1;
        let value = value_of(request(account, Some(Condition::Suspended), "other"));
        standings.watched(entry(revision, account, &value), NOW, started);
        standings.watched(current(revision), NOW, started);
        assert!(standings.next_due().is_none());
    }
    assert_eq!(standings.all_in_force(NOW).filter(|(_, value)| rank(Some(value)) == 2).count(), MANY);
    // Measured: a second. With work for each pending standing, an hour.
    assert!(started.elapsed() < Duration::from_secs(300), "{:?}", started.elapsed());
}

/// A replica with a thread of the standings that is a task here.
struct Live {
    standings: SharedStandings,
    writes: UnboundedSender<BusWrite>,
    events: UnboundedReceiver<SharedEvent>,
}

impl Live {
    fn start(bus: &Bus) -> Live {
        let (writes, to_write) = unbounded_channel();
        let (report, events) = unbounded_channel();
        tokio::spawn(exchange(bus.clone(), None, to_write, move |events| {
            events.into_iter().for_each(|event| drop(report.send(event)));
        }));
        Live { standings: SharedStandings::default(), writes, events }
    }

    fn now() -> UnixMillis {
        UnixMillis::from(std::time::SystemTime::now())
    }

    /// Carries out changes, and returns the answers.
    fn carry_out(&self, changes: Changes) -> Vec<(Ticket, Reply)> {
        for write in changes.writes {
            self.writes.send(write).unwrap();
        }
        changes.replies
    }

    /// Works until a condition holds.
    async fn until(&mut self, what: &str, is_done: impl Fn(&SharedStandings) -> bool) {
        let started = Instant::now();
        while !is_done(&self.standings) {
            assert!(started.elapsed() < PATIENCE, "{what}: {:?}", self.standings);
            self.step().await;
        }
    }

    async fn step(&mut self) -> Vec<(Ticket, Reply)> {
        let due = self.standings.next_due().unwrap_or_else(|| Instant::now() + PATIENCE);
        let changes = tokio::select! {
            event = self.events.recv() => match event.expect("the exchange goes on") {
                SharedEvent::Watched(event, _) => self.standings.watched(event, Live::now(), Instant::now()),
                SharedEvent::Written(key, ticket, outcome) => {
                    self.standings.written(&key, ticket, &outcome, Live::now(), Instant::now())
                }
            },
            () = tokio::time::sleep_until(due.into()) => self.standings.tick(Live::now(), Instant::now()),
        };
        self.carry_out(changes)
    }

    /// Makes a request, and waits for the answer.
    async fn request(&mut self, account: usize, condition: Option<Condition>) -> (Reply, Duration) {
        let request = request(account, condition, &random_id().unwrap());
        let started = Instant::now();
        let begun = self.standings.request(request, Live::now(), Instant::now());
        let mut replies = self.carry_out(begun.changes);
        loop {
            if let Some((_, reply)) = replies.into_iter().find(|(ticket, _)| *ticket == begun.ticket) {
                return (reply, started.elapsed());
            }
            replies = self.step().await;
        }
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn standings_reach_every_replica_over_faults_of_the_broker() {
    let holds =
        |rank_of: u8| move |standings: &SharedStandings| rank(standings.in_force(&key(0), NOW)) == rank_of;
    for program in programs() {
        let mut broker = Broker::start(&program).unwrap();
        let (bus_a, bus_b) = (broker.initialized().await.unwrap(), broker.bus().await.unwrap());
        let (mut a, mut b) = (Live::start(&bus_a), Live::start(&bus_b));
        let (reply, took) = a.request(0, Some(Condition::Draining)).await;
        assert_eq!(reply, Reply::Fleet);
        assert!(took < Duration::from_secs(1), "{took:?}");
        b.until("draining arrives", holds(1)).await;
        assert_eq!(b.request(0, Some(Condition::Suspended)).await.0, Reply::Fleet);
        a.until("suspended arrives", holds(2)).await;
        assert_eq!(a.request(0, None).await.0, Reply::Fleet);
        b.until("the clearing arrives", holds(0)).await;
        // Many at once.
        for account in 10..510 {
            let id = random_id().unwrap();
            let begun = a.standings.request(
                request(account, Some(Condition::Suspended), &id),
                Live::now(),
                Instant::now(),
            );
            a.carry_out(begun.changes);
        }
        a.until("all are acknowledged", |standings| standings.pending().len() == 0).await;
        b.until("all arrive", |standings| standings.all_in_force(NOW).count() == 500).await;

        // Without the broker: restrictions are in force here, and nothing is cleared.
        assert_eq!(a.request(1, Some(Condition::Draining)).await.0, Reply::Fleet);
        broker.freeze().unwrap();
        let (reply, took) = a.request(0, Some(Condition::Suspended)).await;
        assert!(matches!(reply, Reply::Replica(_)), "{reply:?}");
        assert!(took < Duration::from_millis(1_500), "{took:?}");
        let (reply, _) = a.request(1, None).await;
        assert!(matches!(reply, Reply::NoBroker(_)), "{reply:?}");
        broker.thaw().unwrap();
        broker.kill();
        let mut link = bus_a.link();
        link.wait_for(|link| !link.connected).await.unwrap();
        let (reply, took) = a.request(2, Some(Condition::Suspended)).await;
        assert!(
            matches!(reply, Reply::Replica(_)) && took < Duration::from_millis(200),
            "{reply:?}, {took:?}"
        );
        // A pending one of this replica alone can be cleared, and is set again.
        assert_eq!(a.request(2, None).await.0, Reply::Fleet);
        a.request(2, Some(Condition::Suspended)).await;

        // The broker comes back without its memory.
        broker.lose_memory().unwrap();
        broker.restart().unwrap();
        broker.initialized().await.unwrap();
        a.until("all is put back", |standings| {
            standings.pending().len() == 0 && standings.position().is_some()
        })
        .await;
        let suspended = |account: usize| {
            move |standings: &SharedStandings| rank(standings.in_force(&key(account), NOW)) == 2
        };
        b.until("what was pending arrives", suspended(2)).await;
        b.until("what was pending arrives", holds(2)).await;
        let listed = bus_b.list(Bucket::Standings).await.unwrap();
        assert!(listed.len() >= 502, "{}", listed.len());
        assert_eq!(b.standings.all_in_force(NOW).count(), a.standings.all_in_force(NOW).count());
        // A replica without a broker begins alone.
        let nowhere = Bus::connect(&broker.settings(), Unreachable::Wait).await.unwrap();
        let mut late = Live::start(&nowhere);
        late.until("a new replica reads all", |standings| standings.all_in_force(NOW).count() >= 502).await;
    }
}
