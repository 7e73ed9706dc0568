//! Checks that the figures are those of the server. A sender that was late or had no idle time has measured itself.

use super::plan::{Pace, Plan};
use crate::report::{
    model::{MIN_IDLE_PERCENT, RateStep},
    units::time,
};

/// Lateness in microseconds that is ignored, because a kernel takes as long to wake a thread.
const NEGLIGIBLE_LATENESS: f64 = 100.0;

/// Largest share of a latency that may be the sender's own lateness.
const MAX_LATENESS_SHARE: f64 = 0.25;

/// Returns the reason if the figures are invalid, and the warnings.
pub(super) fn judge(plan: &Plan, step: &RateStep) -> (Option<String>, Vec<String>) {
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

/// Compares the lateness with the plan's bound, or with one from the uncorrected latencies, which do not include the
/// sender's lateness.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Latency;
    use std::time::Duration;

    fn step(lateness: [f64; 3], corrected: [f64; 3], uncorrected: f64, idle_percent: f64) -> RateStep {
        let latency = |[p50, p99, p999]: [f64; 3]| Latency { p50, p99, p999, ..Latency::default() };
        RateStep {
            corrected: latency(corrected),
            uncorrected: latency([uncorrected; 3]),
            lateness: latency(lateness),
            due: 1,
            idle_percent,
            ..RateStep::default()
        }
    }

    fn judged(max_lateness: Option<u64>, step: &RateStep) -> (Option<String>, Vec<String>) {
        let plan = Plan {
            target: ([127, 0, 0, 1], 1).into(),
            connections: 1,
            pace: Pace::Rate(1.0),
            warm_up: Duration::ZERO,
            measure: Duration::ZERO,
            timeout: Duration::ZERO,
            max_lateness: max_lateness.map(Duration::from_micros),
        };
        judge(&plan, step)
    }

    #[test]
    fn figures_of_a_quick_and_of_a_slow_server_are_valid() {
        let valid = (None, Vec::new());
        assert_eq!(judged(None, &step([1.0, 13.0, 90.0], [19.0, 900.0, 3e3], 18.0, 60.0)), valid);
        assert_eq!(judged(None, &step([1.0, 5e3, 9e3], [2e5, 3e5, 4e5], 2e5, 90.0)), valid);
    }

    #[test]
    fn a_late_sender_is_invalid_though_its_lateness_raises_the_latencies() {
        // A lateness of a second makes latencies of a second: half of those is no bound.
        let slow = judged(None, &step([9e5, 1e6, 1e6], [2e6, 2e6, 2e6], 19.0, 50.0)).0.unwrap();
        assert!(
            slow.starts_with("the harness was 1.00 s late at its p99, and the limit is 1.00 ms"),
            "{slow}"
        );
        let tail = judged(None, &step([1.0, 20.0, 800.0], [19.0, 300.0, 900.0], 19.0, 50.0)).0.unwrap();
        assert!(tail.contains("800 µs late at its p99.9, more than a quarter of the 900 µs"), "{tail}");
        let most = judged(None, &step([1.0, 11e3, 11e3], [1e6, 1e6, 1e6], 1e6, 50.0)).0.unwrap();
        assert!(most.contains("the limit is 10.0 ms"), "{most}");
    }

    #[test]
    fn a_bound_of_the_plan_replaces_the_share_with_a_warning() {
        let (invalid, warnings) =
            judged(Some(2_000), &step([1.0, 1_500.0, 1_600.0], [19.0, 1_600.0, 2e3], 19.0, 50.0));
        assert_eq!(invalid, None);
        assert!(warnings[0].contains("1.50 ms late at its p99"), "{warnings:?}");
        assert!(judged(Some(1_000), &step([1.0, 1_500.0, 1_600.0], [1e4; 3], 1e4, 50.0)).0.is_some());
    }

    #[test]
    fn a_sender_without_idle_time_is_invalid() {
        let step = step([1.0, 13.0, 20.0], [1e5, 2e5, 3e5], 300.0, 4.9);
        for max_lateness in [None, Some(60_000_000)] {
            let reason = judged(max_lateness, &step).0.unwrap();
            assert!(
                reason.contains("idle for 4.9 % of the time") && reason.contains("not the daemon's"),
                "{reason}"
            );
        }
    }
}
