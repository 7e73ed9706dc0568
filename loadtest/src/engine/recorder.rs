//! Records the requests: the distributions of latencies, the failures by kind, and the timeline.

use super::{
    plan::{Pace, Plan, Schedule, nanos},
    source::{FailureKind, OutcomeCounts},
    validity,
};
use crate::{
    error::{Error, Result},
    report::model::{Failures, Interval, Latency, RateStep},
};
use hdrhistogram::Histogram;
use std::{collections::BTreeMap, time::Duration};

/// Two hours, because the longest time-out is one hour.
const MAX_LATENCY_NANOS: u64 = 7_200_000_000_000;

/// Number of points of the curve in each half of the remaining distance to quantile 1.
const CURVE_POINTS: u32 = 4;

const MAX_INTERVALS: u64 = 200;
/// Shorter intervals would have too few requests for percentiles.
const MIN_INTERVAL_NANOS: u64 = 100_000_000;

/// The figures of one measurement.
#[derive(Debug)]
pub struct Measured {
    /// Step of the report without its events.
    pub step: RateStep,
    /// Median length of the answers' bodies in bytes.
    pub body_bytes: usize,
    /// Number of connections that were opened again.
    pub reopened: u64,
}

pub(super) struct LatencyRecorder {
    corrected: Histogram<u64>,
    uncorrected: Histogram<u64>,
    lateness: Histogram<u64>,
    bodies: Histogram<u64>,
    errors: BTreeMap<FailureKind, Failures>,
    pub(super) outcomes: OutcomeCounts,
    /// Number of answers that arrived in the recorded time.
    answers: u64,
    /// Number of selections in these answers.
    selections: u64,
    due: u64,
    /// Nanoseconds of the recorded time in which the sender was idle.
    idle: u64,
    /// Number of values above the histograms' range.
    lost: u64,
    /// Smallest corrected latency of a request without a right answer.
    timeout: u64,
    schedule: Schedule,
    pub(super) current: CurrentInterval,
    timeline: Vec<Interval>,
}

pub(super) struct CurrentInterval {
    length: u64,
    pub(super) end: u64,
    latencies: Histogram<u64>,
    due: u64,
    answers: u64,
    errors: u64,
}

impl LatencyRecorder {
    pub(super) fn new(plan: &Plan, schedule: Schedule) -> Result<Self> {
        let length = ((schedule.to - schedule.from) / MAX_INTERVALS).max(MIN_INTERVAL_NANOS);
        let end = schedule.from + length;
        let current = CurrentInterval { length, end, latencies: histogram()?, due: 0, answers: 0, errors: 0 };
        Ok(Self {
            corrected: histogram()?,
            uncorrected: histogram()?,
            lateness: histogram()?,
            bodies: histogram()?,
            errors: BTreeMap::new(),
            outcomes: OutcomeCounts::default(),
            answers: 0,
            selections: 0,
            due: 0,
            idle: 0,
            lost: 0,
            timeout: nanos(plan.timeout),
            schedule,
            current,
            timeline: Vec::new(),
        })
    }

    /// Records that a request was due, and that the sender noticed this at `noticed`.
    pub(super) fn due(&mut self, due: u64, noticed: u64) {
        if self.schedule.records(due) {
            self.due += 1;
            self.current.due += 1;
            record(&mut self.lateness, &mut self.lost, noticed.saturating_sub(due));
        }
    }

    /// Records the end of a request. `sent` is `None` if the request was not sent.
    ///
    /// The latency of a request without a right answer is at least the time-out. Otherwise, a server that
    /// refuses at once would have low latencies.
    pub(super) fn ended(&mut self, due: u64, sent: Option<u64>, now: u64, served: bool) {
        if self.schedule.records(due) {
            let least = if served { 0 } else { self.timeout };
            let waited = now.saturating_sub(due).max(least);
            record(&mut self.corrected, &mut self.lost, waited);
            record(&mut self.current.latencies, &mut self.lost, waited);
            if let Some(sent) = sent {
                record(&mut self.uncorrected, &mut self.lost, now.saturating_sub(sent));
            }
        }
    }

    pub(super) fn answered(&mut self, due: u64, now: u64, body_bytes: usize, selections: u64) {
        if (self.schedule.from..self.schedule.to).contains(&now) {
            self.answers += 1;
            self.selections += selections;
        }
        if self.schedule.records(due) {
            self.current.answers += 1;
            record(&mut self.bodies, &mut self.lost, body_bytes as u64);
        }
    }

    /// Counts a failure, and keeps the first reason of its kind. Of the warm-up, only wrong answers count.
    pub(super) fn failed(&mut self, due: u64, kind: FailureKind, reason: impl FnOnce() -> String) {
        let first = || Failures { count: 0, first: reason() };
        if self.schedule.records(due) {
            self.errors.entry(kind).or_insert_with(first).count += 1;
            self.current.errors += 1;
        } else if kind == FailureKind::WrongAnswer && due < self.schedule.from {
            let in_warm_up = || Failures { count: 0, first: format!("in the warm-up: {}", first().first) };
            self.errors.entry(kind).or_insert_with(in_warm_up).count += 1;
        }
    }

    /// Records that the sender was idle from `since` to `now`.
    pub(super) fn idled(&mut self, since: u64, now: u64) {
        self.idle += now.min(self.schedule.to).saturating_sub(since.max(self.schedule.from));
    }

    /// Closes the intervals that have ended, and passes each to `show`.
    pub(super) fn close_intervals(&mut self, now: u64, show: &mut dyn FnMut(&Interval)) {
        while now >= self.current.end {
            self.close_interval(show);
        }
    }

    fn close_interval(&mut self, show: &mut dyn FnMut(&Interval)) {
        let CurrentInterval { length, end, latencies, due, answers, errors } = &mut self.current;
        let seconds = *length as f64 / 1e9;
        // From the schedule, because a late sender has counted fewer.
        let due_in_it = self.schedule.due_between(*end - *length, *end).unwrap_or(*due);
        // 0 without a value.
        let at = |quantile| micros(latencies.value_at_quantile(quantile));
        let interval = Interval {
            at: (*end - self.schedule.from) as f64 / 1e9,
            due: due_in_it as f64 / seconds,
            answered: *answers as f64 / seconds,
            p50: at(0.5),
            p99: at(0.99),
            max: micros(latencies.max()),
            errors: *errors,
        };
        show(&interval);
        self.timeline.push(interval);
        latencies.reset();
        (*due, *answers, *errors) = (0, 0, 0);
        *end += *length;
    }

    pub(super) fn finish(
        mut self,
        plan: &Plan,
        reopened: u64,
        show: &mut dyn FnMut(&Interval),
    ) -> Result<Measured> {
        if self.current.due > 0 || !self.current.latencies.is_empty() || self.current.answers > 0 {
            self.close_interval(show);
        }
        if self.lost > 0 {
            let lost = self.lost;
            return Err(Error::Refused(format!("{lost} values exceeded two hours, and were not recorded")));
        }
        let recorded = self.schedule.to - self.schedule.from;
        let seconds = Duration::from_nanos(recorded).as_secs_f64();
        let achieved = self.answers as f64 / seconds;
        let is_batch = self.selections > self.answers;
        let mut step = RateStep {
            rate: match plan.pace {
                Pace::Rate(rate) => rate,
                Pace::AsAnswered => achieved,
            },
            seconds,
            due: self.due,
            achieved,
            corrected: latency(&self.corrected),
            uncorrected: latency(&self.uncorrected),
            lateness: latency(&self.lateness),
            idle_percent: 100.0 * self.idle as f64 / recorded.max(1) as f64,
            errors: self.errors.into_iter().map(|(kind, it)| (kind.as_str().to_owned(), it)).collect(),
            outcomes: self.outcomes.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
            selections: is_batch.then_some(self.selections as f64 / seconds),
            timeline: self.timeline,
            ..RateStep::default()
        };
        (step.invalid, step.warnings) = validity::judge(plan, &step);
        let body_bytes = usize::try_from(self.bodies.value_at_quantile(0.5)).unwrap_or(0);
        Ok(Measured { step, body_bytes, reopened })
    }
}

/// Returns an empty histogram of nanoseconds. Its whole range is allocated at once, because a histogram that
/// grows would stall the sender.
pub fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, MAX_LATENCY_NANOS, 3)
        .map_err(|error| Error::Refused(format!("cannot create a histogram: {error}")))
}

/// Records a value or counts it as lost. `saturating_record` would clip the largest values.
fn record(histogram: &mut Histogram<u64>, lost: &mut u64, value: u64) {
    *lost += u64::from(histogram.record(value).is_err());
}

/// Returns the quantiles of a histogram of nanoseconds, in microseconds.
pub fn latency(histogram: &Histogram<u64>) -> Latency {
    if histogram.is_empty() {
        return Latency::default();
    }
    let at = |quantile| micros(histogram.value_at_quantile(quantile));
    let curve = histogram.iter_quantiles(CURVE_POINTS);
    Latency {
        count: histogram.len(),
        mean: histogram.mean() / 1e3,
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        p9999: at(0.9999),
        max: micros(histogram.max()),
        curve: curve.map(|step| (step.quantile_iterated_to(), micros(step.value_iterated_to()))).collect(),
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}
