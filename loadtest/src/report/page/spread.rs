//! The runs beside each other: how much of a figure is chance.

use super::{
    figures::{counted, main_step, middle_run, time},
    svg::across,
};
use crate::report::{
    middle::median,
    model::{Report, Run, Step},
    units,
};
use maud::{Markup, html};

/// A figure of every run, where it has it.
struct Row {
    name: &'static str,
    values: Vec<Option<f64>>,
    show: fn(f64) -> String,
}

pub(super) fn section(report: &Report) -> Markup {
    let middle = middle_run(report);
    let several = report.runs.len() > 1;
    let chosen = |n: usize| (Some(n) == middle && several).then_some("chosen");
    let rows = rows(report);
    let counted: Vec<_> = counted(report).into_iter().map(|(n, _)| n).collect();
    let left_out = |n: usize| !counted.contains(&n);
    html! {
        section {
            h2 { @if several { "The runs" } @else { "The run" } }
            p.about {
                @if report.is_sweep() { "Each at its knee; where it has none, at its first step. " }
                @if several {
                    "What differs between runs of the same is noise: a change that is smaller says nothing. "
                }
                @else { "One run tells nothing of the noise: repeat it before you compare. " }
                @if counted.len() < report.runs.len() { "Median and spread are of the valid ones. " }
                "Lateness is the harness's own: how long after it was due it got round to a request, whatever the daemon did."
            }
            div.wide { table {
                thead { tr {
                    th.words { "" }
                    @for n in 0..report.runs.len() { th class=[chosen(n)] { "run " (n + 1) @if left_out(n) { ", invalid" } } }
                    @if several { th { "median" } th { "spread" } th.words { "from 0 to the highest" } }
                } }
                tbody { @for row in &rows { tr {
                    th.words { (row.name) }
                    @for (n, value) in row.values.iter().enumerate() {
                        td class=[chosen(n)] { (value.map_or_else(|| "–".to_owned(), row.show)) }
                    }
                    @if several { (spread(row, &counted)) }
                } } }
            } }
        }
    }
}

/// Of the runs that count.
fn spread(row: &Row, counted: &[usize]) -> Markup {
    let there: Vec<_> = counted.iter().filter_map(|n| row.values.get(*n).copied().flatten()).collect();
    let middle = median(&there).unwrap_or_default();
    let (low, high) =
        there.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), it| (low.min(*it), high.max(*it)));
    html! {
        td { ((row.show)(middle)) }
        td { @if middle > 0.0 && there.len() > 1 { (format!("{:.1} %", (high - low) / middle * 100.0)) } @else { "–" } }
        td.words {
            svg.dots width="140" height="16" aria-hidden="true" {
                line.track x1="0" x2="100%" y1="8" y2="8" {}
                @for value in there.iter().filter(|_| high > 0.0) {
                    circle.dot cx=(across(value / high * 0.96)) cy="8" r="3.5" { title { ((row.show)(*value)) } }
                }
            }
        }
    }
}

fn rows(report: &Report) -> Vec<Row> {
    let of = |name, figure: fn(&Run, &Step) -> Option<f64>, show| Row {
        name,
        values: report.runs.iter().map(|run| main_step(run).and_then(|step| figure(run, step))).collect(),
        show,
    };
    let rate = |rate: f64| format!("{}/s", units::rate(rate));
    let count = |count: f64| units::thousands(count as u64);
    let bytes = |bytes: f64| units::megabytes(bytes as u64);
    let rows = vec![
        of("highest good rate", |run, _| run.knee, rate),
        of("answered", |_, step| Some(step.achieved), rate),
        of("selections", |_, step| step.selections, rate),
        of("p50", |_, step| Some(step.corrected.p50), time),
        of("p90", |_, step| Some(step.corrected.p90), time),
        of("p99", |_, step| Some(step.corrected.p99), time),
        of("p99.9", |_, step| Some(step.corrected.p999), time),
        of("p99.99", |_, step| Some(step.corrected.p9999), time),
        of("longest", |_, step| Some(step.corrected.max), time),
        of("p99, uncorrected", |_, step| Some(step.uncorrected.p99), time),
        of("errors", |_, step| Some(step.failed() as f64), count),
        of("lateness, p99", |_, step| Some(step.lateness.p99), time),
        of("lateness, longest", |_, step| Some(step.lateness.max), time),
        of(
            "processor, a request",
            |_, step| step.process.as_ref().map(|it| it.cpu_seconds * 1e6 / step.due.max(1) as f64),
            time,
        ),
        of("memory, resident", |_, step| step.process.as_ref().map(|it| it.rss as f64), bytes),
        of("memory, at most", |_, step| step.process.as_ref().map(|it| it.rss_peak as f64), bytes),
    ];
    rows.into_iter().filter(|row| row.values.iter().any(Option::is_some)).collect()
}
