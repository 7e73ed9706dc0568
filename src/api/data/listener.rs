//! The thread that accepts connections and hands each to the worker that has the fewest.
//!
//! The workers do not accept for themselves: gateways keep a handful of connections each, and the
//! kernel's spread over several sockets would leave some workers with all of them.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::connection::drained;
use super::desk::Shared;
use super::peers::Peers;
use super::pulse::LINGER;
use super::worker::{Seat, Worker};
use super::{Serving, Settings, leave, problems};
use crate::runtime::Store;
use crate::telemetry::{ConnectionEvent, Telemetry};

/// Connections the kernel holds until they are accepted; the usual limit of the system is 4096.
const QUEUE: i32 = 1024;
/// A wait after errors such as EMFILE: accepting at once fails at once, and turns a core into heat.
const PAUSE: Duration = Duration::from_millis(50);
/// Most refused connections that are given time to read why, and no more than an eighth of those that are
/// served. Beyond that they are just closed.
const MOST_REFUSALS: usize = 64;

/// The data listener, bound but not answering yet: what connects is queued.
pub struct Listener {
    socket: StdListener,
    /// Whether it is a queue of this process alone, beside those of others on the same address. One that
    /// was passed is everybody's, and outlives us with all that is in it.
    own: bool,
    settings: Settings,
}

impl Listener {
    /// Takes the address. A second process may take the same one, to hand over without a gap.
    pub fn bind(settings: &Settings) -> io::Result<Listener> {
        Ok(Listener { socket: bind(settings.listen)?, own: true, settings: settings.clone() })
    }

    /// Takes a listening socket that this process was started with.
    pub fn passed(socket: StdListener, settings: &Settings) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        Ok(Listener { socket, own: false, settings: settings.clone() })
    }

    /// The address, with the port that was taken.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Starts to answer. When `drain` turns true (or its sender is gone), nothing more is accepted and
    /// every connection ends with the request in hand.
    pub fn serve(
        self,
        store: Store,
        telemetry: Arc<Telemetry>,
        drain: watch::Receiver<bool>,
    ) -> io::Result<Serving> {
        telemetry.connections_limit(self.settings.max_connections);
        let total = Arc::default();
        let mut serving = Serving::new(Arc::clone(&total), Arc::clone(&telemetry));
        let mut workers = Vec::new();
        let shared = Shared::new(self.settings.max_body_bytes);
        for number in 0..self.settings.workers.max(1) {
            let (to, queue) = mpsc::unbounded_channel();
            let worker = Worker::new(
                store.clone(),
                Arc::clone(&telemetry),
                shared.clone(),
                self.settings.limits(),
                drain.clone(),
            );
            serving.spawn(&format!("worker-{number}"), || worker.run(queue))?;
            workers.push(Handover { to, load: Arc::default() });
        }
        let peers = Peers::new(self.settings.max_connections_per_peer);
        let most = self.settings.max_connections;
        let door = Door { workers, telemetry, total, most, peers, drain, own: self.own };
        let socket = self.socket;
        serving.spawn("accept", move || door.run(socket))?;
        Ok(serving)
    }
}

/// Binds a listening socket that another process can bind too.
pub(crate) fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(QUEUE)?;
    Ok(socket.into())
}

/// The next connection. Errors that belong to one connection are passed over; the others are told, and
/// waited out.
pub(crate) async fn accept(listener: &TcpListener, failed: impl Fn(&io::Error)) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                failed(&error);
                sleep(PAUSE).await;
            }
        }
    }
}

/// accept(2) also reports what happened to the connection that it would have returned.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | ConnectionRefused
            | Interrupted
            | WouldBlock
            | TimedOut
            | BrokenPipe
            | HostUnreachable
            | NetworkUnreachable
            | NetworkDown
    )
}

/// A worker, as seen from the door.
struct Handover {
    /// Without a bound of its own: there are never more connections than there may be in all.
    to: mpsc::UnboundedSender<(StdStream, Seat)>,
    load: Arc<AtomicUsize>,
}

struct Door {
    workers: Vec<Handover>,
    telemetry: Arc<Telemetry>,
    total: Arc<AtomicUsize>,
    most: usize,
    peers: Arc<Peers>,
    drain: watch::Receiver<bool>,
    own: bool,
}

impl Door {
    async fn run(self, socket: StdListener) {
        let polled = socket.try_clone().and_then(TcpListener::from_std);
        let listener = match polled {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the data listener cannot be polled"),
        };
        let most_refusals = (self.most / 8).clamp(2, MOST_REFUSALS);
        let refusals = Arc::new(Semaphore::new(most_refusals));
        let mut drain = self.drain.clone();
        self.take_until(drained(&mut drain), &listener, &refusals).await;
        if self.own {
            leave::lead_to_the_second(&socket);
            leave::deafen(&socket);
            self.take_until(sleep(leave::HANDSHAKES), &listener, &refusals).await;
            leave::lead_nowhere(&socket);
            // Whoever is in the queue has been told that it is connected: closing the socket would reset
            // it. Asked of the system itself, which knows of them before the poller does.
            while let Ok((stream, peer)) = socket.accept() {
                if stream.set_nonblocking(true).is_ok() {
                    self.take(stream, peer, &refusals);
                }
            }
        }
        drop((listener, socket));
        // Those being refused get to read why.
        let _ = timeout(LINGER, refusals.acquire_many(most_refusals as u32)).await;
    }

    /// Takes what comes, until this does.
    async fn take_until(
        &self,
        end: impl Future<Output = ()>,
        listener: &TcpListener,
        refusals: &Arc<Semaphore>,
    ) {
        let mut end = pin!(end);
        loop {
            tokio::select! {
                biased;
                () = &mut end => return,
                (stream, peer) = accept(listener, |error| self.failed(error)) => {
                    // Until now this thread polled it; from now on a worker does.
                    if let Ok(stream) = stream.into_std() {
                        self.take(stream, peer, refusals);
                    }
                }
            }
        }
    }

    fn failed(&self, error: &io::Error) {
        self.telemetry.connection(ConnectionEvent::AcceptError);
        tracing::warn!(%error, "a connection could not be accepted");
    }

    fn take(&self, stream: StdStream, peer: SocketAddr, refusals: &Arc<Semaphore>) {
        let room = self.total.load(Ordering::Relaxed) < self.most;
        let Some(peer) = room.then(|| self.peers.take(peer.ip())).flatten() else {
            self.telemetry.connection(ConnectionEvent::Rejected);
            if let Ok(permit) = Arc::clone(refusals).try_acquire_owned() {
                tokio::spawn(async move {
                    // Whether it is read is the peer's business.
                    let _ = timeout(LINGER, refuse(stream)).await;
                    drop(permit);
                });
            }
            return;
        };
        // A worker that was gone would look idle for ever, and swallow whatever came.
        let workers = self.workers.iter().filter(|worker| !worker.to.is_closed());
        let Some(worker) = workers.min_by_key(|worker| worker.load.load(Ordering::Relaxed)) else {
            return tracing::error!("no worker is left to answer a connection");
        };
        self.telemetry.connection(ConnectionEvent::Accepted);
        let seat = Seat::take([&self.total, &worker.load], peer, &self.telemetry);
        // A worker that goes just now drops both, which closes the connection and frees the seat.
        let _ = worker.to.send((stream, seat));
    }
}

/// Says that there are too many, and waits for the peer to close: a reset would take the answer along.
async fn refuse(stream: StdStream) -> io::Result<()> {
    let mut stream = TcpStream::from_std(stream)?;
    stream.write_all(&problems::overloaded()).await?;
    stream.shutdown().await?;
    let mut thrown_away = [0; 1024];
    while stream.read(&mut thrown_away).await? > 0 {}
    Ok(())
}
