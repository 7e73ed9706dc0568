//! False alarms are as rare as documented, and real changes are found.

use crate::synthetic::{Noise, named, names, steady};
use loadtest::compare::{ChangeVerdict, ReportComparison};

#[test]
fn identical_reports_do_not_differ() {
    let report = steady(7, &mut Noise::new(1, 0.05));
    let comparison = ReportComparison::new(&report, &report);
    assert_eq!(comparison.differences, []);
    assert_eq!(comparison.changes.len(), 11); // no selections, no knee
    assert!(comparison.changes.iter().all(|change| change.a == change.b));
    // All pairs of the ceiling share one start of the daemon.
    assert_eq!(names(&comparison, ChangeVerdict::Unknown), ["of a null server"]);
    assert_eq!(comparison.with_verdict(ChangeVerdict::None).count(), 10);
}

/// Counts false alarms in thousands of figures that did not change.
#[test]
fn noise_alone_seems_a_change_in_one_figure_of_a_hundred_at_most() {
    for width in [0.03, 0.5] {
        for (a, b) in [(3, 3), (3, 5), (4, 4), (5, 5), (5, 8), (7, 7)] {
            let mut noise = Noise::new(a as u64 * 100 + b as u64, width);
            let (mut figures, mut alarms) = (0, 0);
            for _ in 0..700 {
                let comparison = ReportComparison::new(&steady(a, &mut noise), &steady(b, &mut noise));
                assert_eq!(names(&comparison, ChangeVerdict::Unknown), ["of a null server"]);
                figures += comparison.changes.len() - 1;
                alarms += comparison
                    .with_verdict(ChangeVerdict::Worse)
                    .chain(comparison.with_verdict(ChangeVerdict::Better))
                    .count();
            }
            // Of 7,000 figures: 1.36 % is three standard deviations above 1 %.
            let share = f64::from(alarms as u32) / f64::from(figures as u32);
            assert!(share < 0.0136, "{alarms} of {figures} with {a} and {b} runs, noise of {width}");
        }
    }
}

#[test]
fn change_of_a_tenth_is_found_with_seven_runs() {
    let mut found = 0;
    for seed in 0..200 {
        let mut noise = Noise::new(seed, 0.03);
        let (before, mut after) = (steady(7, &mut noise), steady(7, &mut noise));
        for run in &mut after.runs {
            run.steps[0].corrected.p99 *= 1.1;
        }
        let comparison = ReportComparison::new(&before, &after);
        let p99 = named(&comparison, "p99");
        found += u32::from(p99.verdict == ChangeVerdict::Worse);
        let back = ReportComparison::new(&after, &before);
        assert_eq!(named(&back, "p99").verdict == ChangeVerdict::Better, p99.verdict == ChangeVerdict::Worse);
    }
    assert!(found > 190, "{found} of 200");
}

#[test]
fn single_runs_leave_every_figure_unknown() {
    let mut noise = Noise::new(1, 0.01);
    let (before, mut after) = (steady(1, &mut noise), steady(1, &mut noise));
    after.runs[0].steps[0].corrected.p99 *= 5.0;
    let comparison = ReportComparison::new(&before, &after);
    assert_eq!(comparison.with_verdict(ChangeVerdict::Unknown).count(), comparison.changes.len());
    assert!(named(&comparison, "p99").change_percent.unwrap() > 350.0);
}

#[test]
fn better_is_higher_or_lower_as_the_figure_defines() {
    let mut noise = Noise::new(3, 0.01);
    let (before, mut after) = (steady(5, &mut noise), steady(5, &mut noise));
    for run in &mut after.runs {
        let step = &mut run.steps[0];
        step.achieved *= 0.8;
        step.corrected.p50 *= 0.8;
        step.process.as_mut().unwrap().cpu_seconds *= 1.2;
        step.errors = serde_json::from_str(r#"{"timeout": {"count": 3, "first": "no answer"}}"#).unwrap();
    }
    after.ceiling.as_mut().unwrap().daemon.iter_mut().for_each(|rate| *rate *= 1.3);
    let comparison = ReportComparison::new(&before, &after);
    assert_eq!(names(&comparison, ChangeVerdict::Worse), ["answered", "errors", "processor a request"]);
    assert_eq!(names(&comparison, ChangeVerdict::Better), ["p50"]);
    assert_eq!(named(&comparison, "errors").change_percent, None);
}

#[test]
fn invalid_runs_are_left_out_and_counted() {
    let mut noise = Noise::new(4, 0.01);
    let (before, mut after) = (steady(5, &mut noise), steady(6, &mut noise));
    let step = &mut after.runs[2].steps[0];
    step.invalid = Some("late".to_owned());
    step.corrected.p99 = 1e9;
    let comparison = ReportComparison::new(&before, &after);
    assert_eq!((comparison.invalid, named(&comparison, "p99").b.len()), ((0, 1), 5));
    assert!(named(&comparison, "p99").b.iter().all(|p99| *p99 < 1e6));
}
