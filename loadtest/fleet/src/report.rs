//! The report of a measurement: its figures as a table and as JSON.

use std::fmt::Write;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const HEAD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Prints a line to standard error. Ignores a closed one.
pub(crate) fn log(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// A figure that was measured in several rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub figure: String,
    /// The unit of all values: `ms`, `s`, `ratio` and others.
    pub unit: &'static str,
    /// The value of each round.
    pub rounds: Vec<f64>,
    /// The median of the rounds.
    pub median: f64,
    /// The limit that the median must keep. `null` for a figure that only informs.
    pub floor: Option<f64>,
    /// The goal.
    pub aim: Option<f64>,
    /// Whether a greater value is better.
    pub more_is_better: bool,
    /// Whether the median keeps the floor.
    pub holds: bool,
}

/// The figures with what they were measured on.
#[derive(Debug, Clone, Serialize)]
pub struct FleetReport {
    /// The start in RFC 3339.
    pub started: String,
    /// The processor of the machine.
    pub processor: String,
    /// The number of cores that the measurement could use.
    pub cores: usize,
    /// The version of the broker.
    pub broker: String,
    /// The number of real daemons.
    pub daemons: usize,
    /// The number of simulated replicas.
    pub simulated: usize,
    /// The number of accounts of the registry.
    pub accounts: usize,
    /// The figures.
    pub figures: Vec<Figure>,
}

impl Figure {
    /// Creates a figure that only informs.
    #[must_use]
    pub fn new(figure: impl Into<String>, unit: &'static str, rounds: Vec<f64>) -> Figure {
        let median = median(&rounds);
        let figure = figure.into();
        Figure { figure, unit, rounds, median, floor: None, aim: None, more_is_better: false, holds: true }
    }

    /// Adds the greatest permitted value and the goal.
    #[must_use]
    pub fn at_most(self, floor: f64, aim: f64) -> Figure {
        let holds = self.median <= floor;
        Figure { floor: Some(floor), aim: Some(aim), holds, ..self }
    }

    /// Adds the least permitted value and the goal.
    #[must_use]
    pub fn at_least(self, floor: f64, aim: f64) -> Figure {
        let holds = self.median >= floor;
        Figure { floor: Some(floor), aim: Some(aim), holds, more_is_better: true, ..self }
    }

    /// Returns whether the median reaches the goal.
    #[must_use]
    pub fn reaches_aim(&self) -> bool {
        let reaches = |aim| if self.more_is_better { self.median >= aim } else { self.median <= aim };
        self.aim.is_none_or(reaches)
    }
}

impl FleetReport {
    /// Returns the table of the figures, with styles.
    #[must_use]
    pub fn table(&self) -> String {
        let FleetReport { started, processor, cores, broker, daemons, simulated, accounts, figures } = self;
        let mut table = format!(
            "{HEAD}fleet{HEAD:#}  {started}\n{DIM}{processor}, {cores} cores; nats-server {broker}; {daemons} daemons, \
             {simulated} simulated replicas, {accounts} accounts{DIM:#}\n\n{HEAD}{:<76}{:>10}  {:<24}{:>8}{:>8}{HEAD:#}\n",
            "", "median", "[least, most]", "floor", "aim"
        );
        for figure in figures {
            let least = figure.rounds.iter().copied().fold(f64::INFINITY, f64::min);
            let most = figure.rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let spread = match figure.rounds.len() {
                0 | 1 => String::new(),
                _ => format!("[{}, {}]", shown(least), shown(most)),
            };
            let limit = |limit: Option<f64>| limit.map_or_else(String::new, shown);
            let (style, word) = match (figure.floor, figure.holds, figure.reaches_aim()) {
                (None, ..) => (Style::new(), ""),
                (_, false, _) => (BAD, "FLOOR MISSED"),
                (_, _, false) => (Style::new(), "floor met"),
                _ => (GOOD, "met"),
            };
            let name = format!("{}, {}", figure.figure, figure.unit);
            let _ = writeln!(
                table,
                "{name:<76}{:>10}  {spread:<24}{:>8}{:>8}  {style}{word}{style:#}",
                shown(figure.median),
                limit(figure.floor),
                limit(figure.aim)
            );
        }
        table
    }

    /// Returns the figures that miss their floor.
    pub fn missed(&self) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(|figure| !figure.holds)
    }
}

/// Returns a value with three digits, or more where it has more before the point.
fn shown(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        value if value < 1.0 => 3,
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

/// Returns the middle value, or the mean of the two middle values. 0 without values.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    f64::midpoint(at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2))
}

/// Returns the value that only this share of the values exceeds. 0 without values.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_and_aims_are_limits_of_the_median() {
        let figure = Figure::new("a", "ms", vec![3.0, 1.0, 2.0]);
        assert!(figure.holds && figure.reaches_aim());
        let met = figure.clone().at_most(2.0, 2.0);
        assert!(met.holds && met.reaches_aim());
        let floor = figure.clone().at_most(2.5, 1.5);
        assert!(floor.holds && !floor.reaches_aim());
        assert!(!figure.clone().at_most(1.5, 1.0).holds);
        let ratio = figure.at_least(2.0, 2.5);
        assert!(ratio.holds && !ratio.reaches_aim());
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(
            (quantile(&values, 0.99), quantile(&values, 1.0), quantile(&values, 0.5)),
            (198.0, 200.0, 100.0)
        );
        assert_eq!(
            (median(&values), median(&[7.0]), median(&[]), quantile(&[], 0.99)),
            (100.5, 7.0, 0.0, 0.0)
        );
    }
}
