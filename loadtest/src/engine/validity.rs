//! Whether the figures are the server's: a sender that was late, or had no time left, has measured itself.

use super::{
    pace::{Pace, Plan},
    recorder::Told,
};
use crate::report::units::time;

/// Lateness below this is no more than what a kernel takes to wake a thread.
const UNNOTICED: f64 = 100.0;

/// The share of a latency that may be the sender's own lateness.
const SHARE: f64 = 0.25;

/// The share of the time that a sender must be idle to be believed. One that never is cannot tell whether the answers
/// came late, or it read them late.
pub(crate) const IDLE_PERCENT: f64 = 5.0;

/// What to think of the figures.
#[derive(Default, Debug, PartialEq)]
pub(super) struct Judgement {
    pub(super) invalid: Option<String>,
    pub(super) warnings: Vec<String>,
}

pub(super) fn judge(plan: &Plan, told: &Told) -> Judgement {
    if told.due == 0 {
        let invalid = Some("no request was due: raise the rate, or measure for longer".to_owned());
        return Judgement { invalid, ..Judgement::default() };
    }
    // A closed loop is for finding out what there is to reach, the sender's limit among it; nothing is late in it.
    if plan.pace == Pace::AsAnswered {
        return Judgement::default();
    }
    let mut invalid = late(plan, told);
    let mut warnings = Vec::new();
    let shares = most_of_it(told);
    match plan.latest {
        // Who sets the bound by hand is not overruled, but told.
        Some(_) => warnings.extend(shares),
        None => invalid = invalid.or(shares),
    }
    Judgement { invalid: invalid.or_else(|| busy(told)), warnings }
}

/// Later than it may be, at its p99. The bound is taken from the latencies from when a request was sent: its own
/// lateness is not in them.
fn late(plan: &Plan, told: &Told) -> Option<String> {
    let bound = match plan.latest {
        Some(latest) => latest.as_secs_f64() * 1e6,
        None => (told.uncorrected.p50 / 10.0).clamp(1e3, 1e4),
    };
    let late = told.lateness.p99;
    (late > bound).then(|| {
        format!(
            "the harness was {} late at its p99, where {} is the most: give it a core of its own, or a lower rate",
            time(late),
            time(bound)
        )
    })
}

/// At one of the figures that are read, too much of the latency is the sender's.
fn most_of_it(told: &Told) -> Option<String> {
    let (late, all) = (&told.lateness, &told.corrected);
    let figures = [("p50", late.p50, all.p50), ("p99", late.p99, all.p99), ("p99.9", late.p999, all.p999)];
    figures.into_iter().find(|(_, late, all)| *late > UNNOTICED && *late > all * SHARE).map(|(name, late, all)| {
        format!(
            "the harness was {} late at its {name}, more than a quarter of the {} that are the {name} of the latency: \
             give it a core of its own, or a lower rate",
            time(late),
            time(all)
        )
    })
}

fn busy(told: &Told) -> Option<String> {
    (told.idle_percent < IDLE_PERCENT).then(|| {
        format!(
            "the harness was idle for {:.1} % of the time, where {IDLE_PERCENT} % is the least: this is the harness's \
             limit, not the daemon's; ask for a lower rate",
            told.idle_percent
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Latency;
    use std::time::Duration;

    fn told(lateness: [f64; 3], corrected: [f64; 3], uncorrected: f64, idle_percent: f64) -> Told {
        let latency = |[p50, p99, p999]: [f64; 3]| Latency { p50, p99, p999, ..Latency::default() };
        Told {
            corrected: latency(corrected),
            uncorrected: latency([uncorrected; 3]),
            lateness: latency(lateness),
            due: 1,
            idle_percent,
            ..Told::default()
        }
    }

    fn judged(latest: Option<u64>, told: &Told) -> Judgement {
        let plan = Plan {
            target: ([127, 0, 0, 1], 1).into(),
            connections: 1,
            pace: Pace::Rate(1.0),
            warm_up: Duration::ZERO,
            measure: Duration::ZERO,
            timeout: Duration::ZERO,
            latest: latest.map(Duration::from_micros),
        };
        judge(&plan, told)
    }

    #[test]
    fn a_quick_and_a_slow_server_are_believed() {
        assert_eq!(
            judged(None, &told([1.0, 13.0, 90.0], [19.0, 900.0, 3e3], 18.0, 60.0)),
            Judgement::default()
        );
        assert_eq!(judged(None, &told([1.0, 5e3, 9e3], [2e5, 3e5, 4e5], 2e5, 90.0)), Judgement::default());
    }

    #[test]
    fn lateness_does_not_excuse_itself() {
        // What is late by a second makes latencies of a second: half of those is no bound.
        let slow = judged(None, &told([9e5, 1e6, 1e6], [2e6, 2e6, 2e6], 19.0, 50.0));
        assert!(slow.invalid.unwrap().starts_with("the harness was 1.00 s late at its p99, where 1.00 ms"));
        let tail = judged(None, &told([1.0, 20.0, 800.0], [19.0, 300.0, 900.0], 19.0, 50.0));
        assert!(
            tail.invalid.unwrap().contains("800 us late at its p99.9, more than a quarter of the 900 us")
        );
        let most = judged(None, &told([1.0, 11e3, 11e3], [1e6, 1e6, 1e6], 1e6, 50.0));
        assert!(most.invalid.unwrap().contains("where 10.0 ms is the most"));
    }

    #[test]
    fn a_bound_set_by_hand_holds_with_a_warning() {
        let judgement = judged(Some(2_000), &told([1.0, 1_500.0, 1_600.0], [19.0, 1_600.0, 2e3], 19.0, 50.0));
        assert_eq!(judgement.invalid, None);
        assert!(judgement.warnings[0].contains("1.50 ms late at its p99"), "{judgement:?}");
        assert!(judged(Some(1_000), &told([1.0, 1_500.0, 1_600.0], [1e4; 3], 1e4, 50.0)).invalid.is_some());
    }

    #[test]
    fn without_time_left_it_is_its_own_limit() {
        let told = told([1.0, 13.0, 20.0], [1e5, 2e5, 3e5], 300.0, 4.9);
        for latest in [None, Some(60_000_000)] {
            let why = judged(latest, &told).invalid.unwrap();
            assert!(why.contains("idle for 4.9 % of the time") && why.contains("not the daemon's"), "{why}");
        }
    }
}
