//! Two reports side by side, figure by figure: what `--format json` writes and the table shows.

use super::{
    setup::{self, SetupDifference, is_same_rate},
    verdict::{Better, ChangeVerdict},
};
use crate::{
    report::{
        model::{RateStep, Report, ScenarioRun},
        units::{megabytes, per_second, time},
    },
    statistics::median,
};
use serde::Serialize;

/// The number of the comparison's shape: raised when a field changes its meaning.
const SCHEMA: u32 = 1;

/// A comparison of two reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReportComparison {
    /// The number of this shape.
    pub schema: u32,
    /// What differs in the setup.
    pub differences: Vec<SetupDifference>,
    /// The figures.
    pub changes: Vec<FigureChange>,
    /// Rates of a sweep at which only the first has a step.
    pub only_a: Vec<f64>,
    /// Rates of a sweep at which only the second has a step.
    pub only_b: Vec<f64>,
    /// How many runs, or steps of a sweep, are invalid and left out.
    pub invalid: (usize, usize),
    /// How many steps share the level of the test.
    pub steps: usize,
}

/// A figure of both reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureChange {
    /// The rate of the step; `None` for a figure of the whole run.
    pub rate: Option<f64>,
    /// The figure's name.
    pub figure: &'static str,
    /// The figure's unit.
    pub unit: Unit,
    /// The first report's values, run by run.
    pub a: Vec<f64>,
    /// The second report's values, run by run.
    pub b: Vec<f64>,
    /// The median of the first.
    pub median_a: f64,
    /// The median of the second.
    pub median_b: f64,
    /// The change from the first to the second; `None` from 0.
    pub change_percent: Option<f64>,
    /// Whether the change is more than noise.
    pub verdict: ChangeVerdict,
}

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A latency.
    Microseconds,
    /// A rate.
    PerSecond,
    /// A share of the requests.
    Percent,
    /// The daemon's rate to the null server's.
    Ratio,
    /// Memory.
    Bytes,
    /// Processor time for each request.
    ProcessorMicroseconds,
}

impl Unit {
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Unit::Microseconds | Unit::ProcessorMicroseconds => time(value),
            Unit::PerSecond => per_second(value),
            Unit::Percent if value == 0.0 => "none".to_owned(),
            Unit::Percent => format!("{value:.4} %"),
            Unit::Ratio => format!("{value:.3}"),
            Unit::Bytes => megabytes(value as u64),
        }
    }

    fn depends_on_the_rate(self) -> bool {
        matches!(self, Unit::Microseconds | Unit::PerSecond | Unit::ProcessorMicroseconds)
    }
}

struct Figure(&'static str, Unit, Better, fn(&RateStep) -> Option<f64>);

const FIGURES: [Figure; 11] = [
    Figure("answered", Unit::PerSecond, Better::High, |step| Some(step.achieved)),
    Figure("selections", Unit::PerSecond, Better::High, |step| step.selections),
    Figure("p50", Unit::Microseconds, Better::Low, |step| Some(step.corrected.p50)),
    Figure("p90", Unit::Microseconds, Better::Low, |step| Some(step.corrected.p90)),
    Figure("p99", Unit::Microseconds, Better::Low, |step| Some(step.corrected.p99)),
    Figure("p99.9", Unit::Microseconds, Better::Low, |step| Some(step.corrected.p999)),
    Figure("max", Unit::Microseconds, Better::Low, |step| Some(step.corrected.max)),
    Figure("p99 uncorrected", Unit::Microseconds, Better::Low, |step| Some(step.uncorrected.p99)),
    Figure("errors", Unit::Percent, Better::Low, |step| {
        Some(100.0 * step.failed() as f64 / step.due.max(1) as f64)
    }),
    Figure("processor a request", Unit::ProcessorMicroseconds, Better::Low, RateStep::cpu_per_request),
    Figure("memory", Unit::Bytes, Better::Low, |step| step.process.as_ref().map(|it| it.rss as f64)),
];

impl ReportComparison {
    /// Compares two reports.
    pub fn new(a: &Report, b: &Report) -> Self {
        let (pairs, [only_a, only_b]) = matched_steps(a, b);
        let steps = pairs.len().max(1);
        let ratio = Figure("of a null server", Unit::Ratio, Better::High, |_| None);
        let knee = Figure("knee", Unit::PerSecond, Better::High, |_| None);
        // The pairs of a ceiling are of one start of the daemon: they say nothing of how starts differ.
        let ratios = |report: &Report| report.ceiling.iter().map(|ceiling| ceiling.ratio).collect();
        let mut changes = Vec::new();
        changes.extend(FigureChange::new(&knee, None, [valid_knees(a), valid_knees(b)], 1));
        changes.extend(FigureChange::new(&ratio, None, [ratios(a), ratios(b)], 1));
        for pair in &pairs {
            let [of_a, of_b] = pair;
            let rate = (a.is_sweep() || b.is_sweep()).then_some(of_a.rate);
            for figure in &FIGURES {
                let values =
                    pair.each_ref().map(|it| it.steps.iter().filter_map(|step| figure.3(step)).collect());
                let Some(mut change) = FigureChange::new(figure, rate, values, steps) else { continue };
                if figure.1.depends_on_the_rate() && !is_same_rate(of_a.rate, of_b.rate) {
                    change.verdict = ChangeVerdict::NotComparable;
                }
                changes.push(change);
            }
        }
        let differences = setup::differences(a, b);
        Self {
            schema: SCHEMA,
            differences,
            changes,
            only_a,
            only_b,
            invalid: (invalid(a), invalid(b)),
            steps,
        }
    }

    /// Returns the figures with this verdict.
    pub fn with_verdict(&self, verdict: ChangeVerdict) -> impl Iterator<Item = &FigureChange> {
        self.changes.iter().filter(move |change| change.verdict == verdict)
    }
}

impl FigureChange {
    fn new(figure: &Figure, rate: Option<f64>, [a, b]: [Vec<f64>; 2], shares: usize) -> Option<Self> {
        let &Figure(name, unit, better, _) = figure;
        let (median_a, median_b) = (median(&a)?, median(&b)?);
        let change_percent = (median_a != 0.0).then(|| (median_b / median_a - 1.0) * 100.0);
        let verdict = ChangeVerdict::new(&a, &b, better, shares);
        Some(Self { rate, figure: name, unit, a, b, median_a, median_b, change_percent, verdict })
    }

    /// Returns the figure's name with the rate of its step.
    pub fn name(&self) -> String {
        match self.rate {
            Some(rate) => format!("{} at {}", self.figure, per_second(rate)),
            None => self.figure.to_owned(),
        }
    }
}

fn invalid(report: &Report) -> usize {
    report.runs.iter().flat_map(|run| &run.steps).filter(|step| step.invalid.is_some()).count()
}

/// Returns the knees of the runs whose step at the knee is valid.
fn valid_knees(report: &Report) -> Vec<f64> {
    let is_valid = |run: &&ScenarioRun| {
        !run.steps.iter().any(|step| Some(step.rate) == run.knee && step.invalid.is_some())
    };
    report.runs.iter().filter(is_valid).filter_map(|run| run.knee).collect()
}

/// The valid steps of one rate, of all runs.
struct StepsOfRate<'a> {
    rate: f64,
    steps: Vec<&'a RateStep>,
}

/// Returns the steps of both that belong together, and the rates that only one of them has.
fn matched_steps<'a>(a: &'a Report, b: &'a Report) -> (Vec<[StepsOfRate<'a>; 2]>, [Vec<f64>; 2]) {
    let (of_a, mut of_b) = (steps_by_rate(a), steps_by_rate(b));
    if !a.is_sweep() && !b.is_sweep() {
        let pair = together(of_a).zip(together(of_b)).map(|(a, b)| [a, b]);
        return (pair.into_iter().collect(), [Vec::new(), Vec::new()]);
    }
    let (mut pairs, mut only_a) = (Vec::new(), Vec::new());
    for steps in of_a {
        match of_b.iter().position(|other| is_same_rate(steps.rate, other.rate)) {
            Some(at) => pairs.push([steps, of_b.remove(at)]),
            None => only_a.push(steps.rate),
        }
    }
    (pairs, [only_a, of_b.iter().map(|steps| steps.rate).collect()])
}

fn steps_by_rate(report: &Report) -> Vec<StepsOfRate<'_>> {
    let valid = report.runs.iter().flat_map(|run| &run.steps).filter(|step| step.invalid.is_none());
    let mut sorted: Vec<_> = valid.collect();
    sorted.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let mut all: Vec<StepsOfRate<'_>> = Vec::new();
    for step in sorted {
        match all.last_mut().filter(|last| is_same_rate(last.rate, step.rate)) {
            Some(last) => last.steps.push(step),
            None => all.push(StepsOfRate { rate: step.rate, steps: vec![step] }),
        }
    }
    all
}

/// Puts the steps together whatever their rate was: their rate is part of the setup.
fn together(all: Vec<StepsOfRate<'_>>) -> Option<StepsOfRate<'_>> {
    let steps: Vec<_> = all.into_iter().flat_map(|steps| steps.steps).collect();
    let rate = median(&steps.iter().map(|step| step.rate).collect::<Vec<_>>())?;
    Some(StepsOfRate { rate, steps })
}
