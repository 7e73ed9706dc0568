//! What is kept of every request: the distributions, the failures by kind, the course of the time.

use super::{
    distribution::{histogram, latency, micros},
    pace::Schedule,
};
use crate::{
    error::{Error, Result},
    report::model::{Failures, Interval, Latency},
    traffic::Outcomes,
};
use hdrhistogram::Histogram;
use std::{collections::BTreeMap, time::Duration};

/// Slices of the time at the most, and the shortest one worth a percentile.
const SLICES: u64 = 200;
const SHORTEST: u64 = 100_000_000;

/// The kind that is an error even before it is recorded.
const WRONG: &str = "wrong_answer";

pub(super) struct Recorder {
    corrected: Histogram<u64>,
    uncorrected: Histogram<u64>,
    lateness: Histogram<u64>,
    bodies: Histogram<u64>,
    errors: BTreeMap<&'static str, (u64, String)>,
    pub(super) outcomes: Outcomes,
    /// Answers that came while it was recorded, and the selections in them.
    answers: u64,
    selections: u64,
    due: u64,
    /// Nanoseconds of the recorded time in which the sender had nothing to do.
    idle: u64,
    /// Values that no histogram took.
    lost: u64,
    /// What a request without a right answer counts for at the least.
    timeout: u64,
    schedule: Schedule,
    slice: Slice,
    timeline: Vec<Interval>,
}

struct Slice {
    length: u64,
    end: u64,
    latencies: Histogram<u64>,
    due: u64,
    answers: u64,
    errors: u64,
}

impl Recorder {
    pub(super) fn new(schedule: Schedule, timeout: u64) -> Result<Self> {
        let length = ((schedule.to - schedule.from) / SLICES).max(SHORTEST);
        let end = schedule.from + length;
        let slice = Slice { length, end, latencies: histogram()?, due: 0, answers: 0, errors: 0 };
        Ok(Self {
            corrected: histogram()?,
            uncorrected: histogram()?,
            lateness: histogram()?,
            bodies: histogram()?,
            errors: BTreeMap::new(),
            outcomes: Outcomes::default(),
            answers: 0,
            selections: 0,
            due: 0,
            idle: 0,
            lost: 0,
            timeout,
            schedule,
            slice,
            timeline: Vec::new(),
        })
    }

    /// A request was due, and the sender got round to it so much later.
    pub(super) fn due(&mut self, due: u64, noticed: u64) {
        if self.schedule.records(due) {
            self.due += 1;
            self.slice.due += 1;
            Self::record(&mut self.lateness, &mut self.lost, noticed.saturating_sub(due));
        }
    }

    /// A request came to its end; `sent` where it was. Who was not served waits on, however soon that was known: a server
    /// that refuses at once must not look quicker for it.
    pub(super) fn ended(&mut self, due: u64, sent: Option<u64>, now: u64, served: bool) {
        if self.schedule.records(due) {
            let least = if served { 0 } else { self.timeout };
            let waited = now.saturating_sub(due).max(least);
            Self::record(&mut self.corrected, &mut self.lost, waited);
            Self::record(&mut self.slice.latencies, &mut self.lost, waited);
            if let Some(sent) = sent {
                Self::record(&mut self.uncorrected, &mut self.lost, now.saturating_sub(sent));
            }
        }
    }

    /// An answer arrived, right or wrong.
    pub(super) fn answered(&mut self, due: u64, now: u64, body: usize, selections: u64) {
        if (self.schedule.from..self.schedule.to).contains(&now) {
            self.answers += 1;
            self.selections += selections;
        }
        if self.schedule.records(due) {
            self.slice.answers += 1;
            Self::record(&mut self.bodies, &mut self.lost, body as u64);
        }
    }

    /// Counts a failure; the first of its kind is kept to be shown.
    pub(super) fn failed(&mut self, due: u64, kind: &'static str, why: impl FnOnce() -> String) {
        if self.schedule.records(due) {
            self.errors.entry(kind).or_insert_with(|| (0, why())).0 += 1;
            self.slice.errors += 1;
        } else if kind == WRONG && due < self.schedule.from {
            // Slow and broken the start may be, but not wrong.
            let failures =
                self.errors.entry(kind).or_insert_with(|| (0, format!("in the warm-up: {}", why())));
            failures.0 += 1;
        }
    }

    /// The sender had nothing to do from then to now.
    pub(super) fn idled(&mut self, since: u64, now: u64) {
        self.idle += now.min(self.schedule.to).saturating_sub(since.max(self.schedule.from));
    }

    /// Whether what is due then is recorded.
    pub(super) fn records(&self, due: u64) -> bool {
        self.schedule.records(due)
    }

    /// When the next slice ends.
    pub(super) fn next_turn(&self) -> u64 {
        self.slice.end
    }

    /// Closes the slices that have ended, and shows each.
    pub(super) fn turn(&mut self, now: u64, show: &mut dyn FnMut(&Interval)) {
        while now >= self.slice.end {
            self.close(show);
        }
    }

    fn close(&mut self, show: &mut dyn FnMut(&Interval)) {
        let Slice { length, end, latencies, due, answers, errors } = &mut self.slice;
        let seconds = *length as f64 / 1e9;
        // By their due times: a sender that was late must not make it look as if less had been due.
        let due_in_it = self.schedule.due_between(*end - *length, *end).unwrap_or(*due);
        let at =
            |quantile| if latencies.is_empty() { 0.0 } else { micros(latencies.value_at_quantile(quantile)) };
        let interval = Interval {
            at: (*end - self.schedule.from) as f64 / 1e9,
            due: due_in_it as f64 / seconds,
            answered: *answers as f64 / seconds,
            p50: at(0.5),
            p99: at(0.99),
            max: if latencies.is_empty() { 0.0 } else { micros(latencies.max()) },
            errors: *errors,
        };
        show(&interval);
        self.timeline.push(interval);
        latencies.reset();
        (*due, *answers, *errors) = (0, 0, 0);
        *end += *length;
    }

    fn record(histogram: &mut Histogram<u64>, lost: &mut u64, nanos: u64) {
        // Not saturating_record: that one clips, and would hide the worst.
        *lost += u64::from(histogram.record(nanos).is_err());
    }

    /// The end: what was counted.
    pub(super) fn tell(mut self, show: &mut dyn FnMut(&Interval)) -> Result<Told> {
        if self.slice.due > 0 || !self.slice.latencies.is_empty() || self.slice.answers > 0 {
            self.close(show);
        }
        if self.lost > 0 {
            return Err(Error::Refused(format!(
                "{} values were longer than two hours, and are lost",
                self.lost
            )));
        }
        let failures =
            |(kind, (count, first)): (&str, (u64, String))| (kind.to_owned(), Failures { count, first });
        Ok(Told {
            corrected: latency(&self.corrected),
            uncorrected: latency(&self.uncorrected),
            lateness: latency(&self.lateness),
            body: usize::try_from(self.bodies.value_at_quantile(0.5)).unwrap_or(0),
            errors: self.errors.into_iter().map(failures).collect(),
            outcomes: self.outcomes.counts().map(|(name, count)| (name.to_owned(), count)).collect(),
            due: self.due,
            answers: self.answers,
            selections: self.selections,
            timeline: self.timeline,
            seconds: Duration::from_nanos(self.schedule.to - self.schedule.from).as_secs_f64(),
            idle_percent: 100.0 * self.idle as f64 / (self.schedule.to - self.schedule.from).max(1) as f64,
        })
    }
}

#[derive(Default)]
pub(super) struct Told {
    pub(super) corrected: Latency,
    pub(super) uncorrected: Latency,
    pub(super) lateness: Latency,
    pub(super) body: usize,
    pub(super) errors: BTreeMap<String, Failures>,
    pub(super) outcomes: BTreeMap<String, u64>,
    pub(super) due: u64,
    pub(super) answers: u64,
    pub(super) selections: u64,
    pub(super) timeline: Vec<Interval>,
    pub(super) seconds: f64,
    pub(super) idle_percent: f64,
}
