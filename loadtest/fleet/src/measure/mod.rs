//! The measures of `loadtest fleet`. Each returns its figures, with the floor and the aim.

pub mod outage;
pub mod releases;
pub mod requests;
pub mod standings;

use std::time::Duration;

use crate::board::Micros;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// The number of rounds. The median counts.
    pub rounds: usize,
    /// The factor of the floors, for a slow build or a busy machine.
    pub limits: f64,
    /// The time for which the broker is away.
    pub outage: Duration,
}

/// Returns the milliseconds from one time to another. 0 if the other one is earlier.
fn millis(from: Micros, to: Micros) -> f64 {
    to.saturating_sub(from) as f64 / 1e3
}
