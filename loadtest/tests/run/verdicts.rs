//! The verdicts about the demands of a scenario.

use loadtest::{
    quantity::HumanDuration,
    report::{
        files,
        model::{Failures, ScenarioRun},
    },
    run::verdicts,
    scenario::Demand,
};
use std::{path::Path, time::Duration};

fn runs(name: &str) -> Vec<ScenarioRun> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reports");
    files::read(&folder.join(name).with_extension("json")).unwrap().runs
}

fn measured(demand: &Demand, runs: &[ScenarioRun]) -> Vec<(String, bool)> {
    verdicts(demand, runs, None).into_iter().map(|it| (it.measured, it.holds)).collect()
}

#[test]
fn invalid_runs_have_no_figures_but_their_errors_count() {
    let demand = Demand { p99: Some(HumanDuration(Duration::from_millis(1))), ..Demand::default() };
    let mut runs = runs("steady");
    for (run, p99) in runs.iter_mut().zip([100.0, 9_000.0, 8_000.0]) {
        run.steps[0].corrected.p99 = p99;
    }
    assert_eq!(measured(&demand, &runs)[0], ("8.00 ms".to_owned(), false));
    for run in runs.iter_mut().skip(1) {
        run.steps[0].invalid = Some("late".to_owned());
    }
    assert_eq!(measured(&demand, &runs), [("100 µs".to_owned(), true), ("none".to_owned(), true)]);
    runs[0].steps[0].invalid = Some("late".to_owned());
    let nothing = ("not measured".to_owned(), false);
    assert_eq!(measured(&demand, &runs), [nothing.clone(), nothing.clone()]);
    let failures = Failures { count: runs[0].steps[0].due, first: String::new() };
    runs[0].steps[0].errors.insert("wrong_answer".to_owned(), failures);
    assert_eq!(
        measured(&demand, &runs),
        [nothing, ("100.0000 %".to_owned(), false)],
        "an error is never lost"
    );
}

#[test]
fn invalid_or_missing_knee_is_not_measured() {
    let demand = Demand { knee: Some(1.0), ..Demand::default() };
    let mut runs = runs("ramp");
    assert!(measured(&demand, &runs)[0].1);
    for run in &mut runs {
        let knee = run.knee;
        for step in run.steps.iter_mut().filter(|step| Some(step.rate) == knee) {
            step.invalid = Some("late".to_owned());
        }
    }
    assert_eq!(measured(&demand, &runs), [("not measured".to_owned(), false)]);
    runs.iter_mut().for_each(|run| run.knee = None);
    assert_eq!(measured(&demand, &runs), [("not measured".to_owned(), false)]);
}
