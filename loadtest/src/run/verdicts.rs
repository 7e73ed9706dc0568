//! Compares the figures of a scenario with its limits.

use crate::{
    quantity::HumanDuration,
    report::{
        model::{Ceiling, DemandVerdict, Latency, RateStep, ScenarioRun},
        units::{per_second, time},
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
    let mut add = |demand, measured: Option<f64>, holds: &dyn Fn(f64) -> bool, shown: fn(f64) -> String| {
        let holds = measured.is_some_and(holds);
        let measured = measured.map_or_else(|| "not measured".to_owned(), shown);
        verdicts.push(DemandVerdict { demand, measured, holds });
    };
    type Quantile = fn(&Latency) -> f64;
    let limits: [(&str, Option<HumanDuration>, Quantile); 4] = [
        ("p50", demand.p50, |latency| latency.p50),
        ("p99", demand.p99, |latency| latency.p99),
        ("p99.9", demand.p999, |latency| latency.p999),
        ("max", demand.max, |latency| latency.max),
    ];
    for (name, limit, of) in limits {
        let Some(limit) = limit.filter(|_| !sweep).map(HumanDuration::micros) else { continue };
        let measured = median(steps().map(|step| of(&step.corrected)));
        add(format!("{name} at most {}", time(limit)), measured, &|it| it <= limit, time);
    }
    if !sweep {
        let share = |step: &RateStep| 100.0 * step.failed() as f64 / step.due.max(1) as f64;
        // The largest of all runs, because a median would hide a run that failed. An invalid run counts if it
        // has errors.
        let counts = |step: &&RateStep| step.invalid.is_none() || step.failed() > 0;
        let worst = runs.iter().flat_map(|run| &run.steps).filter(counts).map(share).reduce(f64::max);
        let most = demand.errors_percent;
        add(format!("errors at most {most} %"), worst, &|it| it <= most, |worst| match worst {
            0.0 => "none".to_owned(),
            worst => format!("{worst:.4} %"),
        });
    }
    let all = |values: Option<Vec<f64>>| values.and_then(median);
    let knee = all(runs.iter().filter(is_valid).map(|run| run.knee).collect());
    let selections = all(steps().map(|step| step.selections).collect());
    let ratio = ceiling.map(|it| it.ratio);
    type Shown = fn(f64) -> String;
    let limits: [(&str, Option<f64>, Option<f64>, Shown); 3] = [
        ("share of the null server", demand.null_ratio, ratio, |ratio| format!("{ratio:.2}")),
        ("highest good rate", demand.knee, knee, per_second),
        ("selections", demand.selections, selections, per_second),
    ];
    for (name, limit, measured, shown) in limits {
        let Some(limit) = limit else { continue };
        add(format!("{name} at least {}", shown(limit)), measured, &|it| it >= limit, shown);
    }
    verdicts
}
