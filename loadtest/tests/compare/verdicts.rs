//! Verdicts on the change of one figure.

use crate::synthetic::{Noise, named, steady};
use loadtest::{
    compare::{ChangeVerdict, ReportComparison},
    report::model::{RateStep, Report},
};

fn report(values: &[f64], set: fn(&mut RateStep, f64)) -> Report {
    let mut report = steady(values.len(), &mut Noise::new(1, 0.0));
    report.runs.iter_mut().zip(values).for_each(|(run, value)| set(&mut run.steps[0], *value));
    report
}

/// Returns the verdict on a p99, which is better if it is low.
fn low(a: &[f64], b: &[f64]) -> ChangeVerdict {
    let [a, b] = [a, b].map(|values| report(values, |step, p99| step.corrected.p99 = p99));
    named(&ReportComparison::new(&a, &b), "p99").verdict
}

/// Returns the verdict on a rate, which is better if it is high.
fn high(a: &[f64], b: &[f64]) -> ChangeVerdict {
    let [a, b] = [a, b].map(|values| report(values, |step, rate| step.achieved = rate));
    named(&ReportComparison::new(&a, &b), "answered").verdict
}

#[test]
fn few_runs_must_not_overlap() {
    assert_eq!(low(&[100.0], &[200.0]), ChangeVerdict::Unknown);
    assert_eq!(low(&[100.0, 101.0], &[200.0, 201.0, 202.0]), ChangeVerdict::Unknown);
    let a = [100.0, 101.0, 102.0];
    assert_eq!(low(&a, &[105.0, 106.0, 107.0]), ChangeVerdict::Worse);
    assert_eq!(low(&a, &[104.0, 105.0, 106.0]), ChangeVerdict::None); // 4 does not exceed twice 2
    assert_eq!(low(&a, &[95.0, 96.0, 97.0]), ChangeVerdict::Better);
    assert_eq!(high(&a, &[95.0, 96.0, 97.0]), ChangeVerdict::Worse);
    let a = [100.0, 101.0, 102.0, 103.0];
    assert_eq!(low(&a, &[105.0, 106.0, 107.0, 108.0]), ChangeVerdict::Worse);
    assert_eq!(low(&a, &[102.5, 106.0, 107.0, 108.0]), ChangeVerdict::None); // the ranges overlap
}

#[test]
fn more_runs_are_judged_by_the_rank_sum_test() {
    let a = [100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 106.0];
    assert_eq!(low(&a, &a.map(|it| it + 5.0)), ChangeVerdict::Worse); // although the ranges overlap
    assert_eq!(low(&a, &a.map(|it| it + 3.0)), ChangeVerdict::None);
    // Significant, but too small to matter.
    let exact = [100.0, 100.1, 100.2, 100.3, 100.4];
    assert_eq!(low(&exact, &exact.map(|it| it + 1.0)), ChangeVerdict::None);
}

#[test]
fn change_from_zero_matters() {
    assert_eq!(low(&[0.0; 5], &[0.1; 5]), ChangeVerdict::Worse);
    assert_eq!(low(&[0.0; 5], &[0.0; 5]), ChangeVerdict::None);
    assert_eq!(low(&[0.0; 3], &[0.1, 0.1, 0.1]), ChangeVerdict::Worse);
}
