//! `loadtest soak`: runs a daemon under requests, valid and corrupt reloads, changing standings and slow
//! clients. Every answer must be right, and the daemon's memory and open files must not grow.
//!
//! The soak is a scenario of `loadtest run` that also samples the daemon's process.

use crate::{
    engine::{FailureKind, Pace},
    error::{Error, Result},
    output,
    quantity::{HumanDuration, parse_duration},
    report::model::{Failures, RateStep},
    run::{
        ActorCounts, AdminClient, Context, CorruptReloads, Options, Requests, Scratch, Stretch, TestBed,
        machine::memory_and_files,
    },
    scenario::{self, RegistrySize, Reload, Scenario, SlowClients, StandingsChurn},
    traffic::Mix,
};
use clap::Args;
use std::{
    fmt::Write as _,
    num::NonZero,
    path::PathBuf,
    process::ExitStatus,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

/// Small, because a soak compiles many reloads.
const REGISTRY: RegistrySize = RegistrySize { accounts: 400, ous: 40, pools: 20 };

const DISTINCT_REQUESTS: usize = 2_000;
const BATCH_LINES: usize = 20;
/// Number of requests of which one is a batch.
const BATCH_INTERVAL: usize = 50;

const CONNECTIONS: u32 = 4;
const SLOW_CLIENTS: u32 = 20;
const CHURNED_ACCOUNTS: u32 = 5;
const STANDINGS_PER_SECOND: f64 = 10.0;

/// Largest difference between the lowest memory of the last quarter and that of the second, in KiB. It is one
/// step of the allocator. The first quarter is the warm-up. In a soak of an hour, a leak of 70 KiB per minute
/// exceeds it.
const MAX_GROWTH_KIB: u64 = 2_048;
/// Shortest soak whose memory is checked. In a shorter one, the lowest memory depends on chance.
const MIN_GROWTH_DURATION: Duration = Duration::from_secs(300);
/// Largest increase of the number of open files, because slow clients connect between two samples.
const MAX_MORE_FILES: u64 = 10;

const SPARKLINE_WIDTH: usize = 60;

/// The arguments of `loadtest soak`.
#[derive(Args)]
pub struct Soak {
    /// Binary of the daemon; without it, switchboard in this program's folder
    #[arg(long, value_name = "PATH")]
    switchboard: Option<PathBuf>,
    /// Duration of the soak in seconds, or with a unit: 500ms, 30s, 10m
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_duration)]
    duration: Duration,
    /// Requests per second, at a constant rate that does not depend on the answers
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Interval at which the snapshot is replaced; every fourth snapshot is corrupt
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    reload_every: Duration,
}

/// Runs the soak and prints its table.
///
/// # Errors
/// The daemon cannot be started, gave a wrong answer, did not exit with 0, or grew.
pub fn run(soak: &Soak) -> Result<()> {
    let options = Options { switchboard: soak.switchboard.clone(), seed: 1, ..Options::default() };
    let scenario = scenario(soak)?;
    let scratch = Scratch::new()?;
    let testbed = TestBed::prepare(&scenario, &options, None, &scratch)?;
    let mut traffic = Requests::draw(&scenario, &options, &testbed)?;
    traffic.interleave_batches(BATCH_LINES, BATCH_INTERVAL);
    let mut requests = Requests::from(traffic);
    let context = Context {
        scenario: &scenario,
        testbed: &testbed,
        standings: &scratch.standings,
        corrupt_reloads: CorruptReloads::EveryFourth,
        cores: &[],
    };
    let stretch =
        Stretch { pace: Pace::Rate(soak.rate.into()), warm_up: Duration::ZERO, measure: soak.duration };
    let instance = testbed.target.start()?;
    let (pid, admin) = (instance.pid().unwrap_or_default(), instance.admin.clone());
    let (stop, stopped) = mpsc::channel::<()>();
    let (step, samples) = thread::scope(|scope| {
        // A short soak has ten samples.
        let interval = Duration::from_secs(2).min(soak.duration / 10);
        let sampler = scope.spawn(move || sample(pid, admin.as_ref(), interval, &stopped));
        let step = context.step("soak", &instance, &mut requests, stretch);
        drop(stop);
        (step, sampler.join())
    });
    let (mut step, counts) = step?;
    let (samples, mut failed) = samples.map_err(|_| Error::Refused("the sampler panicked".to_owned()))?;
    let reloads = match instance.admin.as_ref().map(AdminClient::metrics) {
        Some(Ok(metrics)) => ["published", "rejected"].map(|outcome| metrics.reloads(outcome)),
        Some(Err(reason)) => {
            failed.push(("metrics", reason));
            [0; 2]
        }
        None => [0; 2],
    };
    for (kind, first) in failed {
        step.errors.entry(kind.to_owned()).or_insert(Failures { count: 0, first }).count += 1;
    }
    let report = SoakReport {
        soak,
        step,
        counts,
        samples,
        reloads,
        exit: instance.exit_status()?.unwrap_or_default(),
    };
    output::print(&report.table())?;
    let failures = report.failures();
    if failures.is_empty() {
        return Ok(());
    }
    Err(Error::Refused(format!("failed: {}", failures.join("; "))))
}

/// Returns the scenario of a soak: the requests of the built-in scenario `mixed`, and every actor.
fn scenario(soak: &Soak) -> Result<Scenario> {
    let mixed = scenario::load("mixed")?;
    let count = |n| NonZero::new(n).unwrap_or(NonZero::<u32>::MIN);
    Ok(Scenario {
        name: "soak".to_owned(),
        duration: HumanDuration(soak.duration),
        connections: count(CONNECTIONS),
        timeout: HumanDuration(Duration::from_secs(40)),
        workers: count(thread::available_parallelism().map_or(1, |n| n.get() as u32)),
        registry: REGISTRY,
        mix: Mix { distinct: DISTINCT_REQUESTS, ..mixed.mix.clone() },
        reload: Some(Reload { every: HumanDuration(soak.reload_every) }),
        standings: Some(StandingsChurn { rate: STANDINGS_PER_SECOND, accounts: count(CHURNED_ACCOUNTS) }),
        slow_clients: Some(SlowClients { count: count(SLOW_CLIENTS) }),
        ..mixed
    })
}

/// Samples of the daemon's process.
#[derive(Default)]
struct Samples {
    memory_kib: Vec<u64>,
    files: Vec<u64>,
}

/// Samples the daemon's process until the stop. Returns the samples, and the kind and the reason of each
/// failure.
fn sample(
    pid: u32,
    admin: Option<&AdminClient>,
    interval: Duration,
    stopped: &Receiver<()>,
) -> (Samples, Vec<(&'static str, String)>) {
    let (mut samples, mut failed) = (Samples::default(), Vec::new());
    while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        if let Some(Err(reason)) = admin.map(AdminClient::metrics) {
            failed.push(("metrics", reason));
        }
        match memory_and_files(pid) {
            Some((memory_kib, files)) => {
                samples.memory_kib.push(memory_kib);
                samples.files.push(files);
            }
            None => failed.push(("process gone", format!("cannot read /proc/{pid}"))),
        }
    }
    (samples, failed)
}

struct SoakReport<'a> {
    soak: &'a Soak,
    step: RateStep,
    counts: ActorCounts,
    samples: Samples,
    /// Numbers of published and of rejected snapshots in the daemon's metrics.
    reloads: [u64; 2],
    exit: ExitStatus,
}

impl SoakReport<'_> {
    fn right_answers(&self) -> u64 {
        let failed = FailureKind::ALL.iter().filter_map(|kind| self.step.errors.get(kind.as_str()));
        self.step.due.saturating_sub(failed.map(|failures| failures.count).sum())
    }

    fn table(&self) -> String {
        let mut table = String::new();
        let mut row = |name: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(table, "{name:<32}{value}");
        };
        let SoakReport { soak, step, counts, reloads: [published, rejected], .. } = self;
        row("duration", format!("{:?} at {} requests/s", soak.duration, soak.rate));
        row("requests", step.due.to_string());
        row("answers as asked", self.right_answers().to_string());
        row("errors", step.failed().to_string());
        for (kind, Failures { count, first }) in &step.errors {
            row(&format!("  {kind}"), format!("{count}, first: {first}"));
        }
        let latency = &step.corrected;
        let [p50, p99, p999, max] = [latency.p50, latency.p99, latency.p999, latency.max].map(|it| it / 1e3);
        row("p50 / p99 / p99.9 / max, ms", format!("{p50:.3} / {p99:.3} / {p999:.3} / {max:.3}"));
        row("reloads published", format!("{published} of {}, the first included", counts.published + 1));
        row("reloads rejected", format!("{rejected}, of {} corrupt files", counts.corrupted));
        row("standings changed", counts.standings.to_string());
        row("slow connections", counts.slow_connections.to_string());
        let Samples { memory_kib: memory, files } = &self.samples;
        let ends = |values: &[u64]| [values.first(), values.last()].map(|value| value.copied().unwrap_or(0));
        let [first, last] = ends(memory);
        row("RSS first / last, KiB", format!("{first} / {last}"));
        let lows: Vec<_> = quarterly_lows(memory).iter().map(u64::to_string).collect();
        row("RSS lows by quarter, KiB", lows.join(" / "));
        row("RSS", sparkline(memory));
        let ([first, last], [min, max]) = (ends(files), [files.iter().min(), files.iter().max()]);
        let [min, max] = [min, max].map(|value| value.copied().unwrap_or(0));
        row("fds min / max / first / last", format!("{min} / {max} / {first} / {last}"));
        row("exit", self.exit.to_string());
        table
    }

    /// Returns the reasons why the soak failed. Empty if it did not fail.
    fn failures(&self) -> Vec<String> {
        let errors = self.step.errors.iter();
        let mut failed: Vec<String> =
            errors.map(|(kind, it)| format!("{} × {kind} ({})", it.count, it.first)).collect();
        if self.right_answers() == 0 {
            failed.push("no request was answered".to_owned());
        }
        if self.exit.code() != Some(0) {
            failed.push(format!("the daemon ended with {}", self.exit));
        }
        if let (Some(first), Some(last)) = (self.samples.files.first(), self.samples.files.last())
            && *last > first + MAX_MORE_FILES
        {
            failed.push(format!("open files grew from {first} to {last}"));
        }
        if let [_, second, _, last] = *quarterly_lows(&self.samples.memory_kib)
            && self.soak.duration >= MIN_GROWTH_DURATION
            && last > second + MAX_GROWTH_KIB
        {
            failed.push(format!(
                "memory grew: its minimum was {second} KiB in the second quarter and {last} KiB in the last"
            ));
        }
        failed
    }
}

/// Returns the lowest value of each quarter of the memory samples. A leak raises these values. Single samples
/// depend on chance, because allocators take and return memory in steps of a megabyte or two.
pub fn quarterly_lows(memory: &[u64]) -> Vec<u64> {
    let quarter = memory.len().div_ceil(4).max(1);
    memory.chunks(quarter).filter_map(|quarter| quarter.iter().min().copied()).collect()
}

fn sparkline(memory: &[u64]) -> String {
    let (low, high) = (memory.iter().min().unwrap_or(&0), memory.iter().max().unwrap_or(&0));
    let bar = |memory: &u64| {
        char::from_u32(0x2581 + u32::try_from((memory - low) * 7 / (high - low).max(1)).unwrap_or(0))
    };
    memory.iter().step_by(memory.len().div_ceil(SPARKLINE_WIDTH).max(1)).filter_map(bar).collect()
}
