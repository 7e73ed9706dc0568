//! The plan of a measurement, and the times at which requests are due.

use std::time::Duration;
use switchboard_client::Endpoint;

/// The rule by which requests are due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// An open loop of this number of requests per second.
    Rate(f64),
    /// A closed loop: a connection sends its next request when it has the answer to the last.
    ///
    /// It measures the highest rate. Its latencies hide stalls, because a server that stalls gets fewer
    /// requests.
    AsAnswered,
}

/// A measurement at one pace.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Listener of the server under test.
    pub target: Endpoint,
    /// Number of connections. Each has at most one request in flight.
    pub connections: usize,
    /// Rule by which requests are due.
    pub pace: Pace,
    /// Duration of the requests before the recording.
    pub warm_up: Duration,
    /// Duration of the recording after the warm-up.
    pub measure: Duration,
    /// Longest time between the due time of a request and its answer. Without an answer by then, the request
    /// has failed.
    pub timeout: Duration,
    /// Largest p99 of the sender's lateness. With a larger one, the figures are invalid. `None` stands for a
    /// tenth of the uncorrected median, but at least 1 ms and at most 10 ms.
    pub max_lateness: Option<Duration>,
}

/// Due times in nanoseconds from the start of the warm-up.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Nanoseconds between two requests. `None` in a closed loop.
    gap: Option<f64>,
    sent: u64,
    /// Start of the recording. Its end is `to`.
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Schedule {
    /// Starts the schedule of a plan.
    pub fn new(plan: &Plan) -> Self {
        let from = nanos(plan.warm_up);
        let gap = match plan.pace {
            Pace::Rate(rate) => Some(1e9 / rate),
            Pace::AsAnswered => None,
        };
        Self { gap, sent: 0, from, to: from + nanos(plan.measure) }
    }

    /// Returns when the next request is due. Returns `None` at the end, and in a closed loop.
    pub fn due(&self) -> Option<u64> {
        // From the request's number, because a sum of gaps would drift.
        let due = (self.sent as f64 * self.gap?) as u64;
        (due < self.to).then_some(due)
    }

    /// Returns the number of requests of an open loop that are due from `from` to before `to`.
    pub fn due_between(&self, from: u64, to: u64) -> Option<u64> {
        let gap = self.gap?;
        let before = |at: u64| (at.min(self.to) as f64 / gap).ceil() as u64;
        Some(before(to).saturating_sub(before(from)))
    }

    /// Moves from the request that is due to the next one.
    pub fn advance(&mut self) {
        self.sent += 1;
    }

    /// Returns whether this is a closed loop that has not ended.
    pub fn sends_as_answered(&self, now: u64) -> bool {
        self.gap.is_none() && now < self.to
    }

    /// Returns whether a request with this due time is recorded, because it is not of the warm-up.
    pub fn records(&self, due: u64) -> bool {
        (self.from..self.to).contains(&due)
    }
}

/// Returns the nanoseconds of a duration, at most 584 years.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
