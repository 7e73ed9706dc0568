//! The command `loadtest compare`: reads two reports and prints their comparison.

use super::comparison::{ChangeVerdict, FigureChange, LEVEL, MIN_CHANGE, ReportComparison};
use crate::{
    error::{Error, Result},
    output,
    report::{
        figures::Unit,
        files,
        model::Report,
        summary::{BAD, DIM, GOOD, HEAD, WARNING, written},
        units::{count, per_second},
    },
};
use clap::{Args, ValueEnum};
use std::{
    fmt::{self, Write},
    path::{Path, PathBuf},
};

/// The arguments of `loadtest compare`.
#[derive(Args)]
pub struct Compare {
    /// JSON file of the report to compare with
    a: PathBuf,
    /// JSON file of the report to judge
    b: PathBuf,
    /// Format of the output: a table for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = ComparisonFormat::Text)]
    format: ComparisonFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ComparisonFormat {
    Text,
    Json,
}

/// Prints the comparison of two reports.
///
/// # Errors
/// A report cannot be read or has no valid run, or a figure is worse beyond the noise.
pub fn run(compare: &Compare) -> Result<()> {
    let (a, b) = (files::read(&compare.a)?, files::read(&compare.b)?);
    for (path, report) in [(&compare.a, &a), (&compare.b, &b)] {
        if report.steps().all(|(_, step)| step.invalid.is_some()) {
            let path = path.display();
            let what = "no run is valid: measure again, and follow the advice of the report's page";
            return Err(Error::Refused(format!("{path}: {what}")));
        }
    }
    let comparison = ReportComparison::new(&a, &b);
    let text = match compare.format {
        ComparisonFormat::Text => {
            written(|out| write_table(out, &comparison, (&compare.a, &a), (&compare.b, &b)))
        }
        ComparisonFormat::Json => serde_json::to_string_pretty(&comparison)
            .map(|json| json + "\n")
            .map_err(|error| Error::io("write to", "standard output")(error.into()))?,
    };
    output::print(&text)?;
    let worse: Vec<_> = comparison.with_verdict(ChangeVerdict::Worse).map(FigureChange::name).collect();
    match worse.as_slice() {
        [] => Ok(()),
        worse => Err(Error::Refused(format!("worse beyond the noise: {}", worse.join(", ")))),
    }
}

fn write_table(
    out: &mut String,
    comparison: &ReportComparison,
    a: (&Path, &Report),
    b: (&Path, &Report),
) -> fmt::Result {
    for (name, (file, report), invalid) in [("A", a, comparison.invalid.0), ("B", b, comparison.invalid.1)] {
        let (file, runs) = (file.display(), count(report.runs.len(), "run"));
        write!(out, "{HEAD}{name}{HEAD:#}  {file}: {}, {runs}, {}", report.scenario, report.started)?;
        if invalid > 0 {
            let steps = count(invalid, if report.is_sweep() { "step" } else { "run" });
            write!(out, "; {WARNING}without {steps}, invalid{WARNING:#}")?;
        }
        writeln!(out)?;
    }
    for it in &comparison.differences {
        let style = if it.expected { DIM } else { WARNING };
        writeln!(out, "{style}differs{style:#}  {}: {} in A, {} in B", it.what, it.a, it.b)?;
    }
    if comparison.differences.iter().any(|it| !it.expected) {
        let warning = "The setups differ: the daemon may not be the cause of the changes below.";
        writeln!(out, "{WARNING}{warning}{WARNING:#}")?;
    }
    for (name, rates) in [("A", &comparison.only_a), ("B", &comparison.only_b)] {
        if !rates.is_empty() {
            let rates: Vec<_> = rates.iter().copied().map(per_second).collect();
            writeln!(out, "{DIM}only in {name}{DIM:#}  steps at {}", rates.join(", "))?;
        }
    }
    writeln!(out, "\n{HEAD}{:<22}{:>14}{:>14}{:>11}{HEAD:#}", "", "A", "B", "change")?;
    let mut last_rate = None;
    for change in &comparison.changes {
        if let Some(rate) = change.rate.filter(|rate| Some(*rate) != last_rate) {
            writeln!(out, "{HEAD}at {}{HEAD:#}", per_second(rate))?;
        }
        last_rate = change.rate;
        let (a, b) = (change.unit.show(change.median_a), change.unit.show(change.median_b));
        let percent = change.change_percent.map_or_else(|| "–".to_owned(), |it| format!("{it:+.1} %"));
        let style = match change.verdict {
            ChangeVerdict::Better => GOOD,
            ChangeVerdict::Worse => BAD,
            ChangeVerdict::None | ChangeVerdict::Unknown | ChangeVerdict::NotComparable => DIM,
        };
        let words = describe(comparison, change);
        writeln!(out, "{:<22}{a:>14}{b:>14}{percent:>11}  {style}{words}{style:#}", change.figure)?;
    }
    let number = |verdict| comparison.with_verdict(verdict).count();
    let (worse, better) = (number(ChangeVerdict::Worse), number(ChangeVerdict::Better));
    let judged = worse + better + number(ChangeVerdict::None);
    if judged == 0 {
        return writeln!(
            out,
            "\nNo figure can be judged: run each scenario with --repeat 5 or more, and compare again."
        );
    }
    let style = if worse > 0 { BAD } else { GOOD };
    let (judged, level, least) = (count(judged, "figure"), LEVEL * 100.0, MIN_CHANGE * 100.0);
    writeln!(out, "\n{judged} judged: {style}{worse} worse{style:#}, {better} better, beyond the noise.")?;
    let note = format!(
        "Noise alone changes a figure with a probability of {level} %. Changes under {least} % are ignored."
    );
    writeln!(out, "{DIM}{note}{DIM:#}")
}

fn describe(comparison: &ReportComparison, change: &FigureChange) -> &'static str {
    let runs = [change.a.len(), change.b.len()];
    match change.verdict {
        ChangeVerdict::Better | ChangeVerdict::Worse => {
            match (change.unit, change.median_b > change.median_a) {
                (Unit::Microseconds, true) => "slower",
                (Unit::Microseconds, false) => "faster",
                (_, true) => "more",
                (Unit::Percent, false) => "fewer",
                (_, false) => "less",
            }
        }
        ChangeVerdict::NotComparable => "not comparable: the rates differ",
        ChangeVerdict::None => "within the noise",
        ChangeVerdict::Unknown if runs == [1, 1] => "noise unknown: no repeated runs",
        ChangeVerdict::Unknown if runs.iter().any(|runs| *runs < 3) => "noise unknown: fewer than three runs",
        ChangeVerdict::Unknown if comparison.steps > 1 => {
            "noise unknown: too few runs for the number of steps"
        }
        ChangeVerdict::Unknown => "noise unknown",
    }
}
