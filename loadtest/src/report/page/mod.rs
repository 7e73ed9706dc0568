//! The report as one HTML page, without scripts, fonts or requests. maud escapes the texts of the report.

mod chart;
mod details;
mod latency;
mod overview;
mod timeline;

use super::{
    model::Report,
    units::{count, per_second},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");

/// Renders the page of a report.
pub fn render(report: &Report) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (report.scenario) " · Switchboard load test" }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                (overview::header(report))
                (latency::by_rate(report))
                (latency::by_percentile(report))
                (timeline::section(report))
                (details::ceiling(report))
                (details::errors(report))
                (details::answers(report))
                (overview::runs(report))
                (details::setup(report))
            } }
        }
    };
    page.into_string()
}

fn describe_middle(report: &Report, middle: usize) -> String {
    let counted = report.counted_runs().len();
    let of = if counted == report.runs.len() { "" } else { "valid " };
    format!("Run {} is the middle one of {}", middle + 1, count(counted, &format!("{of}run")))
}

/// Returns the number of a run, and the rate of the step in a sweep.
fn run_number(report: &Report, run: usize, rate: f64) -> String {
    let rate = if report.is_sweep() { format!(" at {}", per_second(rate)) } else { String::new() };
    format!("{}{rate}", run + 1)
}

fn bar(class: &str, share: f64, marks: Markup) -> Markup {
    html! { span.bar { i class={ "fill " (class) } style={ "width:" (css_percent(share)) } {} (marks) } }
}

fn css_percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}
