//! The sweep: step by step to the highest rate at which every limit holds.

use super::{context::Context, requests::Requests, step::Stretch, target::Instance};
use crate::{
    engine::Pace,
    error::Result,
    report::{
        model::{RateStep, ScenarioRun},
        units::time,
    },
    scenario::Sweep,
};

/// How often a first rate that broke is lowered.
const MAX_DESCENTS: u32 = 8;

const MAX_STEPS: usize = 60;

/// Requests a second: more than any sender sends.
const MAX_RATE: f64 = 10e6;

/// The search: up by the factor until a rate breaks, then by halves between good and bad, then the highest
/// good rate once more. A rate is bad where two measurements in a row broke, because a machine may be
/// disturbed for a moment.
struct RateSearch {
    sweep: Sweep,
    next: f64,
    /// Whether the same rate was measured before, and broke.
    repeats: bool,
    /// In rising order.
    good: Vec<f64>,
    bad: Option<f64>,
    descents: u32,
    halved: u32,
    confirming: bool,
}

impl RateSearch {
    fn new(sweep: Sweep, start: f64) -> Self {
        let (good, bad) = (Vec::new(), None);
        Self { sweep, next: start, repeats: false, good, bad, descents: 0, halved: 0, confirming: false }
    }

    /// Takes whether the rate held, and returns the next; none at the end.
    fn next_rate(&mut self, held: bool) -> Option<f64> {
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
            // The first rate broke: down by the factor.
            (None, Some(bad)) if self.descents < MAX_DESCENTS => {
                self.descents += 1;
                bad / self.sweep.factor
            }
            (None, Some(_)) => return None,
        };
        Some(self.next)
    }
}

fn holds(step: &RateStep, sweep: &Sweep) -> bool {
    step.invalid.is_none() && step.errors.is_empty() && step.corrected.p99 <= sweep.p99.micros()
}

pub(super) fn run(
    context: &Context<'_>,
    instance: &Instance,
    requests: &mut Requests,
    sweep: Sweep,
    highest: f64,
    done: &dyn Fn(&RateStep),
) -> Result<ScenarioRun> {
    let mut search = RateSearch::new(sweep, sweep.start.per_second(highest));
    let (mut steps, mut measured) = (Vec::new(), 0);
    let (mut next, mut unmeasured) = (Some(search.next), Vec::new());
    while let Some(rate) = next
        && measured < MAX_STEPS
        && rate <= MAX_RATE
    {
        let stretch = Stretch { pace: Pace::Rate(rate), warm_up: sweep.settle.0, measure: sweep.step.0 };
        measured += 1;
        let (step, _) = context.step(&format!("step {measured}"), instance, requests, stretch)?;
        done(&step);
        unmeasured.extend(step.invalid.clone().map(|reason| (rate, reason)));
        let held = holds(&step, &sweep);
        keep(&mut steps, step, &sweep);
        if instance.ended().is_some() {
            break;
        }
        next = search.next_rate(held);
    }
    let limit = Some(sweep.p99.micros());
    let knee = search.good.last().copied().filter(|_| next.is_none());
    let Some(knee) = knee else {
        let reason = if instance.ended().is_some() {
            "the daemon ended"
        } else if let Some((_, reason)) = unmeasured.last() {
            reason
        } else if search.bad.is_none() {
            "not one rate broke the limit, in as many steps as a sweep may have: begin higher with sweep.start, or raise sweep.factor"
        } else if next.is_some() {
            "it takes more steps than a sweep may have: lower sweep.refine, or raise sweep.factor"
        } else {
            "not one rate kept to the limit: begin lower with sweep.start, or raise sweep.p99"
        };
        return Ok(ScenarioRun { steps, knee: None, no_knee: Some(reason.to_owned()), limit });
    };
    // A rate that the harness could not measure is no limit of the daemon's.
    let above = unmeasured.into_iter().find(|(rate, _)| Some(*rate) == search.bad);
    if let Some((_, reason)) = above
        && let Some(step) = steps.iter_mut().find(|step| step.rate == knee)
    {
        step.invalid = Some(format!("the rate above was not measured, so that this is no knee: {reason}"));
    }
    Ok(ScenarioRun { steps, knee: Some(knee), no_knee: None, limit })
}

/// Keeps one step for each rate: the last counts, and warns of the one before it.
fn keep(steps: &mut Vec<RateStep>, mut step: RateStep, sweep: &Sweep) {
    let Some(before) = steps.iter_mut().find(|before| before.rate == step.rate) else {
        return steps.push(step);
    };
    let outcome = match (&before.invalid, before.errors.iter().next()) {
        (Some(reason), _) => format!("was invalid: {reason}"),
        (None, Some((kind, failures))) => {
            format!("had {} × {kind}, the first: {}", failures.count, failures.first)
        }
        (None, None) if holds(before, sweep) => format!("held, with a p99 of {}", time(before.corrected.p99)),
        (None, None) => format!("broke, with a p99 of {}", time(before.corrected.p99)),
    };
    step.warnings.push(format!("measured more than once; the time before, it {outcome}"));
    step.warnings.extend(before.warnings.iter().filter(|it| it.starts_with("measured")).cloned());
    *before = step;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{quantity::HumanDuration, report::model::Failures, scenario};

    /// Returns the rates that are tried, and the knee. `held` takes a rate and how often it was tried before.
    fn tried(start: f64, refine: u32, held: impl Fn(f64, usize) -> bool) -> (Vec<f64>, Option<f64>) {
        let sweep = scenario::load("ramp").unwrap().sweep.unwrap();
        let mut search = RateSearch::new(Sweep { factor: 2.0, refine, ..sweep }, start);
        let (mut tried, mut next) = (Vec::new(), Some(start));
        while let Some(rate) = next {
            let before = tried.iter().filter(|it| **it == rate).count();
            tried.push(rate);
            next = search.next_rate(held(rate, before));
        }
        (tried, search.good.last().copied())
    }

    #[test]
    fn the_rate_rises_until_it_breaks_twice_and_then_comes_closer() {
        let (rates, knee) = tried(200.0, 3, |rate, _| rate <= 1_100.0);
        let closer = [1_200.0, 1_200.0, 1_000.0, 1_100.0, 1_100.0];
        assert_eq!(rates, [[200.0, 400.0, 800.0, 1_600.0, 1_600.0].as_slice(), &closer].concat());
        assert_eq!(knee, Some(1_100.0));
    }

    #[test]
    fn the_rate_falls_where_the_first_breaks() {
        let (rates, knee) = tried(400.0, 3, |rate, _| rate <= 90.0);
        assert_eq!(&rates[..7], [400.0, 400.0, 200.0, 200.0, 100.0, 100.0, 50.0]);
        // Between 50 and 100, halved three times.
        assert_eq!(knee, Some(87.5));
        let (rates, knee) = tried(400.0, 3, |_, _| false);
        assert_eq!((rates.len(), knee), (2 * (1 + MAX_DESCENTS as usize), None));
    }

    #[test]
    fn a_rate_that_breaks_once_is_no_limit() {
        let (rates, knee) = tried(200.0, 0, |rate, before| rate <= 900.0 && (rate != 400.0 || before > 0));
        assert_eq!(rates, [200.0, 400.0, 400.0, 800.0, 1_600.0, 1_600.0, 800.0]);
        assert_eq!(knee, Some(800.0));
    }

    #[test]
    fn a_rate_that_holds_only_the_first_time_is_no_knee() {
        let (rates, knee) = tried(200.0, 0, |rate, before| rate <= 400.0 || (rate == 800.0 && before == 0));
        assert_eq!(rates, [200.0, 400.0, 800.0, 1_600.0, 1_600.0, 800.0, 800.0, 400.0]);
        assert_eq!(knee, Some(400.0));
    }

    #[test]
    fn errors_and_lateness_break_a_step() {
        let sweep = scenario::load("ramp").unwrap().sweep.unwrap();
        let sweep = Sweep { p99: HumanDuration(std::time::Duration::from_millis(5)), ..sweep };
        let mut step = RateStep { rate: 1.0, due: 1, ..RateStep::default() };
        step.corrected.p99 = 5_000.0;
        assert!(holds(&step, &sweep));
        let mut steps = vec![RateStep { invalid: Some("late".to_owned()), ..step.clone() }];
        keep(&mut steps, step.clone(), &sweep);
        assert_eq!((steps.len(), &steps[0].invalid), (1, &None));
        assert!(
            steps[0].warnings[0].ends_with("the time before, it was invalid: late"),
            "{:?}",
            steps[0].warnings
        );
        let late = RateStep { invalid: Some("late".to_owned()), ..step.clone() };
        let mut slow = step.clone();
        slow.corrected.p99 = 5_001.0;
        let mut failed = step;
        let failures = Failures { count: 1, first: "x".to_owned() };
        failed.errors.insert("timeout".to_owned(), failures);
        assert!(![late, slow, failed].iter().any(|step| holds(step, &sweep)));
    }
}
