//! The thread that accepts connections and hands each to the worker with the fewest connections.
//!
//! The workers do not accept connections themselves. Gateways keep a handful of connections each, and the
//! kernel's distribution over several sockets would give some workers all of them.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::connection::wait_for_drain;
use super::limits::PeerLimit;
use super::response::LINGER;
use super::socket::{AsyncListener, DetachedStream, HANDSHAKE_TIME};
use super::worker::{ConnectionPermit, Worker};
use super::{
    BindError, BoundAddress, ConnectionInfo, ConnectionObserver, Handshakes, ListenSocket, Peer,
    ServerSettings, ServerThreads, Service, Stream, Tls, response,
};

/// Pause after an error such as EMFILE. Accepting again at once would fail again, and would keep a core busy.
const ERROR_PAUSE: Duration = Duration::from_millis(50);
/// Maximum number of rejected connections that are answered at the same time. The limit is an eighth of
/// `max_connections`, from 2 to 64. Further connections are closed without an answer.
const MAX_REJECTIONS: usize = 64;

/// Bound listening sockets that are not served. The kernel queues their connections.
pub struct Listener {
    sockets: Vec<ListenSocket>,
    /// Whether this process bound the sockets. Inherited ones keep their accept queues for the next process,
    /// so they are not drained.
    is_bound_here: bool,
    settings: ServerSettings,
}

impl Listener {
    /// Binds the addresses in the settings.
    ///
    /// # Errors
    /// Returns the address that cannot be bound, with the system's error.
    pub fn bind(settings: &ServerSettings) -> Result<Listener, BindError> {
        let mut sockets = Vec::new();
        for address in &settings.listen {
            sockets.extend(address.bind(settings.reuse_port)?);
        }
        // Only after every address is bound, so that a failure takes no path from the other process.
        for takeover in sockets.iter_mut().filter_map(ListenSocket::take_over_later) {
            takeover.complete()?;
        }
        Ok(Listener { sockets, is_bound_here: true, settings: settings.clone() })
    }

    /// Takes listening sockets that this process inherited from its parent.
    ///
    /// # Errors
    /// Returns the system's error if a socket cannot be made non-blocking.
    pub fn from_inherited(sockets: Vec<ListenSocket>, settings: &ServerSettings) -> io::Result<Listener> {
        for socket in &sockets {
            socket.set_nonblocking()?;
        }
        Ok(Listener { sockets, is_bound_here: false, settings: settings.clone() })
    }

    /// Returns the addresses that the sockets are bound to, with their actual ports.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn local_addrs(&self) -> io::Result<Vec<BoundAddress>> {
        self.sockets.iter().map(ListenSocket::local_addr).collect()
    }

    /// Returns the settings that the listener was created with.
    pub fn settings(&self) -> &ServerSettings {
        &self.settings
    }

    /// Starts the threads. Each worker calls `new_service` once, on its own thread.
    ///
    /// When `drain` becomes true, or its sender is dropped, the server accepts no more connections. Each
    /// connection ends after the request that it is answering.
    ///
    /// # Errors
    /// Returns the system's error if it refuses a thread or a runtime.
    pub fn serve<S: Service + 'static>(
        self,
        new_service: impl Fn() -> S + Clone + Send + 'static,
        observer: Arc<dyn ConnectionObserver>,
        drain: watch::Receiver<bool>,
    ) -> io::Result<ServerThreads> {
        let open = Arc::default();
        let mut threads = ServerThreads::new(Arc::clone(&open), Arc::clone(&observer));
        let mut workers = Vec::new();
        for number in 0..self.settings.workers.max(1) {
            let (sender, queue) = mpsc::unbounded_channel();
            let worker = Worker {
                new_service: new_service.clone(),
                observer: Arc::clone(&observer),
                timeouts: self.settings.timeouts(),
                tls: self.settings.tls.clone(),
                drain: drain.clone(),
            };
            threads.spawn(&format!("worker-{number}"), || worker.run(queue))?;
            workers.push(WorkerHandle { sender, connections: Arc::default() });
        }
        let acceptor = Acceptor {
            workers,
            observer,
            open,
            max_connections: self.settings.max_connections,
            peers: PeerLimit::new(self.settings.max_connections_per_peer),
            tls: self.settings.tls.clone().map(|tls| (tls, self.settings.header_timeout)),
            drain,
            is_bound_here: self.is_bound_here,
            is_shared: self.is_bound_here && self.settings.reuse_port,
        };
        let sockets = self.sockets;
        threads.spawn("accept", move || acceptor.run(sockets))?;
        Ok(threads)
    }
}

/// Listening sockets that are accepted from together.
pub struct AcceptSet {
    listeners: Vec<AsyncListener>,
    /// Index of the socket that is tried first, so that a busy socket does not starve the others.
    first: Cell<usize>,
}

impl AcceptSet {
    /// Attaches the sockets to the runtime of the calling thread.
    ///
    /// # Errors
    /// Returns the system's error if a socket cannot be polled.
    pub fn new(sockets: Vec<ListenSocket>) -> io::Result<AcceptSet> {
        let listeners = sockets.into_iter().map(ListenSocket::attach).collect::<io::Result<_>>()?;
        Ok(AcceptSet { listeners, first: Cell::new(0) })
    }

    /// Accepts the next connection. Ignores errors of a single connection. Reports other errors to `failed`,
    /// and pauses.
    pub async fn accept(&self, failed: impl Fn(&io::Error)) -> (Stream, Peer) {
        loop {
            match poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(accepted) => return accepted,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    failed(&error);
                    sleep(ERROR_PAUSE).await;
                }
            }
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Peer)>> {
        let (before, from) = self.listeners.split_at(self.first.get().min(self.listeners.len()));
        for listener in from.iter().chain(before) {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                self.first.set((self.first.get() + 1) % self.listeners.len().max(1));
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

/// Returns true if accept(2) reports an error of the connection that it would have returned.
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

/// The acceptor's handle of a worker.
struct WorkerHandle {
    /// Unbounded, because `max_connections` limits the number of connections in the channel.
    sender: mpsc::UnboundedSender<(DetachedStream, ConnectionInfo, ConnectionPermit)>,
    /// Number of connections that the worker has.
    connections: Arc<AtomicUsize>,
}

/// The connections that are being rejected with an answer.
struct Rejections {
    permits: Arc<Semaphore>,
    handshakes: Option<Rc<Handshakes>>,
}

struct Acceptor {
    workers: Vec<WorkerHandle>,
    observer: Arc<dyn ConnectionObserver>,
    /// Number of connections that are open.
    open: Arc<AtomicUsize>,
    max_connections: usize,
    peers: Arc<PeerLimit>,
    /// TLS of rejected connections, with the header timeout.
    tls: Option<(Arc<Tls>, Duration)>,
    drain: watch::Receiver<bool>,
    is_bound_here: bool,
    /// Whether another process may listen on the same addresses.
    is_shared: bool,
}

impl Acceptor {
    async fn run(self, mut sockets: Vec<ListenSocket>) {
        let cloned = sockets.iter().map(ListenSocket::try_clone).collect::<io::Result<_>>();
        let listeners = match cloned.and_then(AcceptSet::new) {
            Ok(listeners) => listeners,
            Err(error) => {
                return tracing::error!(
                    %error,
                    "cannot poll the listening sockets: this listener accepts no connections; restart the daemon"
                );
            }
        };
        let max_rejections = (self.max_connections / 8).clamp(2, MAX_REJECTIONS);
        let handshakes = self.tls.clone().map(|(tls, timeout)| Handshakes::new(tls, timeout));
        let rejections = Rejections {
            permits: Arc::new(Semaphore::new(max_rejections)),
            handshakes: handshakes.map(Rc::new),
        };
        let mut drain = self.drain.clone();
        self.accept_until(wait_for_drain(&mut drain), &listeners, &rejections).await;
        if self.is_bound_here {
            for socket in &mut sockets {
                if self.is_shared {
                    socket.steer_to_newer_socket();
                }
                socket.refuse_new_connections();
            }
            self.accept_until(sleep(HANDSHAKE_TIME), &listeners, &rejections).await;
            for socket in &sockets {
                if self.is_shared {
                    socket.stop_steering();
                }
                // Peers in the queue believe that they are connected, and closing the socket would reset
                // them. `socket` is read directly, because the system knows of them earlier than tokio's
                // poller.
                while let Ok((stream, peer)) = socket.accept() {
                    self.admit(stream, peer, &rejections);
                }
            }
        }
        drop((listeners, sockets));
        // Gives rejected peers time to read the reason.
        let _ = timeout(LINGER, rejections.permits.acquire_many(max_rejections as u32)).await;
    }

    async fn accept_until(
        &self,
        end: impl Future<Output = ()>,
        listeners: &AcceptSet,
        rejections: &Rejections,
    ) {
        let mut end = pin!(end);
        loop {
            tokio::select! {
                biased;
                () = &mut end => return,
                (stream, peer) = listeners.accept(|error| self.accept_failed(error)) => {
                    // Detaches the stream from this thread's runtime. The worker attaches it to its own.
                    if let Ok(stream) = stream.detach() {
                        self.admit(stream, peer, rejections);
                    }
                }
            }
        }
    }

    fn accept_failed(&self, error: &io::Error) {
        self.observer.accept_failed();
        tracing::warn!(
            %error,
            "cannot accept a connection; retrying in 50 ms; if this continues, raise the limit on open files"
        );
    }

    /// Hands a connection to a worker, or rejects the connection.
    fn admit(&self, stream: DetachedStream, peer: Peer, rejections: &Rejections) {
        let has_room = self.open.load(Ordering::Relaxed) < self.max_connections;
        let peer_permit = peer.ip().map(|address| has_room.then(|| self.peers.acquire(address)).flatten());
        if !has_room || matches!(peer_permit, Some(None)) {
            self.observer.connection_rejected();
            if let Ok(permit) = Arc::clone(&rejections.permits).try_acquire_owned() {
                let handshakes = rejections.handshakes.clone();
                spawn_local(async move {
                    // A timeout is no error: the peer may not read the answer.
                    let _ = timeout(LINGER, reject(stream, handshakes.as_deref())).await;
                    drop(permit);
                });
            }
            return;
        }
        // Skips workers that have ended: their count stays low, so they would get every connection and lose
        // it.
        let workers = self.workers.iter().filter(|worker| !worker.sender.is_closed());
        let Some(worker) = workers.min_by_key(|worker| worker.connections.load(Ordering::Relaxed)) else {
            return tracing::error!(
                "dropped a connection: all worker threads have ended; restart the daemon and report the panic logged above"
            );
        };
        let permit =
            ConnectionPermit::new([&self.open, &worker.connections], peer_permit.flatten(), &self.observer);
        // If the worker ends now, the stream and the permit are dropped. That closes and uncounts the
        // connection.
        let _ = worker.sender.send((stream, ConnectionInfo::new(peer), permit));
    }
}

/// Answers `overloaded`, and waits until the peer closes. Closing first could reset the connection and
/// discard the answer.
async fn reject(stream: DetachedStream, handshakes: Option<&Handshakes>) -> io::Result<()> {
    let mut stream = stream.attach()?;
    if let Some(handshakes) = handshakes {
        // Not counted, because the connection is counted as rejected.
        let established = handshakes.perform(stream).await;
        stream = established.map_err(|_| io::ErrorKind::ConnectionAborted)?.stream;
    }
    stream.write_all(&response::overloaded_response()).await?;
    stream.shutdown().await?;
    let mut discarded = [0; 1024];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}
