//! Checks that the figures are those of the server. A sender that was late or had no idle time has measured
//! itself.

use super::plan::{Pace, Plan};
use crate::report::{
    model::{MIN_IDLE_PERCENT, RateStep},
    units::time,
};

/// Lateness in microseconds that is ignored, because a kernel takes as long to wake a thread.
const NEGLIGIBLE_LATENESS: f64 = 100.0;

/// Largest share of a latency that may be the sender's own lateness.
const MAX_LATENESS_SHARE: f64 = 0.25;

/// Returns the reason if the figures of a step are invalid, and the warnings about them.
pub fn judge(plan: &Plan, step: &RateStep) -> (Option<String>, Vec<String>) {
    if step.due == 0 {
        let reason = "no request was due: raise the rate or the duration";
        return (Some(reason.to_owned()), Vec::new());
    }
    // A closed loop measures the highest rate, even if that is the sender's. No request of it is late.
    if plan.pace == Pace::AsAnswered {
        return (None, Vec::new());
    }
    let share = lateness_share(step);
    let (invalid, warnings) = match plan.max_lateness {
        // The plan's bound replaces the share, which is then only a warning.
        Some(_) => (too_late(plan, step), Vec::from_iter(share)),
        None => (too_late(plan, step).or(share), Vec::new()),
    };
    (invalid.or_else(|| busy(step)), warnings)
}

/// Compares the lateness with the plan's bound, or with one from the uncorrected latencies, which do not
/// include the sender's lateness.
fn too_late(plan: &Plan, step: &RateStep) -> Option<String> {
    let bound = match plan.max_lateness {
        Some(bound) => bound.as_secs_f64() * 1e6,
        None => (step.uncorrected.p50 / 10.0).clamp(1e3, 1e4),
    };
    let late = step.lateness.p99;
    (late > bound).then(|| {
        format!(
            "the harness was {} late at its p99, and the limit is {}: give it a core of its own, or lower the rate",
            time(late),
            time(bound)
        )
    })
}

fn lateness_share(step: &RateStep) -> Option<String> {
    let (late, all) = (&step.lateness, &step.corrected);
    let figures = [("p50", late.p50, all.p50), ("p99", late.p99, all.p99), ("p99.9", late.p999, all.p999)];
    let excessive = |late: f64, all: f64| late > NEGLIGIBLE_LATENESS && late > all * MAX_LATENESS_SHARE;
    figures.into_iter().find(|&(_, late, all)| excessive(late, all)).map(|(name, late, all)| {
        format!(
            "the harness was {} late at its {name}, more than a quarter of the {} that are the {name} of the latency: \
             give it a core of its own, or lower the rate",
            time(late),
            time(all)
        )
    })
}

fn busy(step: &RateStep) -> Option<String> {
    (step.idle_percent < MIN_IDLE_PERCENT).then(|| {
        format!(
            "the harness was idle for {:.1} % of the time, and the limit is {MIN_IDLE_PERCENT} %: this is the harness's \
             limit, not the daemon's; lower the rate",
            step.idle_percent
        )
    })
}
