//! Latency by percentile, as HdrHistogram's plots have it: every step to the right is a tenth of the requests
//! that are left.

use super::{
    axis::{Axis, Tick},
    figures::{main_step, middle_is, middle_run, standing_for, tick_time, time},
    svg::{self, Band, across, short},
};
use crate::report::{
    model::{Latency, Report},
    units,
};
use maud::{Markup, html};
use std::f64::consts::LOG10_2;

const BAND: Band = Band { top: 16.0, height: 300.0 };
const HEIGHT: f64 = 346.0;

pub(super) fn section(report: &Report) -> Markup {
    let Some(middle) = middle_run(report) else { return html! {} };
    let steps: Vec<_> = report.runs.iter().filter_map(main_step).collect();
    let Some(step) = report.runs.get(middle).and_then(main_step) else { return html! {} };
    let (corrected, uncorrected) = (&step.corrected, &step.uncorrected);
    let others: Vec<_> = steps.iter().filter(|other| !std::ptr::eq(**other, step)).collect();

    let drawn = || steps.iter().map(|step| &step.corrected).chain([uncorrected]);
    let across_axis = Axis::linear(drawn().map(deepest).fold(1.0, f64::max));
    let upward_axis = Axis::log(
        drawn()
            .flat_map(|latency| latency.curve.iter().map(|point| point.1).chain([latency.p50, latency.max])),
    );
    let line = |class: &str, latency: &Latency| {
        let points = latency.curve.iter().map(|(quantile, value)| {
            Some((across_axis.of(depth(*quantile, latency)), upward_axis.of(*value)))
        });
        svg::curve(class, points, BAND)
    };
    let curves = html! {
        @for other in &others { (line("other", &other.corrected)) }
        (line("uncorrected", uncorrected))
        (line("corrected", corrected))
    };
    let mut keys = vec![("corrected", "corrected: from when a request should have been sent")];
    keys.push(("uncorrected", "uncorrected: from when it was sent"));
    if !others.is_empty() {
        keys.push(("other", "corrected, the other runs"));
    }
    html! {
        section {
            h2 { "Latency by percentile" }
            p.about {
                @if report.is_sweep() { "At " (units::rate(step.rate)) " requests a second, " (standing_for(report, middle)) ". " }
                @if report.runs.len() > 1 { (middle_is(report, middle)) ", beside the others. " }
                "Where the two curves part, requests waited to be sent: for connections whose answers had not come, or, by as much "
                "as it was late itself, for the harness."
            }
            (svg::legend(&keys))
            figure {
                svg.plot height=(HEIGHT) role="img" aria-label="Latency by percentile, corrected and uncorrected" {
                    (svg::upward(&upward_axis.ticks(tick_time), BAND))
                    (svg::sideways(&percentiles(&across_axis), &[BAND]))
                    (svg::stretched(HEIGHT, &curves))
                    @for (name, depth, of, minor) in MARKS {
                        @let (x, value) = (across_axis.of(depth.unwrap_or_else(|| deepest(corrected))), of(corrected));
                        @if depth.is_none_or(|depth| depth <= deepest(corrected)) {
                            g class=[minor.then_some("minor")] {
                                (mark("uncorrected", x, upward_axis.of(of(uncorrected)), name, "uncorrected", of(uncorrected)))
                                (mark("corrected", x, upward_axis.of(value), name, "corrected", value))
                                @let (y, anchor) = (BAND.y(upward_axis.of(value)) - 9.0, if x > 0.2 { "end" } else { "middle" });
                                text.value x=(across(x)) y=(short(y)) text-anchor=(anchor) { (time(value)) }
                            }
                        }
                    }
                }
                figcaption { "share of the requests that took at most so long" }
            }
        }
    }
}

type Mark = (&'static str, Option<f64>, fn(&Latency) -> f64, bool);

/// Named points of the curve: where, what, and whether a narrow screen does without.
const MARKS: [Mark; 6] = [
    ("50 %", Some(LOG10_2), |latency| latency.p50, false),
    ("90 %", Some(1.0), |latency| latency.p90, true),
    ("99 %", Some(2.0), |latency| latency.p99, false),
    ("99.9 %", Some(3.0), |latency| latency.p999, false),
    ("99.99 %", Some(4.0), |latency| latency.p9999, true),
    ("the longest", None, |latency| latency.max, false),
];

fn mark(class: &str, x: f64, y: f64, name: &str, kind: &str, value: f64) -> Markup {
    html! {
        circle class={"dot " (class)} cx=(across(x)) cy=(short(BAND.y(y))) r="4" {
            title { (name) ", " (kind) ": " (time(value)) }
        }
    }
}

/// How many tenths of tenths a quantile leaves. All of them, the longest included, are as deep as the count allows.
fn depth(quantile: f64, latency: &Latency) -> f64 {
    let whole = (latency.count.max(10) as f64).log10();
    if quantile < 1.0 { (1.0 / (1.0 - quantile)).log10().min(whole) } else { whole }
}

fn deepest(latency: &Latency) -> f64 {
    depth(1.0, latency)
}

fn percentiles(axis: &Axis) -> Vec<Tick> {
    const NAMED: [(f64, &str, bool); 9] = [
        (0.0, "0 %", true),
        (LOG10_2, "50 %", false),
        (1.0, "90 %", false),
        (2.0, "99 %", false),
        (3.0, "99.9 %", false),
        (4.0, "99.99 %", false),
        (5.0, "99.999 %", true),
        (6.0, "99.9999 %", true),
        (7.0, "99.99999 %", true),
    ];
    let there = NAMED.iter().filter(|(depth, ..)| *depth <= axis.high());
    there
        .map(|(depth, name, minor)| Tick {
            at: axis.of(*depth),
            label: Some((*name).to_owned()),
            minor: *minor,
        })
        .collect()
}
