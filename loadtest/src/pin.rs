//! Which cores who runs on.

use crate::error::{Error, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Puts this thread, and those it starts from now on, on these cores; none: leaves it where it is.
pub(crate) fn this_thread(cores: &[u32]) -> Result<()> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for &core in cores {
        if core as usize >= CpuSet::MAX_CPU {
            return Err(Error::Usage(format!("there is no core {core}")));
        }
        set.set(core as usize);
    }
    sched_setaffinity(None, &set).map_err(|error| {
        Error::Refused(format!(
            "cannot run on cores {cores:?}: {error}; choose others with --pin, or --pin none"
        ))
    })
}

/// Those this program may use.
pub(crate) fn usable() -> Vec<u32> {
    let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU)
        .filter(|&core| set.is_set(core))
        .filter_map(|core| u32::try_from(core).ok())
        .collect()
}
