//! The sweep: searches the highest rate at which every limit holds, step by step.

use super::{
    context::Context,
    requests::Requests,
    step::{Stretch, log_step},
    target::Instance,
};
use crate::{
    engine::Pace,
    error::Result,
    report::{
        model::{RateStep, ScenarioRun},
        units::time,
    },
    scenario::Sweep,
};

/// Number of times that the rate is lowered if the first rate fails.
const MAX_DESCENTS: u32 = 8;

const MAX_STEPS: usize = 60;

/// Requests per second that no sender reaches.
const MAX_RATE: f64 = 10e6;

/// The search for the highest good rate: raise the rate by the factor until it is bad, halve the interval
/// between good and bad, and measure the highest good rate again. A rate is bad if two consecutive
/// measurements failed, because the machine may be disturbed for a moment.
pub struct RateSearch {
    sweep: Sweep,
    next: f64,
    /// Whether the last measurement failed and is repeated.
    repeats: bool,
    /// Good rates in ascending order.
    good: Vec<f64>,
    /// Lowest bad rate so far.
    bad: Option<f64>,
    descents: u32,
    halved: u32,
    confirming: bool,
}

impl RateSearch {
    /// Starts a search with the factor and the refinement of a sweep. `start` is the first rate.
    pub fn new(sweep: Sweep, start: f64) -> Self {
        let (good, bad) = (Vec::new(), None);
        Self { sweep, next: start, repeats: false, good, bad, descents: 0, halved: 0, confirming: false }
    }

    /// Returns the next rate, or `None` at the end. `held` is the result of the last.
    pub fn next_rate(&mut self, held: bool) -> Option<f64> {
        self.repeats = !held && !self.repeats;
        if self.repeats {
            return Some(self.next);
        }
        if self.confirming {
            if held {
                return None;
            }
            self.bad = self.good.pop();
            self.next = *self.good.last()?;
            return Some(self.next);
        }
        if held {
            self.good.push(self.next);
        } else {
            self.bad = Some(self.next);
        }
        self.next = match (self.good.last(), self.bad) {
            (_, None) => self.next * self.sweep.factor,
            (Some(good), Some(bad)) if self.halved < self.sweep.refine => {
                self.halved += 1;
                f64::midpoint(*good, bad)
            }
            (Some(good), Some(_)) => {
                self.confirming = true;
                *good
            }
            // The first rate is bad: lower it by the factor.
            (None, Some(bad)) if self.descents < MAX_DESCENTS => {
                self.descents += 1;
                bad / self.sweep.factor
            }
            (None, Some(_)) => return None,
        };
        Some(self.next)
    }

    /// Returns the highest rate that is good so far.
    pub fn knee(&self) -> Option<f64> {
        self.good.last().copied()
    }
}

/// A rate that was measured once or more.
pub struct MeasuredRate {
    step: RateStep,
    /// Results of the measurements before the last, the latest first.
    earlier: Vec<String>,
}

impl MeasuredRate {
    /// Creates a rate with its first measurement.
    pub fn new(step: RateStep) -> Self {
        Self { step, earlier: Vec::new() }
    }

    /// Replaces the step with a later one of the same rate.
    pub fn replace(&mut self, step: RateStep, sweep: &Sweep) {
        let before = std::mem::replace(&mut self.step, step);
        let p99 = time(before.corrected.p99);
        let result = match (&before.invalid, before.errors.iter().next()) {
            (Some(reason), _) => format!("was invalid: {reason}"),
            (None, Some((kind, failures))) => {
                format!("had {} × {kind}, the first: {}", failures.count, failures.first)
            }
            (None, None) if holds(&before, sweep) => format!("held with a p99 of {p99}"),
            (None, None) => format!("failed with a p99 of {p99}"),
        };
        self.earlier.insert(0, format!("measured more than once: the step before {result}"));
    }

    /// Returns the last step, with a warning for each step before.
    pub fn into_step(mut self) -> RateStep {
        self.step.warnings.append(&mut self.earlier);
        self.step
    }
}

/// Returns whether a step is valid, has no error, and keeps the limit of the sweep.
pub fn holds(step: &RateStep, sweep: &Sweep) -> bool {
    step.invalid.is_none() && step.errors.is_empty() && step.corrected.p99 <= sweep.p99.micros()
}

/// Runs a sweep. `highest` is the highest rate of a closed loop.
pub(super) fn run(
    context: &Context<'_>,
    instance: &Instance,
    requests: &mut Requests,
    sweep: Sweep,
    highest: f64,
) -> Result<ScenarioRun> {
    sweep_rates(sweep, sweep.start.per_second(highest), |number, rate| {
        let stretch = Stretch { pace: Pace::Rate(rate), warm_up: sweep.settle.0, measure: sweep.step.0 };
        let (step, _) = context.step(&format!("step {number}"), instance, requests, stretch)?;
        log_step("step", &step);
        Ok((step, instance.ended().is_some()))
    })
}

/// Searches the knee from the rate `start`. `measure` gets the number of a step and its rate, and returns the
/// step, and whether the daemon has ended.
///
/// # Errors
/// A step cannot be measured.
pub fn sweep_rates(
    sweep: Sweep,
    start: f64,
    mut measure: impl FnMut(usize, f64) -> Result<(RateStep, bool)>,
) -> Result<ScenarioRun> {
    let mut search = RateSearch::new(sweep, start);
    let (mut rates, mut measured, mut has_ended) = (Vec::<MeasuredRate>::new(), 0, false);
    let (mut next, mut unmeasured) = (Some(start), Vec::new());
    while let Some(rate) = next.filter(|rate| !has_ended && measured < MAX_STEPS && *rate <= MAX_RATE) {
        measured += 1;
        let step;
        (step, has_ended) = measure(measured, rate)?;
        unmeasured.extend(step.invalid.clone().map(|reason| (rate, reason)));
        let held = holds(&step, &sweep);
        match rates.iter_mut().find(|known| known.step.rate == rate) {
            Some(known) => known.replace(step, &sweep),
            None => rates.push(MeasuredRate::new(step)),
        }
        if !has_ended {
            next = search.next_rate(held);
        }
    }
    let knee = search.knee().filter(|_| next.is_none());
    let no_knee = knee.is_none().then(|| match unmeasured.last() {
        _ if has_ended => "the daemon ended",
        Some((_, reason)) => reason,
        None if search.bad.is_none() => {
            "no rate exceeded the limit within the largest number of steps: raise sweep.start or sweep.factor"
        }
        None if next.is_some() => {
            "the sweep exceeds the largest number of steps: lower sweep.refine, or raise sweep.factor"
        }
        None => "no rate kept the limit: lower sweep.start, or raise sweep.p99",
    });
    // If the bad rate is invalid, the limit may be the harness's instead of the daemon's. On two cores, this is
    // usual, because the harness has no more cores than the daemon.
    let above = unmeasured.iter().find(|(rate, _)| knee.is_some() && Some(*rate) == search.bad);
    Ok(ScenarioRun {
        knee,
        no_knee: no_knee.map(str::to_owned),
        at_least: above.map(|(_, reason)| reason.clone()),
        limit: Some(sweep.p99.micros()),
        steps: rates.into_iter().map(MeasuredRate::into_step).collect(),
    })
}
