//! The daemon's memory and open files, as the kernel counts them.

use super::{Run, reload};
use std::{fs, time::Instant};

pub(super) struct Sample {
    pub(super) seconds: f64,
    /// Resident memory, KiB.
    pub(super) rss: u64,
    pub(super) fds: u64,
}

/// Samples to the end of the run; the first one interval after its start, when all are connected.
pub(super) fn series(run: &Run, end: Instant) -> Vec<Sample> {
    let start = Instant::now();
    let (mut samples, mut due) = (Vec::new(), start + run.sample_every);
    while due <= end {
        run.sleep_until(due);
        if let Err(failure) = reload::metrics(run) {
            run.tally.failed(failure);
        }
        match (rss(run.pid), fds(run.pid)) {
            (Some(rss), Some(fds)) => {
                samples.push(Sample { seconds: start.elapsed().as_secs_f64(), rss, fds });
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

/// Least squares over the second half, in KiB a minute: the first half is the warm-up, in which
/// allocators and buffers reach their size.
pub(super) fn slope(samples: &[Sample]) -> f64 {
    let half = || samples.iter().skip(samples.len() / 2);
    let count = half().count().max(1) as f64;
    let mean_x = half().map(|s| s.seconds).sum::<f64>() / count;
    let mean_y = half().map(|s| s.rss as f64).sum::<f64>() / count;
    let both: f64 = half().map(|s| (s.seconds - mean_x) * (s.rss as f64 - mean_y)).sum();
    let square: f64 = half().map(|s| (s.seconds - mean_x).powi(2)).sum();
    if square > 0.0 { both / square * 60.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slope_is_of_the_second_half_a_minute() {
        let rss = [900, 10, 500, 100, 102, 104];
        let samples: Vec<_> =
            (0..6_u8).zip(rss).map(|(n, rss)| Sample { seconds: f64::from(n), rss, fds: 0 }).collect();
        assert!((slope(&samples) - 120.0).abs() < 1e-6);
        assert!(slope(&[]).abs() < 1e-6);
    }
}
