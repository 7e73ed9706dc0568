//! The daemon beside a null server, both as fast as they answer.

use super::figures::percent;
use crate::report::{
    middle::median,
    model::{Ceiling, Report},
    summary::{harness_limit, pairs},
    units,
};
use maud::{Markup, html};

pub(super) fn section(report: &Report) -> Markup {
    let Some(ceiling) = &report.ceiling else { return html! {} };
    let (low, high) = pairs(ceiling);
    html! {
        section {
            h2 { "The ceiling" }
            p.about {
                "The same requests, as fast as they are answered: by the daemon, and by a null server, "
                "which is bare hyper that answers each with the same bytes. The daemon reaches "
                strong { (percent(ceiling.ratio)) } " of it, the median of " (ceiling.daemon.len()) " pairs of runs between "
                (percent(low)) " and " (percent(high)) ". "
                @if let Some(idle) = harness_limit(ceiling) {
                    "That is the most that it can be: beside the null server the harness was idle for "
                    (percent(idle / 100.0)) " of the time, so that its figure is the harness's own limit."
                }
                @else if let Some(idle) = median(&ceiling.null_idle) {
                    "Beside the null server the harness was idle for " (percent(idle / 100.0)) " of the time: it is not the limit, "
                    "and a daemon that needs no hyper may answer more."
                }
            }
            div.bars { (bars(ceiling)) }
        }
    }
}

fn bars(ceiling: &Ceiling) -> Markup {
    let most = ceiling.null.iter().chain(&ceiling.daemon).fold(1.0_f64, |most, rate| most.max(*rate));
    let width = |rate: f64| format!("{:.2}%", rate / most * 100.0);
    html! {
        @for (class, name, rates) in [("null", "null server", &ceiling.null), ("daemon", "daemon", &ceiling.daemon)] {
            @let middle = median(rates).unwrap_or_default();
            span.name { (name) }
            span.bar {
                i class={"fill " (class)} style={"width:" (width(middle))} {}
                @for rate in rates {
                    i.once style={"left:" (width(*rate))} title={(units::rate(*rate)) " answers a second"} {}
                }
            }
            span.value { (units::rate(middle)) "/s" }
        }
    }
}
