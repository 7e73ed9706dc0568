//! Rate and latency over time, with what was done to the daemon meanwhile, and the errors.

use super::{
    axis::Axis,
    figures::{middle_is, middle_run, tick_rate, tick_seconds, tick_time, time},
    lanes,
    slices::{Course, Slice},
    svg::{self, Band, across, short},
};
use crate::report::{
    model::{Report, Run},
    units,
};
use maud::{Markup, html};

const RATE: Band = Band { top: 18.0, height: 110.0 };
const LATENCY: f64 = 220.0;
/// Places that can be pointed at, at the most.
const POINTS: usize = 200;

const KEYS: [(&str, &str); 5] =
    [("due", "due"), ("answered", "answered"), ("p50", "p50"), ("p99", "p99"), ("max", "the longest")];

pub(super) fn section(report: &Report) -> Markup {
    let Some(middle) = middle_run(report) else { return html! {} };
    let runs: Vec<_> = report
        .runs
        .iter()
        .enumerate()
        .filter(|(_, run)| run.steps.iter().any(|step| !step.timeline.is_empty()))
        .collect();
    if runs.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "Rate and latency over time" }
            p.about {
                @if report.is_sweep() { "Step after step; what was sent between them to settle is left out. " }
                @if report.runs.len() > 1 { (middle_is(report, middle)) "; the others are below it. " }
                "Latencies are corrected, of the requests that ended in each slice of the time."
            }
            (svg::legend(&KEYS))
            @for (n, run) in &runs { @if *n == middle { (plot(run)) } }
            @for (n, run) in &runs {
                @if *n != middle { details { summary { "Run " (n + 1) } (plot(run)) } }
            }
        }
    }
}

fn plot(run: &Run) -> Markup {
    let course = Course::of(run);
    let slices = &course.slices;
    let lanes = lanes::lanes(&course);
    let lanes_top = RATE.bottom() + 10.0;
    let latency = Band { top: lanes_top + lanes::height(&lanes) + 20.0, height: LATENCY };
    let height = latency.bottom() + 28.0;
    let seconds = Axis::linear(course.seconds);
    let rate = Axis::to_tick(slices.iter().flat_map(|slice| [slice.due, slice.answered]).fold(0.0, f64::max));
    let log = Axis::log(slices.iter().flat_map(|slice| [slice.p50, slice.p99, slice.max]));
    let before = slices.iter().filter(|slice| !slice.after);
    let due = before.map(|slice| (seconds.of(slice.from), seconds.of(slice.to), rate.of(slice.due)));
    let curves = html! {
        (area(slices, &seconds, &rate))
        (svg::stairs("due", due, RATE))
        @for (class, of) in CURVES { (svg::curve(class, points(slices, of, &seconds, &log), latency)) }
    };
    html! {
        figure {
            svg.plot height=(short(height)) role="img" aria-label="Rate and latency over time" {
                (svg::upward(&rate.ticks(tick_rate), RATE))
                (svg::upward(&log.ticks(tick_time), latency))
                (svg::sideways(&seconds.ticks(tick_seconds), &[RATE, latency]))
                (lanes::guides(&lanes, &seconds, RATE.top, latency.bottom()))
                (svg::stretched(height, &curves))
                text.name x="0" y=(short(RATE.top - 6.0)) { "requests a second" }
                text.name x="0" y=(short(latency.top - 6.0)) { "latency" }
                (hits(slices, &seconds, RATE.top, latency.bottom()))
                (lanes::draw(&lanes, &seconds, lanes_top))
            }
            @if course.merged > 1 {
                figcaption {
                    "Each place is up to " (course.merged) " slices of the time: the highest p99 and the longest of them."
                }
            }
        }
    }
}

type Curve = (&'static str, fn(&Slice) -> f64);

const CURVES: [Curve; 3] =
    [("max", |slice| slice.max), ("p99", |slice| slice.p99), ("p50", |slice| slice.p50)];

/// The middles of the slices; a gap where nothing was answered, and between two steps.
fn points(slices: &[Slice], of: fn(&Slice) -> f64, seconds: &Axis, log: &Axis) -> Vec<Option<(f64, f64)>> {
    let mut points = Vec::with_capacity(slices.len());
    let mut step = 0;
    for slice in slices {
        if slice.step != step {
            points.push(None);
            step = slice.step;
        }
        let value = of(slice);
        points.push((value > 0.0).then(|| (seconds.of(f64::midpoint(slice.from, slice.to)), log.of(value))));
    }
    points
}

/// What was answered, filled down to nothing.
fn area(slices: &[Slice], seconds: &Axis, rate: &Axis) -> Markup {
    let corners = slices.iter().flat_map(|slice| {
        let height = rate.of(slice.answered);
        [(seconds.of(slice.from), height), (seconds.of(slice.to), height)]
    });
    let ends = |at: Option<f64>| at.map(|at| (seconds.of(at), 0.0));
    let first = ends(slices.first().map(|slice| slice.from));
    let last = ends(slices.last().map(|slice| slice.to));
    let around = first.into_iter().chain(corners).chain(last).map(Some);
    svg::curve("answered", around, RATE)
}

/// What is told of the place that is pointed at.
fn hits(slices: &[Slice], seconds: &Axis, top: f64, bottom: f64) -> Markup {
    let together = slices.len().div_ceil(POINTS).max(1);
    html! {
        @for slices in slices.chunks(together) {
            @if let (Some(first), Some(last)) = (slices.first(), slices.last()) {
                @let worst = slices.iter().max_by(|a, b| a.p99.total_cmp(&b.p99)).unwrap_or(first);
                @let longest = slices.iter().map(|slice| slice.max).fold(0.0, f64::max);
                @let (from, to) = (seconds.of(first.from), seconds.of(last.to));
                rect.hit x=(across(from)) width=(across(to - from)) y=(short(top)) height=(short(bottom - top)) {
                    title {
                        (format!("{:.1} to {:.1} s\n", first.from, last.to))
                        (units::rate(worst.answered)) "/s of " (units::rate(worst.due)) "/s\n"
                        @if worst.p99 > 0.0 { "p50 " (time(worst.p50)) ", p99 " (time(worst.p99)) ", " }
                        "longest " (time(longest))
                    }
                }
            }
        }
    }
}
