//! The standings that the replicas of a fleet share: what the writer's thread keeps besides the store and the
//! journal. `switchboard_fleet::shared` decides; the writer carries out.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use switchboard_fleet::shared::{
    BusWrite, Changes, InForce, Key, Reply as SharedReply, SharedEvent, SharedStandings, Ticket,
};
use switchboard_fleet::standings::{Standing as SharedStanding, Value as SharedValue};
use switchboard_fleet::watch::Position;
use switchboard_model::UnixMillis;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::standing::{AccountKey, Author, Reach, Standing, StandingError, Until};

/// Interval at which the journal gets what arrived from the broker. A second at most may pass.
pub(super) const SAVE_INTERVAL: Duration = Duration::from_millis(500);
/// Interval at which standings that are put back are looked for.
const DUE_INTERVAL: Duration = Duration::from_millis(50);

/// The side of the writer in the exchange of standings with the broker.
pub struct Exchange {
    /// The position behind which the broker's values are not known here.
    pub position: Option<Position>,
    /// The writes to carry out. The exchange ends with its sender.
    pub writes: UnboundedReceiver<BusWrite>,
    /// Receives the events of the exchange, from any thread.
    pub report: Box<dyn FnMut(SharedEvent) + Send>,
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
    /// The position in the journal.
    saved: Option<Position>,
    saved_at: Instant,
    /// The last time at which the next due time was looked for.
    looked_at: Instant,
}

impl Shared {
    /// Starts the exchange with the broker. Events come to `report`.
    pub(super) fn start(
        standings: SharedStandings,
        start: StartExchange,
        report: impl FnMut(SharedEvent) + Send + 'static,
    ) -> Shared {
        let (writes, receiver) = unbounded_channel();
        let position = standings.position().cloned();
        start(Exchange { position: position.clone(), writes: receiver, report: Box::new(report) });
        let mut shared = Shared {
            standings,
            waiting: HashMap::new(),
            writes,
            ends: BTreeSet::new(),
            saved: position,
            saved_at: Instant::now(),
            looked_at: Instant::now(),
        };
        let now = UnixMillis::from(std::time::SystemTime::now());
        let all = shared.standings.all_in_force(now);
        shared.ends = all.filter_map(|(key, value)| Some((end_of(value)?, key.clone()))).collect();
        shared
    }

    /// Sends writes to the exchange. Returns those that it does not take, because it has ended.
    pub(super) fn send(&self, writes: Vec<BusWrite>) -> Vec<BusWrite> {
        writes.into_iter().filter_map(|write| self.writes.send(write).err()).map(|unsent| unsent.0).collect()
    }

    /// Notes the end of what is in force.
    pub(super) fn note_end(&mut self, InForce { key, value }: &InForce) {
        if let Some(end) = value.as_ref().and_then(end_of) {
            self.ends.insert((end, key.clone()));
        }
    }

    /// Returns what decides about the accounts whose standings have ended.
    pub(super) fn ended(&mut self, now: UnixMillis) -> Vec<InForce> {
        let mut ended = Vec::new();
        while let Some((end, _)) = self.ends.first()
            && *end <= now
            && let Some((_, key)) = self.ends.pop_first()
        {
            let value = self.standings.in_force(&key, now).cloned();
            if value.is_some() {
                ended.push(InForce { key, value });
            }
        }
        ended
    }

    /// Returns the time until the next work without a request.
    pub(super) fn due_in(&self) -> Duration {
        let save = SAVE_INTERVAL.saturating_sub(self.saved_at.elapsed());
        // The next due time is looked for at intervals, because that looks at each pending standing.
        if self.standings.pending().len() > 0 { save.min(DUE_INTERVAL) } else { save }
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

    /// Writes what is pending and due.
    pub(super) fn tick(&mut self, now: UnixMillis) -> Option<Changes> {
        let at = Instant::now();
        if at.duration_since(self.looked_at) < DUE_INTERVAL {
            return None;
        }
        self.looked_at = at;
        self.standings.next_due().filter(|due| *due <= at)?;
        Some(self.standings.tick(now, at))
    }

    pub(super) fn status(&self) -> SharedStatus {
        let (overruled, overruled_total) = self.standings.overruled();
        let overruled = overruled.map(|overruled| OverruledRecord {
            key: (&overruled.key).into(),
            lost: Standing::from_value(&overruled.values.lost),
            won: Standing::from_value(&overruled.values.won),
            at: overruled.at,
        });
        SharedStatus {
            pending: self.standings.pending().len(),
            revision: self.standings.position().map_or(0, |position| position.revision),
            overruled: overruled.collect(),
            overruled_total,
        }
    }
}

impl From<&Key> for AccountKey {
    fn from(Key { company, account }: &Key) -> AccountKey {
        AccountKey { company: company.as_str().into(), account: account.as_str().into() }
    }
}

impl From<&AccountKey> for Key {
    fn from(AccountKey { company, account }: &AccountKey) -> Key {
        Key { company: company.to_string(), account: account.to_string() }
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

/// Returns whether a request changed nothing, so that it needs no record.
pub(super) fn is_nothing(replies: &[(Ticket, SharedReply)], has_record: bool) -> bool {
    !has_record && !replies.is_empty()
}

fn end_of(value: &SharedValue) -> Option<UnixMillis> {
    value.standing.as_ref()?.until.as_ref().map(|(_, at)| *at)
}
