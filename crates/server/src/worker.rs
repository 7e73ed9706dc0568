//! The threads of a server: the workers, which answer connections, and their end by a drain or by force.
//!
//! A panic ends one request and not the process. The panic hook logs the message. No half-finished state is
//! read after a panic: the buffers that requests share are cleared before each use.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as std_mpsc;
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::connection::{ConnectionEnd, serve_connection};
use super::limits::PeerPermit;
use super::socket::DetachedStream;
use super::tls::establish;
use super::{ConnectionInfo, ConnectionObserver, HandshakeOutcome, Handshakes, Service, Timeouts, Tls};

/// Interval between two calls of a service's `tick`.
const TICK: Duration = Duration::from_secs(1);

/// The values that a worker needs on its thread.
pub(crate) struct Worker<F> {
    pub(crate) new_service: F,
    pub(crate) observer: Arc<dyn ConnectionObserver>,
    pub(crate) timeouts: Timeouts,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) drain: watch::Receiver<bool>,
}

impl<F> Worker<F> {
    /// Serves the connections from `queue` until the queue is closed and all connections have ended.
    pub(crate) async fn run<S: Service + 'static>(
        self,
        mut queue: mpsc::UnboundedReceiver<(DetachedStream, ConnectionInfo, ConnectionPermit)>,
    ) where
        F: Fn() -> S,
    {
        let service = Rc::new((self.new_service)());
        let handshakes = self.tls.clone().map(|tls| Rc::new(Handshakes::new(tls, self.timeouts.header)));
        let mut connections = JoinSet::new();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let turn = async {
                tokio::select! {
                    _ = ticks.tick() => service.tick(),
                    received = queue.recv() => {
                        let Some((stream, info, permit)) = received else { return false };
                        let (service, observer) = (Rc::clone(&service), Arc::clone(&self.observer));
                        let (timeouts, drain) = (self.timeouts, self.drain.clone());
                        let handshakes = handshakes.clone();
                        connections.spawn_local(async move {
                            let handshakes = handshakes.as_deref();
                            serve(&*service, stream, info, handshakes, timeouts, drain, &*observer).await;
                            drop(permit);
                        });
                    }
                    Some(_) = connections.join_next(), if !connections.is_empty() => {}
                }
                true
            };
            match catch_panic_async(turn).await {
                Some(true) => {}
                Some(false) => break,
                // The loop continues after a panic. Otherwise the thread would drop its connections and lose
                // later ones.
                None => self.observer.panic_caught(),
            }
        }
        while connections.join_next().await.is_some() {}
    }
}

async fn serve<S: Service>(
    service: &S,
    stream: DetachedStream,
    mut info: ConnectionInfo,
    handshakes: Option<&Handshakes>,
    timeouts: Timeouts,
    drain: watch::Receiver<bool>,
    observer: &dyn ConnectionObserver,
) {
    let attached = stream.attach().and_then(|stream| stream.set_nodelay().map(|()| stream));
    let Ok(stream) = attached else {
        return observer.connection_failed();
    };
    let connection = async {
        let count = |outcome| observer.tls_handshake(outcome);
        let established = tokio::select! {
            biased;
            established = establish(handshakes, stream, count) => established,
            // A handshake has no request that could be lost.
            () = drain_grace_ended(drain.clone(), timeouts.drain_grace), if handshakes.is_some() => Err(None),
        };
        match established {
            Ok(established) => {
                info.client_certificate = established.client_certificate;
                serve_connection(established.stream, service, info, timeouts, drain).await
            }
            Err(None) => ConnectionEnd::Closed,
            Err(Some(HandshakeOutcome::TimedOut)) => ConnectionEnd::TimedOut,
            Err(Some(_)) => ConnectionEnd::Failed,
        }
    };
    match catch_panic_async(connection).await {
        // A panic ends only this connection.
        None => observer.panic_caught(),
        Some(ConnectionEnd::Closed) => {}
        Some(ConnectionEnd::TimedOut) => observer.connection_timed_out(),
        Some(ConnectionEnd::Failed) => observer.connection_failed(),
    }
}

/// Counts an open connection until this value is dropped: for the server, for its worker and for its peer.
pub(crate) struct ConnectionPermit {
    counts: [Arc<AtomicUsize>; 2],
    _peer: Option<PeerPermit>,
    observer: Arc<dyn ConnectionObserver>,
}

impl ConnectionPermit {
    pub(crate) fn new(
        counts: [&Arc<AtomicUsize>; 2],
        peer: Option<PeerPermit>,
        observer: &Arc<dyn ConnectionObserver>,
    ) -> ConnectionPermit {
        for count in counts {
            count.fetch_add(1, Ordering::Relaxed);
        }
        observer.connection_opened();
        ConnectionPermit { counts: counts.map(Arc::clone), _peer: peer, observer: Arc::clone(observer) }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        for count in &self.counts {
            count.fetch_sub(1, Ordering::Relaxed);
        }
        self.observer.connection_closed();
    }
}

/// The running threads of a server.
pub struct ServerThreads {
    threads: Vec<JoinHandle<()>>,
    /// Each thread holds a sender, and sends nothing. The receiver disconnects when all threads have ended.
    alive: std_mpsc::Sender<Infallible>,
    ended: std_mpsc::Receiver<Infallible>,
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
        let (alive, ended) = std_mpsc::channel();
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
        if self.ended.recv_timeout(timeout) == Err(std_mpsc::RecvTimeoutError::Timeout) {
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

/// Returns when a drain has begun and its grace has passed.
async fn drain_grace_ended(mut drain: watch::Receiver<bool>, grace: Duration) {
    // An error means that the server is being dropped.
    let _ = drain.wait_for(|is_draining| *is_draining).await;
    sleep(grace).await;
}

/// Returns the future's output. Returns `None` if the future panicked.
pub async fn catch_panic_async<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// Returns the function's result. Returns `None` if the function panicked.
#[inline]
pub fn catch_panic<T>(function: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(function)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panic_becomes_none() {
        assert_eq!(catch_panic_async(async { 1 }).await, Some(1));
        let panics = catch_panic_async(async {
            tokio::task::yield_now().await;
            panic!("+447400123456");
        });
        assert_eq!(panics.await, None::<()>);
        assert_eq!(catch_panic(|| -> u8 { panic!("x") }), None);
    }
}
