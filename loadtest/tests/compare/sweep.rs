//! Sweeps are compared by their knees, and by their steps of the same rate.

use crate::synthetic::{Noise, fixture, named, names};
use loadtest::{
    compare::{ChangeVerdict, ReportComparison},
    report::model::Report,
};

fn ramp(runs: usize, noise: &mut Noise) -> Report {
    let mut report = fixture("ramp");
    let run = report.runs.swap_remove(0);
    report.runs = vec![run; runs];
    report.ceiling = None;
    for run in &mut report.runs {
        run.knee = run.knee.map(|knee| noise.times(knee));
        for step in &mut run.steps {
            step.corrected.p99 = noise.times(step.corrected.p99);
        }
    }
    report
}

#[test]
fn steps_are_matched_by_rate_and_a_knee_is_judged() {
    let mut noise = Noise::new(5, 0.01);
    let (before, mut after) = (ramp(7, &mut noise), ramp(7, &mut noise));
    for run in &mut after.runs {
        run.knee = run.knee.map(|knee| knee * 0.9);
        run.steps[0].rate *= 1.004; // still the same rate
        run.steps[1].rate *= 1.1; // no step of A has this rate
        run.steps[2].corrected.p99 *= 2.0;
    }
    let comparison = ReportComparison::new(&before, &after);
    let rates: Vec<f64> = before.runs[0].steps.iter().map(|step| step.rate).collect();
    assert_eq!(
        (comparison.only_a.as_slice(), comparison.only_b.as_slice()),
        ([rates[1]].as_slice(), [rates[1] * 1.1].as_slice())
    );
    assert_eq!(comparison.steps, rates.len() - 1);
    let worse = names(&comparison, ChangeVerdict::Worse);
    assert_eq!(worse.len(), 2, "{worse:?}");
    assert_eq!(worse[0], "knee");
    assert!(worse[1].starts_with("p99 at 16,250/s"), "{worse:?}");
}

#[test]
fn steps_share_the_level_so_that_five_runs_are_too_few() {
    let mut noise = Noise::new(6, 0.01);
    let comparison = ReportComparison::new(&ramp(7, &mut noise), &ramp(7, &mut noise));
    assert_ne!(named(&comparison, "p99").verdict, ChangeVerdict::Unknown);
    let comparison = ReportComparison::new(&ramp(5, &mut noise), &ramp(5, &mut noise));
    assert_ne!(named(&comparison, "knee").verdict, ChangeVerdict::Unknown);
    assert_eq!(named(&comparison, "p99").verdict, ChangeVerdict::Unknown);
}
