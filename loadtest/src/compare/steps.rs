//! Which steps of two reports are of the same rate.

use crate::report::{
    middle::median,
    model::{Report, Step},
};

/// Rates that differ by less are the same.
pub(super) const SAME: f64 = 0.01;

/// Steps of one rate, out of all the runs; those that mean nothing are left out.
pub(super) struct Steps<'a> {
    pub(super) rate: f64,
    pub(super) steps: Vec<&'a Step>,
}

/// The steps of both that go together, and the rates that only one of them has.
pub(super) struct Matched<'a> {
    pub(super) pairs: Vec<(Steps<'a>, Steps<'a>)>,
    pub(super) only_a: Vec<f64>,
    pub(super) only_b: Vec<f64>,
}

/// By rate. Where neither is a sweep there is one step in each run, and what its rate was is part of the setup.
pub(super) fn matched<'a>(a: &'a Report, b: &'a Report) -> Matched<'a> {
    let (mut of_a, mut of_b) = (by_rate(a), by_rate(b));
    if !a.is_sweep() && !b.is_sweep() {
        let pairs = whole(of_a).zip(whole(of_b)).into_iter().collect();
        return Matched { pairs, only_a: Vec::new(), only_b: Vec::new() };
    }
    let mut matched = Matched { pairs: Vec::new(), only_a: Vec::new(), only_b: Vec::new() };
    for steps in of_a.drain(..) {
        match of_b.iter().position(|other| same(steps.rate, other.rate)) {
            Some(at) => matched.pairs.push((steps, of_b.remove(at))),
            None => matched.only_a.push(steps.rate),
        }
    }
    matched.only_b = of_b.iter().map(|steps| steps.rate).collect();
    matched
}

pub(super) fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= SAME * a.abs().max(b.abs())
}

fn by_rate(report: &Report) -> Vec<Steps<'_>> {
    let valid = report.runs.iter().flat_map(|run| &run.steps).filter(|step| step.invalid.is_none());
    let mut sorted: Vec<_> = valid.collect();
    sorted.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let mut all: Vec<Steps<'_>> = Vec::new();
    for step in sorted {
        match all.last_mut().filter(|last| same(last.rate, step.rate)) {
            Some(last) => last.steps.push(step),
            None => all.push(Steps { rate: step.rate, steps: vec![step] }),
        }
    }
    all
}

fn whole(all: Vec<Steps<'_>>) -> Option<Steps<'_>> {
    let steps: Vec<_> = all.into_iter().flat_map(|steps| steps.steps).collect();
    let rates: Vec<_> = steps.iter().map(|step| step.rate).collect();
    Some(Steps { rate: median(&rates)?, steps })
}
