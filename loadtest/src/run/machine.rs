//! The machine, and what a process takes of it, as /proc has it.

use crate::{
    pin,
    report::model::{Machine, Process},
};
use procfs::Current;

pub(super) fn machine() -> Machine {
    let processor = procfs::CpuInfo::current().ok().and_then(|info| info.model_name(0).map(str::to_owned));
    let kernel = procfs::sys::kernel::Version::current().ok();
    Machine {
        processor: processor.unwrap_or_else(|| "unknown".to_owned()),
        cores: u32::try_from(pin::usable().len()).unwrap_or(u32::MAX),
        memory: procfs::Meminfo::current().map_or(0, |info| info.mem_total),
        kernel: kernel.map_or_else(
            || "unknown".to_owned(),
            |version| format!("Linux {}.{}.{}", version.major, version.minor, version.patch),
        ),
    }
}

/// Seconds of processor time that a process has taken.
pub(super) fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = procfs::process::Process::new(pid.cast_signed()).ok()?.stat().ok()?;
    Some((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}

/// What it took since it had taken that much.
pub(super) fn process(pid: u32, before: f64) -> Option<Process> {
    let status = procfs::process::Process::new(pid.cast_signed()).ok()?.status().ok()?;
    let bytes = |kib: Option<u64>| kib.map(|kib| kib * 1024);
    Some(Process {
        cpu_seconds: cpu_seconds(pid)? - before,
        rss: bytes(status.vmrss)?,
        rss_peak: bytes(status.vmhwm)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_on_this_machine() {
        let machine = machine();
        assert!(machine.cores > 0 && machine.memory > 1 << 20 && machine.kernel.starts_with("Linux "));
        let pid = std::process::id();
        let taken = process(pid, cpu_seconds(pid).unwrap()).unwrap();
        assert!(taken.rss > 0 && taken.rss_peak >= taken.rss && taken.cpu_seconds >= 0.0);
    }
}
