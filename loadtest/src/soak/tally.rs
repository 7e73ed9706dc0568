//! What happened, counted by all threads.

use crate::http::Failure;
use hdrhistogram::Histogram;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

#[derive(Default)]
pub(super) struct Tally {
    pub(super) requests: Counter,
    pub(super) as_asked: Counter,
    pub(super) published: Counter,
    pub(super) corrupted: Counter,
    pub(super) standings: Counter,
    pub(super) slow: Counter,
    errors: Mutex<BTreeMap<&'static str, (u64, String)>>,
    latencies: Mutex<Option<Histogram<u64>>>,
}

impl Tally {
    /// Counts it; the first of its kind is kept to be shown.
    pub(super) fn failed(&self, (kind, detail): Failure) {
        held(&self.errors).entry(kind).or_insert((0, detail)).0 += 1;
    }

    /// By kind: how many, and the first.
    pub(super) fn errors(&self) -> BTreeMap<&'static str, (u64, String)> {
        held(&self.errors).clone()
    }

    /// Adds a thread's own latencies, in microseconds.
    pub(super) fn add(&self, latencies: Histogram<u64>) {
        let mut all = held(&self.latencies);
        match &mut *all {
            Some(all) => {
                if let Err(error) = all.add(latencies) {
                    self.failed(("latencies lost", error.to_string()));
                }
            }
            none => *none = Some(latencies),
        }
    }

    /// Of these quantiles in microseconds, 1.0 being the maximum; none before an answer.
    pub(super) fn latency(&self, quantile: f64) -> Option<u64> {
        held(&self.latencies)
            .as_ref()
            .filter(|all| !all.is_empty())
            .map(|all| all.value_at_quantile(quantile))
    }
}

/// A panic elsewhere is reported by its own thread; the counts are whole after each change.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
