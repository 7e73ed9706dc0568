//! The table at the end, and what makes a run a failure.

use super::{
    Run,
    reload::Counts,
    sample::{Sample, lows},
};
use std::{fmt::Write, process::ExitStatus, time::Duration};

/// KiB by which the last quarter's low may lie over the second's (the first is the warm-up): one step of
/// the allocator. Over an hour, half an hour lies between the two, so that 70 KiB a minute are found.
const GROWN: u64 = 2_048;
/// Lows say nothing over less.
const LONG: Duration = Duration::from_secs(300);
/// Slow clients come and go between two samples.
const MORE_FDS: u64 = 10;
/// Characters of the sparkline at most.
const WIDTH: usize = 60;

pub(super) struct Report<'a> {
    pub(super) run: &'a Run,
    pub(super) samples: Vec<Sample>,
    pub(super) reloads: Counts,
    pub(super) exit: ExitStatus,
    pub(super) duration: Duration,
}

impl Report<'_> {
    pub(super) fn table(&self) -> String {
        let tally = &self.run.tally;
        let mut table = String::new();
        let mut row = |name: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(table, "{name:<32}{value}");
        };
        row("duration", format!("{:?} at {} requests/s", self.duration, self.run.rate));
        row("requests", tally.requests.get().to_string());
        row("answers as asked", tally.as_asked.get().to_string());
        let errors = tally.errors();
        row("errors", errors.values().map(|(count, _)| count).sum::<u64>().to_string());
        for (kind, (count, first)) in &errors {
            row(&format!("  {kind}"), format!("{count}, first: {first}"));
        }
        let of = |quantile| match tally.latency(quantile) {
            Some(micros) => format!("{}.{:03}", micros / 1_000, micros % 1_000),
            None => "-".to_owned(),
        };
        row(
            "p50 / p99 / p99.9 / max, ms",
            format!("{} / {} / {} / {}", of(0.5), of(0.99), of(0.999), of(1.0)),
        );
        let (good, bad) = (tally.published.get() + 1, tally.corrupted.get());
        row("reloads published", format!("{} of {good}, the first included", self.reloads.published));
        row("reloads rejected", format!("{}, of {bad} corrupt files", self.reloads.rejected));
        row("standings changed", tally.standings.get().to_string());
        row("slow connections", tally.slow.get().to_string());
        let ends =
            |of: fn(&Sample) -> u64| (self.samples.first().map_or(0, of), self.samples.last().map_or(0, of));
        let (first, last) = ends(|s| s.rss);
        row("RSS first / last, KiB", format!("{first} / {last}"));
        let lows: Vec<_> = lows(&self.samples).iter().map(u64::to_string).collect();
        row("RSS lows by quarter, KiB", lows.join(" / "));
        row("RSS", sparkline(&self.samples));
        let fds = || self.samples.iter().map(|s| s.fds);
        let (first, last) = ends(|s| s.fds);
        let (min, max) = (fds().min().unwrap_or(0), fds().max().unwrap_or(0));
        row("fds min / max / first / last", format!("{min} / {max} / {first} / {last}"));
        row("exit", self.exit.to_string());
        table
    }

    /// Why the run is one; empty when all was as asked.
    pub(super) fn failures(&self) -> Vec<String> {
        let tally = &self.run.tally;
        let mut failed: Vec<String> = tally
            .errors()
            .iter()
            .map(|(kind, (count, first))| format!("{count} × {kind} ({first})"))
            .collect();
        if tally.as_asked.get() == 0 {
            failed.push("nothing was answered".to_owned());
        }
        if self.exit.code() != Some(0) {
            failed.push(format!("the daemon ended with {}", self.exit));
        }
        if let (Some(first), Some(last)) = (self.samples.first(), self.samples.last())
            && last.fds > first.fds + MORE_FDS
        {
            failed.push(format!("open files grew from {} to {}", first.fds, last.fds));
        }
        if let [_, second, _, last] = *lows(&self.samples)
            && self.duration >= LONG
            && last > second + GROWN
        {
            failed.push(format!(
                "memory grows: its low was {second} KiB in the second quarter, {last} in the last"
            ));
        }
        failed
    }
}

/// The lowest value is the lowest bar, the highest the highest.
fn sparkline(samples: &[Sample]) -> String {
    let every = samples.len().div_ceil(WIDTH).max(1);
    let low = samples.iter().map(|s| s.rss).min().unwrap_or(0);
    let span = samples.iter().map(|s| s.rss).max().unwrap_or(0).saturating_sub(low).max(1);
    let bar = |s: &Sample| char::from_u32(0x2581 + u32::try_from((s.rss - low) * 7 / span).unwrap_or(0));
    samples.iter().step_by(every).filter_map(bar).collect()
}
