//! Rate and latency over time, with the events and the errors.

use super::{
    chart::{self, Axis, Chart, Ink, SCALE},
    describe_middle,
};
use crate::{
    report::{
        model::{Event, Interval, Report, ScenarioRun},
        units::{per_second, shortest, thousands, tick_rate, tick_time, time},
    },
    statistics::median,
};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// With more slices, a slice would be narrower than two pixels.
const MAX_SLICES: usize = 500;
/// Largest number of areas with a title, and of marks in a lane.
const MAX_AREAS: usize = 150;
/// Largest number of marks in a lane that each have a line through the curves.
const MAX_GUIDES: usize = 40;
/// Heights of the parts of the chart, in pixels.
const RATE_HEIGHT: u32 = 132;
const LANE_HEIGHT: u32 = 20;
const LATENCY_HEIGHT: u32 = 268;

const KEYS: [(&str, &str); 5] =
    [("due", "due"), ("answered", "answered"), ("p50", "p50"), ("p99", "p99"), ("max", "max")];

pub(super) fn section(report: &Report) -> Markup {
    let Some((middle, _)) = report.middle_run() else { return html! {} };
    let has_timeline = |run: &ScenarioRun| run.steps.iter().any(|step| !step.timeline.is_empty());
    let runs: Vec<_> = report.runs.iter().enumerate().filter(|(_, run)| has_timeline(run)).collect();
    if runs.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "Rate and latency over time" }
            p.about {
                @if report.is_sweep() { "The steps in their order, without the time to settle between them. " }
                @if report.runs.len() > 1 { (describe_middle(report, middle)) ". The other runs are folded up below. " }
                "Latencies are the corrected ones of the requests that ended in each slice of the time."
            }
            (chart::legend(&KEYS))
            @for (n, run) in &runs { @if *n == middle { (plot(run)) } }
            @for (n, run) in &runs { @if *n != middle { details { summary { "Run " (n + 1) } (plot(run)) } } }
        }
    }
}

/// One or more merged intervals of a step.
#[derive(Debug, Clone, PartialEq)]
struct Slice {
    step: usize,
    /// Start in seconds from the start of the first step. `figures.at` is the end.
    from: f64,
    /// Medians of the `p50`, means of the rates, and the highest of the other latencies.
    figures: Interval,
    /// Whether the slice is after the last request was due, when only answers are awaited.
    after: bool,
}

struct Timeline {
    slices: Vec<Slice>,
    events: Vec<Event>,
    seconds: f64,
    /// Largest number of intervals in a slice.
    merged: usize,
}

impl Timeline {
    fn new(run: &ScenarioRun) -> Self {
        let intervals: usize = run.steps.iter().map(|step| step.timeline.len()).sum();
        let merged = intervals.div_ceil(MAX_SLICES).max(1);
        let mut timeline = Self { slices: Vec::new(), events: Vec::new(), seconds: 0.0, merged };
        for (n, step) in run.steps.iter().enumerate() {
            let start = timeline.seconds;
            let mut from = 0.0;
            for intervals in step.timeline.chunks(merged) {
                let after = from >= step.seconds;
                let mut figures = merge(intervals, after);
                let to = figures.at;
                figures.at += start;
                timeline.slices.push(Slice { step: n, from: start + from, figures, after });
                from = to;
            }
            let events = step.events.iter().map(|event| Event { at: start + event.at, ..event.clone() });
            timeline.events.extend(events);
            timeline.seconds += step.seconds.max(from);
        }
        timeline
    }
}

fn merge(intervals: &[Interval], after: bool) -> Interval {
    let mean = |of: fn(&Interval) -> f64| intervals.iter().map(of).sum::<f64>() / intervals.len() as f64;
    let highest = |of: fn(&Interval) -> f64| intervals.iter().map(of).fold(0.0, f64::max);
    let p50 = median(&intervals.iter().map(|it| it.p50).collect::<Vec<_>>()).unwrap_or_default();
    // After the end only the slowest requests are left. Their percentiles are meaningless.
    let (p50, p99) = if after { (0.0, 0.0) } else { (p50, highest(|it| it.p99)) };
    Interval {
        at: highest(|it| it.at),
        due: mean(|it| it.due),
        answered: mean(|it| it.answered),
        p50,
        p99,
        max: highest(|it| it.max),
        errors: intervals.iter().map(|it| it.errors).sum(),
    }
}

/// The marks of one kind of event, or of the errors.
struct Lane {
    name: String,
    class: &'static str,
    marks: Vec<Mark>,
}

struct Mark {
    at: f64,
    /// Share of the full height, from 0 to 1.
    size: f64,
    title: String,
}

fn lanes(timeline: &Timeline) -> Vec<Lane> {
    let mut kinds: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in &timeline.events {
        kinds.entry(&event.kind).or_default().push(event);
    }
    let column = |event: &Event| (event.at / timeline.seconds * MAX_AREAS as f64).floor();
    let lane = |(kind, mut events): (&str, Vec<&Event>)| {
        events.sort_by(|a, b| a.at.total_cmp(&b.at));
        let marks = events.chunk_by(|a, b| column(a) == column(b)).filter_map(|events| {
            let (first, others) = events.split_first()?;
            let more = if others.is_empty() { String::new() } else { format!("\nand {} more", others.len()) };
            Some(Mark { at: first.at, size: 1.0, title: format!("{:.2} s: {}{more}", first.at, first.text) })
        });
        Lane { name: kind.replace('_', " "), class: "event", marks: marks.collect() }
    };
    let mut lanes: Vec<_> = kinds.into_iter().map(lane).collect();
    let failed = || timeline.slices.iter().filter(|slice| slice.figures.errors > 0);
    if let Some(most) = failed().map(|slice| slice.figures.errors).max() {
        let mark = |slice: &Slice| {
            let (from, to, errors) = (slice.from, slice.figures.at, slice.figures.errors);
            Mark {
                at: f64::midpoint(from, to),
                size: (errors as f64 / most as f64).sqrt(),
                title: format!("{from:.1} to {to:.1} s: {} errors", thousands(errors)),
            }
        };
        lanes.push(Lane { name: "errors".to_owned(), class: "error", marks: failed().map(mark).collect() });
    }
    lanes
}

/// Ink, width and value of a curve.
type Curve = (Ink, u32, fn(&Interval) -> f64);

const CURVES: [Curve; 3] = [
    (Ink::Max, SCALE, |figures| figures.max),
    (Ink::P99, 2 * SCALE, |figures| figures.p99),
    (Ink::P50, 2 * SCALE, |figures| figures.p50),
];

fn plot(run: &ScenarioRun) -> Markup {
    let timeline = Timeline::new(run);
    let slices = &timeline.slices;
    let lanes = lanes(&timeline);
    let lanes_height = 10 + LANE_HEIGHT * lanes.len() as u32;
    let seconds = Axis::linear(timeline.seconds, 12, |seconds| format!("{} s", shortest(seconds)));
    let highest = slices.iter().flat_map(|it| [it.figures.due, it.figures.answered]).fold(0.0, f64::max);
    let rate = Axis::linear(highest * 1.05, 4, tick_rate);
    let latency = Axis::log(slices.iter().flat_map(|it| CURVES.map(|(.., of)| of(&it.figures))), tick_time);
    let ends = |it: &Slice| [it.from, it.figures.at];
    let due = |it: &Slice| ends(it).map(|at| Some((at, it.figures.due)).filter(|_| !it.after));
    let due: Vec<_> = slices.iter().flat_map(due).collect();
    let answered = slices.iter().flat_map(|it| ends(it).map(|at| (at, it.figures.answered)));
    let (first, last) = (slices.first().map(|it| it.from), slices.last().map(|it| it.figures.at));
    let bottom = |at: Option<f64>| at.map(|at| (at, 0.0));
    let answered = bottom(first).into_iter().chain(answered).chain(bottom(last)).collect();
    let height = RATE_HEIGHT + lanes_height + LATENCY_HEIGHT;
    let svg = chart::svg(height, "Rate and latency over time", |area| {
        let (above, below) = area.split_vertically(RATE_HEIGHT * SCALE);
        let (_, below) = below.split_vertically(lanes_height * SCALE);
        let above = Chart::new(&above, seconds.clone(), rate, 0)?;
        let below = Chart::new(&below, seconds, latency, chart::BOTTOM)?;
        above.fill(Ink::Area, answered)?;
        above.curve(Ink::Due, 3, &due)?;
        for (ink, width, of) in CURVES {
            below.curve(ink, width, &points(slices, of))?;
        }
        let ((left, top), (right, lanes_top)) = above.corners();
        let ((_, latency_top), (_, bottom)) = below.corners();
        let at = |seconds: f64| below.place(seconds, 0.0).0;
        Ok(html! {
            @for (y, name) in [(top, "requests a second"), (latency_top, "latency")] { text x=(left) y=(y - 12) { (name) } }
            (titles(slices, &at, top, bottom))
            @for (n, lane) in lanes.iter().enumerate() {
                @let y = lanes_top + (10 + LANE_HEIGHT as i32 / 2 + LANE_HEIGHT as i32 * n as i32) * SCALE as i32;
                text.lane x=(left - 16) y=(y) dy=".32em" text-anchor="end" { (lane.name) }
                line.track x1=(left) x2=(right) y1=(y) y2=(y) {}
                @for mark in &lane.marks {
                    @if lane.class == "event" && lane.marks.len() <= MAX_GUIDES {
                        (chart::vertical("guide", at(mark.at), (top, bottom), ""))
                    }
                    @let half = 4 + (12.0 * mark.size) as i32;
                    (chart::vertical(&format!("mark {}", lane.class), at(mark.at), (y - half, y + half), &mark.title))
                }
            }
        })
    });
    html! {
        figure {
            (svg)
            @if timeline.merged > 1 {
                figcaption { "Each point merges up to " (timeline.merged) " intervals: their highest p99 and max." }
            }
        }
    }
}

/// Returns the middles of the slices, with a gap where nothing was answered, and between two steps.
fn points(slices: &[Slice], of: fn(&Interval) -> f64) -> Vec<Option<(f64, f64)>> {
    let steps = slices.chunk_by(|a, b| a.step == b.step);
    let point = |slice: &Slice| {
        Some((f64::midpoint(slice.from, slice.figures.at), of(&slice.figures))).filter(|(_, y)| *y > 0.0)
    };
    steps.flat_map(|slices| slices.iter().map(point).chain([None])).collect()
}

/// Covers the chart with areas whose titles have the figures.
fn titles(slices: &[Slice], at: &impl Fn(f64) -> i32, top: i32, bottom: i32) -> Markup {
    let size = slices.len().div_ceil(MAX_AREAS).max(1);
    html! { @for slices in slices.chunks(size) {
        @if let [first, ..] = slices && let [.., last] = slices {
            @let (from, to) = (first.from, last.figures.at);
            @let figures = slices.iter().map(|slice| &slice.figures);
            @let worst = figures.clone().max_by(|a, b| a.p99.total_cmp(&b.p99)).unwrap_or(&first.figures);
            rect.hit x=(at(from)) width=(at(to) - at(from)) y=(top) height=(bottom - top) { title {
                (format!("{from:.1} to {to:.1} s\n"))
                (per_second(worst.answered)) " of " (per_second(worst.due)) "\n"
                @if worst.p99 > 0.0 { "p50 " (time(worst.p50)) ", p99 " (time(worst.p99)) ", " }
                "max " (time(figures.map(|it| it.max).fold(0.0, f64::max)))
            } }
        }
    } }
}
