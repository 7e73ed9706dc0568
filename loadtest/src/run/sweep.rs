//! Step by step to the highest rate at which every limit holds.

use super::{
    asked::Asked,
    step::{Context, Stretch},
    subject::Answerer,
};
use crate::{
    engine::Pace,
    error::{Error, Result},
    report::model::{Run, Step},
    scenario::Sweep,
};

/// How often a rate that broke at once is lowered.
const DESCENTS: u32 = 8;

/// Rates beyond this are no sweep any more.
const STEPS: usize = 60;

/// Up by the factor until a step breaks, then halving the way between.
struct Climb {
    sweep: Sweep,
    next: f64,
    good: Option<f64>,
    bad: Option<f64>,
    halved: u32,
}

impl Climb {
    fn new(sweep: Sweep, start: f64) -> Self {
        Self { sweep, next: start, good: None, bad: None, halved: 0 }
    }

    /// Takes what came of the rate; none where there is nothing more to find out.
    fn after(&mut self, held: bool) -> Option<f64> {
        *if held { &mut self.good } else { &mut self.bad } = Some(self.next);
        self.next = match (self.good, self.bad) {
            (_, None) => self.next * self.sweep.factor,
            (Some(good), Some(bad)) if self.halved < self.sweep.refine => {
                self.halved += 1;
                (good + bad) / 2.0
            }
            // The first step broke already: down by the factor, and not for ever.
            (None, Some(bad)) if self.halved < DESCENTS => {
                self.halved += 1;
                bad / self.sweep.factor
            }
            _ => return None,
        };
        if self.good.is_some_and(|good| good == self.next) { None } else { Some(self.next) }
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
    let (mut steps, mut rate) = (Vec::new(), climb.next);
    while steps.len() < STEPS {
        let stretch = Stretch { pace: Pace::Rate(rate), warm_up: sweep.settle.0, measure: sweep.step.0 };
        let name = format!("step {}", steps.len() + 1);
        let step = context.step(&name, answerer, asked, stretch)?;
        done(&step);
        let held = holds(&step, &sweep);
        steps.push(step);
        match climb.after(held) {
            Some(next) => rate = next,
            None => break,
        }
    }
    if climb.good.is_none() {
        let what = match steps.iter().filter_map(|step| step.invalid.as_ref()).next_back() {
            Some(why) => format!("there is no knee to be found: {why}"),
            None => {
                "not one step kept to its limit: begin lower with sweep.start, or raise sweep.p99".to_owned()
            }
        };
        return Err(Error::Refused(what));
    }
    // What the harness could not measure is no limit of the daemon's.
    let bad = |step: &&Step| Some(step.rate) == climb.bad;
    let limit = steps.iter().find(bad).and_then(|step| step.invalid.clone());
    if let Some(why) = limit
        && let Some(step) = steps.iter_mut().find(|step| Some(step.rate) == climb.good)
    {
        step.invalid = Some(format!("the rate above was not measured, so that this is no knee: {why}"));
    }
    Ok(Run { steps, knee: climb.good, limit: Some(sweep.p99.0.as_secs_f64() * 1e6) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, Span};

    /// The rates that are tried where this is the highest good one.
    fn tried(knee: f64, start: f64) -> (Vec<f64>, Option<f64>) {
        let sweep = scenario::load("ramp").unwrap().sweep.unwrap();
        let mut climb = Climb::new(Sweep { factor: 2.0, refine: 3, ..sweep }, start);
        let mut tried = vec![start];
        while let Some(next) = climb.after(*tried.last().unwrap() <= knee) {
            tried.push(next);
        }
        (tried, climb.good)
    }

    #[test]
    fn up_until_it_breaks_and_then_closer() {
        assert_eq!(
            tried(1_100.0, 200.0),
            (vec![200.0, 400.0, 800.0, 1_600.0, 1_200.0, 1_000.0, 1_100.0], Some(1_100.0))
        );
    }

    #[test]
    fn down_where_the_first_breaks() {
        let (tried, knee) = tried(90.0, 400.0);
        assert_eq!(&tried[..4], [400.0, 200.0, 100.0, 50.0]);
        assert!(knee.unwrap() <= 90.0);
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
