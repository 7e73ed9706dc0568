//! The sweep: latency against rate, with the limit, and the knee where it broke.

use super::{
    axis::Axis,
    figures::{middle_run, tick_rate, tick_time, time},
    svg::{self, Band, across, short},
};
use crate::report::{
    model::{Report, Run, Step},
    units,
};
use maud::{Markup, html};

const BAND: Band = Band { top: 24.0, height: 320.0 };
const HEIGHT: f64 = 374.0;

type Curve = (&'static str, &'static str, fn(&Step) -> f64);

const CURVES: [Curve; 3] = [
    ("p50", "p50", |step| step.corrected.p50),
    ("p99", "p99", |step| step.corrected.p99),
    ("p999", "p99.9", |step| step.corrected.p999),
];

/// The last one only where there are other runs.
const KEYS: [(&str, &str); 6] = [
    ("p50", "p50"),
    ("p99", "p99"),
    ("p999", "p99.9"),
    ("limit", "the limit of the p99"),
    ("knee", "the knee"),
    ("other", "p99 and knee of the other runs"),
];

pub(super) fn section(report: &Report) -> Markup {
    let Some(middle) = middle_run(report).filter(|_| report.is_sweep()) else { return html! {} };
    let Some(run) = report.runs.get(middle) else { return html! {} };
    let several = report.runs.len() > 1;
    let of_run = if several { format!("in run {}, the middle one, ", middle + 1) } else { String::new() };
    html! {
        section {
            h2 { "Latency against rate" }
            p.about {
                @match (run.knee, run.limit) {
                    (Some(knee), Some(limit)) => {
                        "The highest rate " (of_run) "with a p99 of at most " (time(limit)) " and without an error is "
                        strong { (units::rate(knee)) " requests a second" } ". "
                    }
                    (Some(knee), None) => {
                        "The highest rate " (of_run) "at which every limit held is "
                        strong { (units::rate(knee)) " requests a second" } ". "
                    }
                    (None, _) => {
                        "No highest rate was found" (if several { format!(" in run {}, the middle one", middle + 1) } else { String::new() })
                        @if let Some(why) = &run.no_knee { ": " (why) } ". "
                    }
                }
                "Hollow: a step that did not hold."
            }
            (svg::legend(if several { &KEYS } else { KEYS.split_last().map_or(&[], |(_, keys)| keys) }))
            (plot(report, run))
            (table(run))
        }
    }
}

fn plot(report: &Report, run: &Run) -> Markup {
    let steps = by_rate(run);
    let others = || report.runs.iter().filter(|other| !std::ptr::eq(*other, run));
    let all = || report.runs.iter().flat_map(|run| &run.steps);
    let rate = Axis::linear(all().map(|step| step.rate).fold(0.0, f64::max) * 1.04);
    let log = Axis::log(all().flat_map(|step| CURVES.map(|(.., of)| of(step))).chain(run.limit));
    let line = |class: &str, steps: &[&Step], of: fn(&Step) -> f64| {
        svg::curve(class, steps.iter().map(|step| Some((rate.of(step.rate), log.of(of(step))))), BAND)
    };
    let curves = html! {
        @for other in others() {
            @let steps = by_rate(other);
            (line("other", &steps, |step| step.corrected.p99))
        }
        @for (class, _, of) in CURVES { (line(class, &steps, of)) }
    };
    html! {
        figure {
            svg.plot height=(HEIGHT) role="img" aria-label="Latency against rate" {
                (svg::upward(&log.ticks(tick_time), BAND))
                (svg::sideways(&rate.ticks(tick_rate), &[BAND]))
                @if let Some(limit) = run.limit {
                    @let y = BAND.y(log.of(limit));
                    line.limit x1="0" x2="100%" y1=(short(y)) y2=(short(y)) {
                        title { "limit of the p99: " (time(limit)) }
                    }
                    text.limit x="6" y=(short(y - 6.0)) { "limit " (time(limit)) }
                }
                @for knee in others().filter_map(|other| other.knee) {
                    @let x = across(rate.of(knee));
                    line.elsewhere x1=(x) x2=(x) y1=(short(BAND.top)) y2=(short(BAND.bottom())) {
                        title { "the knee of another run: " (units::rate(knee)) " requests a second" }
                    }
                }
                @if let Some(knee) = run.knee {
                    @let at = rate.of(knee);
                    @let (x, anchor) = (across(at), if at > 0.9 { "end" } else { "middle" });
                    line.knee x1=(x) x2=(x) y1=(short(BAND.top)) y2=(short(BAND.bottom())) {
                        title { "the knee: " (units::rate(knee)) " requests a second" }
                    }
                    text.knee x=(x) y=(short(BAND.top - 8.0)) text-anchor=(anchor) { "knee " (units::rate(knee)) "/s" }
                }
                (svg::stretched(HEIGHT, &curves))
                @for (class, name, of) in CURVES {
                    @for step in &steps { (dot(run, step, class, name, of(step), &rate, &log)) }
                }
            }
            figcaption { "requests a second that were due" }
        }
    }
}

fn by_rate(run: &Run) -> Vec<&Step> {
    let mut steps: Vec<_> = run.steps.iter().collect();
    steps.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    steps
}

fn dot(run: &Run, step: &Step, class: &str, name: &str, value: f64, rate: &Axis, log: &Axis) -> Markup {
    let hollow = if broken(run, step).is_some() { " hollow" } else { "" };
    html! {
        circle class={"dot " (class) (hollow)} cx=(across(rate.of(step.rate))) cy=(short(BAND.y(log.of(value)))) r="4" {
            title {
                (units::rate(step.rate)) "/s: " (name) " " (time(value))
                @if let Some(why) = broken(run, step) { "\n" (why) }
            }
        }
    }
}

/// Why a step did not hold.
fn broken(run: &Run, step: &Step) -> Option<String> {
    if let Some(why) = &step.invalid {
        return Some(format!("invalid: {why}"));
    }
    let failed = step.failed();
    if failed > 0 {
        return Some(format!("{} errors", units::thousands(failed)));
    }
    run.limit.filter(|limit| step.corrected.p99 > *limit).map(|_| "p99 over the limit".to_owned())
}

/// The same in figures.
fn table(run: &Run) -> Markup {
    html! {
        details {
            summary { "The steps in figures" }
            div.wide { table {
                thead { tr {
                    @for name in ["due", "answered", "p50", "p99", "p99.9", "longest", "errors"] { th { (name) } }
                    th.words { "" }
                } }
                tbody { @for step in by_rate(run) { tr class=[(run.knee == Some(step.rate)).then_some("chosen")] {
                    td { (units::rate(step.rate)) "/s" }
                    td { (units::rate(step.achieved)) "/s" }
                    @for of in CURVES.map(|(.., of)| of) { td { (time(of(step))) } }
                    td { (time(step.corrected.max)) }
                    td { (units::thousands(step.failed())) }
                    td.words {
                        @if run.knee == Some(step.rate) { "the knee" }
                        @else if let Some(why) = broken(run, step) { (why) }
                    }
                } } }
            } }
        }
    }
}
