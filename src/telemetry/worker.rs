//! What one worker counts with every request.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{RequestTimings, SelectionCounters};

/// One worker's counters. Its thread alone adds to them; scrapes read and sum them.
#[derive(Default)]
pub struct WorkerMetrics {
    /// Durations and statuses of its requests.
    pub timings: RequestTimings,
    /// Outcomes of its queries.
    pub selections: SelectionCounters,
}

/// A counter that one thread adds to and others read. An addition is a load and a store, without the
/// locked instruction of a shared counter, which takes 5 ns, eight times a request.
#[derive(Debug, Default)]
pub(super) struct LocalCounter(AtomicU64);

impl LocalCounter {
    /// Adds to the counter. Only its own thread may call this.
    pub(super) fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
