//! The validity of steps: a sender that is too late or too busy makes a step invalid, a slow server does not.

use crate::{ExpectYes, lock_cores, plan, stub};
use loadtest::engine::{OutcomeCounts, Plan, Received, Source, WrongAnswer, measure};
use std::{
    thread,
    time::{Duration, Instant},
};

/// [`ExpectYes`] with a long check, which sleeps or works.
struct SlowCheck {
    asleep: Duration,
    at_work: Duration,
}

impl Source for SlowCheck {
    fn next(&mut self) -> usize {
        ExpectYes.next()
    }

    fn bytes(&self, request: usize) -> &[u8] {
        ExpectYes.bytes(request)
    }

    fn add_header(&mut self, _: &str) {}

    fn check(
        &mut self,
        request: usize,
        answer: &Received<'_>,
        outcomes: &mut OutcomeCounts,
    ) -> Result<(), WrongAnswer> {
        // The time in which the sender is late but idle is what the test varies.
        thread::sleep(self.asleep);
        let since = Instant::now();
        while since.elapsed() < self.at_work {}
        ExpectYes.check(request, answer, outcomes)
    }
}

#[test]
fn step_of_a_late_sender_is_invalid() {
    let _lock = lock_cores();
    let target = stub::serve(|_| stub::YES);
    let plan = Plan { max_lateness: None, ..plan(target, 25.0, Duration::from_secs(1)) };
    let mut source = SlowCheck { asleep: Duration::from_millis(60), at_work: Duration::ZERO };
    let step = measure(&plan, &mut source, &mut |_| ()).unwrap().step;
    // Each request is late by the delays of the requests before it.
    assert!(step.lateness.p99 >= 20_000.0, "{:?}", step.lateness);
    let why = step.invalid.unwrap();
    assert!(why.contains("late at its p99") && why.contains("a core of its own"), "{why}");
}

#[test]
fn step_of_a_sender_without_idle_time_is_invalid_though_it_is_never_late() {
    let _lock = lock_cores();
    let target = stub::serve(|_| stub::YES);
    let plan = Plan {
        connections: 16,
        max_lateness: Some(Duration::from_secs(10)),
        timeout: Duration::from_secs(20),
        ..plan(target, 20_000.0, Duration::from_millis(500))
    };
    let mut source = SlowCheck { asleep: Duration::ZERO, at_work: Duration::from_micros(200) };
    let step = measure(&plan, &mut source, &mut |_| ()).unwrap().step;
    assert!(step.achieved <= 5_000.0 && step.idle_percent < 5.0, "{} {}", step.achieved, step.idle_percent);
    let why = step.invalid.unwrap();
    assert!(why.contains("the harness's limit, not the daemon's"), "{why}");
}

#[test]
fn step_of_a_slow_or_overloaded_server_is_valid() {
    let _lock = lock_cores();
    for rate in [10.0, 200.0] {
        let target = stub::serve(|_| {
            // The server's latency.
            thread::sleep(Duration::from_millis(100));
            stub::YES
        });
        let step =
            measure(&plan(target, rate, Duration::from_secs(1)), &mut ExpectYes, &mut |_| ()).unwrap().step;
        assert!(step.corrected.p50 >= 100_000.0, "{:?}", step.corrected);
        assert!(step.idle_percent > 50.0, "{}", step.idle_percent);
        assert_eq!(step.invalid, None);
    }
}
