//! Rate and latency over time, with the events and the errors.

use super::{
    chart::{self, Axis, Chart, SCALE},
    describe_middle,
};
use crate::report::{
    model::{Event, Interval, Report, ScenarioRun},
    units::{per_second, shortest, thousands, tick_rate, tick_time, time},
};
use maud::{Markup, html};
use std::collections::BTreeMap;

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

/// An interval of a step. Times are seconds from the start of the first step.
struct Slice<'a> {
    step: usize,
    from: f64,
    to: f64,
    /// Whether the slice is after the last request was due, when only answers are awaited.
    after: bool,
    figures: &'a Interval,
}

impl Slice<'_> {
    /// Returns 0 after the end, when only the slowest requests are left and percentiles mean nothing.
    fn percentile(&self, of: fn(&Interval) -> f64) -> f64 {
        if self.after { 0.0 } else { of(self.figures) }
    }
}

/// The steps of a run, one after the other.
#[derive(Default)]
struct Timeline<'a> {
    slices: Vec<Slice<'a>>,
    events: Vec<(f64, &'a Event)>,
    seconds: f64,
}

impl<'a> Timeline<'a> {
    fn new(run: &'a ScenarioRun) -> Self {
        let mut timeline = Self::default();
        for (n, step) in run.steps.iter().enumerate() {
            let start = timeline.seconds;
            let mut from = 0.0;
            for figures in &step.timeline {
                let (to, after) = (figures.at, from >= step.seconds);
                timeline.slices.push(Slice { step: n, from: start + from, to: start + to, after, figures });
                from = to;
            }
            timeline.events.extend(step.events.iter().map(|event| (start + event.at, event)));
            timeline.seconds += step.seconds.max(from);
        }
        timeline
    }

    /// Returns whether two times are too close for two marks.
    fn is_one_mark(&self, a: f64, b: f64) -> bool {
        let column = |at: f64| (at / self.seconds * MAX_AREAS as f64).floor();
        column(a) == column(b)
    }
}

/// The marks of one kind of event, or of the errors.
struct MarkLane {
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

fn lanes(timeline: &Timeline<'_>) -> Vec<MarkLane> {
    let mut kinds: BTreeMap<&str, Vec<(f64, &Event)>> = BTreeMap::new();
    for (at, event) in &timeline.events {
        kinds.entry(&event.kind).or_default().push((*at, event));
    }
    let lane = |(kind, mut events): (&str, Vec<(f64, &Event)>)| {
        events.sort_by(|a, b| a.0.total_cmp(&b.0));
        let marks = events.chunk_by(|a, b| timeline.is_one_mark(a.0, b.0)).filter_map(|events| {
            let ((at, first), others) = events.split_first()?;
            let more = if others.is_empty() { String::new() } else { format!("\nand {} more", others.len()) };
            Some(Mark { at: *at, size: 1.0, title: format!("{at:.2} s: {}{more}", first.text) })
        });
        MarkLane { name: kind.replace('_', " "), class: "event", marks: marks.collect() }
    };
    let mut lanes: Vec<_> = kinds.into_iter().map(lane).collect();
    let failed: Vec<_> = timeline.slices.iter().filter(|slice| slice.figures.errors > 0).collect();
    let failed: Vec<_> = failed.chunk_by(|a, b| timeline.is_one_mark(a.from, b.from)).collect();
    let errors = |slices: &[&Slice<'_>]| slices.iter().map(|slice| slice.figures.errors).sum::<u64>();
    if let Some(most) = failed.iter().map(|slices| errors(slices)).max() {
        let marks = failed.iter().filter_map(|slices| {
            let (from, to, errors) = (slices.first()?.from, slices.last()?.to, errors(slices));
            let title = format!("{from:.1} to {to:.1} s: {} errors", thousands(errors));
            Some(Mark { at: f64::midpoint(from, to), size: (errors as f64 / most as f64).sqrt(), title })
        });
        lanes.push(MarkLane { name: "errors".to_owned(), class: "error", marks: marks.collect() });
    }
    lanes
}

/// Ink, width and value of a curve over time.
type TimelineCurve = (&'static str, u32, fn(&Slice<'_>) -> f64);

const CURVES: [TimelineCurve; 3] = [
    ("max", SCALE, |slice| slice.figures.max),
    ("p99", 2 * SCALE, |slice| slice.percentile(|it| it.p99)),
    ("p50", 2 * SCALE, |slice| slice.percentile(|it| it.p50)),
];

fn plot(run: &ScenarioRun) -> Markup {
    let timeline = Timeline::new(run);
    let slices = &timeline.slices;
    let lanes = lanes(&timeline);
    let lanes_height = 10 + LANE_HEIGHT * lanes.len() as u32;
    let seconds = Axis::linear(timeline.seconds, 12, |seconds| format!("{} s", shortest(seconds)));
    let highest = slices.iter().flat_map(|it| [it.figures.due, it.figures.answered]).fold(0.0, f64::max);
    let rate = Axis::linear(highest * 1.05, 4, tick_rate);
    let latency = Axis::log(slices.iter().flat_map(|it| CURVES.map(|(.., of)| of(it))), tick_time);
    let ends = |it: &Slice<'_>| [it.from, it.to];
    let due = |it: &Slice<'_>| ends(it).map(|at| Some((at, it.figures.due)).filter(|_| !it.after));
    let due: Vec<_> = slices.iter().flat_map(due).collect();
    let answered = slices.iter().flat_map(|it| ends(it).map(|at| (at, it.figures.answered)));
    let (first, last) = (slices.first().map(|it| it.from), slices.last().map(|it| it.to));
    let bottom = |at: Option<f64>| at.map(|at| (at, 0.0));
    let answered = bottom(first).into_iter().chain(answered).chain(bottom(last)).collect();
    let height = RATE_HEIGHT + lanes_height + LATENCY_HEIGHT;
    let svg = chart::svg(height, "Rate and latency over time", |area| {
        let (above, below) = area.split_vertically(RATE_HEIGHT * SCALE);
        let (_, below) = below.split_vertically(lanes_height * SCALE);
        let above = Chart::new(&above, seconds.clone(), rate, 0)?;
        let below = Chart::new(&below, seconds, latency, chart::BOTTOM)?;
        above.fill("area", answered)?;
        above.curve("due", 3, &due)?;
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
    html! { figure { (svg) } }
}

/// Returns the middles of the slices, with a gap where nothing was answered, and between two steps.
fn points(slices: &[Slice<'_>], of: fn(&Slice<'_>) -> f64) -> Vec<Option<(f64, f64)>> {
    let steps = slices.chunk_by(|a, b| a.step == b.step);
    let point =
        |slice: &Slice<'_>| Some((f64::midpoint(slice.from, slice.to), of(slice))).filter(|(_, y)| *y > 0.0);
    steps.flat_map(|slices| slices.iter().map(point).chain([None])).collect()
}

/// Covers the chart with areas whose titles have the figures: those of the slice with the highest p99, and
/// the max.
fn titles(slices: &[Slice<'_>], at: &impl Fn(f64) -> i32, top: i32, bottom: i32) -> Markup {
    let size = slices.len().div_ceil(MAX_AREAS).max(1);
    let p99 = |slice: &Slice<'_>| slice.percentile(|it| it.p99);
    html! { @for slices in slices.chunks(size) {
        @if let [first, ..] = slices && let [.., last] = slices {
            @let worst = slices.iter().max_by(|a, b| p99(a).total_cmp(&p99(b))).unwrap_or(first);
            @let max = slices.iter().map(|slice| slice.figures.max).fold(0.0, f64::max);
            rect.hit x=(at(first.from)) width=(at(last.to) - at(first.from)) y=(top) height=(bottom - top) { title {
                (format!("{:.1} to {:.1} s\n", first.from, last.to))
                (per_second(worst.figures.answered)) " of " (per_second(worst.figures.due)) "\n"
                @if p99(worst) > 0.0 { "p50 " (time(worst.figures.p50)) ", p99 " (time(p99(worst))) ", " }
                "max " (time(max))
            } }
        }
    } }
}
