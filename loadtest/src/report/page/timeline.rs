//! Rate and latency over time, with what was done to the daemon, and the errors.

use super::{
    chart::{self, Axis, Chart, Ink, SCALE},
    parts::{describe_middle, time},
};
use crate::{
    report::{
        model::{Event, Interval, Report, ScenarioRun},
        units::{self, per_second},
    },
    statistics::median,
};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// More slices would have less than two pixels each.
const MAX_SLICES: usize = 500;
/// Places with a title of their own.
const MAX_TITLES: usize = 150;
/// Marks of a kind that a screen can tell apart.
const MAX_MARKS: usize = 150;
/// Marks of a kind that each have a line through the curves.
const MAX_GUIDES: usize = 40;
/// Pixels.
const RATE_HEIGHT: u32 = 132;
const LANE_HEIGHT: u32 = 20;
const LATENCY_HEIGHT: u32 = 268;

const KEYS: [(&str, &str); 5] =
    [("due", "due"), ("answered", "answered"), ("p50", "p50"), ("p99", "p99"), ("max", "the longest")];

pub(super) fn section(report: &Report) -> Markup {
    let Some(middle) = report.middle_run() else { return html! {} };
    let runs = report.runs.iter().enumerate();
    let runs: Vec<_> =
        runs.filter(|(_, run)| run.steps.iter().any(|step| !step.timeline.is_empty())).collect();
    if runs.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "Rate and latency over time" }
            p.about {
                @if report.is_sweep() { "Step after step; what was sent between them to settle is left out. " }
                @if report.runs.len() > 1 { (describe_middle(report, middle)) "; the others are below it. " }
                "Latencies are corrected, of the requests that ended in each slice of the time."
            }
            (chart::legend(&KEYS))
            @for (n, run) in &runs { @if *n == middle { (plot(run)) } }
            @for (n, run) in &runs { @if *n != middle { details { summary { "Run " (n + 1) } (plot(run)) } } }
        }
    }
}

/// Some intervals of a step together; times are seconds from the start of the first step.
#[derive(Debug, Clone, PartialEq)]
struct Slice {
    step: usize,
    from: f64,
    to: f64,
    due: f64,
    answered: f64,
    /// The median of the intervals'.
    p50: f64,
    /// The highest of the intervals'.
    p99: f64,
    max: f64,
    errors: u64,
    /// After the last request was due: only answers were waited for.
    after: bool,
}

struct Timeline {
    slices: Vec<Slice>,
    events: Vec<Event>,
    seconds: f64,
    /// Intervals in a slice, at the most.
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
                let to = intervals.last().map_or(from, |last| last.at);
                timeline.slices.push(Slice {
                    step: n,
                    ..Slice::new(intervals, start + from..start + to, from >= step.seconds)
                });
                from = to;
            }
            let events = step.events.iter().map(|event| Event { at: start + event.at, ..event.clone() });
            timeline.events.extend(events);
            timeline.seconds += step.seconds.max(from);
        }
        timeline
    }
}

impl Slice {
    fn new(intervals: &[Interval], time: std::ops::Range<f64>, after: bool) -> Self {
        let mean = |of: fn(&Interval) -> f64| intervals.iter().map(of).sum::<f64>() / intervals.len() as f64;
        let highest = |of: fn(&Interval) -> f64| intervals.iter().map(of).fold(0.0, f64::max);
        let p50 = median(&intervals.iter().map(|it| it.p50).collect::<Vec<_>>());
        // Only the slowest are left after the end: their percentiles say nothing.
        let (p50, p99) = if after { (0.0, 0.0) } else { (p50.unwrap_or_default(), highest(|it| it.p99)) };
        Self {
            step: 0,
            from: time.start,
            to: time.end,
            due: mean(|it| it.due),
            answered: mean(|it| it.answered),
            p50,
            p99,
            max: highest(|it| it.max),
            errors: intervals.iter().map(|it| it.errors).sum(),
            after,
        }
    }
}

/// The marks of a kind of event, or of the errors.
struct EventLane {
    name: String,
    class: &'static str,
    marks: Vec<TimelineMark>,
}

struct TimelineMark {
    at: f64,
    size: f64,
    title: String,
}

fn lanes(timeline: &Timeline) -> Vec<EventLane> {
    let mut kinds: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in &timeline.events {
        kinds.entry(&event.kind).or_default().push(event);
    }
    let column = |event: &Event| (event.at / timeline.seconds * MAX_MARKS as f64).floor();
    let mut lanes: Vec<_> = kinds
        .into_iter()
        .map(|(kind, mut events)| {
            events.sort_by(|a, b| a.at.total_cmp(&b.at));
            let crowded = events.len() > MAX_MARKS;
            let together = events.chunk_by(|a, b| crowded && column(a) == column(b));
            let marks = together.filter_map(|events| {
                let (first, others) = events.split_first()?;
                let more =
                    if others.is_empty() { String::new() } else { format!("\nand {} more", others.len()) };
                Some(TimelineMark {
                    at: first.at,
                    size: 1.0,
                    title: format!("{:.2} s: {}{more}", first.at, first.text),
                })
            });
            EventLane { name: kind.replace('_', " "), class: "event", marks: marks.collect() }
        })
        .collect();
    let failed: Vec<_> = timeline.slices.iter().filter(|slice| slice.errors > 0).collect();
    if let Some(most) = failed.iter().map(|slice| slice.errors).max() {
        let mark = |slice: &&Slice| TimelineMark {
            at: f64::midpoint(slice.from, slice.to),
            size: (slice.errors as f64 / most as f64).sqrt(),
            title: format!(
                "{:.1} to {:.1} s: {} errors",
                slice.from,
                slice.to,
                units::thousands(slice.errors)
            ),
        };
        lanes.push(EventLane {
            name: "errors".to_owned(),
            class: "error",
            marks: failed.iter().map(mark).collect(),
        });
    }
    lanes
}

type TimelineCurve = (Ink, u32, fn(&Slice) -> f64);

const CURVES: [TimelineCurve; 3] = [
    (Ink::Max, SCALE, |slice| slice.max),
    (Ink::P99, 2 * SCALE, |slice| slice.p99),
    (Ink::P50, 2 * SCALE, |slice| slice.p50),
];

fn plot(run: &ScenarioRun) -> Markup {
    let timeline = Timeline::new(run);
    let slices = &timeline.slices;
    let lanes = lanes(&timeline);
    let lanes_height = 10 + LANE_HEIGHT * lanes.len() as u32;
    let seconds = Axis::linear(timeline.seconds, 12, |seconds| format!("{} s", units::shortest(seconds)));
    let highest = slices.iter().flat_map(|slice| [slice.due, slice.answered]).fold(0.0, f64::max);
    let rate = Axis::linear(highest * 1.05, 4, units::tick_rate);
    let latency =
        Axis::log(slices.iter().flat_map(|slice| CURVES.map(|(.., of)| of(slice))), units::tick_time);
    let ends = |at: Option<f64>| at.map(|at| (at, 0.0));
    let (first, last) = (ends(slices.first().map(|it| it.from)), ends(slices.last().map(|it| it.to)));
    let stairs = slices.iter().flat_map(|it| [(it.from, it.answered), (it.to, it.answered)]);
    let answered = first.into_iter().chain(stairs).chain(last).collect();
    let due = |it: &Slice| [it.from, it.to].map(|at| Some((at, it.due)).filter(|_| !it.after));
    let due: Vec<_> = slices.iter().flat_map(due).collect();
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
                figcaption {
                    "Each place is up to " (timeline.merged) " slices of the time: the highest p99 and the longest of them."
                }
            }
        }
    }
}

/// Returns the middles of the slices, with a gap where nothing was answered, and between two steps.
fn points(slices: &[Slice], of: fn(&Slice) -> f64) -> Vec<Option<(f64, f64)>> {
    let steps = slices.chunk_by(|a, b| a.step == b.step);
    let point =
        |slice: &Slice| Some((f64::midpoint(slice.from, slice.to), of(slice))).filter(|(_, y)| *y > 0.0);
    steps.flat_map(|slices| slices.iter().map(point).chain([None])).collect()
}

/// Shows the figures of the place that the pointer rests on.
fn titles(slices: &[Slice], at: &impl Fn(f64) -> i32, top: i32, bottom: i32) -> Markup {
    let together = slices.len().div_ceil(MAX_TITLES).max(1);
    html! { @for slices in slices.chunks(together) {
        @if let [first, ..] = slices && let [.., last] = slices {
            @let worst = slices.iter().max_by(|a, b| a.p99.total_cmp(&b.p99)).unwrap_or(first);
            @let longest = slices.iter().map(|slice| slice.max).fold(0.0, f64::max);
            rect.hit x=(at(first.from)) width=(at(last.to) - at(first.from)) y=(top) height=(bottom - top) { title {
                (format!("{:.1} to {:.1} s\n", first.from, last.to))
                (per_second(worst.answered)) " of " (per_second(worst.due)) "\n"
                @if worst.p99 > 0.0 { "p50 " (time(worst.p50)) ", p99 " (time(worst.p99)) ", " }
                "longest " (time(longest))
            } }
        }
    } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::files::read;
    use std::path::Path;

    /// Two steps of a second: slices of half a second and one after the end, each divided into `parts` intervals.
    fn run(parts: u32) -> ScenarioRun {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reports/steady.json");
        let mut run = read(&fixture).unwrap().runs.swap_remove(0);
        let step = &mut run.steps[0];
        let interval = |n: u32| Interval {
            at: f64::from(n + 1) * 0.5 / f64::from(parts),
            due: 100.0,
            answered: 90.0,
            p50: 10.0,
            p99: 20.0 + f64::from(n),
            max: 30.0 + f64::from(n),
            errors: 1,
        };
        step.timeline = (0..3 * parts).map(interval).collect();
        step.seconds = 1.0;
        step.events = vec![Event { at: 0.25, kind: "reload".to_owned(), text: "generation 2".to_owned() }];
        run.steps.push(run.steps[0].clone());
        run
    }

    #[test]
    fn steps_follow_each_other_with_their_events() {
        let timeline = Timeline::new(&run(1));
        let places: Vec<_> = timeline.slices.iter().map(|it| (it.from, it.to, it.step, it.after)).collect();
        let expected = [
            (0.0, 0.5, 0, false),
            (0.5, 1.0, 0, false),
            (1.0, 1.5, 0, true),
            (1.5, 2.0, 1, false),
            (2.0, 2.5, 1, false),
            (2.5, 3.0, 1, true),
        ];
        assert_eq!(places, expected);
        assert_eq!(timeline.events.iter().map(|event| event.at).collect::<Vec<_>>(), [0.25, 1.75]);
        assert_eq!((timeline.seconds, timeline.merged), (3.0, 1));
        let tail = &timeline.slices[2];
        assert_eq!((tail.p50, tail.p99, tail.max), (0.0, 0.0, 32.0));
    }

    #[test]
    fn merged_slices_keep_the_longest_and_every_error() {
        let timeline = Timeline::new(&run(400));
        assert_eq!((timeline.merged, timeline.slices.len()), (5, 480));
        assert_eq!(timeline.slices.iter().map(|it| it.errors).sum::<u64>(), 2_400);
        let first = &timeline.slices[0];
        assert_eq!((first.p50, first.p99, first.max, first.answered), (10.0, 24.0, 34.0, 90.0));
    }
}
