//! Signals to the process, and notifications to the service manager.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use sd_notify::NotifyState;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use switchboard_server::ForceClose;

use crate::runtime::ReloadSignal;

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
        tracing::warn!(%error, "cannot notify the service manager");
    }
}
