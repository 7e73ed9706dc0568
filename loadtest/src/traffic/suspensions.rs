//! Which of the churned accounts are out of use, and since when: one that is must not be answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What was not said yet; later than every time.
const NEVER: u64 = u64::MAX;

/// One entry for each churned account, in their order. Whoever suspends them writes it, and whoever judges answers reads it.
#[derive(Debug, Clone)]
pub struct Suspensions {
    /// Times count in nanoseconds from here.
    epoch: Instant,
    entries: Arc<[Entry]>,
}

#[derive(Debug)]
struct Entry {
    /// When the last suspension was acknowledged.
    from: AtomicU64,
    /// When its lift was sent, or it may have ended by itself.
    to: AtomicU64,
}

impl Suspensions {
    /// Of so many accounts, none of which is suspended.
    pub fn new(accounts: usize) -> Suspensions {
        let entry = |_| Entry { from: AtomicU64::new(NEVER), to: AtomicU64::new(0) };
        Suspensions { epoch: Instant::now(), entries: (0..accounts).map(entry).collect() }
    }

    /// The daemon has said that this account is suspended; the suspension holds for so long from now, unless it is lifted.
    pub fn acknowledged(&self, account: usize, holds: Duration) {
        let Some(entry) = self.entries.get(account) else { return };
        let now = Instant::now();
        // In this order: who sees the later end sees the later beginning, too.
        entry.from.store(self.nanos(now), Ordering::Release);
        entry.to.store(self.nanos(now + holds), Ordering::Release);
    }

    /// The suspension is about to be lifted: to be called before anything is sent.
    pub fn lifting(&self, account: usize) {
        if let Some(entry) = self.entries.get(account) {
            entry.to.store(self.nanos(Instant::now()), Ordering::Release);
        }
    }

    /// For how long this account was known to be suspended when a request was sent, where it was so until the answer was read.
    pub(super) fn known(&self, account: usize, sent: Instant, read: Instant) -> Option<Duration> {
        let entry = self.entries.get(account)?;
        let to = entry.to.load(Ordering::Acquire);
        let from = entry.from.load(Ordering::Acquire);
        let before = self.nanos(sent).checked_sub(from)?;
        (to > self.nanos(read)).then(|| Duration::from_nanos(before))
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(NEVER - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_from_the_acknowledgement_until_the_lift() {
        let suspensions = Suspensions::new(2);
        let hour = Duration::from_secs(3_600);
        let before = Instant::now();
        assert_eq!(suspensions.known(0, before, before), None);
        suspensions.acknowledged(0, hour);
        let after = Instant::now();
        assert!(suspensions.known(0, after, after).is_some());
        assert_eq!(suspensions.known(1, after, after), None, "of another account");
        assert_eq!(suspensions.known(0, before - hour, after), None, "sent before");
        assert_eq!(suspensions.known(0, after, after + 2 * hour), None, "it may have ended by itself");
        suspensions.lifting(0);
        assert_eq!(suspensions.known(0, after, Instant::now()), None);
        assert!(suspensions.known(0, after, after).is_some(), "read before it was lifted");
    }
}
