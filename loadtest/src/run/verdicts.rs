//! Compares the figures of a scenario with its limits.

use crate::{
    quantity::HumanDuration,
    report::{
        model::{Ceiling, DemandVerdict, RateStep, ScenarioRun},
        units,
    },
    scenario::Demand,
    statistics::median,
};

/// Returns each demand with its measured value. Limits of latencies and errors apply only to constant rates. Invalid
/// runs have no measured values. Without a valid run, no demand holds.
pub(super) fn verdicts(
    demand: &Demand,
    runs: &[ScenarioRun],
    ceiling: Option<&Ceiling>,
) -> Vec<DemandVerdict> {
    let mut verdicts = Vec::new();
    let sweep = runs.iter().any(|run| run.limit.is_some());
    let steps = || runs.iter().flat_map(|run| &run.steps).filter(|step| step.invalid.is_none());
    let is_valid = |run: &&ScenarioRun| {
        let is_at_knee = |step: &&RateStep| run.knee.is_none_or(|knee| knee == step.rate);
        run.steps.iter().filter(is_at_knee).all(|step| step.invalid.is_none())
    };
    let mut limit = |name: &str, limit: Option<HumanDuration>, of: fn(&RateStep) -> f64| {
        let Some(limit) = limit.filter(|_| !sweep) else { return };
        let limit = limit.micros();
        let measured = median(&steps().map(of).collect::<Vec<_>>());
        verdicts.push(DemandVerdict {
            demand: format!("{name} at most {}", units::time(limit)),
            measured: measured.map_or_else(not_measured, units::time),
            holds: measured.is_some_and(|measured| measured <= limit),
        });
    };
    limit("p50", demand.p50, |step| step.corrected.p50);
    limit("p99", demand.p99, |step| step.corrected.p99);
    limit("p99.9", demand.p999, |step| step.corrected.p999);
    limit("max", demand.max, |step| step.corrected.max);
    if !sweep {
        let share = |step: &RateStep| 100.0 * step.failed() as f64 / step.due.max(1) as f64;
        // The largest of all runs, because a median would hide a run that failed. An invalid run counts if it has
        // errors.
        let counts = |step: &&RateStep| step.invalid.is_none() || step.failed() > 0;
        let worst = runs.iter().flat_map(|run| &run.steps).filter(counts).map(share).reduce(f64::max);
        verdicts.push(DemandVerdict {
            demand: format!("errors at most {} %", demand.errors_percent),
            measured: worst.map_or_else(not_measured, |worst| match worst {
                0.0 => "none".to_owned(),
                worst => format!("{worst:.4} %"),
            }),
            holds: worst.is_some_and(|worst| worst <= demand.errors_percent),
        });
    }
    let mut least = |name: &str, least: Option<f64>, measured: Option<f64>, shown: fn(f64) -> String| {
        let Some(least) = least else { return };
        verdicts.push(DemandVerdict {
            demand: format!("{name} at least {}", shown(least)),
            measured: measured.map_or_else(not_measured, shown),
            holds: measured.is_some_and(|measured| measured >= least),
        });
    };
    let all = |values: Option<Vec<f64>>| values.and_then(|values| median(&values));
    let knees = runs.iter().filter(is_valid).map(|run| run.knee);
    let rate = |rate: f64| format!("{}/s", units::rate(rate));
    least("share of the null server", demand.null_ratio, ceiling.map(|it| it.ratio), |ratio| {
        format!("{ratio:.2}")
    });
    least("highest good rate", demand.knee, all(knees.collect()), rate);
    least("selections", demand.selections, all(steps().map(|step| step.selections).collect()), rate);
    verdicts
}

/// Returns the verdict that a run failed.
pub(super) fn missing_runs(wanted: u32, done: u32, reason: &str) -> DemandVerdict {
    DemandVerdict { demand: format!("{wanted} runs"), measured: format!("{done}: {reason}"), holds: false }
}

fn not_measured() -> String {
    "not measured".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::files;
    use std::path::Path;

    fn runs(name: &str) -> Vec<ScenarioRun> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reports");
        files::read(&folder.join(name).with_extension("json")).unwrap().runs
    }

    fn measured(demand: &Demand, runs: &[ScenarioRun]) -> Vec<(String, bool)> {
        verdicts(demand, runs, None).into_iter().map(|it| (it.measured, it.holds)).collect()
    }

    #[test]
    fn invalid_runs_have_no_figures_but_their_errors_count() {
        let demand =
            Demand { p99: Some(HumanDuration(std::time::Duration::from_millis(1))), ..Demand::default() };
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
        let failures = crate::report::model::Failures { count: runs[0].steps[0].due, first: String::new() };
        runs[0].steps[0].errors.insert("wrong_answer".to_owned(), failures);
        assert_eq!(
            measured(&demand, &runs),
            [nothing, ("100.0000 %".to_owned(), false)],
            "an error is never lost"
        );
    }

    #[test]
    fn an_invalid_or_missing_knee_is_not_measured() {
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
}
