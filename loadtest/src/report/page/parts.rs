//! Texts and bars that several sections show.

use crate::report::{
    model::Report,
    units::{self, sign_of_micro},
};
use maud::{Markup, html};

pub(super) fn time(micros: f64) -> String {
    sign_of_micro(&units::time(micros))
}

pub(super) fn describe_middle(report: &Report, middle: usize) -> String {
    let all_alike = report.counted_runs().len() == report.runs.len();
    format!("Run {}, the middle {}", middle + 1, if all_alike { "one" } else { "of the valid ones" })
}

/// Returns the number of a run, with the rate of the step in a sweep.
pub(super) fn run_number(report: &Report, run: usize, rate: f64) -> String {
    let rate = if report.is_sweep() { format!(" at {}", units::per_second(rate)) } else { String::new() };
    format!("{}{rate}", run + 1)
}

pub(super) fn bar(class: &str, share: f64, single: Markup) -> Markup {
    html! { span.bar { i class={ "fill " (class) } style={ "width:" (css_percent(share)) } {} (single) } }
}

pub(super) fn css_percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}
