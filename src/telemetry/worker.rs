//! What one worker counts with every request.

use super::Timings;
use super::selections::Outcomes;

/// One worker's counters: that thread alone adds to them.
pub struct Worker {
    /// How long its requests took.
    pub timings: Timings,
    /// What its queries came to.
    pub outcomes: Outcomes,
}
