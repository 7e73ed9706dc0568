//! Signals, and what the service manager is told of them.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use sd_notify::NotifyState;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::api::data::Cutter;
use crate::runtime::ReloadSignal;

/// The signals that are heeded, from the moment this exists: before it, they would end the process.
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

    /// Returns on SIGTERM or SIGINT, or with what comes before them; SIGHUP asks for a reload.
    pub(super) fn heed<T>(
        &mut self,
        reload: &ReloadSignal,
        reloading: &Reloading,
        until: impl Future<Output = T>,
    ) -> Option<T> {
        let Signals { runtime, terminate, interrupt, hangup } = self;
        runtime.block_on(async {
            let mut until = std::pin::pin!(until);
            loop {
                tokio::select! {
                    _ = terminate.recv() => return None,
                    _ = interrupt.recv() => return None,
                    came = &mut until => return Some(came),
                    _ = hangup.recv() => {
                        reloading.begin();
                        reload.reload();
                    }
                }
            }
        })
    }

    /// From now on a further SIGTERM or SIGINT cuts what is still open: whoever sends a second one does
    /// not want to wait for the drain.
    pub(super) fn cut_on_the_next(mut self, cutter: Cutter) -> io::Result<()> {
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
            cutter.cut();
        })?;
        Ok(())
    }
}

/// Whether the service manager has been told that a reload is under way, and not yet that it is over.
#[derive(Clone, Default)]
pub(super) struct Reloading(Arc<AtomicBool>);

impl Reloading {
    fn begin(&self) {
        // Without the time, systemd takes the message for an error.
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.0.store(true, Ordering::SeqCst);
            tell(&[NotifyState::Reloading, now]);
        }
    }

    /// A look at the source came to something.
    pub(super) fn end(&self) {
        if self.0.swap(false, Ordering::SeqCst) {
            tell_ready();
        }
    }
}

/// Queries are answered: `Type=notify` units wait for it.
pub(super) fn tell_ready() {
    tell(&[NotifyState::Ready]);
}

/// The process drains.
pub(super) fn tell_stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    // Does nothing where no manager listens.
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
