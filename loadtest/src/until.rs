//! The end of a run, as its threads look out for it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

#[derive(Default)]
pub(crate) struct Until(AtomicBool);

impl Until {
    pub(crate) fn goes_on(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Sleeps in short pieces, so that the end of the run is not missed.
    pub(crate) fn sleep_until(&self, then: Instant) {
        while self.goes_on() {
            let left = then.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(100)));
        }
    }
}
