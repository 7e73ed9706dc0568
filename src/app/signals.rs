//! Signals, and notifications to the service manager.

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

/// Handles SIGTERM, SIGINT and SIGHUP from its creation on. Before that they would end the process.
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

    /// Waits for SIGTERM or SIGINT, or for `until`, whose output it returns. SIGHUP triggers a reload.
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

    /// Makes a further SIGTERM or SIGINT force-close every connection, instead of waiting for the drain.
    pub(super) fn force_close_on_second_signal(mut self, force_close: ForceClose) -> io::Result<()> {
        // It ends with the process.
        thread::Builder::new().name("signals".into()).spawn(move || {
            let Signals { runtime, terminate, interrupt, .. } = &mut self;
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            });
            tracing::warn!("told to stop again: cutting what is in flight");
            force_close.trigger();
        })?;
        Ok(())
    }
}

/// Triggers reloads, and notifies the service manager when they begin and end.
#[derive(Clone)]
pub(super) struct ReloadTrigger {
    signal: ReloadSignal,
    /// Whether the service manager waits for the end of a reload.
    is_reloading: Arc<AtomicBool>,
}

impl ReloadTrigger {
    pub(super) fn new(signal: ReloadSignal) -> ReloadTrigger {
        ReloadTrigger { signal, is_reloading: Arc::default() }
    }

    fn trigger(&self) {
        // Without the time, systemd rejects the notification.
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.is_reloading.store(true, Ordering::SeqCst);
            notify(&[NotifyState::Reloading, now]);
        }
        self.signal.reload();
    }

    /// To be called when an attempt to load a snapshot has ended.
    pub(super) fn finish(&self) {
        if self.is_reloading.swap(false, Ordering::SeqCst) {
            notify_ready();
        }
    }

    /// Ends the reload thread.
    pub(super) fn stop(&self) {
        self.signal.stop();
    }
}

/// Notifies the service manager that queries are answered. Units with `Type=notify` wait for it.
pub(super) fn notify_ready() {
    notify(&[NotifyState::Ready]);
}

/// Notifies the service manager that the process drains.
pub(super) fn notify_stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Does nothing without a service manager.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
