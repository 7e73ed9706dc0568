//! The threads of a server: their start, and their end by a drain or by force.

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

use super::ConnectionObserver;

/// The running threads of a server.
pub struct ServerThreads {
    threads: Vec<JoinHandle<()>>,
    /// Each thread holds a sender, and sends nothing. The receiver disconnects when all threads have ended.
    alive: mpsc::Sender<Infallible>,
    ended: mpsc::Receiver<Infallible>,
    force_close: ForceClose,
}

/// A handle that ends a server at once, from any thread.
#[derive(Clone)]
pub struct ForceClose {
    stop: watch::Sender<bool>,
    /// Number of connections that are open.
    open: Arc<AtomicUsize>,
    /// Number of connections that were open when this was triggered.
    closed: Arc<AtomicUsize>,
    observer: Arc<dyn ConnectionObserver>,
}

impl ForceClose {
    /// Closes all open connections. Has no effect when called again.
    pub fn trigger(&self) {
        self.stop.send_if_modified(|stop| {
            let first = !std::mem::replace(stop, true);
            if first {
                // Counted before the threads are notified, because they then close the connections.
                let open = self.open.load(Ordering::Relaxed);
                self.closed.store(open, Ordering::Relaxed);
                for _ in 0..open {
                    self.observer.connection_force_closed();
                }
            }
            first
        });
    }
}

impl ServerThreads {
    /// Creates an empty set of threads. The server counts its open connections in `open`.
    pub(crate) fn new(open: Arc<AtomicUsize>, observer: Arc<dyn ConnectionObserver>) -> ServerThreads {
        let (alive, ended) = mpsc::channel();
        let stop = watch::Sender::new(false);
        let force_close = ForceClose { stop, open, closed: Arc::default(), observer };
        ServerThreads { threads: Vec::new(), alive, ended, force_close }
    }

    /// Returns a handle that ends the server during [`ServerThreads::drain`].
    pub fn force_close(&self) -> ForceClose {
        self.force_close.clone()
    }

    /// Waits until all connections have ended, at most for `timeout`, and force-closes the rest. Returns the
    /// number of force-closed connections. The watch that was passed to [`serve`](super::Listener::serve)
    /// starts the drain itself.
    pub fn drain(self, timeout: Duration) -> usize {
        drop(self.alive);
        if self.ended.recv_timeout(timeout) == Err(mpsc::RecvTimeoutError::Timeout) {
            self.force_close.trigger();
        }
        for thread in self.threads {
            // The panic hook has logged the panic of the thread.
            let _ = thread.join();
        }
        self.force_close.closed.load(Ordering::Relaxed)
    }

    /// Runs a future on a new thread with its own runtime, until the future ends or the server is
    /// force-closed. The future need not be `Send`.
    pub(crate) fn spawn<F>(
        &mut self,
        name: &str,
        future: impl FnOnce() -> F + Send + 'static,
    ) -> io::Result<()>
    where
        F: Future<Output = ()>,
    {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let alive = self.alive.clone();
        let mut stop = self.force_close.stop.subscribe();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let local = LocalSet::new();
            local.block_on(&runtime, async {
                tokio::select! {
                    () = future() => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            });
            // Drops force-closed connections before the thread counts as ended.
            drop((local, runtime));
            drop(alive);
        })?;
        self.threads.push(thread);
        Ok(())
    }
}
