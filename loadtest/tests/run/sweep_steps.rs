//! The verdict of a sweep about a step, steps of a rate that was measured more than once, and the verdict of a
//! whole sweep over steps that no daemon measured.

use loadtest::{
    quantity::HumanDuration,
    report::{
        files,
        model::{Failures, RateStep, ScenarioRun},
        summary,
    },
    run::{MeasuredRate, holds, sweep_rates},
    scenario::{self, Sweep},
};
use std::{path::Path, time::Duration};

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

/// Sweeps over steps whose p99 is `p99` of their rate, and which are invalid above the rate `idle_until`. The
/// daemon ends above the rate `ends_at`.
fn swept(factor: f64, p99: fn(f64) -> f64, idle_until: f64, ends_at: f64) -> ScenarioRun {
    let sweep = scenario::load("ramp").unwrap().sweep.unwrap();
    let sweep = Sweep { p99: HumanDuration(Duration::from_millis(5)), factor, refine: 1, ..sweep };
    sweep_rates(sweep, 1_000.0, |_, rate| {
        let invalid = (rate > idle_until).then(|| format!("the harness had no idle time at {rate}"));
        let mut step = RateStep { rate, due: 1, invalid, ..RateStep::default() };
        step.corrected.p99 = p99(rate);
        Ok((step, rate > ends_at))
    })
    .unwrap()
}

/// Returns the table of a report with this run, and the reasons for which its command ends with 1.
fn shown(run: ScenarioRun) -> (String, Vec<String>) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reports/ramp.json");
    let mut report = files::read(&fixture).unwrap();
    report.verdicts.clear();
    report.runs = vec![run];
    (summary::table(&report), report.failures())
}

const NEVER: f64 = f64::INFINITY;

#[test]
fn sweep_that_the_harness_limits_ends_with_0_and_a_lower_bound() {
    let run = swept(2.0, |_| 1_000.0, 3_500.0, NEVER);
    // 4,000 is invalid twice, 3,000 between both holds, and is measured again.
    assert_eq!((run.knee, run.limit), (Some(3_000.0), Some(5_000.0)));
    assert_eq!(run.at_least.as_deref(), Some("the harness had no idle time at 4000"));
    assert_eq!(run.no_knee, None);
    let (table, failures) = shown(run);
    assert!(table.contains("knee: at least 3,000/s") && !table.contains("no knee"), "{table}");
    assert_eq!(failures, [""; 0]);
}

#[test]
fn sweep_that_the_daemon_limits_has_an_exact_knee() {
    let run = swept(2.0, |rate| if rate > 2_500.0 { 6_000.0 } else { 1_000.0 }, NEVER, NEVER);
    assert_eq!((run.knee, &run.at_least, &run.no_knee), (Some(2_000.0), &None, &None));
    let (table, failures) = shown(run);
    assert!(table.contains("knee, the highest rate that kept the limit: 2,000/s"), "{table}");
    assert_eq!(failures, [""; 0]);
    // An invalid rate above a rate that failed does not matter.
    let run = swept(2.0, |rate| if rate > 2_500.0 { 6_000.0 } else { 1_000.0 }, 3_500.0, NEVER);
    assert_eq!((run.knee, run.at_least), (Some(2_000.0), None));
}

#[test]
fn sweep_without_a_good_rate_ends_with_1_and_the_reason() {
    let cases: [(ScenarioRun, &str); 4] = [
        (swept(2.0, |_| 1_000.0, 0.0, NEVER), "the harness had no idle time at 3.90625"),
        (swept(2.0, |_| 6_000.0, NEVER, NEVER), "no rate kept the limit"),
        (swept(2.0, |_| 1_000.0, NEVER, 5_000.0), "the daemon ended"),
        (swept(1.001, |_| 1_000.0, NEVER, NEVER), "no rate exceeded the limit"),
    ];
    for (run, reason) in cases {
        assert_eq!((run.knee, &run.at_least), (None, &None), "{reason}");
        assert!(run.no_knee.as_ref().is_some_and(|why| why.starts_with(reason)), "{:?}", run.no_knee);
        let (table, failures) = shown(run);
        assert!(table.contains("no knee was found") && !table.contains("at least"), "{table}");
        assert!(failures.iter().any(|it| it.contains("found no knee")), "{failures:?}");
    }
}
