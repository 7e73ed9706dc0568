//! Two reports side by side: the shape that `--format json` writes and the table is made of.

use super::{
    figure::{Better, FIGURES, Unit},
    judge::{self, Verdict},
    setup::{self, Difference},
    steps::{self, same},
};
use crate::report::{
    middle::median,
    model::{Report, Run},
    units,
};
use serde::Serialize;

/// The number of this shape: raised when a field changes its meaning.
const SCHEMA: u32 = 1;

/// All that was compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The number of this shape.
    pub schema: u32,
    /// What differs in the setup.
    pub differences: Vec<Difference>,
    /// Figure by figure.
    pub changes: Vec<Change>,
    /// Rates of a sweep that the other has no step of.
    pub only_a: Vec<f64>,
    /// The same of the second.
    pub only_b: Vec<f64>,
    /// Runs, or steps of a sweep, that mean nothing and were left out.
    pub invalid: (usize, usize),
    /// Steps that share the level of the test.
    pub steps: usize,
}

/// A figure in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The rate of the step; none of what is of the whole run.
    pub rate: Option<f64>,
    /// Its name.
    pub figure: &'static str,
    /// What it is of.
    pub unit: Unit,
    /// Run by run.
    pub a: Vec<f64>,
    /// The same of the second.
    pub b: Vec<f64>,
    /// Of the first.
    pub median_a: f64,
    /// Of the second.
    pub median_b: f64,
    /// From the first to the second; none from nothing.
    pub change_percent: Option<f64>,
    /// Whether it is more than noise.
    pub verdict: Verdict,
}

impl Change {
    /// Its name, with the rate of its step.
    pub fn name(&self) -> String {
        match self.rate {
            Some(rate) => format!("{} at {}/s", self.figure, units::rate(rate)),
            None => self.figure.to_owned(),
        }
    }
}

impl Comparison {
    /// Compares them.
    pub fn of(a: &Report, b: &Report) -> Self {
        let matched = steps::matched(a, b);
        let shares = matched.pairs.len().max(1);
        let mut changes = Vec::new();
        changes.extend(change("knee", None, Unit::PerSecond, Better::High, (knees(a), knees(b)), 1));
        changes.extend(change(
            "of a null server",
            None,
            Unit::Ratio,
            Better::High,
            (ratios(a), ratios(b)),
            1,
        ));
        let sweep = a.is_sweep() || b.is_sweep();
        for (of_a, of_b) in &matched.pairs {
            // How long one waits, how much is answered and what that takes depend on how much is asked.
            let alike = same(of_a.rate, of_b.rate);
            for figure in &FIGURES {
                let values =
                    |steps: &steps::Steps<'_>| steps.steps.iter().copied().filter_map(figure.of).collect();
                let rate = sweep.then_some(of_a.rate);
                let values = (values(of_a), values(of_b));
                let change = change(figure.name, rate, figure.unit, figure.better, values, shares);
                changes.extend(change.map(|change| match figure.unit {
                    unit if unit.depends_on_the_rate() && !alike => {
                        Change { verdict: Verdict::NotComparable, ..change }
                    }
                    _ => change,
                }));
            }
        }
        Self {
            schema: SCHEMA,
            differences: setup::differences(a, b),
            changes,
            only_a: matched.only_a,
            only_b: matched.only_b,
            invalid: (invalid(a), invalid(b)),
            steps: shares,
        }
    }

    /// What got worse, or better, beyond the noise.
    pub fn are(&self, verdict: Verdict) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| change.verdict == verdict)
    }
}

fn change(
    figure: &'static str,
    rate: Option<f64>,
    unit: Unit,
    better: Better,
    (a, b): (Vec<f64>, Vec<f64>),
    shares: usize,
) -> Option<Change> {
    let (median_a, median_b) = (median(&a)?, median(&b)?);
    let change_percent = (median_a != 0.0).then(|| (median_b / median_a - 1.0) * 100.0);
    let verdict = judge::judge(&a, &b, better, shares);
    Some(Change { rate, figure, unit, a, b, median_a, median_b, change_percent, verdict })
}

fn invalid(report: &Report) -> usize {
    report.runs.iter().flat_map(|run| &run.steps).filter(|step| step.invalid.is_some()).count()
}

/// Of the runs whose step at the knee means something.
fn knees(report: &Report) -> Vec<f64> {
    let holds =
        |run: &&Run| !run.steps.iter().any(|step| Some(step.rate) == run.knee && step.invalid.is_some());
    report.runs.iter().filter(holds).filter_map(|run| run.knee).collect()
}

/// Daemon to null server: one for all, since the pairs are of one start of the daemon, and say nothing of how starts differ.
fn ratios(report: &Report) -> Vec<f64> {
    report.ceiling.iter().map(|ceiling| ceiling.ratio).collect()
}
