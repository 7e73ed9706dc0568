//! `loadtest soak`: runs a daemon under requests, valid and corrupt reloads, changing standings and slow
//! clients. Every answer must be right, and the daemon's memory and open files must not grow.
//!
//! The soak is a scenario of `loadtest run` that also samples the daemon's process.

use crate::{
    engine::{FailureKind, Pace},
    error::{Error, Result},
    output,
    quantity::{HumanDuration, Rate, parse_duration},
    report::{
        model::{Failures, RateStep},
        summary,
    },
    run::{
        ActorCounts, AdminClient, Context, CorruptReloads, Options, Requests, Scratch, Stretch, TestBed,
        machine::memory_and_files,
    },
    scenario::{self, Reload, Scenario},
};
use clap::Args;
use std::{
    num::NonZero,
    path::PathBuf,
    process::ExitStatus,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

const BATCH_LINES: usize = 20;
/// Number of requests of which one is a batch.
const BATCH_INTERVAL: usize = 50;

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
    /// Binary of the daemon [default: switchboard in the folder of loadtest]
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
    let testbed = TestBed::prepare(&scenario, &options, &[], &scratch)?;
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
    let pace = Pace::Rate(soak.rate.into());
    let stretch = Stretch { pace, warm_up: Duration::ZERO, measure: soak.duration };
    let instance = testbed.target.start()?;
    let no_process = || Error::Refused("the soak has no process of a daemon".to_owned());
    let (pid, admin) = instance.pid().zip(instance.admin.as_ref()).ok_or_else(no_process)?;
    let (stop, stopped) = mpsc::channel::<()>();
    let (step, samples) = thread::scope(|scope| {
        // A short soak has ten samples.
        let interval = Duration::from_secs(2).min(soak.duration / 10);
        let sampler = scope.spawn(move || sample(pid, admin, interval, &stopped));
        let step = context.step("soak", &instance, &mut requests, stretch);
        drop(stop);
        (step, sampler.join())
    });
    let (mut step, counts) = step?;
    let (samples, mut failed) = samples.map_err(|_| Error::Refused("the sampler panicked".to_owned()))?;
    let metrics = admin.metrics().map_err(|reason| failed.push(("metrics", reason))).ok();
    let reloads = metrics.map(|metrics| ["published", "rejected"].map(|outcome| metrics.reloads(outcome)));
    for (kind, first) in failed {
        step.errors.entry(kind.to_owned()).or_insert(Failures { count: 0, first }).count += 1;
    }
    let exit = instance.exit_status()?.ok_or_else(no_process)?;
    let report = SoakReport { soak, step, counts, samples, reloads, exit };
    output::print(&report.table())?;
    let failures = report.failures();
    if failures.is_empty() {
        return Ok(());
    }
    Err(Error::Refused(format!("failed: {}", failures.join("; "))))
}

/// Returns the scenario of the soak with the values of the command line.
fn scenario(soak: &Soak) -> Result<Scenario> {
    let cores = thread::available_parallelism().ok().and_then(|cores| u32::try_from(cores.get()).ok());
    Ok(Scenario {
        rate: Rate::PerSecond(soak.rate.into()),
        duration: HumanDuration(soak.duration),
        workers: cores.and_then(NonZero::new).unwrap_or(NonZero::<u32>::MIN),
        reload: Some(Reload { every: HumanDuration(soak.reload_every) }),
        ..scenario::soak()?
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
    admin: &AdminClient,
    interval: Duration,
    stopped: &Receiver<()>,
) -> (Samples, Vec<(&'static str, String)>) {
    let (mut samples, mut failed) = (Samples::default(), Vec::new());
    while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        if let Err(reason) = admin.metrics() {
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
    /// Numbers of published and of rejected snapshots in the daemon's metrics, if the daemon has answered.
    reloads: Option<[u64; 2]>,
    exit: ExitStatus,
}

impl SoakReport<'_> {
    fn right_answers(&self) -> u64 {
        let failed = FailureKind::ALL.iter().filter_map(|kind| self.step.errors.get(kind.as_str()));
        self.step.due.saturating_sub(failed.map(|failures| failures.count).sum())
    }

    fn table(&self) -> String {
        let ActorCounts { published, corrupted, standings, slow_connections, .. } = self.counts;
        let [in_place, rejected] = match self.reloads {
            Some(reloads) => reloads.map(|count| count.to_string()),
            None => ["–", "–"].map(str::to_owned),
        };
        let reloads = format!(
            "{in_place} of {} published, the first included; {rejected} of {corrupted} corrupt files rejected",
            published + 1
        );
        let Samples { memory_kib: memory, files } = &self.samples;
        let lows: Vec<_> = quarterly_lows(memory).iter().map(u64::to_string).collect();
        let rows = [
            ("duration", format!("{:?} at {} requests/s", self.soak.duration, self.soak.rate)),
            ("requests", self.step.due.to_string()),
            ("right answers", self.right_answers().to_string()),
            ("reloads", reloads),
            ("standings", format!("{standings} changes")),
            ("slow clients", format!("{slow_connections} connections")),
            ("RSS, KiB", describe(memory)),
            ("RSS by quarter", format!("lows {} KiB", lows.join(" / "))),
            ("RSS over time", sparkline(memory)),
            ("open files", describe(files)),
            ("exit", self.exit.to_string()),
        ];
        summary::rows(rows) + &summary::step(&self.step)
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

fn describe(samples: &[u64]) -> String {
    match (samples.first(), samples.last(), samples.iter().min(), samples.iter().max()) {
        (Some(first), Some(last), Some(low), Some(high)) => {
            format!("first {first}, last {last}, lowest {low}, highest {high}")
        }
        _ => "no sample".to_owned(),
    }
}

fn sparkline(memory: &[u64]) -> String {
    let (low, high) = (memory.iter().min().unwrap_or(&0), memory.iter().max().unwrap_or(&0));
    let bar = |memory: &u64| {
        char::from_u32(0x2581 + u32::try_from((memory - low) * 7 / (high - low).max(1)).unwrap_or(0))
    };
    memory.iter().step_by(memory.len().div_ceil(SPARKLINE_WIDTH).max(1)).filter_map(bar).collect()
}
