//! A worker: its connections, and what they answer from.

use std::net::TcpStream as StdStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::connection::{Reason, drive};
use super::desk::{Desk, Shared};
use super::handle::handle;
use super::panics::contained;
use super::peers::PeerSeat;
use super::pulse::Limits;
use crate::runtime::Store;
use crate::telemetry::{ConnectionEvent, Route, Telemetry};

/// An idle worker lets go of a snapshot that was replaced this long after, so that it can be freed.
const REFRESH: Duration = Duration::from_secs(1);

/// What one worker's thread is made of, before it runs.
pub(super) struct Worker {
    store: Store,
    telemetry: Arc<Telemetry>,
    shared: Shared,
    limits: Limits,
    drain: watch::Receiver<bool>,
}

impl Worker {
    pub(super) fn new(
        store: Store,
        telemetry: Arc<Telemetry>,
        shared: Shared,
        limits: Limits,
        drain: watch::Receiver<bool>,
    ) -> Worker {
        Worker { store, telemetry, shared, limits, drain }
    }

    /// Serves what is handed over, until nothing more is and all has ended.
    pub(super) async fn run(self, mut queue: mpsc::UnboundedReceiver<(StdStream, Seat)>) {
        let desk = Rc::new(Desk::new(self.store, self.telemetry, self.shared));
        let mut connections = JoinSet::new();
        let mut refresh = interval(REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let turn = async {
                tokio::select! {
                    _ = refresh.tick() => drop(desk.reader.borrow_mut().pin()),
                    handed = queue.recv() => {
                        let Some((stream, seat)) = handed else { return false };
                        let served = serve(Rc::clone(&desk), stream, self.limits, self.drain.clone());
                        connections.spawn_local(async move {
                            served.await;
                            drop(seat);
                        });
                    }
                    Some(_) = connections.join_next(), if !connections.is_empty() => {}
                }
                true
            };
            match contained(turn).await {
                Some(true) => {}
                Some(false) => break,
                // A thread that ended here would take its connections along, and swallow those to come.
                None => desk.telemetry.panicked(),
            }
        }
        while connections.join_next().await.is_some() {}
    }
}

async fn serve(desk: Rc<Desk>, stream: StdStream, limits: Limits, drain: watch::Receiver<bool>) {
    // Answers are written whole: waiting for more to send with them gains nothing.
    let nodelay = stream.set_nodelay(true);
    let Ok(stream) = nodelay.and_then(|()| TcpStream::from_std(stream)) else {
        return desk.telemetry.connection(ConnectionEvent::Error);
    };
    let counts = Arc::clone(&desk.counts);
    let refused = move |status| counts.timings.count_status(Route::Other, status);
    let telemetry = Arc::clone(&desk.telemetry);
    let driven =
        drive(stream, Rc::clone(&desk), limits, drain, |request| handle(Rc::clone(&desk), request), refused);
    match contained(driven).await {
        // It took nothing along but this connection.
        None => telemetry.panicked(),
        Some(Reason::Closed) => {}
        Some(Reason::TimedOut) => telemetry.connection(ConnectionEvent::TimedOut),
        Some(Reason::Error) => telemetry.connection(ConnectionEvent::Error),
    }
}

/// A connection's place among those that are open.
pub(super) struct Seat {
    counts: [Arc<AtomicUsize>; 2],
    _peer: PeerSeat,
    telemetry: Arc<Telemetry>,
}

impl Seat {
    pub(super) fn take(counts: [&Arc<AtomicUsize>; 2], peer: PeerSeat, telemetry: &Arc<Telemetry>) -> Seat {
        for count in counts {
            count.fetch_add(1, Ordering::Relaxed);
        }
        telemetry.connection_opened();
        Seat { counts: counts.map(Arc::clone), _peer: peer, telemetry: Arc::clone(telemetry) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        for count in &self.counts {
            count.fetch_sub(1, Ordering::Relaxed);
        }
        self.telemetry.connection_closed();
    }
}
