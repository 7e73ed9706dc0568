//! Two reports compared: the differences between their setups, which may explain a change that the daemon did
//! not cause, and each figure with a verdict. `--format json` writes this comparison, and the table shows it.

use crate::{
    report::{
        figures::{Better, FIGURES, Figure, KNEE, NULL_RATIO, SetupRole, Unit, setup_rows},
        model::{RateStep, Report, ScenarioRun},
        units::per_second,
    },
    statistics::{median, min_rank_sum_p_value, range, rank_sum_p_value},
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// Version of the comparison's format. It increases when a field changes its meaning.
const SCHEMA: u32 = 1;

/// Largest share of unchanged figures that may be taken for changed.
pub(super) const LEVEL: f64 = 0.01;
pub(super) const MIN_CHANGE: f64 = 0.02;
const MIN_RUNS: usize = 3;

/// Keys of a scenario that do not matter, or are compared as rows of the setup.
const ELSEWHERE: [&str; 4] = ["about", "registry", "connections", "timeout"];

/// Two rates are the same if they differ by at most this share.
const SAME_RATE: f64 = 0.01;

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

/// Difference between the setups of two reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetupDifference {
    /// Name of the differing row of the setup, or of the differing key of the scenario.
    pub what: Cow<'static, str>,
    /// Value of this row in report A.
    pub a: String,
    /// Value of this row in report B.
    pub b: String,
    /// Whether the difference is the daemon or the harness itself, and not a condition of the comparison.
    pub expected: bool,
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
            differences: differences(a, b),
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

/// Verdict on the change of a figure.
///
/// Each rule takes at most one unchanged figure in a hundred for changed. `tests/compare/noise.rs` counts
/// them.
///
/// - If there are enough runs to reach 1 %, such as 5 and 5, the exact rank-sum test decides at this level.
/// - With fewer runs, the ranges must not overlap, and the distance of the medians must exceed the width of
///   the larger range; with 3 runs on a side, twice the width.
/// - With fewer than 3 runs, the noise is unknown.
///
/// The steps of a sweep share the 1 %. A change of less than 2 % is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeVerdict {
    /// The figure is better beyond the noise.
    Better,
    /// The figure is worse beyond the noise.
    Worse,
    /// The noise explains the change, or the change is too small to matter.
    None,
    /// There are too few runs to know the noise.
    Unknown,
    /// The figure depends on the rate, and the rates differ.
    NotComparable,
}

impl ChangeVerdict {
    /// Judges a figure. `shares` figures share the level.
    pub(super) fn new(a: &[f64], b: &[f64], better: Better, shares: usize) -> Self {
        let (Some(from), Some(to)) = (median(a), median(b)) else { return Self::Unknown };
        let level = LEVEL / shares.max(1) as f64;
        let exact = min_rank_sum_p_value(a.len(), b.len()) <= level;
        let runs = a.len().min(b.len());
        if runs < MIN_RUNS || !exact && shares > 1 {
            return Self::Unknown;
        }
        let change = (to - from).abs();
        let beyond = if exact { rank_sum_p_value(a, b) <= level } else { are_apart(a, b, change, runs) };
        let matters = change >= MIN_CHANGE * from.abs() && to != from;
        match (beyond && matters, (to > from) == (better == Better::High)) {
            (false, _) => Self::None,
            (true, true) => Self::Better,
            (true, false) => Self::Worse,
        }
    }
}

fn are_apart(a: &[f64], b: &[f64], change: f64, runs: usize) -> bool {
    let [(low_a, high_a), (low_b, high_b)] = [a, b].map(|values| range(values.iter().copied()));
    let widest = (high_a - low_a).max(high_b - low_b);
    let times = if runs == MIN_RUNS { 2.0 } else { 1.0 };
    (high_a < low_b || high_b < low_a) && change > times * widest
}

/// Returns the differences. The unexpected ones come first.
fn differences(a: &Report, b: &Report) -> Vec<SetupDifference> {
    let mut found = Vec::new();
    let mut add = |what: Cow<'static, str>, a: String, b: String, expected: bool| {
        if a != b {
            found.push(SetupDifference { what, a, b, expected });
        }
    };
    add("scenario".into(), a.scenario.clone(), b.scenario.clone(), false);
    let keys = [a, b].map(scenario_keys);
    for name in keys.iter().flat_map(BTreeMap::keys).collect::<BTreeSet<_>>() {
        let [a, b] = keys.each_ref().map(|keys| keys.get(name).map_or("absent".to_owned(), Value::to_string));
        add(format!("scenario's {name}").into(), a, b, false);
    }
    for ((what, a, role), (_, b, _)) in setup_rows(a).into_iter().zip(setup_rows(b)) {
        if role != SetupRole::Shown {
            add(what.into(), a, b, role == SetupRole::Subject);
        }
    }
    if !a.is_sweep() && !b.is_sweep() {
        let [a, b] = [a, b].map(|report| median(report.steps().map(|(_, step)| step.rate)));
        // A rate that is a share of the highest rate differs a little from report to report.
        if !is_same_rate(a, b) {
            let [a, b] = [a, b].map(|rate| rate.map_or("none".to_owned(), per_second));
            add("rate".into(), a, b, false);
        }
    }
    found.sort_by_key(|difference| difference.expected);
    found
}

/// Returns whether two rates are the same. A rate that is missing differs from every rate.
fn is_same_rate(a: Option<f64>, b: Option<f64>) -> bool {
    a.zip(b).is_some_and(|(a, b)| (a - b).abs() <= SAME_RATE * a.abs().max(b.abs()))
}

/// Returns the scenario's keys, such as `mix.phone`, with their values.
fn scenario_keys(report: &Report) -> BTreeMap<String, Value> {
    fn flatten(prefix: &str, keys: &Map<String, Value>, found: &mut BTreeMap<String, Value>) {
        for (name, value) in keys {
            match value {
                Value::Object(keys) => flatten(&format!("{prefix}{name}."), keys, found),
                value => drop(found.insert(format!("{prefix}{name}"), value.clone())),
            }
        }
    }
    let mut keys = report.setup.effective.clone();
    keys.retain(|name, _| !ELSEWHERE.contains(&name.as_str()));
    let mut found = BTreeMap::new();
    flatten("", &keys, &mut found);
    found
}
