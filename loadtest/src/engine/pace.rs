//! How fast, how long, and over how many connections.

use std::{net::SocketAddr, time::Duration};

/// When requests are due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// So many a second, whatever the answers take: an open loop.
    Rate(f64),
    /// The next as soon as a connection has its answer: a closed loop. It finds out what there is to reach; its
    /// latencies say nothing of what a client sees, since a server that stalls is asked less.
    AsAnswered,
}

/// A while at one pace.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whom to ask.
    pub target: SocketAddr,
    /// Connections; each has one request in flight at a time.
    pub connections: usize,
    /// When requests are due.
    pub pace: Pace,
    /// At the same pace before, and not recorded.
    pub warm_up: Duration,
    /// How long is recorded.
    pub measure: Duration,
    /// A request that has no answer so long after it was due is a time-out.
    pub timeout: Duration,
    /// The lateness of the sender itself, at its p99, beyond which nothing is worth reading. `None`: a tenth of the
    /// uncorrected median, but 1 ms at the least, and 10 ms at the most.
    pub latest: Option<Duration>,
}

/// Due times in nanoseconds from the start of the warm-up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// Nanoseconds between two requests; none in a closed loop.
    gap: Option<f64>,
    sent: u64,
    /// Where the recording begins and ends.
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Schedule {
    pub(super) fn new(plan: &Plan) -> Self {
        let from = nanos(plan.warm_up);
        let gap = match plan.pace {
            Pace::Rate(rate) => Some(1e9 / rate),
            Pace::AsAnswered => None,
        };
        Self { gap, sent: 0, from, to: from + nanos(plan.measure) }
    }

    /// When the next request is due; none where none is any more, or whenever there is a connection.
    pub(super) fn due(&self) -> Option<u64> {
        // From its number each time: a sum of gaps would drift.
        let due = (self.sent as f64 * self.gap?) as u64;
        (due < self.to).then_some(due)
    }

    /// How many requests of an open loop are due from then, and before then.
    pub(super) fn due_between(&self, from: u64, to: u64) -> Option<u64> {
        let gap = self.gap?;
        let before = |at: u64| (at.min(self.to) as f64 / gap).ceil() as u64;
        Some(before(to).saturating_sub(before(from)))
    }

    pub(super) fn advance(&mut self) {
        self.sent += 1;
    }

    /// Whether a closed loop goes on.
    pub(super) fn endless(&self, now: u64) -> bool {
        self.gap.is_none() && now < self.to
    }

    /// Whether what is due then is recorded.
    pub(super) fn records(&self, due: u64) -> bool {
        (self.from..self.to).contains(&due)
    }
}

/// 584 years at most.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_by_number_without_drift() {
        let plan = Plan {
            target: ([127, 0, 0, 1], 1).into(),
            connections: 1,
            pace: Pace::Rate(3.0),
            warm_up: Duration::from_secs(1),
            measure: Duration::from_secs(1_000),
            timeout: Duration::from_secs(1),
            latest: None,
        };
        let mut schedule = Schedule::new(&plan);
        let (mut recorded, mut last) = (0, 0);
        while let Some(due) = schedule.due() {
            recorded += u64::from(schedule.records(due));
            last = due;
            schedule.advance();
        }
        assert_eq!(recorded, 3_000);
        assert_eq!(last, 1_000_666_666_666);
        // Due at 0, 333 and 667 ms of each second.
        let due = |from: u64, to: u64| schedule.due_between(from * 1_000_000, to * 1_000_000);
        assert_eq!([due(0, 333), due(333, 334), due(334, 1_001), due(1_001, 1_001)], [1, 1, 2, 0].map(Some));
        assert_eq!(due(1_000_000, 2_000_000), Some(3), "nothing is due after the end");
        assert!(!schedule.endless(0));
        let closed = Schedule::new(&Plan { pace: Pace::AsAnswered, ..plan });
        assert_eq!((closed.due(), closed.due_between(0, 1)), (None, None));
        assert!(closed.endless(0) && !closed.endless(1_001_000_000_000));
    }
}
