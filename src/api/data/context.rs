//! The state of one worker.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;

use switchboard_model::SelectError;
use switchboard_select::SelectContext;
use switchboard_select::{Answer, BadQuery};
use switchboard_server::{Clock, MemoryBudget};
use switchboard_snapshot::Snapshot;
use tokio::sync::Semaphore;

use crate::access::Access;
use crate::access::audit::AuditLog;
use crate::api::access_log::AccessLog;
use crate::api::authorization::Authorizer;
use crate::runtime::{Generation, Reader, Store};
use crate::telemetry::{ChannelCounters, SelectionOutcome, Telemetry, WorkerMetrics};

/// The callers of a listener: who may call, and what is recorded of their requests.
#[derive(Clone, Default)]
pub struct Callers {
    /// The principals, if there are any.
    pub access: Option<Access>,
    /// The audit log of denied requests, if there is a state directory.
    pub audit: Option<AuditLog>,
    /// The share of the requests that are logged, from 0 to 1.
    pub access_log: f64,
}

/// The state that one worker answers from. Only its thread uses it, so that answering a query needs no shared
/// state.
pub(super) struct WorkerContext {
    /// Reads the snapshot in service.
    reader: RefCell<Reader>,
    /// The buffer in which answers are rendered.
    pub(super) scratch: RefCell<Vec<u8>>,
    pub(super) telemetry: Arc<Telemetry>,
    /// The counters of this worker alone.
    pub(super) metrics: Arc<WorkerMetrics>,
    pub(super) shared: Shared,
    pub(super) clock: Clock,
    /// Decides about callers, if there are principals.
    pub(super) authorizer: Option<Authorizer>,
    /// The audit log, if there is a state directory.
    pub(super) audit: Option<AuditLog>,
    /// The access log, if requests are logged.
    pub(super) access_log: Option<AccessLog>,
    /// Counters for the channels of one generation.
    channels: RefCell<(Option<u64>, Rc<ChannelCounters>)>,
    random: Cell<u64>,
}

/// The state that all workers share in addition to the metrics. A single query whose body arrives in one
/// piece does not use it.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) budget: Arc<MemoryBudget>,
    /// Permit of the explanation that is being rendered.
    pub(super) explain_turn: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(max_body_bytes: usize) -> Shared {
        Shared { budget: MemoryBudget::new(max_body_bytes), explain_turn: Arc::new(Semaphore::new(1)) }
    }
}

impl WorkerContext {
    pub(super) fn new(
        store: &Store,
        telemetry: Arc<Telemetry>,
        shared: Shared,
        callers: &Callers,
    ) -> WorkerContext {
        let metrics = telemetry.add_worker();
        WorkerContext {
            reader: RefCell::new(store.reader()),
            scratch: RefCell::default(),
            clock: Clock::default(),
            authorizer: callers.access.as_ref().map(Authorizer::new),
            audit: callers.audit.clone(),
            access_log: AccessLog::new("data", callers.access_log),
            channels: RefCell::new((None, Rc::new(metrics.selections.channels(&[])))),
            // Every `RandomState` has different keys, which the system seeds.
            random: Cell::new(RandomState::new().hash_one(0)),
            metrics,
            telemetry,
            shared,
        }
    }

    /// Calls `read` with the generation in service, if there is one.
    #[inline]
    pub(super) fn with_current<T>(&self, read: impl FnOnce(Option<&Arc<Generation>>) -> T) -> T {
        read(self.reader.borrow_mut().pin())
    }

    /// Calls `read` with the generation in service. Returns `None` if there is none.
    #[inline]
    pub(super) fn with_generation<T>(&self, read: impl FnOnce(&Arc<Generation>) -> T) -> Option<T> {
        self.with_current(|generation| generation.map(read))
    }

    /// Returns the inputs of a selection that differ with each call: time, random number and standings.
    #[inline]
    pub(super) fn select_context<'g>(&self, generation: &'g Generation) -> SelectContext<'g> {
        SelectContext { now: self.clock.read(), random: self.random(), standings: &generation.overlay }
    }

    /// Returns the next random number. SplitMix64 is written by hand, because its state fits into a `Cell`.
    /// The generator of fastrand needs `&mut`, and therefore a `RefCell` with its check on the answer path.
    #[inline]
    pub(super) fn random(&self) -> u64 {
        let count = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(count);
        let mixed = (count ^ (count >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns the counters for the channels of this snapshot. Creates them once for each generation.
    pub(super) fn channel_counters(&self, snapshot: &Snapshot) -> Rc<ChannelCounters> {
        let mut channels = self.channels.borrow_mut();
        if channels.0 != Some(snapshot.generation()) {
            let ids: Vec<&str> = snapshot.channels().map(|channel| channel.id()).collect();
            *channels = (Some(snapshot.generation()), Rc::new(self.metrics.selections.channels(&ids)));
        }
        Rc::clone(&channels.1)
    }

    /// Counts the result of a selection.
    pub(super) fn count(&self, channels: &ChannelCounters, answer: &Answer) {
        let outcome = match answer.result {
            Ok(selection) => SelectionOutcome::Selected(selection.rule),
            Err(code) => SelectionOutcome::Failed(code),
        };
        channels.count(answer.channel, outcome);
        if let Ok(selection) = answer.result
            && let Some(location) = selection.location
        {
            self.metrics.selections.count_climbed(location.climbed);
        }
    }

    /// Counts a malformed query under its channel, if the snapshot has the channel.
    pub(super) fn count_malformed(&self, channels: &ChannelCounters, snapshot: &Snapshot, bad: &BadQuery) {
        let channel = bad.channel.as_ref().and_then(|channel| snapshot.find_channel(channel));
        channels.count(channel, SelectionOutcome::Failed(SelectError::BadRequest));
    }

    /// Counts a query that failed before the snapshot was read.
    pub(super) fn count_early(&self, outcome: SelectionOutcome) {
        self.channels.borrow().1.count(None, outcome);
    }
}
