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

/// Returns each demand with its measured value. Limits of latencies and errors apply only to constant rates.
/// Invalid runs have no measured values. Without a valid run, no demand holds.
pub fn verdicts(demand: &Demand, runs: &[ScenarioRun], ceiling: Option<&Ceiling>) -> Vec<DemandVerdict> {
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
        let measured = median(steps().map(of));
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
        // The largest of all runs, because a median would hide a run that failed. An invalid run counts if it
        // has errors.
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
    let all = |values: Option<Vec<f64>>| values.and_then(median);
    let knees = runs.iter().filter(is_valid).map(|run| run.knee);
    let rate = |rate: f64| format!("{}/s", units::rate(rate));
    least("share of the null server", demand.null_ratio, ceiling.map(|it| it.ratio), |ratio| {
        format!("{ratio:.2}")
    });
    least("highest good rate", demand.knee, all(knees.collect()), rate);
    least("selections", demand.selections, all(steps().map(|step| step.selections).collect()), rate);
    verdicts
}

fn not_measured() -> String {
    "not measured".to_owned()
}
