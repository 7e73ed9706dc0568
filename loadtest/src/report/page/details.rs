//! What stands behind the figures: the ceiling, the errors, the answers and the setup.

use super::{
    chart,
    parts::{bar, css_percent, run_number, time},
};
use crate::{
    report::{
        model::{Ceiling, Report},
        summary::UNKNOWN_COUNTS,
        units::{self, per_second, percent},
    },
    statistics::median,
};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Rules that an answer may name. Everything else is the code of a problem.
const RULES: [&str; 6] = ["current", "dedicated", "country", "calling_code", "geography", "default_region"];

pub(super) fn ceiling(report: &Report) -> Markup {
    let Some(ceiling) = &report.ceiling else { return html! {} };
    let (low, high) = ceiling.ratio_range();
    html! {
        section {
            h2 { "The ceiling" }
            p.about {
                "The same requests, as fast as they are answered: by the daemon, and by a null server, "
                "which is bare hyper that answers each with the same bytes. The daemon reaches "
                strong { (percent(ceiling.ratio)) } " of it, the median of " (ceiling.daemon.len()) " pairs of runs between "
                (percent(low)) " and " (percent(high)) ". "
                @if let Some(idle) = ceiling.harness_limit() {
                    "That is the most that it can be: beside the null server the harness was idle for "
                    (percent(idle / 100.0)) " of the time, so that its figure is the harness's own limit."
                }
                @else if let Some(idle) = median(&ceiling.null_idle) {
                    "Beside the null server the harness was idle for " (percent(idle / 100.0)) " of the time: it is not the limit, "
                    "and a daemon that needs no hyper may answer more."
                }
            }
            div.bars { (ceiling_bars(ceiling)) }
        }
    }
}

fn ceiling_bars(ceiling: &Ceiling) -> Markup {
    let highest = ceiling.null.iter().chain(&ceiling.daemon).copied().fold(1.0, f64::max);
    html! { @for (class, name, rates) in [("null", "null server", &ceiling.null), ("daemon", "daemon", &ceiling.daemon)] {
        @let middle = median(rates).unwrap_or_default();
        span.name { (name) }
        (bar(class, middle / highest, html! { @for rate in rates {
            i.once style={ "left:" (css_percent(rate / highest)) } title={ (units::rate(*rate)) " answers a second" } {}
        } }))
        span.value { (per_second(middle)) }
    } }
}

struct Failed<'a> {
    count: u64,
    first: &'a str,
    step: String,
}

pub(super) fn errors(report: &Report) -> Markup {
    let mut kinds: BTreeMap<&str, Failed<'_>> = BTreeMap::new();
    let steps =
        || report.runs.iter().enumerate().flat_map(|(n, run)| run.steps.iter().map(move |step| (n, step)));
    for (n, step) in steps() {
        for (kind, failures) in &step.errors {
            let first =
                || Failed { count: 0, first: &failures.first, step: run_number(report, n, step.rate) };
            kinds.entry(kind).or_insert_with(first).count += failures.count;
        }
    }
    let due: u64 = steps().map(|(_, step)| step.due).sum();
    html! {
        section {
            h2 { "Errors" }
            @if kinds.is_empty() {
                p.about { "None in " (units::thousands(due)) " requests: no time-out, no broken connection, no wrong answer." }
            }
            @else {
                p.about {
                    "Of " (units::thousands(due)) " requests. Requests that failed are in the distributions. Wrong answers of "
                    "the warm-up are not, nor is what went wrong with reloads, standings and slow clients."
                }
                dl.errors { @for (kind, failed) in &kinds {
                    dt {
                        strong { (kind.replace('_', " ")) }
                        span { (units::thousands(failed.count)) " (" (percent(failed.count as f64 / due.max(1) as f64)) ")" }
                    }
                    dd { span.more { "the first, in run " (failed.step) ": " } (failed.first) }
                } }
            }
        }
    }
}

pub(super) fn answers(report: &Report) -> Markup {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (outcome, count) in report.runs.iter().flat_map(|run| &run.steps).flat_map(|step| &step.outcomes) {
        *counts.entry(outcome).or_default() += count;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let Some((_, highest)) = counts.first().copied() else { return html! {} };
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let share = |count: u64, of: u64| count as f64 / of.max(1) as f64;
    html! {
        section {
            h2 { "Answers" }
            p.about { "By the rule that found the account, or by the problem that was the right answer." }
            (chart::legend(&[("rule", "a rule"), ("problem", "a problem")]))
            div.bars { @for (outcome, count) in counts {
                span.name { code { (outcome) } }
                (bar(if RULES.contains(&outcome) { "rule" } else { "problem" }, share(count, highest), html! {}))
                span.value { (percent(share(count, all))) span.more { " " (units::thousands(count)) } }
            } }
        }
    }
}

pub(super) fn setup(report: &Report) -> Markup {
    let setup = &report.setup;
    let (machine, registry) = (&setup.machine, &setup.registry);
    let count = units::thousands;
    html! {
        section {
            h2 { "Setup" }
            dl {
                dt { "command" } dd { code { (setup.command) } }
                dt { "daemon" } dd { (setup.daemon.as_deref().unwrap_or("does not tell")) }
                dt { "its command" } dd {
                    @match &setup.daemon_command { Some(command) => code { (command) }, None => "ran already" }
                }
                dt { "harness" } dd { (setup.commit.as_deref().unwrap_or("not built in a checkout")) }
                dt { "builds" } dd {
                    "harness " (setup.profile)
                    @if let Some(digest) = &setup.harness_digest { " " code { (digest) } }
                    @if let Some(digest) = &setup.daemon_digest { ", daemon " code { (digest) } }
                }
                dt { "scenario" } dd { code { (serde_json::Value::from(setup.effective.clone()).to_string()) } }
                @for note in &setup.notes { dt { "note" } dd { (note) } }
                dt { "machine" } dd {
                    (machine.processor) ", " (machine.cores) " cores, " (format!("{:.1}", machine.memory as f64 / 1e9)) " GB, "
                    (machine.kernel)
                }
                dt { "pinning" } dd { (units::pinning(setup.pinning.as_ref())) }
                dt { "registry" } dd {
                    (registry.source) ": "
                    @if registry.is_known() {
                        (count(registry.companies))
                        @if registry.companies == 1 { " company, " } @else { " companies, " }
                        (count(registry.ous)) " OUs, " (count(registry.pools)) " pools, "
                        (count(registry.accounts)) " accounts"
                    } @else { (UNKNOWN_COUNTS) }
                    @if let Some(bytes) = registry.snapshot_bytes { ", a snapshot of " (units::megabytes(bytes)) }
                }
                dt { "seed" } dd { (setup.seed) }
                dt { "connections" } dd { (setup.connections) }
                dt { "time-out" } dd { (time(setup.timeout_us as f64)) }
                dt { "schema" } dd { (report.schema) }
            }
        }
    }
}
