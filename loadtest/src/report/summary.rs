//! The table at the end.

use super::{
    middle::median,
    model::{Ceiling, Latency, Report, Run, Step},
    units::{self, megabytes, rate, thousands, time},
};
use crate::{
    engine::IDLE_PERCENT,
    error::{Error, Result},
};
use anstyle::{AnsiColor, Style};
use std::{
    fmt::Write as _,
    io::{self, Write},
};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default();
const HEAD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Of a registry's counts.
pub(crate) const UNTOLD: &str = "not told how large: name the admin listener with --admin";

/// On standard output: colour on a terminal, plain in a pipe.
pub(crate) fn print(report: &Report) -> Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(table(report).as_bytes()).and_then(|()| out.flush()) {
        // A reader that has gone, as in `| head`, is no failure.
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Io { doing: "write to", path: "standard output".into(), source })
        }
        _ => Ok(()),
    }
}

/// The table, with styles.
pub fn table(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = setup(&mut out, report);
    let _ = steps(&mut out, &report.runs);
    let _ = failures(&mut out, &report.runs);
    let _ = verdicts(&mut out, report);
    out
}

fn setup(out: &mut String, report: &Report) -> std::fmt::Result {
    let setup = &report.setup;
    writeln!(out, "\n{HEAD}{}{HEAD:#}  {}", report.scenario, report.started)?;
    let mut row = |name: &str, value: String| writeln!(out, "{DIM}{name:<12}{DIM:#}{value}");
    let machine = &setup.machine;
    let memory = machine.memory as f64 / f64::from(1 << 30);
    row(
        "machine",
        format!("{}, {} cores, {memory:.0} GiB, {}", machine.processor, machine.cores, machine.kernel),
    )?;
    let daemon = setup.daemon.clone().unwrap_or_else(|| "unknown".to_owned());
    row("daemon", format!("{daemon}, harness {}", setup.commit.as_deref().unwrap_or("of no checkout")))?;
    if let Some(command) = &setup.daemon_command {
        row("", command.clone())?;
    }
    row("pinning", units::pinning(setup.pinning.as_ref()))?;
    let registry = &setup.registry;
    let bytes = registry.snapshot_bytes.map(|bytes| format!(", {}", megabytes(bytes))).unwrap_or_default();
    row("registry", registry.source.clone())?;
    let counts = match registry.told() {
        true => format!(
            "{} accounts, {} pools, {} OUs{bytes}",
            thousands(registry.accounts),
            thousands(registry.pools),
            thousands(registry.ous)
        ),
        false => UNTOLD.to_owned(),
    };
    row("", format!("{counts}; seed {}", setup.seed))?;
    row("load", format!("{} connections, time-out {}", setup.connections, time(setup.timeout_us as f64)))?;
    for note in &setup.notes {
        row("note", note.clone())?;
    }
    match &report.ceiling {
        Some(it) => row("ceiling", ceiling(it)),
        None => Ok(()),
    }
}

/// The middle of the runs, and the middle of their ratios.
pub(crate) fn ceiling(ceiling: &Ceiling) -> String {
    let middle = |rates: &[f64]| rate(median(rates).unwrap_or_default());
    let (low, high) = pairs(ceiling);
    let limit = harness_limit(ceiling);
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

/// The lowest and the highest ratio of a pair: how much the one in the middle is worth.
pub(crate) fn pairs(ceiling: &Ceiling) -> (f64, f64) {
    let ratios = ceiling.daemon.iter().zip(&ceiling.null).map(|(daemon, null)| daemon / null);
    ratios.fold((f64::INFINITY, 0.0_f64), |(low, high), it| (low.min(it), high.max(it)))
}

/// How long the harness was idle beside the null server, in per cent, where that is so little that the null server
/// was not the limit.
pub(crate) fn harness_limit(ceiling: &Ceiling) -> Option<f64> {
    median(&ceiling.null_idle).filter(|idle| *idle < IDLE_PERCENT)
}

fn steps(out: &mut String, runs: &[Run]) -> std::fmt::Result {
    writeln!(
        out,
        "\n{HEAD}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>8}{HEAD:#}",
        "", "rate/s", "answers/s", "p50", "p90", "p99", "p99.9", "max", "errors"
    )?;
    let many = runs.len() > 1;
    for (n, run) in runs.iter().enumerate() {
        if many {
            writeln!(out, "{DIM}run {}{DIM:#}", n + 1)?;
        }
        for step in &run.steps {
            one(out, step)?;
        }
        if let Some(why) = &run.no_knee {
            writeln!(out, "{BAD}no highest rate was found: {why}{BAD:#}")?;
        }
        if let Some(knee) = run.knee {
            writeln!(out, "{HEAD}the highest rate that kept to the limit: {}/s{HEAD:#}", rate(knee))?;
        }
    }
    Ok(())
}

fn one(out: &mut String, step: &Step) -> std::fmt::Result {
    let errors: u64 = step.failed();
    let style = if errors > 0 || step.invalid.is_some() { BAD } else { Style::new() };
    let row = |name: &str, latency: &Latency| {
        let of = [latency.p50, latency.p90, latency.p99, latency.p999, latency.max].map(time);
        let [p50, p90, p99, p999, max] = of;
        (name.to_owned(), format!("{p50:>10}{p90:>10}{p99:>10}{p999:>10}{max:>10}"))
    };
    let (name, figures) = row("corrected", &step.corrected);
    writeln!(
        out,
        "{style}{name:>9}{:>10}{:>10}{figures}{errors:>8}{style:#}",
        rate(step.rate),
        rate(step.achieved)
    )?;
    for (name, latency) in [("from send", &step.uncorrected), ("lateness", &step.lateness)] {
        let (name, figures) = row(name, latency);
        writeln!(out, "{DIM}{name:>9}{:20}{figures}{DIM:#}", "")?;
    }
    if let Some(selections) = step.selections {
        writeln!(out, "{:>9}{:>10}/s", "lines", rate(selections))?;
    }
    waited(out, step)?;
    if let Some(why) = &step.invalid {
        writeln!(out, "{BAD}invalid: {why}{BAD:#}")?;
    }
    for warning in &step.warnings {
        writeln!(out, "{WARNING}warning: {warning}{WARNING:#}")?;
    }
    Ok(())
}

fn waited(out: &mut String, step: &Step) -> std::fmt::Result {
    let percent = |percent: Option<f64>| percent.map_or("unknown".to_owned(), |it| format!("{it:.1} %"));
    writeln!(
        out,
        "{DIM}{:>9} for a core: daemon {}, harness {}; harness idle {:.1} %{DIM:#}",
        "waited",
        percent(step.waited.daemon_percent),
        percent(step.waited.harness_percent),
        step.idle_percent
    )
}

fn failures(out: &mut String, runs: &[Run]) -> std::fmt::Result {
    for (n, run) in runs.iter().enumerate() {
        for step in &run.steps {
            for (kind, failures) in &step.errors {
                writeln!(
                    out,
                    "{BAD}run {}: {} × {kind}{BAD:#}, the first: {}",
                    n + 1,
                    failures.count,
                    failures.first
                )?;
            }
        }
    }
    Ok(())
}

fn verdicts(out: &mut String, report: &Report) -> std::fmt::Result {
    if !report.verdicts.is_empty() {
        writeln!(out)?;
    }
    for verdict in &report.verdicts {
        let (style, word) = if verdict.holds { (GOOD, "holds") } else { (BAD, "FAILS") };
        writeln!(out, "{style}{word}{style:#}  {}: {}", verdict.demand, verdict.measured)?;
    }
    writeln!(out)
}
