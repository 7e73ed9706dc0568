//! The command: reads two reports and prints the comparison.

use super::{
    comparison::{FigureChange, ReportComparison, Unit},
    verdict::{ChangeVerdict, LEVEL, MIN_CHANGE},
};
use crate::{
    error::{Error, Result},
    output,
    report::{
        files,
        model::Report,
        summary::{BAD, DIM, GOOD, HEAD},
        units,
    },
};
use anstyle::{AnsiColor, Style};
use clap::{Args, ValueEnum};
use std::{
    fmt::{self, Write},
    path::{Path, PathBuf},
};

const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// The arguments of `loadtest compare`.
#[derive(Args)]
pub struct Compare {
    /// The JSON of the report that is compared with
    a: PathBuf,
    /// The JSON of the report that is judged
    b: PathBuf,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = ComparisonFormat::Text)]
    format: ComparisonFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ComparisonFormat {
    Text,
    Json,
}

/// Prints what changed.
///
/// # Errors
/// A report cannot be read, or has no valid run, or a figure is worse beyond the noise.
pub fn run(compare: &Compare) -> Result<()> {
    let (a, b) = (files::read(&compare.a)?, files::read(&compare.b)?);
    require_valid_run(&compare.a, &a)?;
    require_valid_run(&compare.b, &b)?;
    let comparison = ReportComparison::new(&a, &b);
    let name = |path: &Path| path.display().to_string();
    let text = match compare.format {
        ComparisonFormat::Text => table(&comparison, (&name(&compare.a), &a), (&name(&compare.b), &b)),
        ComparisonFormat::Json => serde_json::to_string_pretty(&comparison)
            .map(|it| it + "\n")
            .map_err(|error| Error::io("write to", "standard output")(error.into()))?,
    };
    output::print(&text)?;
    let worse: Vec<_> = comparison.with_verdict(ChangeVerdict::Worse).map(FigureChange::name).collect();
    match worse.as_slice() {
        [] => Ok(()),
        worse => Err(Error::Refused(format!("worse beyond the noise: {}", worse.join(", ")))),
    }
}

fn require_valid_run(path: &Path, report: &Report) -> Result<()> {
    if report.runs.iter().flat_map(|run| &run.steps).any(|step| step.invalid.is_none()) {
        return Ok(());
    }
    let what = "no run in it means something: measure again, as its page and table say";
    Err(Error::Refused(format!("{}: {what}", path.display())))
}

fn table(comparison: &ReportComparison, a: (&str, &Report), b: (&str, &Report)) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_reports(&mut out, comparison, a, b);
    let _ = write_setup(&mut out, comparison);
    let _ = write_changes(&mut out, comparison);
    let _ = write_sum(&mut out, comparison);
    out
}

fn write_reports(
    out: &mut String,
    of: &ReportComparison,
    a: (&str, &Report),
    b: (&str, &Report),
) -> fmt::Result {
    for (name, (file, report), invalid) in [("A", a, of.invalid.0), ("B", b, of.invalid.1)] {
        let runs = count(report.runs.len(), "run");
        write!(out, "{HEAD}{name}{HEAD:#}  {file}: {}, {runs}, {}", report.scenario, report.started)?;
        if invalid > 0 {
            let what = if report.runs.iter().any(|run| run.steps.len() > 1) { "step" } else { "run" };
            write!(out, "; {WARNING}{} invalid, left out{WARNING:#}", count(invalid, what))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_setup(out: &mut String, comparison: &ReportComparison) -> fmt::Result {
    for it in &comparison.differences {
        let style = if it.expected { DIM } else { WARNING };
        writeln!(out, "{style}differs{style:#}  {}: {} in A, {} in B", it.what, it.a, it.b)?;
    }
    if comparison.differences.iter().any(|it| !it.expected) {
        let warning = "The setup differs: what changes below need not come from the daemon.";
        writeln!(out, "{WARNING}{warning}{WARNING:#}")?;
    }
    for (name, rates) in [("A", &comparison.only_a), ("B", &comparison.only_b)] {
        if !rates.is_empty() {
            let rates: Vec<_> = rates.iter().map(|rate| units::rate(*rate)).collect();
            writeln!(out, "{DIM}only in {name}{DIM:#}  {} requests a second", rates.join(", "))?;
        }
    }
    Ok(())
}

fn write_changes(out: &mut String, comparison: &ReportComparison) -> fmt::Result {
    writeln!(out, "\n{HEAD}{:<22}{:>14}{:>14}{:>11}{HEAD:#}", "", "A", "B", "change")?;
    let mut rate = None;
    for change in &comparison.changes {
        if change.rate != rate {
            rate = change.rate;
            writeln!(out, "{HEAD}at {}/s{HEAD:#}", units::rate(rate.unwrap_or_default()))?;
        }
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
    Ok(())
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
        ChangeVerdict::None => "no change that the noise would not explain",
        ChangeVerdict::Unknown if runs == [1, 1] => "no repeated runs: noise unknown",
        ChangeVerdict::Unknown if runs.iter().any(|runs| *runs < 3) => "fewer than three runs: noise unknown",
        ChangeVerdict::Unknown if comparison.steps > 1 => "too few runs to judge so many steps",
        ChangeVerdict::Unknown => "noise unknown",
    }
}

fn write_sum(out: &mut String, comparison: &ReportComparison) -> fmt::Result {
    let number = |verdict| comparison.with_verdict(verdict).count();
    let (worse, better) = (number(ChangeVerdict::Worse), number(ChangeVerdict::Better));
    let judged =
        comparison.changes.len() - number(ChangeVerdict::Unknown) - number(ChangeVerdict::NotComparable);
    if judged == 0 {
        let advice = "Nothing can be judged: repeat the runs, five times or more, and compare again.";
        return writeln!(out, "\n{advice}");
    }
    let style = if worse > 0 { BAD } else { GOOD };
    let (figures, level, least) = (count(judged, "figure"), LEVEL * 100.0, MIN_CHANGE * 100.0);
    writeln!(out, "\nOf {figures} {style}{worse} worse{style:#}, {better} better, beyond the noise.")?;
    writeln!(
        out,
        "{DIM}Each is judged so that {level} % would seem changed by chance; a change under {least} % is none.{DIM:#}"
    )
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
