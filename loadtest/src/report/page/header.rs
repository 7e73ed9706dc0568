//! What a reader wants to know first: whether it can be trusted, whether it holds, and the figures.

use super::figures::{counted, main_step, micro, percent, time};
use crate::report::{
    middle::median,
    model::{Report, Step, Verdict},
    units,
};
use maud::{Markup, html};

pub(super) fn header(report: &Report) -> Markup {
    let (invalid, warned) = (invalid(report), warned(report));
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
        @if !warned.is_empty() {
            section.warned role="note" {
                h2 { "To bear in mind" }
                ul { @for warning in &warned { li { (warning) } } }
            }
        }
        @if !report.verdicts.is_empty() {
            ul.verdicts { @for verdict in &report.verdicts { (shown(verdict, !invalid.is_empty())) } }
        }
        (figures(report))
    }
}

/// Why each run that means nothing does so; of a sweep the step at the knee is what counts.
fn invalid(report: &Report) -> Vec<String> {
    let runs = report.runs.iter().enumerate().filter_map(|(n, run)| Some((n, main_step(run)?)));
    runs.filter_map(|(n, step)| Some(format!("Run {}: {}", n + 1, step.invalid.as_ref()?))).collect()
}

/// What each step warns of; a sweep's with their rates.
fn warned(report: &Report) -> Vec<String> {
    let sweep = report.is_sweep();
    let of = |n: usize, step: &Step| {
        let rate = if sweep { format!(" at {}/s", units::rate(step.rate)) } else { String::new() };
        step.warnings.iter().map(|warning| format!("Run {}{rate}: {warning}", n + 1)).collect::<Vec<_>>()
    };
    let runs = report.runs.iter().enumerate();
    runs.flat_map(|(n, run)| run.steps.iter().flat_map(move |step| of(n, step))).collect()
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

/// What holds in runs that mean nothing does not hold.
fn shown(verdict: &Verdict, invalid: bool) -> Markup {
    let (class, word) = match (verdict.holds, invalid) {
        (true, false) => ("good", "✓ holds"),
        (true, true) => ("void", "? invalid"),
        (false, _) => ("bad", "✗ fails"),
    };
    html! {
        li class=(class) {
            span class={"badge " (class)} { (word) }
            span { (micro(&verdict.demand)) }
            span.measured { "measured: " (micro(&verdict.measured)) }
        }
    }
}

fn figures(report: &Report) -> Markup {
    let counted = counted(report);
    let steps: Vec<_> = counted.iter().filter_map(|(_, run)| main_step(run)).collect();
    let knees: Vec<_> = counted.iter().filter_map(|(_, run)| run.knee).collect();
    let of = |figure: fn(&Step) -> f64| steps.iter().map(|step| figure(step)).collect::<Vec<_>>();
    // Errors of every run: also one that was late has had them.
    let all = || report.runs.iter().filter_map(main_step);
    let (due, failed) =
        (all().map(|step| step.due).sum::<u64>(), all().map(|step| step.failed()).sum::<u64>());
    let selections: Vec<_> = steps.iter().filter_map(|step| step.selections).collect();
    let rate = |rate: f64| format!("{}/s", units::rate(rate));
    let due_rate =
        median(&of(|step| step.rate)).map(|due| format!("of {} due", rate(due))).unwrap_or_default();
    let no_knee = report.is_sweep() && knees.len() < steps.len();
    let due_rate = if no_knee { due_rate + "; no knee: the first step" } else { due_rate };
    html! {
        div.figures {
            @if !knees.is_empty() { (figure("highest good rate", &knees, rate, "the knee of the sweep")) }
            (figure("answered", &of(|step| step.achieved), rate, &due_rate))
            @if !selections.is_empty() { (figure("selections", &selections, rate, "in batches")) }
            (figure("p50", &of(|step| step.corrected.p50), time, "corrected"))
            (figure("p99", &of(|step| step.corrected.p99), time, "corrected"))
            (figure("p99.9", &of(|step| step.corrected.p999), time, "corrected"))
            div class=(if failed > 0 { "figure bad" } else { "figure" }) {
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

/// The median over the runs, and how far apart they are.
fn figure(name: &str, values: &[f64], show: impl Fn(f64) -> String, more: &str) -> Markup {
    let (low, high) =
        values.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), it| (low.min(*it), high.max(*it)));
    html! {
        @if let Some(median) = median(values) {
            div.figure {
                span.name { (name) }
                strong { (show(median)) }
                span.more { (more) }
                @if show(low) != show(high) { span.more { (show(low)) " – " (show(high)) } }
            }
        }
    }
}
