//! A counter that one thread adds to, and others look at.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a worker counts by: since no other thread adds, adding is a load and a store, without the locked
/// instruction of a shared counter, which takes 5 ns, eight times a request.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// By the one thread that may.
    pub(super) fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
