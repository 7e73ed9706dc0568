//! A sender that measures itself says so; a slow server is none of its faults.

use crate::{Yes, alone, plan, stub};
use loadtest::{
    engine::{Plan, Received, Source, measure},
    traffic::{Outcomes, Wrong},
};
use std::{
    thread,
    time::{Duration, Instant},
};

/// [`Yes`], whose answers take so long to be judged: asleep, or at work.
struct Tardy {
    asleep: Duration,
    at_work: Duration,
}

impl Source for Tardy {
    fn next(&mut self) -> usize {
        Yes.next()
    }

    fn bytes(&self, request: usize) -> &[u8] {
        Yes.bytes(request)
    }

    fn check(&mut self, request: usize, answer: &Received<'_>, outcomes: &mut Outcomes) -> Result<(), Wrong> {
        thread::sleep(self.asleep);
        let since = Instant::now();
        while since.elapsed() < self.at_work {}
        Yes.check(request, answer, outcomes)
    }
}

#[test]
fn a_late_sender_is_invalid() {
    let _alone = alone();
    let target = stub::serve(|_| stub::YES);
    let plan = Plan { latest: None, ..plan(target, 25.0, Duration::from_secs(1)) };
    let mut source = Tardy { asleep: Duration::from_millis(60), at_work: Duration::ZERO };
    let step = measure(&plan, &mut source, &mut |_| ()).unwrap().step;
    // Each is late by the time that the one before it takes too long, and they add up.
    assert!(step.lateness.p99 >= 20_000.0, "{:?}", step.lateness);
    let why = step.invalid.unwrap();
    assert!(why.contains("late at its p99") && why.contains("a core of its own"), "{why}");
}

#[test]
fn a_sender_without_time_left_is_invalid_though_it_is_never_late() {
    let _alone = alone();
    let target = stub::serve(|_| stub::YES);
    let plan = Plan {
        connections: 16,
        latest: Some(Duration::from_secs(10)),
        timeout: Duration::from_secs(20),
        ..plan(target, 20_000.0, Duration::from_millis(500))
    };
    let mut source = Tardy { asleep: Duration::ZERO, at_work: Duration::from_micros(200) };
    let step = measure(&plan, &mut source, &mut |_| ()).unwrap().step;
    assert!(step.achieved <= 5_000.0 && step.idle_percent < 5.0, "{} {}", step.achieved, step.idle_percent);
    let why = step.invalid.unwrap();
    assert!(why.contains("the harness's limit, not the daemon's"), "{why}");
}

#[test]
fn a_server_that_is_slow_or_overwhelmed_is_measured() {
    let _alone = alone();
    for rate in [10.0, 200.0] {
        let target = stub::serve(|_| {
            thread::sleep(Duration::from_millis(100));
            stub::YES
        });
        let step = measure(&plan(target, rate, Duration::from_secs(1)), &mut Yes, &mut |_| ()).unwrap().step;
        assert!(step.corrected.p50 >= 100_000.0, "{:?}", step.corrected);
        assert!(step.idle_percent > 50.0, "{}", step.idle_percent);
        assert_eq!(step.invalid, None);
    }
}
