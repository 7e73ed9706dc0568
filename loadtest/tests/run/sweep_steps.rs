//! The verdict of a sweep about a step, and steps of a rate that was measured more than once.

use loadtest::{
    quantity::HumanDuration,
    report::model::{Failures, RateStep},
    run::{MeasuredRate, holds},
    scenario::{self, Sweep},
};
use std::time::Duration;

#[test]
fn step_with_errors_or_lateness_fails() {
    let sweep = scenario::load("ramp").unwrap().sweep.unwrap();
    let sweep = Sweep { p99: HumanDuration(Duration::from_millis(5)), ..sweep };
    let mut step = RateStep { rate: 1.0, due: 1, ..RateStep::default() };
    step.corrected.p99 = 5_000.0;
    assert!(holds(&step, &sweep));
    let late = RateStep { invalid: Some("late".to_owned()), ..step.clone() };
    let mut rate = MeasuredRate::new(late.clone());
    rate.replace(RateStep { warnings: vec!["own".to_owned()], ..step.clone() }, &sweep);
    rate.replace(step.clone(), &sweep);
    let RateStep { invalid, warnings, .. } = rate.into_step();
    assert_eq!((invalid, warnings.len()), (None, 2), "{warnings:?}");
    assert!(warnings[0].contains("before held with") && warnings[1].ends_with("before was invalid: late"));
    let mut slow = step.clone();
    slow.corrected.p99 = 5_001.0;
    let mut failed = step;
    let failures = Failures { count: 1, first: "x".to_owned() };
    failed.errors.insert("timeout".to_owned(), failures);
    assert!(![late, slow, failed].iter().any(|step| holds(step, &sweep)));
}
