//! How long threads waited for a core, as the kernel counts it: the time in which something else had theirs.

use crate::report::model::Step;
use procfs::process::Process;
use std::{collections::BTreeMap, time::Instant};

/// The share of the time, in per cent, from which on it must be told.
const TOLD: f64 = 5.0;

/// The waits of some threads so far, in nanoseconds.
pub(super) struct Waits {
    at: Instant,
    threads: BTreeMap<i32, u64>,
}

impl Waits {
    /// Of each thread of a process; `None` where the kernel does not tell.
    pub(super) fn of_process(pid: u32) -> Option<Waits> {
        let tasks = Process::new(pid.cast_signed()).ok()?.tasks().ok()?.flatten();
        let threads = tasks.filter_map(|task| Some((task.tid, task.schedstat().ok()?.run_delay)));
        Some(Waits { at: Instant::now(), threads: threads.collect() })
    }

    /// Of one thread of this process.
    pub(super) fn of_thread(thread: i32) -> Option<Waits> {
        let waited = Process::myself().ok()?.task_from_tid(thread).ok()?.schedstat().ok()?.run_delay;
        Some(Waits { at: Instant::now(), threads: BTreeMap::from([(thread, waited)]) })
    }

    /// The share of the time until then that the thread waited which waited longest, in per cent.
    pub(super) fn percent(&self, until: &Waits) -> Option<f64> {
        let since = |thread| self.threads.get(thread).copied().unwrap_or(0);
        let longest =
            until.threads.iter().map(|(thread, waited)| waited.saturating_sub(since(thread))).max()?;
        let all = until.at.saturating_duration_since(self.at).as_nanos();
        (all > 0).then(|| 100.0 * longest as f64 / all as f64)
    }
}

/// Warns where a core was not to be had for too long.
pub(super) fn warn(step: &mut Step) {
    let told = |percent: Option<f64>| percent.filter(|percent| *percent > TOLD);
    if let Some(percent) = told(step.waited.daemon_percent) {
        step.warnings.push(format!(
            "others ran on the daemon's core for {percent:.0} % of the time, in which it could have answered; another of \
             its own threads, as one that reads a snapshot, counts as well"
        ));
    }
    if let Some(percent) = told(step.waited.harness_percent) {
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
    fn the_longest_wait_as_a_share() {
        let at = Instant::now();
        let from = Waits { at, threads: BTreeMap::from([(1, 1_000), (2, 5_000)]) };
        let until = Waits {
            at: at + Duration::from_micros(100),
            threads: BTreeMap::from([(1, 3_000), (2, 15_000), (3, 1)]),
        };
        assert_eq!(from.percent(&until), Some(10.0));
        assert_eq!(from.percent(&Waits { at, threads: BTreeMap::new() }), None);
    }

    #[test]
    fn each_thread_of_this_process() {
        let own = rustix::thread::gettid().as_raw_nonzero().get();
        let (process, thread) =
            (Waits::of_process(std::process::id()).unwrap(), Waits::of_thread(own).unwrap());
        assert!(process.threads.contains_key(&own) && thread.threads.contains_key(&own));
    }
}
