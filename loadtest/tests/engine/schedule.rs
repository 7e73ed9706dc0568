//! The times at which requests are due.

use loadtest::engine::{Pace, Plan, Schedule};
use std::{net::SocketAddr, time::Duration};

#[test]
fn due_times_have_no_drift() {
    let plan = Plan {
        target: SocketAddr::from(([127, 0, 0, 1], 1)).into(),
        connections: 1,
        pace: Pace::Rate(3.0),
        warm_up: Duration::from_secs(1),
        measure: Duration::from_secs(1_000),
        timeout: Duration::from_secs(1),
        max_lateness: None,
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
    assert!(!schedule.sends_as_answered(0));
    let closed = Schedule::new(&Plan { pace: Pace::AsAnswered, ..plan });
    assert_eq!((closed.due(), closed.due_between(0, 1)), (None, None));
    assert!(closed.sends_as_answered(0) && !closed.sends_as_answered(1_001_000_000_000));
}
