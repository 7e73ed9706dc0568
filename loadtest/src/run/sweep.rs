//! Step by step to the highest rate at which every limit holds.

use super::{
    asked::Asked,
    step::{Context, Stretch},
    subject::Answerer,
};
use crate::{
    engine::Pace,
    error::Result,
    report::{
        model::{Run, Step},
        units::time,
    },
    scenario::Sweep,
};

/// How often a rate that broke at once is lowered.
const DESCENTS: u32 = 8;

/// Measurements beyond this are no sweep any more.
const MOST: usize = 60;

/// A second: more than any sender sends.
const HIGHEST: f64 = 10e6;

/// Up by the factor until a rate breaks, then halving the way between; at the end, the highest good one once more. A rate
/// is broken where two measurements in a row broke: a machine has its moments.
struct Climb {
    sweep: Sweep,
    next: f64,
    /// Whether the measurement before broke, of the same rate.
    again: bool,
    /// Ever higher.
    good: Vec<f64>,
    bad: Option<f64>,
    descents: u32,
    halved: u32,
    confirming: bool,
}

impl Climb {
    fn new(sweep: Sweep, start: f64) -> Self {
        let (good, bad) = (Vec::new(), None);
        Self { sweep, next: start, again: false, good, bad, descents: 0, halved: 0, confirming: false }
    }

    /// Takes what came of the rate; none where there is nothing more to find out.
    fn after(&mut self, held: bool) -> Option<f64> {
        self.again = !held && !self.again;
        if self.again {
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
            // The first broke already: down by the factor, and not for ever.
            (None, Some(bad)) if self.descents < DESCENTS => {
                self.descents += 1;
                bad / self.sweep.factor
            }
            (None, Some(_)) => return None,
        };
        Some(self.next)
    }
}

fn holds(step: &Step, sweep: &Sweep) -> bool {
    step.invalid.is_none() && step.errors.is_empty() && step.corrected.p99 <= sweep.p99.0.as_secs_f64() * 1e6
}

pub(super) fn run(
    context: &Context<'_>,
    answerer: &Answerer,
    asked: &mut Asked,
    sweep: Sweep,
    highest: f64,
    done: &dyn Fn(&Step),
) -> Result<Run> {
    let mut climb = Climb::new(sweep, sweep.start.of(highest));
    let (mut steps, mut measured) = (Vec::new(), 0);
    let (mut next, mut unmeasured) = (Some(climb.next), Vec::new());
    while let Some(rate) = next
        && measured < MOST
        && rate <= HIGHEST
    {
        let stretch = Stretch { pace: Pace::Rate(rate), warm_up: sweep.settle.0, measure: sweep.step.0 };
        measured += 1;
        let step = context.step(&format!("step {measured}"), answerer, asked, stretch)?;
        done(&step);
        unmeasured.extend(step.invalid.clone().map(|why| (rate, why)));
        let held = holds(&step, &sweep);
        keep(&mut steps, step, &sweep);
        if answerer.ended().is_some() {
            break;
        }
        next = climb.after(held);
    }
    let limit = Some(sweep.p99.0.as_secs_f64() * 1e6);
    let knee = climb.good.last().copied().filter(|_| next.is_none());
    let Some(knee) = knee else {
        let why = if answerer.ended().is_some() {
            "the daemon ended"
        } else if let Some((_, why)) = unmeasured.last() {
            why
        } else if climb.bad.is_none() {
            "not one rate broke the limit, in as many steps as a sweep may have: begin higher with sweep.start, or raise sweep.factor"
        } else if next.is_some() {
            "it takes more steps than a sweep may have: lower sweep.refine, or raise sweep.factor"
        } else {
            "not one rate kept to the limit: begin lower with sweep.start, or raise sweep.p99"
        };
        return Ok(Run { steps, knee: None, no_knee: Some(why.to_owned()), limit });
    };
    // What the harness could not measure is no limit of the daemon's.
    let above = unmeasured.into_iter().find(|(rate, _)| Some(*rate) == climb.bad);
    if let Some((_, why)) = above
        && let Some(step) = steps.iter_mut().find(|step| step.rate == knee)
    {
        step.invalid = Some(format!("the rate above was not measured, so that this is no knee: {why}"));
    }
    Ok(Run { steps, knee: Some(knee), no_knee: None, limit })
}

/// One step a rate: the last is the one that counts, and tells of the one before it.
fn keep(steps: &mut Vec<Step>, mut step: Step, sweep: &Sweep) {
    let Some(before) = steps.iter_mut().find(|before| before.rate == step.rate) else {
        return steps.push(step);
    };
    let came = match (&before.invalid, before.errors.iter().next()) {
        (Some(why), _) => format!("was invalid: {why}"),
        (None, Some((kind, failures))) => {
            format!("had {} × {kind}, the first: {}", failures.count, failures.first)
        }
        (None, None) if holds(before, sweep) => format!("held, with a p99 of {}", time(before.corrected.p99)),
        (None, None) => format!("broke, with a p99 of {}", time(before.corrected.p99)),
    };
    step.warnings.push(format!("measured more than once; the time before, it {came}"));
    step.warnings.extend(before.warnings.iter().filter(|it| it.starts_with("measured")).cloned());
    *before = step;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, Span};

    /// The rates that are tried where these hold; `held` is told of how often they were tried before, too.
    fn tried(start: f64, refine: u32, held: impl Fn(f64, usize) -> bool) -> (Vec<f64>, Option<f64>) {
        let sweep = scenario::load("ramp").unwrap().sweep.unwrap();
        let mut climb = Climb::new(Sweep { factor: 2.0, refine, ..sweep }, start);
        let (mut tried, mut next) = (Vec::new(), Some(start));
        while let Some(rate) = next {
            let before = tried.iter().filter(|it| **it == rate).count();
            tried.push(rate);
            next = climb.after(held(rate, before));
        }
        (tried, climb.good.last().copied())
    }

    #[test]
    fn up_until_it_breaks_twice_and_then_closer() {
        let (rates, knee) = tried(200.0, 3, |rate, _| rate <= 1_100.0);
        let closer = [1_200.0, 1_200.0, 1_000.0, 1_100.0, 1_100.0];
        assert_eq!(rates, [[200.0, 400.0, 800.0, 1_600.0, 1_600.0].as_slice(), &closer].concat());
        assert_eq!(knee, Some(1_100.0));
    }

    #[test]
    fn down_where_the_first_breaks_and_then_as_close() {
        let (rates, knee) = tried(400.0, 3, |rate, _| rate <= 90.0);
        assert_eq!(&rates[..7], [400.0, 400.0, 200.0, 200.0, 100.0, 100.0, 50.0]);
        // Between 50 and 100, halved three times.
        assert_eq!(knee, Some(87.5));
        let (rates, knee) = tried(400.0, 3, |_, _| false);
        assert_eq!((rates.len(), knee), (2 * (1 + DESCENTS as usize), None));
    }

    #[test]
    fn a_moment_of_the_machine_is_no_limit() {
        // The first time at 400, nothing holds.
        let (rates, knee) = tried(200.0, 0, |rate, before| rate <= 900.0 && (rate != 400.0 || before > 0));
        assert_eq!(rates, [200.0, 400.0, 400.0, 800.0, 1_600.0, 1_600.0, 800.0]);
        assert_eq!(knee, Some(800.0));
    }

    #[test]
    fn what_held_once_by_luck_is_no_knee() {
        let (rates, knee) = tried(200.0, 0, |rate, before| rate <= 400.0 || (rate == 800.0 && before == 0));
        assert_eq!(rates, [200.0, 400.0, 800.0, 1_600.0, 1_600.0, 800.0, 800.0, 400.0]);
        assert_eq!(knee, Some(400.0));
    }

    #[test]
    fn errors_and_lateness_break_a_step() {
        let sweep = scenario::load("ramp").unwrap().sweep.unwrap();
        let sweep = Sweep { p99: Span(std::time::Duration::from_millis(5)), ..sweep };
        let step: Step = serde_json::from_value(serde_json::json!({
            "rate": 1.0, "seconds": 1.0, "due": 1, "achieved": 1.0,
            "corrected": latency(5_000.0), "uncorrected": latency(1.0), "lateness": latency(1.0),
            "idle_percent": 50.0, "invalid": null, "warnings": [], "errors": {}, "outcomes": {}, "selections": null, "timeline": [], "events": [],
            "process": null, "waited": {"daemon_percent": null, "harness_percent": null}
        }))
        .unwrap();
        assert!(holds(&step, &sweep));
        let mut steps = vec![Step { invalid: Some("late".to_owned()), ..step.clone() }];
        keep(&mut steps, step.clone(), &sweep);
        assert_eq!((steps.len(), &steps[0].invalid), (1, &None));
        assert!(
            steps[0].warnings[0].ends_with("the time before, it was invalid: late"),
            "{:?}",
            steps[0].warnings
        );
        let late = Step { invalid: Some("late".to_owned()), ..step.clone() };
        let mut slow = step.clone();
        slow.corrected.p99 = 5_001.0;
        let mut failed = step;
        let failures = crate::report::model::Failures { count: 1, first: "x".to_owned() };
        failed.errors.insert("timeout".to_owned(), failures);
        assert!(![late, slow, failed].iter().any(|step| holds(step, &sweep)));
    }

    fn latency(p99: f64) -> serde_json::Value {
        serde_json::json!({
            "count": 1, "mean": 1.0, "p50": 1.0, "p90": 1.0, "p99": p99, "p999": p99, "p9999": p99, "max": p99, "curve": []
        })
    }
}
