//! The threads of a listener, and their end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::telemetry::{ConnectionEvent, Telemetry};

/// A listener at work.
pub struct Serving {
    threads: Vec<JoinHandle<()>>,
    /// Every thread holds a sender, which nothing is sent through: when all are gone, all have ended.
    alive: mpsc::Sender<Infallible>,
    ended: mpsc::Receiver<Infallible>,
    cutter: Cutter,
}

/// Ends a listener at once, from any thread.
#[derive(Clone)]
pub struct Cutter {
    stop: watch::Sender<bool>,
    /// Connections that are open.
    open: Arc<AtomicUsize>,
    /// How many of them were when it was used.
    cut: Arc<AtomicUsize>,
    telemetry: Arc<Telemetry>,
}

impl Cutter {
    /// Cuts every connection that is still open. Used again, it does nothing.
    pub fn cut(&self) {
        self.stop.send_if_modified(|stop| {
            let first = !std::mem::replace(stop, true);
            if first {
                // Before anybody is told: then they go.
                let open = self.open.load(Ordering::Relaxed);
                self.cut.store(open, Ordering::Relaxed);
                for _ in 0..open {
                    self.telemetry.connection(ConnectionEvent::ForceClosed);
                }
            }
            first
        });
    }
}

impl Serving {
    /// Of a listener that counts its open connections in `open`.
    pub(super) fn new(open: Arc<AtomicUsize>, telemetry: Arc<Telemetry>) -> Serving {
        let (alive, ended) = mpsc::channel();
        let cutter = Cutter { stop: watch::Sender::new(false), open, cut: Arc::default(), telemetry };
        Serving { threads: Vec::new(), alive, ended, cutter }
    }

    /// What ends it at once, for whoever cannot wait for [`Serving::drain`].
    pub fn cutter(&self) -> Cutter {
        self.cutter.clone()
    }

    /// Waits for the connections to end, once the watch that the listener was given says to drain, but no
    /// longer than this. How many connections did not, and were cut.
    pub fn drain(self, timeout: Duration) -> usize {
        drop(self.alive);
        if self.ended.recv_timeout(timeout) == Err(mpsc::RecvTimeoutError::Timeout) {
            self.cutter.cut();
        }
        for thread in self.threads {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
        self.cutter.cut.load(Ordering::Relaxed)
    }

    /// Runs a future that need not be `Send` on a thread with a runtime of its own, until it ends or is
    /// cut.
    pub(super) fn spawn<F>(
        &mut self,
        name: &str,
        future: impl FnOnce() -> F + Send + 'static,
    ) -> io::Result<()>
    where
        F: Future<Output = ()>,
    {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let alive = self.alive.clone();
        let mut stop = self.cutter.stop.subscribe();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let local = LocalSet::new();
            local.block_on(&runtime, async {
                tokio::select! {
                    () = future() => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            });
            // Connections that are cut go before the thread counts as ended.
            drop((local, runtime));
            drop(alive);
        })?;
        self.threads.push(thread);
        Ok(())
    }
}
