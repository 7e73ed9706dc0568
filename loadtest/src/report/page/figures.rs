//! Figures as the page has them, and which run stands for all.

use crate::report::{
    model::{Report, Run, Step},
    units,
};

/// A time with its unit.
pub(super) fn time(micros: f64) -> String {
    micro(&units::time(micros))
}

/// The terminal's figures with the unit's own sign.
pub(super) fn micro(text: &str) -> String {
    text.strip_suffix(" us").map_or_else(|| text.to_owned(), |text| format!("{text} µs"))
}

/// A time at a tick: the digits that it needs, and no more.
pub(super) fn tick_time(micros: f64) -> String {
    let (value, unit) = match micros {
        micros if micros < 999.5 => (micros, "µs"),
        micros if micros < 999_500.0 => (micros / 1e3, "ms"),
        micros => (micros / 1e6, "s"),
    };
    format!("{} {unit}", digits(value))
}

/// A rate at a tick.
pub(super) fn tick_rate(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{}M/s", digits(rate / 1e6)),
        rate if rate >= 1e3 => format!("{}k/s", digits(rate / 1e3)),
        rate if rate > 0.0 => format!("{}/s", digits(rate)),
        _ => "0".to_owned(),
    }
}

/// Seconds at a tick.
pub(super) fn tick_seconds(seconds: f64) -> String {
    format!("{} s", digits(seconds))
}

/// Rounded to what binary fractions leave of a round number.
fn digits(value: f64) -> String {
    ((value * 1e6).round() / 1e6).to_string()
}

/// A share in per cent; a small one with as many digits as it takes to be seen.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.001 => "under 0.001 %".to_owned(),
        percent if percent < 0.1 => format!("{percent:.3} %"),
        percent if percent < 10.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

/// The step of a run that stands for it: the one at the knee, or the only one.
pub(super) fn main_step(run: &Run) -> Option<&Step> {
    match run.knee {
        Some(knee) => run.steps.iter().min_by(|a, b| (a.rate - knee).abs().total_cmp(&(b.rate - knee).abs())),
        None => run.steps.first(),
    }
}

/// The runs that figures are taken from, with their numbers: those that mean something, as demands and comparisons take
/// them. Others only where there is none that does.
pub(super) fn counted(report: &Report) -> Vec<(usize, &Run)> {
    let means_nothing = |run: &Run| main_step(run).is_none_or(|step| step.invalid.is_some());
    let all_mean_nothing = report.runs.iter().all(means_nothing);
    let runs = report.runs.iter().enumerate();
    runs.filter(|(_, run)| all_mean_nothing || !means_nothing(run)).collect()
}

/// The number of the run that stands for all: the middle one by its p99, or by its knee; the lower where two are.
pub(super) fn middle_run(report: &Report) -> Option<usize> {
    let key =
        |run: &Run| run.knee.or_else(|| main_step(run).map(|step| step.corrected.p99)).unwrap_or_default();
    let mut order: Vec<_> = counted(report).into_iter().map(|(n, run)| (key(run), n)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    order.get(order.len().checked_sub(1)? / 2).map(|(_, n)| *n)
}

/// Which of its steps stands for a run of a sweep.
pub(super) fn standing_for(report: &Report, run: usize) -> &'static str {
    match report.runs.get(run).and_then(|run| run.knee) {
        Some(_) => "the knee of the sweep",
        None => "the first step of a sweep without a knee",
    }
}

/// What that run is among the others.
pub(super) fn middle_is(report: &Report, middle: usize) -> String {
    let invalid = report.runs.iter().filter_map(main_step).filter(|step| step.invalid.is_some()).count();
    let of = if invalid > 0 && invalid < report.runs.len() { " of the valid ones" } else { " one" };
    format!("Run {}, the middle{of}", middle + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::read;
    use std::path::Path;

    #[test]
    fn ticks_have_the_digits_they_need() {
        assert_eq!([1.0, 20.0, 1e3, 5e5, 1e6].map(tick_time), ["1 µs", "20 µs", "1 ms", "500 ms", "1 s"]);
        assert_eq!(
            [0.0, 500.0, 2e4, 2.5e4, 1.5e6].map(tick_rate),
            ["0", "500/s", "20k/s", "25k/s", "1.5M/s"]
        );
        assert_eq!(tick_seconds(0.1 * 3.0), "0.3 s");
    }

    #[test]
    fn shares() {
        assert_eq!(
            [0.0, 1e-6, 2e-4, 0.0314, 0.623].map(percent),
            ["0 %", "under 0.001 %", "0.020 %", "3.14 %", "62.3 %"]
        );
    }

    #[test]
    fn the_middle_run_means_something_where_one_does() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reports/steady.json");
        let mut report = read::report(&fixture).unwrap();
        for (run, p99) in report.runs.iter_mut().zip([300.0, 100.0, 200.0]) {
            run.steps[0].corrected.p99 = p99;
        }
        assert_eq!(middle_run(&report), Some(2));
        report.runs[2].steps[0].invalid = Some("late".to_owned());
        assert_eq!(middle_run(&report), Some(1));
        assert_eq!(middle_is(&report, 1), "Run 2, the middle of the valid ones");
        report.runs.iter_mut().for_each(|run| run.steps[0].invalid = Some("late".to_owned()));
        assert_eq!((middle_run(&report), middle_is(&report, 2).as_str()), (Some(2), "Run 3, the middle one"));
        report.runs.clear();
        assert_eq!(middle_run(&report), None);
    }
}
