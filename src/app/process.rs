//! The process: its signals, its notifications to the service manager, and its limits, which are file descriptors
//! and the priority of threads.
//!
//! Clients never get all file descriptors. Without a free descriptor, the daemon could not read a changed
//! registry or answer a scrape of its metrics.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use sd_notify::NotifyState;
use switchboard_server::{ForceClose, ListenAddress, ServerSettings};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{RegistryPlace, Settings};
use crate::runtime::ReloadSignal;

/// Number of file descriptors reserved for reading the source, for the journal, and for libraries.
const FILE_DESCRIPTORS: usize = 12;
/// Number of file descriptors of a thread with a runtime: its poller, its waker and its end of the signal
/// pipe.
const RUNTIME_DESCRIPTORS: usize = 3;
/// Number of file descriptors of the file-system watch and its poller.
const OTHER_DESCRIPTORS: usize = 2;
/// Number of file descriptors of a replica besides its runtime: the broker, a web server, and files.
const FLEET_DESCRIPTORS: usize = 6;
/// Number of file descriptors of a registry in a database besides its runtime: a connection, and the file of passwords.
const DATABASE_DESCRIPTORS: usize = 2;
/// Number of file descriptors of a listening socket: the socket, and a second handle for the drain.
const SOCKET_DESCRIPTORS: usize = 2;
/// Maximum number of connections to the admin listener. Scrapers, probes and people need only a few.
const MAX_ADMIN_CONNECTIONS: usize = 64;
/// Smallest limit of a listener. If descriptors are short, accepting pauses until one is free.
const MIN_CONNECTIONS: usize = 4;
/// Nice value of the reload thread, which gets a tenth of a busy core. At equal priority, workers on that
/// core wait up to 12 ms at a time during a reload of a million accounts.
const LOWER_NICE: i32 = 10;

/// The number of workers, and the maximum number of connections to each listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionLimits {
    pub(super) workers: usize,
    pub(super) data: usize,
    /// Maximum number of data connections of one peer. 0 is no limit.
    pub(super) peer: usize,
    pub(super) admin: usize,
}

impl ConnectionLimits {
    /// Raises the limit on open files as far as possible, and lowers the limits on connections if the limit
    /// on open files requires it. Call it before the process opens descriptors.
    pub(super) fn for_process(settings: &Settings) -> ConnectionLimits {
        let workers = match settings.workers {
            0 => ServerSettings::default().workers,
            workers => workers,
        };
        let (data, peer) = (settings.max_connections, settings.max_connections_per_peer);
        let descriptors = raise_descriptor_limit();
        // Three more threads have a runtime: the acceptor, the admin and the main thread.
        let addresses = settings.listen.iter().chain(&settings.admin_listen);
        let sockets: usize = addresses.map(ListenAddress::max_sockets).sum();
        let fixed = open_descriptors()
            + (workers + 3) * RUNTIME_DESCRIPTORS
            + sockets * SOCKET_DESCRIPTORS
            + OTHER_DESCRIPTORS
            + settings.fleet.as_ref().map_or(0, |_| RUNTIME_DESCRIPTORS + FLEET_DESCRIPTORS)
            + match settings.registry {
                Some(RegistryPlace::Database(_)) => RUNTIME_DESCRIPTORS + DATABASE_DESCRIPTORS,
                _ => 0,
            }
            + FILE_DESCRIPTORS;
        let limits = ConnectionLimits::share(descriptors.saturating_sub(fixed), workers, data, peer);
        if limits.data < data {
            tracing::warn!(
                descriptors,
                configured = data,
                max_connections = limits.data,
                max_connections_per_peer = limits.peer,
                "max_connections lowered to fit the limit on open files; raise LimitNOFILE= or ulimit -Hn"
            );
        }
        limits
    }

    /// Divides the free descriptors. The admin listener gets an eighth of them as its connections, from 4 to 64, each
    /// with a second descriptor that reports the end of its peer. Of the rest, eight
    /// ninths (at least 4) are for data connections. One ninth is for connections that are rejected with an
    /// answer.
    fn share(descriptors: usize, workers: usize, data: usize, peer: usize) -> ConnectionLimits {
        let admin = (descriptors / 8).clamp(MIN_CONNECTIONS, MAX_ADMIN_CONNECTIONS);
        let max_data = (descriptors.saturating_sub(2 * admin) * 8 / 9).max(MIN_CONNECTIONS);
        if data <= max_data {
            return ConnectionLimits { workers, data, peer, admin };
        }
        // In proportion, because the limit of one peer reserves connections for others.
        let scaled = (peer as f64 * max_data as f64 / data as f64) as usize;
        let peer = if peer == 0 { 0 } else { scaled.max(1) };
        ConnectionLimits { workers, data: max_data, peer, admin }
    }
}

/// Raises the soft limit on open files to the hard limit, and returns it. The soft limit is low by default
/// for programs that use select(2); this one does not.
fn raise_descriptor_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Returns the number of open descriptors, or an estimate if `/proc` is not mounted.
fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(16, Iterator::count)
}

/// Lowers the priority of the calling thread, and of threads that it starts, below that of the workers.
pub(super) fn lower_priority() {
    // On Linux, `None` is the calling thread alone. A thread may always lower its own priority.
    if let Err(error) = setpriority_process(None, LOWER_NICE) {
        tracing::warn!(error = error.to_string(), "cannot lower the priority of the reload thread");
    }
}

/// Handles SIGTERM, SIGINT and SIGHUP. Before its creation these signals end the process.
pub(super) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Signals> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let hangup = signal(SignalKind::hangup())?;
        drop(inside);
        Ok(Signals { runtime, terminate, interrupt, hangup })
    }

    /// Waits for `until` and returns its output. Returns `None` after SIGTERM or SIGINT. SIGHUP triggers a
    /// reload.
    pub(super) fn wait<T>(&mut self, reload: &ReloadTrigger, until: impl Future<Output = T>) -> Option<T> {
        let Signals { runtime, terminate, interrupt, hangup } = self;
        runtime.block_on(async {
            let mut until = std::pin::pin!(until);
            loop {
                tokio::select! {
                    _ = terminate.recv() => return None,
                    _ = interrupt.recv() => return None,
                    output = &mut until => return Some(output),
                    _ = hangup.recv() => reload.trigger(),
                }
            }
        })
    }

    /// Makes a second SIGTERM or SIGINT force-close every connection instead of waiting for the drain.
    pub(super) fn force_close_on_second_signal(mut self, force_close: ForceClose) -> io::Result<()> {
        // The thread ends with the process.
        thread::Builder::new().name("signals".into()).spawn(move || {
            let Signals { runtime, terminate, interrupt, .. } = &mut self;
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            });
            tracing::warn!("second stop signal; force-closing connections");
            force_close.trigger();
        })?;
        Ok(())
    }
}

/// Triggers reloads, and notifies the service manager when a reload starts and ends.
#[derive(Clone)]
pub(super) struct ReloadTrigger {
    signal: ReloadSignal,
    /// Whether the service manager is waiting for the end of a reload.
    is_reloading: Arc<AtomicBool>,
}

impl ReloadTrigger {
    pub(super) fn new(signal: ReloadSignal) -> ReloadTrigger {
        ReloadTrigger { signal, is_reloading: Arc::default() }
    }

    fn trigger(&self) {
        // systemd rejects the notification without the time.
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.is_reloading.store(true, Ordering::SeqCst);
            notify(&[NotifyState::Reloading, now]);
        }
        self.signal.reload();
    }

    /// Notifies the service manager that the reload has ended. Call it after every attempt to load a
    /// snapshot.
    pub(super) fn finish(&self) {
        if self.is_reloading.swap(false, Ordering::SeqCst) {
            notify_ready();
        }
    }

    /// Ends the reload thread, without waiting.
    pub(super) fn stop(&self) {
        self.signal.stop();
    }
}

/// Notifies the service manager that queries are answered. Units with `Type=notify` wait for this.
pub(super) fn notify_ready() {
    notify(&[NotifyState::Ready]);
}

/// Notifies the service manager that the process is draining.
pub(super) fn notify_stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Sends a notification. Does nothing without a service manager.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(error = error.to_string(), "cannot notify the service manager");
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
        assert_eq!(share(990, 10_000, 2_500), (766, 191, 64));
        assert_eq!(share(24, 10_000, 2_500), (14, 3, 4));
        assert_eq!(share(0, 10_000, 0), (4, 0, 4));
        assert_eq!(share(24, 3, 2), (3, 2, 4));
        for descriptors in 20..20_000 {
            let (data, _, admin) = share(descriptors, usize::MAX / 8, 1);
            assert!(data + (data / 8).clamp(2, 64) + 2 * admin <= descriptors, "{descriptors}");
        }
    }
}
