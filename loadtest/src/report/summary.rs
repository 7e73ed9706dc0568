//! The table that the terminal shows at the end of a scenario.

use super::{
    figures::{describe_ceiling, setup_rows},
    model::{Failures, Latency, RateStep, Report},
    units::{per_second, rate, time},
};
use anstyle::{AnsiColor, Style};
use std::fmt::{self, Write};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(crate) const HEAD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();

/// Returns the table of a report, with styles.
pub fn table(report: &Report) -> String {
    let head = format!("\n{HEAD}{}{HEAD:#}  {}\n", report.scenario, report.started);
    let setup = setup_rows(report).into_iter().map(|(name, value, _)| (name, value));
    let ceiling = report.ceiling.iter().map(|ceiling| ("ceiling", describe_ceiling(ceiling)));
    head + &rows(setup.chain(ceiling)) + &written(|out| write_figures(out, report))
}

/// Returns a line for each name and value.
pub(crate) fn rows(rows: impl IntoIterator<Item = (&'static str, String)>) -> String {
    rows.into_iter().map(|(name, value)| format!("{DIM}{name:<18}{DIM:#}{value}\n")).collect()
}

/// Returns the figures and the errors of one step, with styles.
pub(crate) fn step(step: &RateStep) -> String {
    written(|out| {
        write_head(out)?;
        write_step(out, step)?;
        write_errors(out, "", step)
    })
}

pub(crate) fn written(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut out);
    out
}

fn write_head(out: &mut String) -> fmt::Result {
    write!(out, "\n{HEAD}{:>11}{:>10}{:>11}", "", "rate/s", "answers/s")?;
    ["p50", "p90", "p99", "p99.9", "max"].iter().try_for_each(|name| write!(out, "{name:>10}"))?;
    writeln!(out, "{:>10}{HEAD:#}", "failures")
}

fn write_figures(out: &mut String, report: &Report) -> fmt::Result {
    write_head(out)?;
    for (run, n) in report.runs.iter().zip(1..) {
        if report.runs.len() > 1 {
            writeln!(out, "{DIM}run {n}{DIM:#}")?;
        }
        run.steps.iter().try_for_each(|step| write_step(out, step))?;
        if let Some(why) = &run.no_knee {
            writeln!(out, "{BAD}no knee was found: {why}{BAD:#}")?;
        }
        if let Some(knee) = run.knee.map(per_second) {
            match &run.at_least {
                None => writeln!(out, "{HEAD}knee, the highest rate that kept the limit: {knee}{HEAD:#}")?,
                Some(why) => {
                    writeln!(out, "{HEAD}knee: at least {knee}, which kept the limit{HEAD:#}")?;
                    writeln!(out, "{WARNING}the next higher rate could not be measured: {why}{WARNING:#}")?;
                }
            }
        }
    }
    report.steps().try_for_each(|(n, step)| write_errors(out, &format!("run {}: ", n + 1), step))?;
    for (n, verdict) in report.verdicts.iter().enumerate() {
        let (style, word) = if verdict.holds { (GOOD, "holds") } else { (BAD, "FAILS") };
        let gap = if n == 0 { "\n" } else { "" };
        writeln!(out, "{gap}{style}{word}{style:#}  {}: {}", verdict.demand, verdict.measured)?;
    }
    writeln!(out)
}

fn write_errors(out: &mut String, run: &str, step: &RateStep) -> fmt::Result {
    step.errors.iter().try_for_each(|(kind, Failures { count, first })| {
        writeln!(out, "{BAD}{run}{count} × {kind}{BAD:#}, the first: {first}")
    })
}

fn write_step(out: &mut String, step: &RateStep) -> fmt::Result {
    let figures = |latency: &Latency| {
        let all = [latency.p50, latency.p90, latency.p99, latency.p999, latency.max];
        all.map(|value| format!("{:>10}", time(value))).concat()
    };
    let failures = step.failed();
    let style = if failures > 0 || step.invalid.is_some() { BAD } else { Style::new() };
    let (due, answered, corrected) = (rate(step.rate), rate(step.achieved), figures(&step.corrected));
    writeln!(out, "{style}{:>11}{due:>10}{answered:>11}{corrected}{failures:>10}{style:#}", "corrected")?;
    for (name, latency) in [("uncorrected", &step.uncorrected), ("lateness", &step.lateness)] {
        writeln!(out, "{DIM}{name:>11}{:21}{}{DIM:#}", "", figures(latency))?;
    }
    if let Some(selections) = step.selections {
        writeln!(out, "{:>11}{:>12}", "selections", per_second(selections))?;
    }
    let percent = |percent: Option<f64>| percent.map_or("unknown".to_owned(), |it| format!("{it:.1} %"));
    let [daemon, harness] = [step.waited.daemon_percent, step.waited.harness_percent].map(percent);
    let (name, idle) = ("waited", step.idle_percent);
    writeln!(
        out,
        "{DIM}{name:>11} for a core: daemon {daemon}, harness {harness}; harness idle {idle:.1} %{DIM:#}"
    )?;
    if let Some(why) = &step.invalid {
        writeln!(out, "{BAD}invalid: {why}{BAD:#}")?;
    }
    step.warnings.iter().try_for_each(|warning| writeln!(out, "{WARNING}warning: {warning}{WARNING:#}"))
}
