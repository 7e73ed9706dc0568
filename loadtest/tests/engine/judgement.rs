//! The judgement of steps with given figures.

use crate::plan;
use loadtest::{
    engine::{Plan, judge},
    report::model::{Latency, RateStep},
};
use std::time::Duration;

fn step(lateness: [f64; 3], corrected: [f64; 3], uncorrected: f64, idle_percent: f64) -> RateStep {
    let latency = |[p50, p99, p999]: [f64; 3]| Latency { p50, p99, p999, ..Latency::default() };
    RateStep {
        corrected: latency(corrected),
        uncorrected: latency([uncorrected; 3]),
        lateness: latency(lateness),
        due: 1,
        idle_percent,
        ..RateStep::default()
    }
}

fn judged(max_lateness: Option<u64>, step: &RateStep) -> (Option<String>, Vec<String>) {
    let max_lateness = max_lateness.map(Duration::from_micros);
    judge(&Plan { max_lateness, ..plan(([127, 0, 0, 1], 1).into(), 1.0, Duration::ZERO) }, step)
}

#[test]
fn figures_of_a_quick_and_of_a_slow_server_are_valid() {
    let valid = (None, Vec::new());
    assert_eq!(judged(None, &step([1.0, 13.0, 90.0], [19.0, 900.0, 3e3], 18.0, 60.0)), valid);
    assert_eq!(judged(None, &step([1.0, 5e3, 9e3], [2e5, 3e5, 4e5], 2e5, 90.0)), valid);
}

#[test]
fn late_sender_is_invalid_though_its_lateness_raises_the_latencies() {
    // A lateness of a second causes latencies of a second, so a share of these would be no bound.
    let slow = judged(None, &step([9e5, 1e6, 1e6], [2e6, 2e6, 2e6], 19.0, 50.0)).0.unwrap();
    assert!(slow.starts_with("the harness was 1.00 s late at its p99, and the limit is 1.00 ms"), "{slow}");
    let tail = judged(None, &step([1.0, 20.0, 800.0], [19.0, 300.0, 900.0], 19.0, 50.0)).0.unwrap();
    assert!(tail.contains("800 µs late at its p99.9, more than a quarter of the 900 µs"), "{tail}");
    let most = judged(None, &step([1.0, 11e3, 11e3], [1e6, 1e6, 1e6], 1e6, 50.0)).0.unwrap();
    assert!(most.contains("the limit is 10.0 ms"), "{most}");
}

#[test]
fn bound_of_the_plan_replaces_the_share_with_a_warning() {
    let (invalid, warnings) =
        judged(Some(2_000), &step([1.0, 1_500.0, 1_600.0], [19.0, 1_600.0, 2e3], 19.0, 50.0));
    assert_eq!(invalid, None);
    assert!(warnings[0].contains("1.50 ms late at its p99"), "{warnings:?}");
    assert!(judged(Some(1_000), &step([1.0, 1_500.0, 1_600.0], [1e4; 3], 1e4, 50.0)).0.is_some());
}

#[test]
fn sender_without_idle_time_is_invalid() {
    let step = step([1.0, 13.0, 20.0], [1e5, 2e5, 3e5], 300.0, 4.9);
    for max_lateness in [None, Some(60_000_000)] {
        let reason = judged(max_lateness, &step).0.unwrap();
        assert!(
            reason.contains("idle for 4.9 % of the time") && reason.contains("not the daemon's"),
            "{reason}"
        );
    }
}
