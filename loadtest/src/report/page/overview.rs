//! The head of the page with the demands and the main figures, and the table of all figures by run.

use super::{css_percent, run_number};
use crate::{
    report::{
        figures::{FIGURES, KNEE, NULL_RATIO, Unit},
        model::{DemandVerdict, RateStep, Report},
        units::{count, per_second, percent, thousands},
    },
    statistics::{median, range},
};
use maud::{Markup, html};

pub(super) fn header(report: &Report) -> Markup {
    let main_steps = report.runs.iter().zip(1..).filter_map(|(run, n)| Some((n, run.main_step()?)));
    let invalid = main_steps.filter_map(|(n, step)| Some(format!("Run {n}: {}", step.invalid.as_ref()?)));
    let invalid: Vec<_> = invalid.collect();
    let warnings = report.steps().flat_map(|(n, step)| {
        step.warnings.iter().map(move |text| format!("Run {}: {text}", run_number(report, n, step.rate)))
    });
    let warnings: Vec<_> = warnings.collect();
    html! {
        header {
            p.kind { "Switchboard load test" }
            h1 { (report.scenario) " " (badge(report, !invalid.is_empty())) }
            p.about { (about(report)) }
        }
        @if !invalid.is_empty() {
            section.invalid role="alert" {
                h2 {
                    @if invalid.len() == report.runs.len() { "The figures are invalid" }
                    @else { "Some runs are invalid" }
                }
                ul { @for why in &invalid { li { (why) } } }
                p {
                    "Measure again with a lower rate, with fewer other programs on the machine, or with a core that only "
                    "the harness uses."
                }
            }
        }
        @if !warnings.is_empty() {
            section.warned role="note" {
                h2 { "Warnings" }
                ul { @for warning in &warnings { li { (warning) } } }
            }
        }
        @if !report.verdicts.is_empty() {
            ul.verdicts { @for verdict in &report.verdicts { (shown_verdict(verdict, !invalid.is_empty())) } }
        }
        (figures(report))
    }
}

fn badge(report: &Report, invalid: bool) -> Markup {
    let failed = report.verdicts.iter().filter(|verdict| !verdict.holds).count();
    html! {
        @if invalid { span.badge.bad { "invalid" } }
        @else if failed > 0 { span.badge.bad { (failed) " of " (report.verdicts.len()) " demands not met" } }
        @else if !report.verdicts.is_empty() { span.badge.good { "holds" } }
    }
}

fn about(report: &Report) -> String {
    let runs = count(report.runs.len(), "run");
    let length = match report.runs.first() {
        Some(run) if report.is_sweep() => format!(" of {} steps", run.steps.len()),
        Some(run) => run.steps.first().map(|step| format!(" of {:.0} s", step.seconds)).unwrap_or_default(),
        None => String::new(),
    };
    let daemon = report.setup.daemon.as_deref().map(|it| format!(" · daemon {it}")).unwrap_or_default();
    format!("{} · {runs}{length}{daemon} · {}", report.started, report.setup.machine.processor)
}

/// A demand never counts as met while a run is invalid.
fn shown_verdict(verdict: &DemandVerdict, invalid: bool) -> Markup {
    let (class, word) = match (verdict.holds, invalid) {
        (true, false) => ("good", "✓ holds"),
        (true, true) => ("void", "? invalid"),
        (false, _) => ("bad", "✗ fails"),
    };
    html! {
        li {
            span class={ "badge " (class) } { (word) }
            span { (verdict.demand) }
            span.measured { "measured: " (verdict.measured) }
        }
    }
}

/// The names of the figures that are shown large.
const MAIN_FIGURES: [&str; 5] = ["answered", "selections", "p50", "p99", "p99.9"];

fn figures(report: &Report) -> Markup {
    let counted = report.counted_runs();
    let steps: Vec<_> = counted.iter().filter_map(|(_, run)| run.main_step()).collect();
    let knees: Vec<_> = counted.iter().filter_map(|(_, run)| run.knee).collect();
    // Errors are those of every run: an invalid run has errors, too.
    let all = || report.runs.iter().filter_map(|run| run.main_step());
    let due: u64 = all().map(|step| step.due).sum();
    let failed: u64 = all().map(RateStep::failed).sum();
    let rate = median(steps.iter().map(|step| step.rate))
        .map(|rate| format!("of {} due", per_second(rate)))
        .unwrap_or_default();
    let no_knee = report.is_sweep() && knees.len() < steps.len();
    let rate = if no_knee { rate + "; no knee: the first step" } else { rate };
    html! {
        div.figures {
            (figure(KNEE.name, &knees, KNEE.unit, "highest rate that kept the limit"))
            @for it in FIGURES.iter().filter(|figure| MAIN_FIGURES.contains(&figure.name)) {
                @let values: Vec<_> = steps.iter().filter_map(|step| (it.of)(step)).collect();
                @let more = match it.unit { Unit::Microseconds => "corrected", _ => &rate };
                (figure(it.name, &values, it.unit, if it.name == "selections" { "in batches" } else { more }))
            }
            div.figure.bad[failed > 0] {
                span.name { "failures" }
                strong { (thousands(failed)) }
                span.more { (percent(failed as f64 / due.max(1) as f64)) " of " (thousands(due)) " requests" }
            }
            @if let Some(ceiling) = &report.ceiling {
                div.figure {
                    span.name { (NULL_RATIO.name) }
                    strong { (percent(ceiling.ratio)) }
                    span.more { "at the highest rate, same requests" }
                }
            }
        }
    }
}

/// Shows the median of the values and their range. Shows nothing without values.
fn figure(name: &str, values: &[f64], unit: Unit, more: &str) -> Markup {
    let Some(median) = median(values) else { return html! {} };
    let (low, high) = range(values.iter().copied());
    let (low, high) = (unit.show(low), unit.show(high));
    html! {
        div.figure {
            span.name { (name) }
            strong { (unit.show(median)) }
            span.more { (more) }
            @if low != high { span.more { (low) " – " (high) } }
        }
    }
}

pub(super) fn runs(report: &Report) -> Markup {
    let several = report.runs.len() > 1;
    let chosen = report.middle_run().filter(|_| several).map(|(n, _)| n);
    let counted: Vec<_> = report.counted_runs().into_iter().map(|(n, _)| n).collect();
    let knees = (KNEE.name, KNEE.unit, report.runs.iter().map(|run| run.knee).collect::<Vec<_>>());
    let others = FIGURES.iter().map(|figure| {
        let values = report.runs.iter().map(|run| run.main_step().and_then(figure.of));
        (figure.name, figure.unit, values.collect())
    });
    let rows = [knees].into_iter().chain(others).filter(|(.., values)| values.iter().any(Option::is_some));
    html! {
        section {
            h2 { @if several { "The runs" } @else { "The run" } }
            p.about {
                @if report.is_sweep() { "Each run at its knee; a run without a knee at its first step. " }
                @if several { "Differences between the runs are noise. A smaller change proves nothing. " }
                @else { "One run does not show the noise: repeat the run before you compare. " }
                @if counted.len() < report.runs.len() { "Median and spread are those of the valid runs. " }
                "Lateness is the delay between the due time of a request and the moment at which the sender handles it."
            }
            div.wide { table {
                thead { tr {
                    th.words {}
                    @for n in 0..report.runs.len() {
                        th.chosen[chosen == Some(n)] { "run " (n + 1) @if !counted.contains(&n) { ", invalid" } }
                    }
                    @if several { th { "median" } th { "spread" } th.words { "from 0 to the highest" } }
                } }
                tbody { @for (name, unit, values) in rows { tr {
                    th.words { (name) }
                    @for (n, value) in values.iter().enumerate() {
                        td.chosen[chosen == Some(n)] { (value.map_or_else(|| "–".to_owned(), |it| unit.show(it))) }
                    }
                    @if several {
                        (spread(&counted.iter().filter_map(|n| *values.get(*n)?).collect::<Vec<_>>(), unit))
                    }
                } } }
            } }
        }
    }
}

fn spread(values: &[f64], unit: Unit) -> Markup {
    let middle = median(values);
    let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| unit.show(value));
    let (low, high) = range(values.iter().copied());
    html! {
        td { (shown(middle)) }
        td {
            @match middle {
                Some(middle) if middle > 0.0 && values.len() > 1 => { (format!("{:.1} %", (high - low) / middle * 100.0)) }
                _ => { "–" }
            }
        }
        td.words { div.dots aria-hidden="true" { @for value in values.iter().filter(|_| high > 0.0) {
            i style={ "left:" (css_percent(value / high)) } title=(unit.show(*value)) {}
        } } }
    }
}
