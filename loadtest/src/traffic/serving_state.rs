//! What the daemon serves at a time: the published generations, and the accounts that are suspended.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
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
    /// Accepts every generation, for a daemon that was not started here.
    pub fn any() -> Self {
        Self { first: 0, last: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// Accepts this generation alone, until more are announced.
    pub fn new(generation: u64) -> Self {
        Self { first: generation, last: Arc::new(AtomicU64::new(generation)) }
    }

    /// Accepts this generation as well. To be called before it is published.
    pub fn announce(&self, generation: u64) {
        self.last.fetch_max(generation, Ordering::Relaxed);
    }

    pub(super) fn has(&self, generation: u64) -> bool {
        (self.first..=self.last.load(Ordering::Relaxed)).contains(&generation)
    }
}

/// The suspensions of the churned accounts, by their index. Clones share the state.
#[derive(Debug, Clone)]
pub struct Suspensions(Arc<Mutex<Vec<Option<Suspension>>>>);

#[derive(Debug, Clone, Copy)]
struct Suspension {
    acknowledged: Instant,
    /// When the request to lift it was sent, or when it may expire.
    ends: Instant,
}

impl Suspensions {
    /// Creates entries for so many accounts, none of which is suspended.
    pub fn new(accounts: usize) -> Suspensions {
        Suspensions(Arc::new(Mutex::new(vec![None; accounts])))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Suspension>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the daemon acknowledged a suspension, which lasts for `duration` unless it is cleared.
    pub fn acknowledged(&self, account: usize, duration: Duration) {
        let now = Instant::now();
        if let Some(entry) = self.lock().get_mut(account) {
            *entry = Some(Suspension { acknowledged: now, ends: now + duration });
        }
    }

    /// Records that the suspension is about to be cleared. Call this before the request is sent.
    pub fn lifting(&self, account: usize) {
        if let Some(Some(suspension)) = self.lock().get_mut(account) {
            suspension.ends = Instant::now();
        }
    }

    /// Returns how long the account was suspended when a request was sent, where it stayed suspended until
    /// the answer was read.
    pub(super) fn suspended_for(&self, account: usize, sent: Instant, read: Instant) -> Option<Duration> {
        let Suspension { acknowledged, ends } = self.lock().get(account).copied().flatten()?;
        let before = sent.checked_duration_since(acknowledged)?;
        (ends > read).then_some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspension_holds_from_the_acknowledgement_until_the_lift() {
        let suspensions = Suspensions::new(2);
        let hour = Duration::from_secs(3_600);
        let before = Instant::now();
        assert_eq!(suspensions.suspended_for(0, before, before), None);
        suspensions.acknowledged(0, hour);
        let after = Instant::now();
        assert!(suspensions.suspended_for(0, after, after).is_some());
        assert_eq!(suspensions.suspended_for(1, after, after), None, "another account");
        assert_eq!(suspensions.suspended_for(0, before - hour, after), None, "sent before");
        assert_eq!(suspensions.suspended_for(0, after, after + 2 * hour), None, "may have expired");
        suspensions.lifting(0);
        assert_eq!(suspensions.suspended_for(0, after, Instant::now()), None);
        assert!(suspensions.suspended_for(0, after, after).is_some(), "read before the lift");
    }
}
