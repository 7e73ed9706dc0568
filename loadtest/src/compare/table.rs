//! A comparison as people read it.

use super::{
    comparison::{Change, Comparison},
    judge::{LEAST, LEVEL, Verdict},
};
use crate::report::{model::Report, units};
use anstyle::{AnsiColor, Style};
use std::fmt::{self, Write as _};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HEAD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// With styles.
pub(super) fn table(comparison: &Comparison, a: (&str, &Report), b: (&str, &Report)) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = reports(&mut out, comparison, a, b);
    let _ = setup(&mut out, comparison);
    let _ = changes(&mut out, comparison);
    let _ = sum(&mut out, comparison);
    out
}

fn reports(out: &mut String, comparison: &Comparison, a: (&str, &Report), b: (&str, &Report)) -> fmt::Result {
    let invalid = [comparison.invalid.0, comparison.invalid.1];
    for ((name, (file, report)), invalid) in [("A", a), ("B", b)].into_iter().zip(invalid) {
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

fn setup(out: &mut String, comparison: &Comparison) -> fmt::Result {
    for it in &comparison.differences {
        let style = if it.expected { DIM } else { WARNING };
        writeln!(out, "{style}differs{style:#}  {}: {} in A, {} in B", it.what, it.a, it.b)?;
    }
    if comparison.differences.iter().any(|it| !it.expected) {
        writeln!(
            out,
            "{WARNING}The setup differs: what changes below need not come from the daemon.{WARNING:#}"
        )?;
    }
    for (name, rates) in [("A", &comparison.only_a), ("B", &comparison.only_b)] {
        if !rates.is_empty() {
            let rates: Vec<_> = rates.iter().map(|rate| units::rate(*rate)).collect();
            writeln!(out, "{DIM}only in {name}{DIM:#}  {} requests a second", rates.join(", "))?;
        }
    }
    Ok(())
}

fn changes(out: &mut String, comparison: &Comparison) -> fmt::Result {
    writeln!(out, "\n{HEAD}{:<22}{:>14}{:>14}{:>11}{HEAD:#}", "", "A", "B", "change")?;
    let mut rate = None;
    for change in &comparison.changes {
        if change.rate != rate {
            rate = change.rate;
            writeln!(out, "{HEAD}at {}/s{HEAD:#}", units::rate(rate.unwrap_or_default()))?;
        }
        let (a, b) = (change.unit.show(change.median_a), change.unit.show(change.median_b));
        let percent = change.change_percent.map_or_else(|| "–".to_owned(), |it| format!("{it:+.1} %"));
        let style = style(change.verdict);
        writeln!(
            out,
            "{:<22}{a:>14}{b:>14}{percent:>11}  {style}{}{style:#}",
            change.figure,
            word(comparison, change)
        )?;
    }
    Ok(())
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Better => GOOD,
        Verdict::Worse => BAD,
        Verdict::None | Verdict::Unknown | Verdict::NotComparable => DIM,
    }
}

/// What is said of a change.
pub(super) fn word(comparison: &Comparison, change: &Change) -> &'static str {
    match change.verdict {
        Verdict::Better | Verdict::Worse => change.unit.word(change.median_b > change.median_a),
        Verdict::NotComparable => "not comparable: the rates differ",
        Verdict::None => "no change that the noise would not explain",
        Verdict::Unknown if change.a.len() == 1 && change.b.len() == 1 => "no repeated runs: noise unknown",
        Verdict::Unknown if change.a.len() < 3 || change.b.len() < 3 => {
            "fewer than three runs: noise unknown"
        }
        Verdict::Unknown if comparison.steps > 1 => "too few runs to judge so many steps",
        Verdict::Unknown => "noise unknown",
    }
}

fn sum(out: &mut String, comparison: &Comparison) -> fmt::Result {
    let number = |verdict| comparison.are(verdict).count();
    let (worse, better) = (number(Verdict::Worse), number(Verdict::Better));
    let (style, judged) = (
        if worse > 0 { BAD } else { GOOD },
        comparison.changes.len() - number(Verdict::Unknown) - number(Verdict::NotComparable),
    );
    if judged == 0 {
        return writeln!(
            out,
            "\nNothing can be judged: repeat the runs, five times or more, and compare again."
        );
    }
    let figures = count(judged, "figure");
    writeln!(out, "\nOf {figures} {style}{worse} worse{style:#}, {better} better, beyond the noise.")?;
    writeln!(
        out,
        "{DIM}Each is judged so that {} % would seem changed by chance; a change under {} % is none.{DIM:#}",
        LEVEL * 100.0,
        LEAST * 100.0
    )
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
