//! What was counted: errors by kind, answers by rule and problem.

use super::figures::percent;
use crate::report::{model::Report, units};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Rules that an answer may name; everything else is a problem's code.
const RULES: [&str; 6] = ["current", "dedicated", "country", "calling_code", "geography", "default_region"];

struct Kind<'a> {
    count: u64,
    first: &'a str,
    place: String,
}

pub(super) fn errors(report: &Report) -> Markup {
    let mut kinds: BTreeMap<&str, Kind<'_>> = BTreeMap::new();
    for (n, run) in report.runs.iter().enumerate() {
        for step in &run.steps {
            for (kind, failures) in &step.errors {
                let seen = kinds.entry(kind).or_insert_with(|| {
                    let rate = if report.is_sweep() {
                        format!(" at {}/s", units::rate(step.rate))
                    } else {
                        String::new()
                    };
                    Kind { count: 0, first: &failures.first, place: format!("run {}{rate}", n + 1) }
                });
                seen.count += failures.count;
            }
        }
    }
    let due: u64 = report.runs.iter().flat_map(|run| &run.steps).map(|step| step.due).sum();
    html! {
        section {
            h2 { "Errors" }
            @if kinds.is_empty() {
                p.about { "None in " (units::thousands(due)) " requests: no time-out, no broken connection, no wrong answer." }
            }
            @else {
                p.about {
                    "Of " (units::thousands(due)) " requests. What became of each is in the distributions; what went wrong with "
                    "what was done meanwhile, with reloads, standings and slow clients, and wrong answers of the warm-up, is not."
                 }
                dl.errors { @for (kind, seen) in &kinds {
                    dt {
                        strong { (kind.replace('_', " ")) }
                        span { (units::thousands(seen.count)) " (" (percent(seen.count as f64 / due.max(1) as f64)) ")" }
                    }
                    dd { span.more { "the first, in " (seen.place) ": " } (seen.first) }
                } }
            }
        }
    }
}

pub(super) fn outcomes(report: &Report) -> Markup {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (outcome, count) in report.runs.iter().flat_map(|run| &run.steps).flat_map(|step| &step.outcomes) {
        *counts.entry(outcome).or_default() += count;
    }
    if counts.is_empty() {
        return html! {};
    }
    let all = counts.values().sum::<u64>().max(1) as f64;
    let most = counts.values().copied().max().unwrap_or(1).max(1) as f64;
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    html! {
        section {
            h2 { "Answers" }
            p.about { "By the rule that found the account, or by the problem that was the right answer." }
            (super::svg::legend(&[("rule", "a rule"), ("problem", "a problem")]))
            div.bars { @for (outcome, count) in sorted {
                @let class = if RULES.contains(&outcome) { "rule" } else { "problem" };
                span.name { code { (outcome) } }
                @let width = format!("width:{:.2}%", count as f64 / most * 100.0);
                span.bar { i class={"fill " (class)} style=(width) {} }
                span.value { (percent(count as f64 / all)) span.more { " " (units::thousands(count)) } }
            } }
        }
    }
}
