//! File descriptors: as many as the system lets us have, and never all of them to clients.
//!
//! Where they run out, accept fails, but so does everything else: a changed registry cannot be read, nor
//! the metrics asked for that would say why. So the limits on connections are kept below it from the start.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For files: of a registry or a snapshot being read, of the journal, and what a library opens.
const FILES: usize = 12;
/// Of a thread with a runtime: its poller, its waker, and its end of the signal pipe.
const RUNTIME: usize = 3;
/// The listeners, the watch of the files and its own poller.
const OTHERS: usize = 6;
/// Most connections of the admin listener: a scraper, some probes, some people.
const ADMIN: usize = 64;
/// Least of either listener. Below it the process runs short all the same, and backs off.
const LEAST: usize = 4;

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// To the data listener.
    pub(super) data: usize,
    /// Of those, from one peer; 0: any.
    pub(super) peer: usize,
    /// To the admin listener.
    pub(super) admin: usize,
}

/// Raises the limit as far as it goes, and lowers what was asked for to what it leaves room for.
pub(super) fn plan(workers: usize, data: usize, peer: usize) -> Plan {
    let limit = raise();
    // Three runtimes beside the workers': the acceptor's, the admin thread's and the main thread's.
    let fixed = open() + (workers + 3) * RUNTIME + OTHERS + FILES;
    let plan = share(limit.saturating_sub(fixed), data, peer);
    if plan.data < data {
        tracing::warn!(
            descriptors = limit,
            asked = data,
            max_connections = plan.data,
            max_connections_per_peer = plan.peer,
            "max_connections is lowered to what the limit on open files has room for: raise the limit (LimitNOFILE=, ulimit -Hn)"
        );
    }
    plan
}

/// Of what is to spare, an eighth goes to the admin listener, and a ninth of the rest to connections that
/// are told that there are too many.
fn share(spare: usize, data: usize, peer: usize) -> Plan {
    let admin = (spare / 8).clamp(LEAST, ADMIN);
    let most = (spare.saturating_sub(admin) * 8 / 9).max(LEAST);
    if data <= most {
        return Plan { data, peer, admin };
    }
    // In the same proportion: what keeps one peer from taking every place must go on doing so.
    let scaled = (peer as f64 * most as f64 / data as f64) as usize;
    Plan { data: most, peer: if peer == 0 { 0 } else { scaled.max(1) }, admin }
}

/// The soft limit, raised to the hard one: select(2), which it is kept low for, is not used here.
fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// What is open by now. A guess where the system does not tell.
fn open() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(16, Iterator::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_get_all_of_them() {
        assert_eq!(share(1_000_000, 10_000, 2_500), Plan { data: 10_000, peer: 2_500, admin: 64 });
        assert_eq!(share(990, 10_000, 2_500), Plan { data: 823, peer: 205, admin: 64 });
        assert_eq!(share(24, 10_000, 2_500), Plan { data: 17, peer: 4, admin: 4 });
        assert_eq!(share(0, 10_000, 0), Plan { data: 4, peer: 0, admin: 4 });
        assert_eq!(share(24, 3, 2), Plan { data: 3, peer: 2, admin: 4 });
        for spare in 20..20_000 {
            let Plan { data, admin, .. } = share(spare, usize::MAX / 8, 1);
            assert!(data + (data / 8).clamp(2, 64) + admin <= spare, "{spare}");
        }
    }
}
