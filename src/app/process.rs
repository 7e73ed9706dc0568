//! Limits of the process: file descriptors and the priority of threads.
//!
//! Clients never get all file descriptors. Without one, not only accept fails: a changed registry cannot be
//! read, and the metrics that would show it cannot be scraped.

use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use switchboard_server::ServerSettings;

use crate::config::Settings;

/// File descriptors for a registry or a snapshot being read, for the journal, and for libraries.
const FILE_DESCRIPTORS: usize = 12;
/// File descriptors of a thread with a runtime: its poller, its waker, and its end of the signal pipe.
const RUNTIME_DESCRIPTORS: usize = 3;
/// File descriptors of the listeners, the file-system watch and its poller.
const OTHER_DESCRIPTORS: usize = 6;
/// Maximum of connections to the admin listener: a scraper, some probes, some people.
const MAX_ADMIN_CONNECTIONS: usize = 64;
/// Least limit of either listener. Below it the process runs out of file descriptors, and accepting pauses.
const MIN_CONNECTIONS: usize = 4;
/// Nice value above the workers' of a thread that can wait. On a core that is never idle such a thread gets a
/// tenth. Reading and proving a million accounts takes a third of a second of processor time, during which
/// a worker on the same core would wait for 12 ms at a time.
const LOWER_NICE: i32 = 10;

/// The number of workers, and the maximum of connections to each listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionLimits {
    pub(super) workers: usize,
    pub(super) data: usize,
    /// Of the data connections, those of one peer; 0 is no limit.
    pub(super) peer: usize,
    pub(super) admin: usize,
}

impl ConnectionLimits {
    /// Raises the limit on open files as far as possible, and lowers the settings' limits on connections to
    /// what it leaves room for. To be called before the process opens descriptors of its own.
    pub(super) fn for_process(settings: &Settings) -> ConnectionLimits {
        let workers = match settings.workers {
            0 => ServerSettings::default().workers,
            workers => workers,
        };
        let (data, peer) = (settings.max_connections, settings.max_connections_per_peer);
        let descriptors = raise_descriptor_limit();
        // Three runtimes beside the workers': the acceptor's, the admin thread's and the main thread's.
        let fixed =
            open_descriptors() + (workers + 3) * RUNTIME_DESCRIPTORS + OTHER_DESCRIPTORS + FILE_DESCRIPTORS;
        let limits = ConnectionLimits::share(descriptors.saturating_sub(fixed), workers, data, peer);
        if limits.data < data {
            tracing::warn!(
                descriptors,
                asked = data,
                max_connections = limits.data,
                max_connections_per_peer = limits.peer,
                "max_connections is lowered to what the limit on open files has room for: raise the limit (LimitNOFILE=, ulimit -Hn)"
            );
        }
        limits
    }

    /// Shares descriptors: an eighth for the admin listener, and a ninth of the rest for connections that
    /// are refused with an answer.
    fn share(descriptors: usize, workers: usize, data: usize, peer: usize) -> ConnectionLimits {
        let admin = (descriptors / 8).clamp(MIN_CONNECTIONS, MAX_ADMIN_CONNECTIONS);
        let max_data = (descriptors.saturating_sub(admin) * 8 / 9).max(MIN_CONNECTIONS);
        if data <= max_data {
            return ConnectionLimits { workers, data, peer, admin };
        }
        // In proportion, because the limit of one peer is to keep places for others.
        let scaled = (peer as f64 * max_data as f64 / data as f64) as usize;
        let peer = if peer == 0 { 0 } else { scaled.max(1) };
        ConnectionLimits { workers, data: max_data, peer, admin }
    }
}

/// Raises the soft limit on open files to the hard one. It is kept low for select(2), which is not used here.
fn raise_descriptor_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Counts the open descriptors. Estimates them where `/proc` is not mounted.
fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(16, Iterator::count)
}

/// Lowers the priority of the calling thread, and of those that it starts, below the workers'.
pub(super) fn lower_priority() {
    // On Linux, process 0 is the calling thread alone. Lowering the own priority is always allowed.
    if let Err(error) = setpriority_process(None, LOWER_NICE) {
        tracing::warn!(%error, "the reload thread cannot give way to the workers");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_get_all_descriptors() {
        let share = |descriptors, data, peer| {
            let limits = ConnectionLimits::share(descriptors, 1, data, peer);
            (limits.data, limits.peer, limits.admin)
        };
        assert_eq!(share(1_000_000, 10_000, 2_500), (10_000, 2_500, 64));
        assert_eq!(share(990, 10_000, 2_500), (823, 205, 64));
        assert_eq!(share(24, 10_000, 2_500), (17, 4, 4));
        assert_eq!(share(0, 10_000, 0), (4, 0, 4));
        assert_eq!(share(24, 3, 2), (3, 2, 4));
        for descriptors in 20..20_000 {
            let (data, _, admin) = share(descriptors, usize::MAX / 8, 1);
            assert!(data + (data / 8).clamp(2, 64) + admin <= descriptors, "{descriptors}");
        }
    }
}
