//! The state of the daemon during a run: the published generations and the suspended accounts.

use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The generations that answers may name. Clones share the state.
#[derive(Debug, Clone)]
pub struct PublishedGenerations {
    first: u64,
    last: Arc<AtomicU64>,
}

impl PublishedGenerations {
    /// Accepts every generation. For a daemon that the load test did not start.
    pub fn any() -> Self {
        Self { first: 0, last: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// Accepts only this generation until others are announced.
    pub fn new(generation: u64) -> Self {
        Self { first: generation, last: Arc::new(AtomicU64::new(generation)) }
    }

    /// Accepts this generation as well. Must be called before the generation is published.
    pub fn announce(&self, generation: u64) {
        self.last.fetch_max(generation, Ordering::Relaxed);
    }

    pub(super) fn has(&self, generation: u64) -> bool {
        (self.first..=self.last.load(Ordering::Relaxed)).contains(&generation)
    }
}

/// The suspensions of the churned accounts by index. Clones share the state.
#[derive(Debug, Clone)]
pub struct Suspensions(Arc<Mutex<Vec<Option<Suspension>>>>);

#[derive(Debug, Clone, Copy)]
struct Suspension {
    acknowledged: Instant,
    /// Time at which the request to end the suspension was sent, or the suspension may expire.
    ends: Instant,
}

impl Suspensions {
    /// Creates the state of this number of accounts. No account is suspended.
    pub fn new(accounts: usize) -> Suspensions {
        Suspensions(Arc::new(Mutex::new(vec![None; accounts])))
    }

    /// Records that the daemon acknowledged a suspension. It lasts for `duration` unless it is ended before.
    pub fn acknowledged(&self, account: usize, duration: Duration) {
        let now = Instant::now();
        if let Some(entry) = self.0.lock().get_mut(account) {
            *entry = Some(Suspension { acknowledged: now, ends: now + duration });
        }
    }

    /// Records that a suspension is about to be ended. Must be called before the request is sent.
    pub fn ending(&self, account: usize) {
        if let Some(Some(suspension)) = self.0.lock().get_mut(account) {
            suspension.ends = Instant::now();
        }
    }

    /// Returns for how long the account had been suspended when a request was sent. Returns `None` unless the
    /// account stayed suspended until the answer was read.
    pub fn suspended_for(&self, account: usize, sent: Instant, read: Instant) -> Option<Duration> {
        let Suspension { acknowledged, ends } = self.0.lock().get(account).copied().flatten()?;
        let before = sent.checked_duration_since(acknowledged)?;
        (ends > read).then_some(before)
    }
}
