//! The head of the page: whether the figures can be trusted, whether the demands hold, and the figures.

use super::parts::{run_number, time};
use crate::{
    report::{
        model::{DemandVerdict, RateStep, Report},
        units::{self, per_second, percent, sign_of_micro},
    },
    statistics::{median, range},
};
use maud::{Markup, html};

pub(super) fn header(report: &Report) -> Markup {
    let main_steps = report.runs.iter().zip(1..).filter_map(|(run, n)| Some((n, run.main_step()?)));
    let invalid = main_steps.filter_map(|(n, step)| Some(format!("Run {n}: {}", step.invalid.as_ref()?)));
    let invalid: Vec<_> = invalid.collect();
    let steps =
        report.runs.iter().enumerate().flat_map(|(n, run)| run.steps.iter().map(move |step| (n, step)));
    let warnings =
        steps.flat_map(|(n, step)| step.warnings.iter().map(move |warning| (n, step.rate, warning)));
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
                    @if invalid.len() == report.runs.len() { "These figures mean nothing" }
                    @else { "Not every run means something" }
                }
                ul { @for why in &invalid { li { (why) } } }
                p {
                    "Measure again: with a lower rate, with less beside it on the machine, or with cores of its own for "
                    "the harness."
                }
            }
        }
        @if !warnings.is_empty() {
            section.warned role="note" {
                h2 { "To bear in mind" }
                ul { @for (n, rate, warning) in warnings { li { "Run " (run_number(report, n, rate)) ": " (warning) } } }
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
    let runs = report.runs.len();
    let runs = format!("{runs} run{}", if runs == 1 { "" } else { "s" });
    let length = match report.runs.first() {
        Some(run) if report.is_sweep() => format!(" of {} steps", run.steps.len()),
        Some(run) => run.steps.first().map(|step| format!(" of {:.0} s", step.seconds)).unwrap_or_default(),
        None => String::new(),
    };
    let daemon = report.setup.daemon.as_deref().map(|it| format!(" · daemon {it}")).unwrap_or_default();
    format!("{} · {runs}{length}{daemon} · {}", report.started, report.setup.machine.processor)
}

/// Demands of invalid runs are not shown as met.
fn shown_verdict(verdict: &DemandVerdict, invalid: bool) -> Markup {
    let (class, word) = match (verdict.holds, invalid) {
        (true, false) => ("good", "✓ holds"),
        (true, true) => ("void", "? invalid"),
        (false, _) => ("bad", "✗ fails"),
    };
    html! {
        li {
            span class={ "badge " (class) } { (word) }
            span { (sign_of_micro(&verdict.demand)) }
            span.measured { "measured: " (sign_of_micro(&verdict.measured)) }
        }
    }
}

fn figures(report: &Report) -> Markup {
    let counted = report.counted_runs();
    let steps: Vec<_> = counted.iter().filter_map(|(_, run)| run.main_step()).collect();
    let knees: Vec<_> = counted.iter().filter_map(|(_, run)| run.knee).collect();
    let selections: Vec<_> = steps.iter().filter_map(|step| step.selections).collect();
    let of = |figure: fn(&RateStep) -> f64| steps.iter().map(|step| figure(step)).collect::<Vec<_>>();
    // Errors are those of every run: an invalid run has had them too.
    let all = || report.runs.iter().filter_map(|run| run.main_step());
    let due: u64 = all().map(|step| step.due).sum();
    let failed: u64 = all().map(RateStep::failed).sum();
    let rate =
        median(&of(|step| step.rate)).map(|due| format!("of {} due", per_second(due))).unwrap_or_default();
    let no_knee = report.is_sweep() && knees.len() < steps.len();
    let rate = if no_knee { rate + "; no knee: the first step" } else { rate };
    html! {
        div.figures {
            (figure("highest good rate", &knees, per_second, "the knee of the sweep"))
            (figure("answered", &of(|step| step.achieved), per_second, &rate))
            (figure("selections", &selections, per_second, "in batches"))
            (figure("p50", &of(|step| step.corrected.p50), time, "corrected"))
            (figure("p99", &of(|step| step.corrected.p99), time, "corrected"))
            (figure("p99.9", &of(|step| step.corrected.p999), time, "corrected"))
            div.figure.bad[failed > 0] {
                span.name { "errors" }
                strong { (units::thousands(failed)) }
                span.more { (percent(failed as f64 / due.max(1) as f64)) " of " (units::thousands(due)) " requests" }
            }
            @if let Some(ceiling) = &report.ceiling {
                div.figure {
                    span.name { "of a null server" }
                    strong { (percent(ceiling.ratio)) }
                    span.more { "flat out, the same requests" }
                }
            }
        }
    }
}

/// The median of the runs and their range; nothing without values.
fn figure(name: &str, values: &[f64], show: fn(f64) -> String, more: &str) -> Markup {
    let Some(median) = median(values) else { return html! {} };
    let (low, high) = range(values.iter().copied());
    html! {
        div.figure {
            span.name { (name) }
            strong { (show(median)) }
            span.more { (more) }
            @if show(low) != show(high) { span.more { (show(low)) " – " (show(high)) } }
        }
    }
}
