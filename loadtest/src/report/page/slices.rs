//! A run's timeline as it is drawn: the steps one after the other, and no more slices than there is space for.

use crate::report::{
    middle::median,
    model::{Event, Interval, Run},
};

/// More would be less than two pixels each.
const MOST: usize = 500;

/// A while, in seconds from the start of the first step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slice {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) due: f64,
    pub(super) answered: f64,
    /// Of more intervals than one: the middle one of theirs.
    pub(super) p50: f64,
    /// The highest of theirs.
    pub(super) p99: f64,
    pub(super) max: f64,
    pub(super) errors: u64,
    /// Of which step.
    pub(super) step: usize,
}

/// All of a run.
pub(super) struct Course {
    pub(super) slices: Vec<Slice>,
    /// In seconds from the start of the first step.
    pub(super) events: Vec<Event>,
    pub(super) seconds: f64,
    /// Intervals in a slice, at the most.
    pub(super) merged: usize,
}

impl Course {
    pub(super) fn of(run: &Run) -> Self {
        let intervals: usize = run.steps.iter().map(|step| step.timeline.len()).sum();
        let merged = intervals.div_ceil(MOST).max(1);
        let mut course = Self { slices: Vec::new(), events: Vec::new(), seconds: 0.0, merged };
        for (n, step) in run.steps.iter().enumerate() {
            let start = course.seconds;
            let mut from = 0.0;
            for intervals in step.timeline.chunks(merged) {
                let to = intervals.last().map_or(from, |last| last.at);
                course.slices.extend(slice(intervals, start + from, start + to, n));
                from = to;
            }
            let events = step.events.iter().map(|event| Event { at: start + event.at, ..event.clone() });
            course.events.extend(events);
            course.seconds += step.seconds.max(from);
        }
        course
    }
}

fn slice(intervals: &[Interval], from: f64, to: f64, step: usize) -> Option<Slice> {
    let of = |figure: fn(&Interval) -> f64| intervals.iter().map(figure);
    let mean = |figure| of(figure).sum::<f64>() / intervals.len().max(1) as f64;
    let highest = |figure| of(figure).fold(0.0, f64::max);
    Some(Slice {
        from,
        to,
        due: mean(|it| it.due),
        answered: mean(|it| it.answered),
        p50: median(&of(|it| it.p50).collect::<Vec<_>>())?,
        p99: highest(|it| it.p99),
        max: highest(|it| it.max),
        errors: intervals.iter().map(|it| it.errors).sum(),
        step,
    })
}
