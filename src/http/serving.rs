//! The threads of a listener, and their end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;
use tokio::task::LocalSet;

/// A listener at work.
pub struct Serving {
    threads: Vec<JoinHandle<()>>,
    /// Every thread holds a sender, which nothing is sent through: when all are gone, all have ended.
    alive: mpsc::Sender<Infallible>,
    ended: mpsc::Receiver<Infallible>,
    stop: watch::Sender<bool>,
}

impl Default for Serving {
    fn default() -> Serving {
        let (alive, ended) = mpsc::channel();
        Serving { threads: Vec::new(), alive, ended, stop: watch::Sender::new(false) }
    }
}

impl Serving {
    /// Waits for the connections to end, once the watch that the listener was given says to drain.
    /// Whether all ended in time; those that did not are cut.
    pub fn drain(self, timeout: Duration) -> bool {
        drop(self.alive);
        let in_time = self.ended.recv_timeout(timeout) == Err(RecvTimeoutError::Disconnected);
        // Threads that have ended do not hear it.
        self.stop.send_replace(true);
        for thread in self.threads {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
        in_time
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
        let mut stop = self.stop.subscribe();
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
