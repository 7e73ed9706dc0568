//! What a worker answers from.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;

use super::budget::Budget;
use super::clock::Clock;
use super::explaining::Explaining;
use crate::runtime::{Generation, Reader, Store};
use crate::telemetry::{ChannelCounters, SelectionOutcome, Telemetry, WorkerMetrics};
use switchboard_select::walk::Moment;
use switchboard_select::{Answer, BadQuery, Code};
use switchboard_snapshot::Snapshot;

/// Everything that a worker answers from. One thread's alone: nothing in it is shared on the way of an answer.
pub(super) struct Desk {
    /// The way to the snapshot in service.
    pub(super) reader: RefCell<Reader>,
    /// Answers are put together here, then copied out at their exact size.
    pub(super) scratch: RefCell<Vec<u8>>,
    pub(super) telemetry: Arc<Telemetry>,
    /// What this worker counts.
    pub(super) counts: Arc<WorkerMetrics>,
    pub(super) shared: Shared,
    pub(super) clock: Clock,
    /// The counters of one generation's channels.
    selections: RefCell<(Option<u64>, Rc<ChannelCounters>)>,
    chance: Cell<u64>,
}

/// What all workers share beside the counters. A single query whose body comes in one piece meets none of
/// it.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) budget: Arc<Budget>,
    pub(super) explaining: Explaining,
}

impl Shared {
    pub(super) fn new(body_bytes: usize) -> Shared {
        let budget = Budget::new(body_bytes);
        Shared { explaining: Explaining::new(&budget), budget }
    }
}

impl Desk {
    pub(super) fn new(store: Store, telemetry: Arc<Telemetry>, shared: Shared) -> Desk {
        let counts = telemetry.add_worker();
        Desk {
            reader: RefCell::new(store.reader()),
            scratch: RefCell::default(),
            clock: Clock::new(),
            selections: RefCell::new((None, Rc::new(counts.selections.channels(&[])))),
            // Every `RandomState` has other keys, seeded by the system.
            chance: Cell::new(RandomState::new().hash_one(0)),
            counts,
            telemetry,
            shared,
        }
    }

    /// The time, another number each time, and the standings of the generation that is asked.
    pub(super) fn moment<'g>(&self, generation: &'g Generation) -> Moment<'g> {
        Moment { now: self.clock.look(), chance: self.chance(), standings: &generation.overlay }
    }

    /// SplitMix64: a counter, mixed until no bit tells what the next one is.
    pub(super) fn chance(&self) -> u64 {
        let count = self.chance.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.chance.set(count);
        let mixed = (count ^ (count >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The counters of this snapshot's channels.
    pub(super) fn selections(&self, snapshot: &Snapshot) -> Rc<ChannelCounters> {
        let mut selections = self.selections.borrow_mut();
        if selections.0 != Some(snapshot.generation()) {
            let ids: Vec<&str> = snapshot.channels().map(|channel| channel.id()).collect();
            *selections = (Some(snapshot.generation()), Rc::new(self.counts.selections.channels(&ids)));
        }
        Rc::clone(&selections.1)
    }

    /// Counts a query that was answered.
    pub(super) fn count(&self, selections: &ChannelCounters, answer: &Answer) {
        let outcome = match answer.result {
            Ok(selection) => SelectionOutcome::Selected(selection.rule),
            Err(code) => SelectionOutcome::Failed(code),
        };
        selections.count(answer.channel, outcome);
        if let Ok(selection) = answer.result
            && let Some(found) = selection.found
        {
            self.counts.selections.count_climbed(found.climbed);
        }
    }

    /// Counts a query that is none, under the channel that it named.
    pub(super) fn count_malformed(&self, selections: &ChannelCounters, snapshot: &Snapshot, bad: &BadQuery) {
        let channel = bad.channel.as_ref().and_then(|channel| snapshot.find_channel(channel));
        selections.count(channel, SelectionOutcome::Failed(Code::BadRequest));
    }

    /// Counts a query that came to nothing before there was anything to select from.
    pub(super) fn count_early(&self, code: Code) {
        let outcome = match code {
            Code::NoSnapshot => SelectionOutcome::NoSnapshot,
            code => SelectionOutcome::Failed(code),
        };
        self.selections.borrow().1.count(None, outcome);
    }
}
