//! The runs side by side: how much of each figure is noise.

use super::parts::{css_percent, time};
use crate::{
    report::{
        model::{RateStep, Report, ScenarioRun},
        units::{self, per_second},
    },
    statistics::{median, range},
};
use maud::{Markup, html};

/// A figure: its name, its value where a run has it, and its format.
type RunRow = (&'static str, fn(&ScenarioRun, &RateStep) -> Option<f64>, fn(f64) -> String);

const ROWS: [RunRow; 16] = [
    ("highest good rate", |run, _| run.knee, per_second),
    ("answered", |_, step| Some(step.achieved), per_second),
    ("selections", |_, step| step.selections, per_second),
    ("p50", |_, step| Some(step.corrected.p50), time),
    ("p90", |_, step| Some(step.corrected.p90), time),
    ("p99", |_, step| Some(step.corrected.p99), time),
    ("p99.9", |_, step| Some(step.corrected.p999), time),
    ("p99.99", |_, step| Some(step.corrected.p9999), time),
    ("longest", |_, step| Some(step.corrected.max), time),
    ("p99, uncorrected", |_, step| Some(step.uncorrected.p99), time),
    ("errors", |_, step| Some(step.failed() as f64), |count| units::thousands(count as u64)),
    ("lateness, p99", |_, step| Some(step.lateness.p99), time),
    ("lateness, longest", |_, step| Some(step.lateness.max), time),
    ("processor, a request", |_, step| step.cpu_per_request(), time),
    ("memory, resident", |_, step| step.process.as_ref().map(|it| it.rss as f64), bytes),
    ("memory, at most", |_, step| step.process.as_ref().map(|it| it.rss_peak as f64), bytes),
];

fn bytes(bytes: f64) -> String {
    units::megabytes(bytes as u64)
}

pub(super) fn section(report: &Report) -> Markup {
    let several = report.runs.len() > 1;
    let chosen = report.middle_run().filter(|_| several);
    let counted: Vec<_> = report.counted_runs().into_iter().map(|(n, _)| n).collect();
    let value = |run: &ScenarioRun, (_, of, _): &RunRow| run.main_step().and_then(|step| of(run, step));
    html! {
        section {
            h2 { @if several { "The runs" } @else { "The run" } }
            p.about {
                @if report.is_sweep() { "Each at its knee; where it has none, at its first step. " }
                @if several { "What differs between runs of the same is noise: a change that is smaller says nothing. " }
                @else { "One run tells nothing of the noise: repeat it before you compare. " }
                @if counted.len() < report.runs.len() { "Median and spread are of the valid ones. " }
                "Lateness is the harness's own: how long after it was due it got round to a request, whatever the daemon did."
            }
            div.wide { table {
                thead { tr {
                    th.words {}
                    @for n in 0..report.runs.len() {
                        th.chosen[chosen == Some(n)] { "run " (n + 1) @if !counted.contains(&n) { ", invalid" } }
                    }
                    @if several { th { "median" } th { "spread" } th.words { "from 0 to the highest" } }
                } }
                tbody { @for row in &ROWS {
                    @let values: Vec<_> = report.runs.iter().map(|run| value(run, row)).collect();
                    @if values.iter().any(Option::is_some) { tr {
                        th.words { (row.0) }
                        @for (n, value) in values.iter().enumerate() {
                            td.chosen[chosen == Some(n)] { (value.map_or_else(|| "–".to_owned(), row.2)) }
                        }
                        @if several {
                            (spread(&counted.iter().filter_map(|n| *values.get(*n)?).collect::<Vec<_>>(), row.2))
                        }
                    } }
                } }
            } }
        }
    }
}

fn spread(values: &[f64], show: fn(f64) -> String) -> Markup {
    let middle = median(values).unwrap_or_default();
    let (low, high) = range(values.iter().copied());
    html! {
        td { (show(middle)) }
        td { @if middle > 0.0 && values.len() > 1 { (format!("{:.1} %", (high - low) / middle * 100.0)) } @else { "–" } }
        td.words { div.dots aria-hidden="true" { @for value in values.iter().filter(|_| high > 0.0) {
            i style={ "left:" (css_percent(value / high)) } title=(show(*value)) {}
        } } }
    }
}
