//! The sections behind the figures: the ceiling, the errors, the answers and the setup.

use super::{bar, chart, css_percent, run_number};
use crate::{
    report::{
        figures::{describe_ceiling, setup_rows},
        model::{Ceiling, Report},
        units::{per_second, percent, thousands},
    },
    statistics::median,
};
use maud::{Markup, html};
use std::collections::BTreeMap;
use switchboard_model::Rule;

pub(super) fn ceiling(report: &Report) -> Markup {
    let Some(ceiling) = &report.ceiling else { return html! {} };
    html! {
        section {
            h2 { "The ceiling" }
            p.about {
                "The highest rates with the same requests: " (describe_ceiling(ceiling)) ". The null server is bare "
                "hyper that answers each request with the same bytes. A daemon that answers without hyper may exceed it."
            }
            div.bars { (ceiling_bars(ceiling)) }
        }
    }
}

fn ceiling_bars(ceiling: &Ceiling) -> Markup {
    let highest = ceiling.null.iter().chain(&ceiling.daemon).copied().fold(1.0, f64::max);
    html! { @for (class, name, rates) in [("null", "null server", &ceiling.null), ("daemon", "daemon", &ceiling.daemon)] {
        @if let Some(middle) = median(rates) {
            span.name { (name) }
            (bar(class, middle / highest, html! { @for rate in rates {
                i.once style={ "left:" (css_percent(rate / highest)) } title=(per_second(*rate)) {}
            } }))
            span.value { (per_second(middle)) }
        }
    } }
}

pub(super) fn errors(report: &Report) -> Markup {
    /// Number of failures of a kind, the first failure, and the run and rate of this.
    type KindOfFailure<'a> = (u64, &'a str, String);
    let mut kinds: BTreeMap<&str, KindOfFailure<'_>> = BTreeMap::new();
    for (n, step) in report.steps() {
        for (kind, failures) in &step.errors {
            let new = || (0, failures.first.as_str(), run_number(report, n, step.rate));
            kinds.entry(kind).or_insert_with(new).0 += failures.count;
        }
    }
    let due: u64 = report.steps().map(|(_, step)| step.due).sum();
    html! {
        section {
            h2 { "Errors" }
            @if kinds.is_empty() {
                p.about { "None in " (thousands(due)) " requests: no time-out, no broken connection, no wrong answer." }
            }
            @else {
                p.about {
                    "In " (thousands(due)) " requests. The distributions include failed requests, but not wrong answers "
                    "during the warm-up, and not errors of reloads, standings and slow clients."
                }
                dl.errors { @for (kind, (count, first, run)) in &kinds {
                    dt {
                        strong { (kind.replace('_', " ")) }
                        span { (thousands(*count)) " (" (percent(*count as f64 / due.max(1) as f64)) ")" }
                    }
                    dd { span.more { "the first, in run " (run) ": " } (first) }
                } }
            }
        }
    }
}

pub(super) fn answers(report: &Report) -> Markup {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (outcome, count) in report.steps().flat_map(|(_, step)| &step.outcomes) {
        *counts.entry(outcome).or_default() += count;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let Some((_, highest)) = counts.first().copied() else { return html! {} };
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let share = |count: u64, of: u64| count as f64 / of.max(1) as f64;
    let is_rule = |outcome: &str| Rule::ALL.iter().any(|rule| rule.as_str() == outcome);
    html! {
        section {
            h2 { "Answers" }
            p.about { "Right answers by the rule that found the account, or by the code of the problem." }
            (chart::legend(&[("rule", "a rule"), ("problem", "a problem")]))
            div.bars { @for (outcome, count) in counts {
                span.name { code { (outcome) } }
                (bar(if is_rule(outcome) { "rule" } else { "problem" }, share(count, highest), html! {}))
                span.value { (percent(share(count, all))) span.more { " " (thousands(count)) } }
            } }
        }
    }
}

pub(super) fn setup(report: &Report) -> Markup {
    let scenario = serde_json::Value::from(report.setup.effective.clone()).to_string();
    html! {
        section {
            h2 { "Setup" }
            dl {
                @for (name, value, _) in setup_rows(report) { dt { (name) } dd { (value) } }
                dt { "scenario" } dd { code { (scenario) } }
                dt { "schema" } dd { (report.schema) }
            }
        }
    }
}
