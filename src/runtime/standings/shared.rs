//! The standings that the replicas of a fleet share: what the writer's thread keeps besides the store and the
//! journal. `switchboard_fleet::shared` decides; the writer carries out.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use switchboard_fleet::shared::{
    BusWrite, Changes, InForce, Key, Record as SharedRecord, Reply as SharedReply, SharedEvent,
    SharedStandings, Ticket, random_write_id,
};
use switchboard_fleet::standings::{Account, SavedAccount, Standing as SharedStanding, Value as SharedValue};
use switchboard_fleet::status::rfc3339;
use switchboard_fleet::watch::Position;
use switchboard_model::UnixMillis;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::journal::SharedContents;
use super::standing::{AccountKey, Author, Reach, Standing, StandingError, Until};

/// Interval at which the journal gets what arrived from the broker. A second at most may pass.
pub(super) const SAVE_INTERVAL: Duration = Duration::from_millis(500);

/// The side of the writer in the exchange of standings with the broker.
pub struct Exchange {
    /// The position behind which the broker's values are not known here.
    pub position: Option<Position>,
    /// The writes to carry out. The exchange ends with its sender.
    pub writes: UnboundedReceiver<BusWrite>,
    /// Receives the events of the exchange, from any thread.
    pub report: Box<dyn FnMut(Vec<SharedEvent>) + Send>,
}

/// Starts the exchange on the runtime of the fleet.
pub type StartExchange = Box<dyn FnOnce(Exchange) + Send>;

/// The state of the shared standings, for `/status` and the metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedStatus {
    /// The number of accounts with a standing that the broker does not have yet.
    pub pending: usize,
    /// The revision to which the broker's values were read.
    pub revision: u64,
    /// The last standings that lost against a more restrictive one, the latest last.
    pub overruled: Vec<OverruledRecord>,
    /// The number of all of them since the start.
    pub overruled_total: u64,
}

/// A standing that lost against a more restrictive one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverruledRecord {
    /// The account of both.
    pub key: AccountKey,
    /// The standing that is not in force. `None` if it was cleared.
    pub lost: Option<Standing>,
    /// The standing that is in force.
    pub won: Option<Standing>,
    /// The time of the decision.
    pub at: UnixMillis,
}

/// Receives the answer to a request.
pub(super) type Reply = Box<dyn FnOnce(Result<Reach, StandingError>) + Send>;

/// A request that waits for the broker.
pub(super) struct WaitingRequest {
    pub(super) change: OwnedChange,
    /// Whether the change is on the disk here, so that it is pending without the broker.
    pub(super) is_local: bool,
    pub(super) reply: Reply,
}

/// A change with its author, for the change log.
pub(super) struct OwnedChange {
    pub(super) key: AccountKey,
    pub(super) author: Author,
    pub(super) before: Option<Standing>,
    pub(super) after: Option<Standing>,
    pub(super) generation: Option<u64>,
}

/// The shared standings of the process that holds the journal.
pub(super) struct Shared {
    pub(super) standings: SharedStandings,
    pub(super) waiting: HashMap<Ticket, WaitingRequest>,
    writes: UnboundedSender<BusWrite>,
    /// The ends of standings in force. Behind an end, another value may decide.
    ends: BTreeSet<(UnixMillis, Key)>,
    /// The same ends by account.
    end_of: HashMap<Key, UnixMillis>,
    /// The position in the journal.
    saved: Option<Position>,
    saved_at: Instant,
}

impl Shared {
    /// Starts the exchange with the broker. Events come to `report`.
    pub(super) fn start(
        standings: SharedStandings,
        start: StartExchange,
        report: impl FnMut(Vec<SharedEvent>) + Send + 'static,
    ) -> Shared {
        let (writes, receiver) = unbounded_channel();
        let position = standings.position().cloned();
        start(Exchange { position: position.clone(), writes: receiver, report: Box::new(report) });
        let mut shared = Shared {
            standings,
            waiting: HashMap::new(),
            writes,
            ends: BTreeSet::new(),
            end_of: HashMap::new(),
            saved: position,
            saved_at: Instant::now(),
        };
        let now = UnixMillis::from(std::time::SystemTime::now());
        let all = shared.standings.all_in_force(now);
        shared.end_of = all.filter_map(|(key, value)| Some((key.clone(), end_of(value)?))).collect();
        shared.ends = shared.end_of.iter().map(|(key, end)| (*end, key.clone())).collect();
        shared
    }

    /// Sends writes to the exchange. Returns those that it does not take, because it has ended.
    pub(super) fn send(&self, writes: Vec<BusWrite>) -> Vec<BusWrite> {
        writes.into_iter().filter_map(|write| self.writes.send(write).err()).map(|unsent| unsent.0).collect()
    }

    /// Notes the end of what is in force.
    pub(super) fn note_end(&mut self, InForce { key, value }: &InForce) {
        let end = value.as_ref().and_then(end_of);
        let before = match end {
            Some(end) => self.end_of.insert(key.clone(), end),
            None => self.end_of.remove(key),
        };
        if let Some(before) = before {
            self.ends.remove(&(before, key.clone()));
        }
        if let Some(end) = end {
            self.ends.insert((end, key.clone()));
        }
    }

    /// Returns what decides about the accounts whose standings have ended, and notes the next ends.
    pub(super) fn ended(&mut self, now: UnixMillis) -> Vec<InForce> {
        let mut ended = Vec::new();
        while let Some((end, _)) = self.ends.first()
            && *end <= now
            && let Some((_, key)) = self.ends.pop_first()
        {
            self.end_of.remove(&key);
            let value = self.standings.in_force(&key, now).cloned();
            let in_force = InForce { key, value };
            self.note_end(&in_force);
            ended.push(in_force);
        }
        ended
    }

    /// Returns the time until the next work without a request.
    pub(super) fn due_in(&self, now: UnixMillis) -> Duration {
        let save = SAVE_INTERVAL.saturating_sub(self.saved_at.elapsed());
        let due = self.standings.next_due().map(|due| due.saturating_duration_since(Instant::now()));
        let end = self.ends.first().map(|(end, _)| UnixMillis(end.0.saturating_sub(now.0)).as_u64());
        due.into_iter().chain(end.map(Duration::from_millis)).fold(save, Duration::min)
    }

    /// Returns whether the journal must get what it does not have. Counts the interval anew.
    pub(super) fn must_save(&mut self) -> bool {
        let is_due = self.saved_at.elapsed() >= SAVE_INTERVAL;
        if is_due {
            self.saved_at = Instant::now();
        }
        is_due
    }

    /// Returns whether the journal has this position.
    pub(super) fn has_saved(&self, position: Option<&Position>) -> bool {
        self.saved.as_ref() == position
    }

    pub(super) fn set_saved(&mut self, position: Option<Position>) {
        self.saved = position;
    }

    /// Returns a position behind which everything is in the journal, for records that are written before the rest.
    pub(super) fn safe_position(&self) -> Option<Position> {
        let first = || Some(Position { revision: 0, ..self.standings.position()?.clone() });
        self.saved.clone().or_else(first)
    }

    /// Writes what is pending and due.
    pub(super) fn tick(&mut self, now: UnixMillis) -> Option<Changes> {
        let at = Instant::now();
        self.standings.next_due().filter(|due| *due <= at)?;
        Some(self.standings.tick(now, at))
    }

    /// Brings a status up to date.
    pub(super) fn write_status(&self, status: &mut SharedStatus) {
        status.pending = self.standings.pending().len();
        status.revision = self.standings.position().map_or(0, |position| position.revision);
        let (overruled, overruled_total) = self.standings.overruled();
        if status.overruled_total == overruled_total {
            return;
        }
        let overruled = overruled.map(|overruled| OverruledRecord {
            key: (&overruled.key).into(),
            lost: Standing::from_value(&overruled.values.lost),
            won: Standing::from_value(&overruled.values.won),
            at: overruled.at,
        });
        status.overruled = overruled.collect();
        status.overruled_total = overruled_total;
    }
}

impl From<&Key> for AccountKey {
    fn from(Key { company, account }: &Key) -> AccountKey {
        AccountKey { company: company.as_str().into(), account: account.as_str().into() }
    }
}

impl From<&AccountKey> for Key {
    fn from(AccountKey { company, account }: &AccountKey) -> Key {
        Key { company: (&**company).into(), account: (&**account).into() }
    }
}

impl Standing {
    /// Returns the standing of a value of the broker. `None` if it was cleared.
    pub(super) fn from_value(value: &SharedValue) -> Option<Standing> {
        let SharedStanding { condition, reason, until } = value.standing.as_ref()?;
        let until = until.as_ref().map(|(text, at)| Until { text: text.as_str().into(), at: *at });
        Some(Standing {
            condition: *condition,
            reason: reason.as_str().into(),
            until,
            since: UnixMillis::from_rfc3339(&value.since),
            by: value.by.as_deref().map(Into::into),
        })
    }

    /// Returns the standing as a value of the broker has it.
    pub(super) fn to_shared(&self) -> SharedStanding {
        SharedStanding {
            condition: self.condition,
            reason: self.reason.to_string(),
            until: self.until.as_ref().map(|until| (until.text.to_string(), until.at)),
        }
    }
}

/// Returns the records of a replica that was without its fleet, from the standings of its journal and from what it
/// knew before. What was set outside is pending. What was not changed outside is as it was.
pub(super) fn returning(
    outside: &HashMap<AccountKey, Standing>,
    before: SharedContents,
    now: UnixMillis,
) -> (Vec<SharedRecord>, Option<Position>) {
    let SharedContents { accounts, position } = before;
    let mut outside: HashMap<Key, &Standing> = outside.iter().map(|(key, it)| (key.into(), it)).collect();
    let known = accounts.into_values().map(|record| {
        let mut account = Account::restore(record.account);
        let in_force = account.standing(now).and_then(|_| account.in_force(now));
        let in_force = in_force.and_then(Standing::from_value);
        match outside.remove(&record.key) {
            Some(standing) if Some(standing) != in_force.as_ref() => {
                let pending = pending_value(Some(standing)).map(|value| (0, value));
                let account = SavedAccount { pending, put_back: false, takes_back: None, ..account.saved() };
                return SharedRecord { key: record.key, account };
            }
            None if in_force.is_some() => {
                // It was cleared outside. This clears what only this replica has.
                if let Some(mut cleared) = pending_value(None) {
                    account.change(&mut cleared, now);
                }
            }
            _ => {}
        }
        SharedRecord { key: record.key, account: account.saved() }
    });
    let known: Vec<SharedRecord> = known.collect();
    let new = outside.into_iter().map(|(key, standing)| {
        let pending = pending_value(Some(standing)).map(|value| (0, value));
        SharedRecord { key, account: SavedAccount { pending, ..SavedAccount::default() } }
    });
    (new.chain(known).collect(), position)
}

/// Returns the value of a change from outside the fleet. `None` if the system has no random bytes.
fn pending_value(standing: Option<&Standing>) -> Option<SharedValue> {
    Some(SharedValue {
        id: random_write_id().ok()?,
        standing: standing.map(Standing::to_shared),
        since: rfc3339(standing.and_then(|standing| standing.since).unwrap_or_default()).into(),
        by: standing.and_then(|standing| standing.by.as_deref()).map(str::to_owned),
        replaces: None,
        earlier: Vec::new(),
    })
}

/// Returns whether a request changed nothing, so that it needs no record.
pub(super) fn is_nothing(replies: &[(Ticket, SharedReply)], has_record: bool) -> bool {
    !has_record && !replies.is_empty()
}

fn end_of(value: &SharedValue) -> Option<UnixMillis> {
    value.standing.as_ref()?.until.as_ref().map(|(_, at)| *at)
}
