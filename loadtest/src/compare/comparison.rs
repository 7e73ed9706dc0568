//! Two reports compared figure by figure. `--format json` writes this comparison, and the table shows it.

use super::{
    setup::{self, SetupDifference, is_same_rate},
    verdict::ChangeVerdict,
};
use crate::{
    report::{
        figures::{FIGURES, Figure, KNEE, NULL_RATIO, Unit},
        model::{RateStep, Report, ScenarioRun},
        units::per_second,
    },
    statistics::median,
};
use serde::Serialize;

/// Version of the comparison's format. It increases when a field changes its meaning.
const SCHEMA: u32 = 1;

/// Comparison of two reports, A and B.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReportComparison {
    /// Version of the comparison's format.
    pub schema: u32,
    /// Differences between the two setups.
    pub differences: Vec<SetupDifference>,
    /// Changes of the figures from A to B.
    pub changes: Vec<FigureChange>,
    /// Rates of a sweep at which only report A has a step.
    pub only_a: Vec<f64>,
    /// Rates of a sweep at which only report B has a step.
    pub only_b: Vec<f64>,
    /// Number of invalid steps of each report. They are left out.
    pub invalid: (usize, usize),
    /// Number of steps that share the level of the test.
    pub steps: usize,
}

/// Change of one figure from A to B.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureChange {
    /// Rate of the step in a sweep; `None` for a figure of the whole run.
    pub rate: Option<f64>,
    /// Name of the figure, such as `p99`.
    pub figure: &'static str,
    /// Unit of the values and of the medians.
    pub unit: Unit,
    /// Values of report A, by run.
    pub a: Vec<f64>,
    /// Values of report B, by run.
    pub b: Vec<f64>,
    /// Median of the values of report A.
    pub median_a: f64,
    /// Median of the values of report B.
    pub median_b: f64,
    /// Change of the median in per cent; `None` if the median of A is 0.
    pub change_percent: Option<f64>,
    /// Whether the change exceeds the noise.
    pub verdict: ChangeVerdict,
}

impl ReportComparison {
    /// Compares report A with report B, figure by figure.
    pub fn new(a: &Report, b: &Report) -> Self {
        let is_sweep = a.is_sweep() || b.is_sweep();
        let (pairs, single): (Vec<_>, Vec<_>) =
            steps_by_rate(a, b, is_sweep).into_iter().partition(|it| !it.a.is_empty() && !it.b.is_empty());
        let (only_a, only_b): (Vec<_>, Vec<_>) = single.into_iter().partition(|it| it.b.is_empty());
        let rates = |steps: Vec<StepsOfRate<'_>>| steps.into_iter().map(|it| it.rate).collect();
        let steps = pairs.len().max(1);
        // All pairs of a ceiling share one start of the daemon, so they do not show the noise between starts.
        let ratios = |report: &Report| report.ceiling.iter().map(|ceiling| ceiling.ratio).collect();
        let mut changes = Vec::new();
        changes.extend(FigureChange::new(&KNEE, None, [valid_knees(a), valid_knees(b)], 1));
        changes.extend(FigureChange::new(&NULL_RATIO, None, [ratios(a), ratios(b)], 1));
        for pair in &pairs {
            let rate = |steps: &[&RateStep]| median(steps.iter().map(|step| step.rate));
            let is_same = is_same_rate(rate(&pair.a), rate(&pair.b));
            for figure in &FIGURES {
                let values =
                    |steps: &[&RateStep]| steps.iter().filter_map(|step| (figure.of)(step)).collect();
                let values = [values(&pair.a), values(&pair.b)];
                let rate = is_sweep.then_some(pair.rate);
                let Some(mut change) = FigureChange::new(figure, rate, values, steps) else { continue };
                if figure.unit.depends_on_the_rate() && !is_same {
                    change.verdict = ChangeVerdict::NotComparable;
                }
                changes.push(change);
            }
        }
        let invalid = |report: &Report| report.steps().filter(|(_, step)| step.invalid.is_some()).count();
        Self {
            schema: SCHEMA,
            differences: setup::differences(a, b),
            changes,
            only_a: rates(only_a),
            only_b: rates(only_b),
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
        let &Figure { name, unit, better: Some(better), .. } = figure else { return None };
        let (median_a, median_b) = (median(&a)?, median(&b)?);
        let change_percent = (median_a != 0.0).then(|| (median_b / median_a - 1.0) * 100.0);
        let verdict = ChangeVerdict::new(&a, &b, better, shares);
        Some(Self { rate, figure: name, unit, a, b, median_a, median_b, change_percent, verdict })
    }

    /// Returns the figure's name and the rate of its step.
    pub fn name(&self) -> String {
        match self.rate {
            Some(rate) => format!("{} at {}", self.figure, per_second(rate)),
            None => self.figure.to_owned(),
        }
    }
}

/// Returns the knees of the runs whose step at the knee is valid. A lower bound of the knee does not count.
fn valid_knees(report: &Report) -> Vec<f64> {
    let is_valid = |run: &&ScenarioRun| {
        run.at_least.is_none()
            && !run.steps.iter().any(|step| Some(step.rate) == run.knee && step.invalid.is_some())
    };
    report.runs.iter().filter(is_valid).filter_map(|run| run.knee).collect()
}

/// The valid steps of one rate, of all runs of both reports.
struct StepsOfRate<'a> {
    rate: f64,
    a: Vec<&'a RateStep>,
    b: Vec<&'a RateStep>,
}

/// Groups the valid steps by rate. Without a sweep, all steps are one group: their rate belongs to the setup.
fn steps_by_rate<'a>(a: &'a Report, b: &'a Report, is_sweep: bool) -> Vec<StepsOfRate<'a>> {
    let valid =
        |report: &'a Report| report.steps().map(|(_, step)| step).filter(|step| step.invalid.is_none());
    let mut steps: Vec<_> =
        valid(a).map(|step| (step, true)).chain(valid(b).map(|step| (step, false))).collect();
    steps.sort_by(|(a, _), (b, _)| a.rate.total_cmp(&b.rate));
    let mut groups: Vec<StepsOfRate<'_>> = Vec::new();
    for (step, is_of_a) in steps {
        if groups.last().is_none_or(|group| is_sweep && !is_same_rate(Some(group.rate), Some(step.rate))) {
            groups.push(StepsOfRate { rate: step.rate, a: Vec::new(), b: Vec::new() });
        }
        if let Some(group) = groups.last_mut() {
            if is_of_a { group.a.push(step) } else { group.b.push(step) }
        }
    }
    groups
}
