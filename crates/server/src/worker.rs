//! A worker: a thread with a service, and the connections that it answers.

use std::net::TcpStream as StdStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::connection::{ConnectionEnd, serve_connection};
use super::panics::catch_panic_async;
use super::peer_limit::PeerPermit;
use super::{ConnectionObserver, Service, Timeouts};

/// Interval between two calls of a service's `tick`.
const TICK: Duration = Duration::from_secs(1);

/// The values that a worker needs on its thread.
pub(crate) struct Worker<F> {
    pub(crate) new_service: F,
    pub(crate) observer: Arc<dyn ConnectionObserver>,
    pub(crate) timeouts: Timeouts,
    pub(crate) drain: watch::Receiver<bool>,
}

impl<F> Worker<F> {
    /// Serves the connections from `queue` until the queue is closed and all connections have ended.
    pub(crate) async fn run<S: Service + 'static>(
        self,
        mut queue: mpsc::UnboundedReceiver<(StdStream, ConnectionPermit)>,
    ) where
        F: Fn() -> S,
    {
        let service = Rc::new((self.new_service)());
        let mut connections = JoinSet::new();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let turn = async {
                tokio::select! {
                    _ = ticks.tick() => service.tick(),
                    received = queue.recv() => {
                        let Some((stream, permit)) = received else { return false };
                        let (service, observer) = (Rc::clone(&service), Arc::clone(&self.observer));
                        let (timeouts, drain) = (self.timeouts, self.drain.clone());
                        connections.spawn_local(async move {
                            serve(&*service, stream, timeouts, drain, &*observer).await;
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
    stream: StdStream,
    timeouts: Timeouts,
    drain: watch::Receiver<bool>,
    observer: &dyn ConnectionObserver,
) {
    // Answers are written whole, so waiting for more bytes to send gains nothing.
    let nodelay = stream.set_nodelay(true);
    let Ok(stream) = nodelay.and_then(|()| TcpStream::from_std(stream)) else {
        return observer.connection_failed();
    };
    match catch_panic_async(serve_connection(stream, service, timeouts, drain)).await {
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
    _peer: PeerPermit,
    observer: Arc<dyn ConnectionObserver>,
}

impl ConnectionPermit {
    pub(crate) fn new(
        counts: [&Arc<AtomicUsize>; 2],
        peer: PeerPermit,
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
