//! The cores of the daemon and of the harness.

use crate::{
    error::{Error, Result},
    report::model::Pinning,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Pins this thread, and the threads that it starts later, to these cores. Does nothing for an empty list.
pub(crate) fn pin_thread(cores: &[u32]) -> Result<()> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    // Without a possible core, the set is empty, which the kernel refuses.
    cores.iter().filter(|core| **core < CpuSet::MAX_CPU as u32).for_each(|core| set.set(*core as usize));
    sched_setaffinity(None, &set).map_err(|error| {
        Error::Refused(format!(
            "cannot run on cores {cores:?}: {error}; choose others with --pin, or --pin none"
        ))
    })
}

pub(crate) fn usable_cores() -> Vec<u32> {
    let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU as u32).filter(|&core| set.is_set(core as usize)).collect()
}

impl Pinning {
    /// Reads `--pin`: `auto`, `none`, or a list such as `daemon:0-1,harness:3`.
    ///
    /// `auto` gives the last core to the harness and one of the others to each worker of the daemon. On a
    /// machine with one core, it pins nothing. Returns an error if the text has another form, or
    /// if a core is not usable.
    pub fn from_option(text: &str, usable: &[u32], workers: usize) -> Result<Option<Pinning>> {
        match (text, usable) {
            ("auto", [others @ .., last]) if !others.is_empty() => {
                let daemon = others.iter().take(workers.max(1)).copied().collect();
                return Ok(Some(Pinning { daemon, harness: vec![*last] }));
            }
            ("auto" | "none", _) => return Ok(None),
            _ => {}
        }
        let wrong = || {
            let expected = "write --pin auto, none, or the cores of both, for example daemon:0-1,harness:3";
            Error::Usage(format!("{text}: {expected}"))
        };
        let mut pinning = Pinning { daemon: Vec::new(), harness: Vec::new() };
        for part in text.split(',') {
            let (process, range) = part.split_once(':').ok_or_else(wrong)?;
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let first: u32 = first.parse().map_err(|_| wrong())?;
            let last: u32 = last.parse().map_err(|_| wrong())?;
            let cores = match process {
                "daemon" => &mut pinning.daemon,
                "harness" => &mut pinning.harness,
                _ => return Err(wrong()),
            };
            cores.extend(first..=last.min(first.saturating_add(1_023)));
        }
        if pinning.daemon.is_empty() || pinning.harness.is_empty() {
            return Err(wrong());
        }
        match pinning.daemon.iter().chain(&pinning.harness).find(|core| !usable.contains(core)) {
            Some(core) => {
                Err(Error::Usage(format!("core {core} of --pin cannot be used: choose from {usable:?}")))
            }
            None => Ok(Some(pinning)),
        }
    }
}
