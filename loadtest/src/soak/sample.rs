//! The daemon's memory and open files, as the kernel counts them.

use super::Run;
use crate::daemon::metrics;
use std::{fs, time::Instant};

pub(super) struct Sample {
    /// Resident memory, KiB.
    pub(super) rss: u64,
    pub(super) fds: u64,
}

/// Samples to the end of the run; the first one interval after its start, when all are connected.
pub(super) fn series(run: &Run, end: Instant) -> Vec<Sample> {
    let (mut samples, mut due) = (Vec::new(), Instant::now() + run.sample_every);
    while due <= end {
        run.sleep_until(due);
        if let Err(failure) = metrics(run.admin) {
            run.tally.failed(failure);
        }
        match (rss(run.pid), fds(run.pid)) {
            (Some(rss), Some(fds)) => {
                samples.push(Sample { rss, fds });
            }
            _ => run.tally.failed(("process gone", format!("no /proc/{} to read", run.pid))),
        }
        due += run.sample_every;
    }
    run.sleep_until(end);
    samples
}

fn rss(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn fds(pid: u32) -> Option<u64> {
    u64::try_from(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count()).ok()
}

/// The lowest resident memory of each quarter of the run, KiB. Allocators take and give back in
/// steps of a megabyte or two as slow clients come and go, so that one sample, or a slope over few of them,
/// says little; what leaks raises the lows.
pub(super) fn lows(samples: &[Sample]) -> Vec<u64> {
    let quarter = samples.len().div_ceil(4).max(1);
    samples.chunks(quarter).filter_map(|quarter| quarter.iter().map(|s| s.rss).min()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lows_are_of_the_quarters() {
        let of = |rss: &[u64]| -> Vec<_> { rss.iter().map(|&rss| Sample { rss, fds: 0 }).collect() };
        assert_eq!(lows(&of(&[9, 1, 7, 5, 3, 4, 8, 6])), [1, 5, 3, 6]);
        assert_eq!(lows(&of(&[2, 1, 3, 4, 5])), [1, 3, 5]);
        assert_eq!(lows(&[]), [0; 0]);
    }
}
