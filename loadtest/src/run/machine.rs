//! Facts about the machine and the use of it by processes, from `/proc`.

use crate::{
    cpu_affinity,
    report::model::{Machine, Process as ProcessUsage, RateStep},
};
use procfs::{Current, CurrentSI, KernelStats, process::Process};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};
use xxhash_rust::xxh3::xxh3_64;

/// Percentage of the time above which the wait for a core is a warning.
const MAX_DELAY_PERCENT: f64 = 5.0;

/// Returns the facts about this machine. Unknown texts are `unknown`, and unknown numbers are 0.
pub fn machine() -> Machine {
    let processor = procfs::CpuInfo::current().ok().and_then(|info| info.model_name(0).map(str::to_owned));
    let kernel = procfs::sys::kernel::Version::current().ok();
    let unknown = || "unknown".to_owned();
    Machine {
        processor: processor.unwrap_or_else(unknown),
        cores: u32::try_from(cpu_affinity::usable_cores().len()).unwrap_or(u32::MAX),
        memory: procfs::Meminfo::current().map_or(0, |info| info.mem_total),
        kernel: kernel.map_or_else(unknown, |version| {
            format!("Linux {}.{}.{}", version.major, version.minor, version.patch)
        }),
    }
}

/// Measures for `time` how many cores are busy. Returns 0 if the kernel does not count it.
pub(super) fn busy_cores(time: Duration) -> f64 {
    let idle = || {
        let stat = KernelStats::current().ok()?;
        Some((stat.total.idle + stat.total.iowait.unwrap_or_default(), stat.cpu_time.len()))
    };
    let (before, started) = (idle(), Instant::now());
    thread::sleep(time);
    let (Some((before, _)), Some((after, cores))) = (before, idle()) else { return 0.0 };
    let ticks = started.elapsed().as_secs_f64() * procfs::ticks_per_second() as f64;
    (cores as f64 - after.saturating_sub(before) as f64 / ticks).max(0.0)
}

/// Returns a warning if the harness and its own daemon have no free core each. Other programs use `busy` of the
/// usable cores.
pub fn too_few_cores(usable: usize, busy: f64, is_target_running: bool) -> Option<String> {
    /// Use of the cores that does not disturb a run.
    const NEGLIGIBLE: f64 = 0.5;
    let needed = if is_target_running { 1 } else { 2 };
    (usable as f64 - busy + NEGLIGIBLE < needed as f64).then(|| {
        format!(
            "warning: the load test needs {needed} free cores. It may use {usable}, and other programs use {busy:.1}. \
             Expect invalid runs. End the other programs, or use a machine with more cores"
        )
    })
}

/// Returns the XXH3 of an executable in hexadecimal digits. It distinguishes builds of the same commit.
pub fn digest(file: &Path) -> Option<String> {
    fs::read(file).ok().map(|bytes| format!("{:016x}", xxh3_64(&bytes)))
}

fn process(pid: u32) -> Option<Process> {
    Process::new(pid.cast_signed()).ok()
}

/// Returns the processor time of a process in seconds.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = process(pid)?.stat().ok()?;
    Some((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}

/// Returns the memory of a process, and its processor time without the first `cpu_before` seconds.
pub fn usage(pid: u32, cpu_before: f64) -> Option<ProcessUsage> {
    let status = process(pid)?.status().ok()?;
    Some(ProcessUsage {
        cpu_seconds: cpu_seconds(pid)? - cpu_before,
        rss: status.vmrss? * 1024,
        rss_peak: status.vmhwm? * 1024,
    })
}

/// Returns the resident memory of a process in KiB and the number of its open files.
pub fn memory_and_files(pid: u32) -> Option<(u64, u64)> {
    let process = process(pid)?;
    let files = u64::try_from(process.fd_count().ok()?).ok()?;
    Some((process.status().ok()?.vmrss?, files))
}

/// The time that threads have waited for a core until now, because other threads used it.
pub struct SchedDelay {
    /// Time of the reading.
    pub at: Instant,
    /// Wait in nanoseconds by thread.
    pub threads: BTreeMap<i32, u64>,
}

impl SchedDelay {
    /// Reads the wait of every thread of a process. Returns `None` if the kernel does not count it.
    pub fn of_process(pid: u32) -> Option<Self> {
        let tasks = process(pid)?.tasks().ok()?.flatten();
        let threads = tasks.filter_map(|task| Some((task.tid, task.schedstat().ok()?.run_delay)));
        Some(Self { at: Instant::now(), threads: threads.collect() })
    }

    /// Reads the wait of a thread of this process. Returns `None` if the kernel does not count it.
    pub fn of_thread(thread: i32) -> Option<Self> {
        let delay = Process::myself().ok()?.task_from_tid(thread).ok()?.schedstat().ok()?.run_delay;
        Some(Self { at: Instant::now(), threads: BTreeMap::from([(thread, delay)]) })
    }

    /// Returns the percentage of the time until `later` for which the longest waiting thread waited.
    pub fn percent(&self, later: &Self) -> Option<f64> {
        let before = |thread| self.threads.get(thread).copied().unwrap_or(0);
        let longest =
            later.threads.iter().map(|(thread, delay)| delay.saturating_sub(before(thread))).max()?;
        let all = later.at.saturating_duration_since(self.at).as_nanos();
        (all > 0).then(|| 100.0 * longest as f64 / all as f64)
    }
}

/// Adds a warning if the daemon or the harness waited too long for a core.
pub(super) fn warn_of_delay(step: &mut RateStep) {
    let other = "answered; another of its own threads, as one that reads a snapshot, counts as well";
    let daemon = ("daemon", step.waited.daemon_percent, other);
    for (process, percent, done) in [daemon, ("harness", step.waited.harness_percent, "sent")] {
        if let Some(percent) = percent.filter(|percent| *percent > MAX_DELAY_PERCENT) {
            step.warnings.push(format!(
                "others ran on the {process}'s core for {percent:.0} % of the time, in which it could have {done}"
            ));
        }
    }
}
