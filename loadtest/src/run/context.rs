//! The input that all steps of a scenario share, and the signal that stops the actors of a step.

use super::{scratch::StandingsToRestore, testbed::TestBed};
use crate::scenario::Scenario;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// The input that all steps of a scenario share.
pub(crate) struct Context<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) testbed: &'a TestBed,
    pub(crate) standings: &'a StandingsToRestore,
    pub(crate) corrupt_reloads: CorruptReloads,
    pub(crate) cores: &'a [u32],
}

/// Which of the reloads are of corrupt snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CorruptReloads {
    Never,
    EveryFourth,
}

/// The signal that stops the actors of a step.
#[derive(Default)]
pub struct StopFlag(AtomicBool);

impl StopFlag {
    /// Returns whether the actors must stop.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Stops the actors that share this flag.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Sleeps until `then` or until the flag is set.
    pub fn sleep_until(&self, then: Instant) {
        while !self.is_set() {
            let left = then.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(100)));
        }
    }
}
