//! The table that the terminal shows at the end.

use super::{
    model::{Ceiling, Latency, RateStep, Report, ScenarioRun},
    units::{self, megabytes, rate, thousands, time},
};
use crate::{error::Result, output, statistics::median};
use anstyle::{AnsiColor, Style};
use std::fmt::{self, Write};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default();
pub(crate) const HEAD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();

/// What stands for the counts of a registry that are not known.
pub(crate) const UNKNOWN_COUNTS: &str = "not told how large: name the admin listener with --admin";

pub(crate) fn print(report: &Report) -> Result<()> {
    output::print(&table(report))
}

/// Returns the table, with styles.
pub fn table(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_setup(&mut out, report);
    let _ = write_steps(&mut out, &report.runs);
    let _ = write_failures(&mut out, &report.runs);
    let _ = write_verdicts(&mut out, report);
    out
}

fn write_setup(out: &mut String, report: &Report) -> fmt::Result {
    let setup = &report.setup;
    let (machine, registry) = (&setup.machine, &setup.registry);
    writeln!(out, "\n{HEAD}{}{HEAD:#}  {}", report.scenario, report.started)?;
    let mut row = |name: &str, value: &str| writeln!(out, "{DIM}{name:<12}{DIM:#}{value}");
    let memory = machine.memory as f64 / f64::from(1 << 30);
    let cores = machine.cores;
    row("machine", &format!("{}, {cores} cores, {memory:.0} GiB, {}", machine.processor, machine.kernel))?;
    let daemon = setup.daemon.as_deref().unwrap_or("unknown");
    row("daemon", &format!("{daemon}, harness {}", setup.commit.as_deref().unwrap_or("of no checkout")))?;
    if let Some(command) = &setup.daemon_command {
        row("", command)?;
    }
    row("pinning", &units::pinning(setup.pinning.as_ref()))?;
    row("registry", &registry.source)?;
    let counts = if registry.is_known() {
        let [accounts, pools, ous] = [registry.accounts, registry.pools, registry.ous].map(thousands);
        let bytes =
            registry.snapshot_bytes.map(|bytes| format!(", {}", megabytes(bytes))).unwrap_or_default();
        format!("{accounts} accounts, {pools} pools, {ous} OUs{bytes}")
    } else {
        UNKNOWN_COUNTS.to_owned()
    };
    row("", &format!("{counts}; seed {}", setup.seed))?;
    row("load", &format!("{} connections, time-out {}", setup.connections, time(setup.timeout_us as f64)))?;
    for note in &setup.notes {
        row("note", note)?;
    }
    report.ceiling.iter().try_for_each(|it| row("ceiling", &ceiling(it)))
}

/// Describes the medians of both servers and the median of their ratios.
pub(crate) fn ceiling(ceiling: &Ceiling) -> String {
    let middle = |rates: &[f64]| rate(median(rates).unwrap_or_default());
    let (low, high) = ceiling.ratio_range();
    let limit = ceiling.harness_limit();
    let all = format!(
        "{}/s by the daemon, {}/s by a null server: {:.2} of it{} ({low:.2} to {high:.2}, pair by pair)",
        middle(&ceiling.daemon),
        middle(&ceiling.null),
        ceiling.ratio,
        if limit.is_some() { " at the most" } else { "" }
    );
    match limit {
        Some(idle) => format!(
            "{all}; beside the null server the harness was idle for {idle:.1} % of the time, so that its figure is the \
             harness's own limit"
        ),
        None => all,
    }
}

fn write_steps(out: &mut String, runs: &[ScenarioRun]) -> fmt::Result {
    let names = ["", "rate/s", "answers/s", "p50", "p90", "p99", "p99.9", "max", "errors"];
    let [name, others @ .., errors] = names;
    let others: String = others.iter().map(|name| format!("{name:>10}")).collect();
    writeln!(out, "\n{HEAD}{name:>9}{others}{errors:>8}{HEAD:#}")?;
    for (run, n) in runs.iter().zip(1..) {
        if runs.len() > 1 {
            writeln!(out, "{DIM}run {n}{DIM:#}")?;
        }
        run.steps.iter().try_for_each(|step| write_step(out, step))?;
        if let Some(why) = &run.no_knee {
            writeln!(out, "{BAD}no highest rate was found: {why}{BAD:#}")?;
        }
        if let Some(knee) = run.knee {
            writeln!(out, "{HEAD}the highest rate that kept to the limit: {}/s{HEAD:#}", rate(knee))?;
        }
    }
    Ok(())
}

fn write_step(out: &mut String, step: &RateStep) -> fmt::Result {
    let figures = |latency: &Latency| {
        let all = [latency.p50, latency.p90, latency.p99, latency.p999, latency.max];
        all.map(|value| format!("{:>10}", time(value))).concat()
    };
    let errors = step.failed();
    let style = if errors > 0 || step.invalid.is_some() { BAD } else { Style::new() };
    let (due, answered, corrected) = (rate(step.rate), rate(step.achieved), figures(&step.corrected));
    writeln!(out, "{style}{:>9}{due:>10}{answered:>10}{corrected}{errors:>8}{style:#}", "corrected")?;
    for (name, latency) in [("from send", &step.uncorrected), ("lateness", &step.lateness)] {
        writeln!(out, "{DIM}{name:>9}{:20}{}{DIM:#}", "", figures(latency))?;
    }
    if let Some(selections) = step.selections {
        writeln!(out, "{:>9}{:>10}/s", "lines", rate(selections))?;
    }
    let percent = |percent: Option<f64>| percent.map_or("unknown".to_owned(), |it| format!("{it:.1} %"));
    let [daemon, harness] = [step.waited.daemon_percent, step.waited.harness_percent].map(percent);
    let idle = step.idle_percent;
    let name = "waited";
    writeln!(
        out,
        "{DIM}{name:>9} for a core: daemon {daemon}, harness {harness}; harness idle {idle:.1} %{DIM:#}"
    )?;
    if let Some(why) = &step.invalid {
        writeln!(out, "{BAD}invalid: {why}{BAD:#}")?;
    }
    step.warnings.iter().try_for_each(|warning| writeln!(out, "{WARNING}warning: {warning}{WARNING:#}"))
}

fn write_failures(out: &mut String, runs: &[ScenarioRun]) -> fmt::Result {
    for (run, n) in runs.iter().zip(1..) {
        for (kind, failures) in run.steps.iter().flat_map(|step| &step.errors) {
            let (count, first) = (failures.count, &failures.first);
            writeln!(out, "{BAD}run {n}: {count} × {kind}{BAD:#}, the first: {first}")?;
        }
    }
    Ok(())
}

fn write_verdicts(out: &mut String, report: &Report) -> fmt::Result {
    if !report.verdicts.is_empty() {
        writeln!(out)?;
    }
    for verdict in &report.verdicts {
        let (style, word) = if verdict.holds { (GOOD, "holds") } else { (BAD, "FAILS") };
        writeln!(out, "{style}{word}{style:#}  {}: {}", verdict.demand, verdict.measured)?;
    }
    writeln!(out)
}
