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
    /// Of more intervals than one: the middle one of theirs; nothing, where there is none.
    pub(super) p50: f64,
    /// The highest of theirs.
    pub(super) p99: f64,
    pub(super) max: f64,
    pub(super) errors: u64,
    /// All of it after the last request was due, when only answers were waited for.
    pub(super) after: bool,
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
                course.slices.extend(slice(intervals, (start + from, start + to), from >= step.seconds, n));
                from = to;
            }
            let events = step.events.iter().map(|event| Event { at: start + event.at, ..event.clone() });
            course.events.extend(events);
            course.seconds += step.seconds.max(from);
        }
        course
    }
}

fn slice(intervals: &[Interval], (from, to): (f64, f64), after: bool, step: usize) -> Option<Slice> {
    let of = |figure: fn(&Interval) -> f64| intervals.iter().map(figure);
    let mean = |figure| of(figure).sum::<f64>() / intervals.len().max(1) as f64;
    let highest = |figure| of(figure).fold(0.0, f64::max);
    // Those that are left after the end are the slowest alone: of them, the longest tells something.
    let of_all = |value: f64| if after { 0.0 } else { value };
    Some(Slice {
        from,
        to,
        due: mean(|it| it.due),
        answered: mean(|it| it.answered),
        p50: of_all(median(&of(|it| it.p50).collect::<Vec<_>>())?),
        p99: of_all(highest(|it| it.p99)),
        max: highest(|it| it.max),
        errors: intervals.iter().map(|it| it.errors).sum(),
        after,
        step,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::read;
    use std::path::Path;

    /// Two steps of a second, in slices of half a second and one after the end; then the same with every slice ten times.
    fn run(times: u32) -> Run {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reports/steady.json");
        let mut run = read::report(&fixture).unwrap().runs.swap_remove(0);
        let step = &mut run.steps[0];
        let interval = |n: u32| Interval {
            at: f64::from(n + 1) * 0.5 / f64::from(times),
            due: 100.0,
            answered: 90.0,
            p50: 10.0,
            p99: 20.0 + f64::from(n),
            max: 30.0 + f64::from(n),
            errors: 1,
        };
        step.timeline = (0..3 * times).map(interval).collect();
        step.seconds = 1.0;
        step.events = vec![Event { at: 0.25, kind: "reload".to_owned(), text: "generation 2".to_owned() }];
        run.steps.push(run.steps[0].clone());
        run
    }

    #[test]
    fn steps_follow_each_other_with_their_events() {
        let course = Course::of(&run(1));
        let places: Vec<_> = course.slices.iter().map(|it| (it.from, it.to, it.step, it.after)).collect();
        let expected = [
            (0.0, 0.5, 0, false),
            (0.5, 1.0, 0, false),
            (1.0, 1.5, 0, true),
            (1.5, 2.0, 1, false),
            (2.0, 2.5, 1, false),
            (2.5, 3.0, 1, true),
        ];
        assert_eq!(places, expected);
        assert_eq!(course.events.iter().map(|event| event.at).collect::<Vec<_>>(), [0.25, 1.75]);
        assert_eq!((course.seconds, course.merged), (3.0, 1));
        let tail = &course.slices[2];
        assert_eq!((tail.p50, tail.p99, tail.max), (0.0, 0.0, 32.0));
    }

    #[test]
    fn merged_slices_hide_neither_the_longest_nor_an_error() {
        let course = Course::of(&run(400));
        assert_eq!((course.merged, course.slices.len()), (5, 480));
        assert_eq!(course.slices.iter().map(|it| it.errors).sum::<u64>(), 2_400);
        let first = &course.slices[0];
        assert_eq!((first.p50, first.p99, first.max, first.answered), (10.0, 24.0, 34.0, 90.0));
    }
}
