//! Whether what was demanded holds.

use crate::{
    report::{
        middle::median,
        model::{Ceiling, Run, Step, Verdict},
        units,
    },
    scenario::{Demand, Span},
};

/// Each demand, and what was measured for it. What is demanded of steps is demanded of those of a constant rate.
pub(super) fn verdicts(demand: &Demand, runs: &[Run], ceiling: Option<&Ceiling>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let sweep = runs.iter().any(|run| run.knee.is_some());
    let steps = || runs.iter().filter(|run| run.knee.is_none()).flat_map(|run| &run.steps);
    let mut limit = |name: &str, limit: Option<Span>, of: fn(&Step) -> f64| {
        let Some(limit) = limit.filter(|_| !sweep) else { return };
        let (limit, measured) =
            (limit.0.as_secs_f64() * 1e6, median(&steps().map(of).collect::<Vec<_>>()).unwrap_or_default());
        verdicts.push(Verdict {
            demand: format!("{name} at most {}", units::time(limit)),
            measured: units::time(measured),
            holds: measured <= limit,
        });
    };
    limit("p50", demand.p50, |step| step.corrected.p50);
    limit("p99", demand.p99, |step| step.corrected.p99);
    limit("p99.9", demand.p999, |step| step.corrected.p999);
    limit("max", demand.max, |step| step.corrected.max);
    if !sweep {
        let share = |step: &Step| {
            let failed: u64 = step.errors.values().map(|failures| failures.count).sum();
            100.0 * failed as f64 / step.due.max(1) as f64
        };
        // Of every run: a median would hide the one that failed.
        let worst = steps().map(share).fold(0.0, f64::max);
        verdicts.push(Verdict {
            demand: format!("errors at most {} %", demand.errors_percent),
            measured: if worst == 0.0 { "none".to_owned() } else { format!("{worst:.4} %") },
            holds: worst <= demand.errors_percent,
        });
    }
    let mut least = |name: &str, least: Option<f64>, measured: Option<f64>, shown: fn(f64) -> String| {
        let Some(least) = least else { return };
        verdicts.push(Verdict {
            demand: format!("{name} at least {}", shown(least)),
            measured: measured.map_or_else(|| "not measured".to_owned(), shown),
            holds: measured.is_some_and(|measured| measured >= least),
        });
    };
    let all = |values: Option<Vec<f64>>| values.and_then(|values| median(&values));
    let rate = |rate: f64| format!("{}/s", units::rate(rate));
    least("share of the null server", demand.null_ratio, ceiling.map(|it| it.ratio), |ratio| {
        format!("{ratio:.2}")
    });
    least("highest good rate", demand.knee, all(runs.iter().map(|run| run.knee).collect()), rate);
    least("selections", demand.selections, all(steps().map(|step| step.selections).collect()), rate);
    verdicts
}
