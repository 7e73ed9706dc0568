//! Facts about the machine and the use of it by processes, from `/proc`.

use crate::{
    cpu_affinity,
    report::model::{Machine, Process as ProcessUsage, RateStep},
};
use procfs::{Current, process::Process};
use std::{collections::BTreeMap, fs, path::Path, time::Instant};
use xxhash_rust::xxh3::xxh3_64;

/// Percentage of the time above which the wait for a core is a warning.
const MAX_DELAY_PERCENT: f64 = 5.0;

pub(super) fn machine() -> Machine {
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

/// Returns the XXH3 of an executable in hexadecimal digits. It distinguishes builds of the same commit.
pub(super) fn digest(file: &Path) -> Option<String> {
    fs::read(file).ok().map(|bytes| format!("{:016x}", xxh3_64(&bytes)))
}

fn process(pid: u32) -> Option<Process> {
    Process::new(pid.cast_signed()).ok()
}

/// Returns the processor time of a process in seconds.
pub(super) fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = process(pid)?.stat().ok()?;
    Some((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}

/// Returns the memory of a process, and its processor time without the first `cpu_before` seconds.
pub(super) fn usage(pid: u32, cpu_before: f64) -> Option<ProcessUsage> {
    let status = process(pid)?.status().ok()?;
    Some(ProcessUsage {
        cpu_seconds: cpu_seconds(pid)? - cpu_before,
        rss: status.vmrss? * 1024,
        rss_peak: status.vmhwm? * 1024,
    })
}

/// Returns the resident memory of a process in KiB and the number of its open files.
pub(crate) fn memory_and_files(pid: u32) -> Option<(u64, u64)> {
    let process = process(pid)?;
    let files = u64::try_from(process.fd_count().ok()?).ok()?;
    Some((process.status().ok()?.vmrss?, files))
}

/// The time that threads have waited for a core until now, because other threads used it.
pub(super) struct SchedDelay {
    at: Instant,
    /// Wait in nanoseconds by thread.
    threads: BTreeMap<i32, u64>,
}

impl SchedDelay {
    /// Reads the wait of every thread of a process. Returns `None` if the kernel does not count it.
    pub(super) fn of_process(pid: u32) -> Option<Self> {
        let tasks = process(pid)?.tasks().ok()?.flatten();
        let threads = tasks.filter_map(|task| Some((task.tid, task.schedstat().ok()?.run_delay)));
        Some(Self { at: Instant::now(), threads: threads.collect() })
    }

    /// Reads the wait of a thread of this process. Returns `None` if the kernel does not count it.
    pub(super) fn of_thread(thread: i32) -> Option<Self> {
        let delay = Process::myself().ok()?.task_from_tid(thread).ok()?.schedstat().ok()?.run_delay;
        Some(Self { at: Instant::now(), threads: BTreeMap::from([(thread, delay)]) })
    }

    /// Returns the percentage of the time until `later` for which the longest waiting thread waited.
    pub(super) fn percent(&self, later: &Self) -> Option<f64> {
        let before = |thread| self.threads.get(thread).copied().unwrap_or(0);
        let longest =
            later.threads.iter().map(|(thread, delay)| delay.saturating_sub(before(thread))).max()?;
        let all = later.at.saturating_duration_since(self.at).as_nanos();
        (all > 0).then(|| 100.0 * longest as f64 / all as f64)
    }
}

/// Adds a warning if the daemon or the harness waited too long for a core.
pub(super) fn warn_of_delay(step: &mut RateStep) {
    let excessive = |percent: Option<f64>| percent.filter(|percent| *percent > MAX_DELAY_PERCENT);
    if let Some(percent) = excessive(step.waited.daemon_percent) {
        step.warnings.push(format!(
            "others ran on the daemon's core for {percent:.0} % of the time, in which it could have answered; another of \
             its own threads, as one that reads a snapshot, counts as well"
        ));
    }
    if let Some(percent) = excessive(step.waited.harness_percent) {
        step.warnings.push(format!(
            "others ran on the harness's core for {percent:.0} % of the time, in which it could have sent"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn this_process_and_this_machine_have_facts() {
        let machine = machine();
        assert!(machine.cores > 0 && machine.memory > 1 << 20 && machine.kernel.starts_with("Linux "));
        let pid = std::process::id();
        let usage = usage(pid, cpu_seconds(pid).unwrap()).unwrap();
        assert!(usage.rss > 0 && usage.rss_peak >= usage.rss && usage.cpu_seconds >= 0.0);
        let (memory, files) = memory_and_files(pid).unwrap();
        assert!(memory > 0 && files > 0);
    }

    #[test]
    fn a_digest_is_the_published_xxh3_or_missing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // The published value for no bytes.
        assert_eq!(digest(file.path()).as_deref(), Some("2d06800538d394c2"));
        assert_eq!(digest(Path::new("/none")), None);
    }

    #[test]
    fn the_delay_is_that_of_the_longest_waiting_thread() {
        let at = Instant::now();
        let from = SchedDelay { at, threads: BTreeMap::from([(1, 1_000), (2, 5_000)]) };
        let later = SchedDelay {
            at: at + Duration::from_micros(100),
            threads: BTreeMap::from([(1, 3_000), (2, 15_000), (3, 1)]),
        };
        assert_eq!(from.percent(&later), Some(10.0));
        assert_eq!(from.percent(&SchedDelay { at, threads: BTreeMap::new() }), None);
    }

    #[test]
    fn the_delay_of_each_thread_of_this_process_is_counted() {
        let own = rustix::thread::gettid().as_raw_nonzero().get();
        let process = SchedDelay::of_process(std::process::id()).unwrap();
        let thread = SchedDelay::of_thread(own).unwrap();
        assert!(process.threads.contains_key(&own) && thread.threads.contains_key(&own));
    }
}
