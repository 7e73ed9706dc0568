//! The thread that accepts connections and hands each to the worker that has the fewest.
//!
//! The workers do not accept for themselves: gateways keep a handful of connections each, and the kernel's spread over
//! several sockets would leave some workers with all of them.

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

use super::connection::wait_for_drain;
use super::connection_state::LINGER;
use super::peer_limit::PeerLimit;
use super::worker::{ConnectionPermit, Worker};
use super::{ConnectionObserver, ServerSettings, ServerThreads, Service, problem, reuseport};

/// Connections that the kernel queues until they are accepted; the usual limit of the system is 4096.
const BACKLOG: i32 = 1024;
/// Pause after errors such as EMFILE: accepting again at once fails again, and keeps a core busy.
const ERROR_PAUSE: Duration = Duration::from_millis(50);
/// Most rejected connections that are given time to read why, and no more than an eighth of those that are served. More
/// of them are closed without an answer.
const MAX_REJECTIONS: usize = 64;

/// A listening socket that does not answer yet: connections are queued.
pub struct Listener {
    socket: StdListener,
    /// Whether we bound the socket. An inherited one keeps its accept queue for the next process, so it is not drained.
    own: bool,
    settings: ServerSettings,
}

impl Listener {
    /// Binds the address. A second process may bind the same one, to take over without a gap.
    ///
    /// # Errors
    /// The system's, of the address.
    pub fn bind(settings: &ServerSettings) -> io::Result<Listener> {
        Ok(Listener { socket: bind(settings.listen)?, own: true, settings: settings.clone() })
    }

    /// Takes a listening socket that this process was started with.
    ///
    /// # Errors
    /// The system's, where the socket cannot be made non-blocking.
    pub fn from_inherited(socket: StdListener, settings: &ServerSettings) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        Ok(Listener { socket, own: false, settings: settings.clone() })
    }

    /// Returns the address, with the port that was taken.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Returns the settings.
    pub fn settings(&self) -> &ServerSettings {
        &self.settings
    }

    /// Starts to answer: each worker calls `new_service` once, on its own thread. When `drain` turns true, or its sender
    /// is dropped, the server accepts no more connections, and every connection ends with the request in hand.
    ///
    /// # Errors
    /// The system's, where it refuses a thread or a runtime.
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
            drain,
            own: self.own,
        };
        let socket = self.socket;
        threads.spawn("accept", move || acceptor.run(socket))?;
        Ok(threads)
    }
}

/// Binds a non-blocking listening socket that another process can bind too.
///
/// # Errors
/// The system's, of the address.
pub fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts the next connection. Ignores errors of a single connection; reports others to `failed`, and pauses.
pub async fn accept(listener: &TcpListener, failed: impl Fn(&io::Error)) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                failed(&error);
                sleep(ERROR_PAUSE).await;
            }
        }
    }
}

/// accept(2) also reports errors of the connection that it would have returned.
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

/// A worker, as the acceptor sees it.
struct WorkerHandle {
    /// Unbounded, because `max_connections` already bounds what is sent.
    sender: mpsc::UnboundedSender<(StdStream, ConnectionPermit)>,
    /// How many connections the worker has.
    connections: Arc<AtomicUsize>,
}

struct Acceptor {
    workers: Vec<WorkerHandle>,
    observer: Arc<dyn ConnectionObserver>,
    /// How many connections are open.
    open: Arc<AtomicUsize>,
    max_connections: usize,
    peers: Arc<PeerLimit>,
    drain: watch::Receiver<bool>,
    own: bool,
}

impl Acceptor {
    async fn run(self, socket: StdListener) {
        let polled = socket.try_clone().and_then(TcpListener::from_std);
        let listener = match polled {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the data listener cannot be polled"),
        };
        let max_rejections = (self.max_connections / 8).clamp(2, MAX_REJECTIONS);
        let rejections = Arc::new(Semaphore::new(max_rejections));
        let mut drain = self.drain.clone();
        self.accept_until(wait_for_drain(&mut drain), &listener, &rejections).await;
        if self.own {
            reuseport::steer_to_newer_socket(&socket);
            reuseport::drop_syns(&socket);
            self.accept_until(sleep(reuseport::HANDSHAKE_TIME), &listener, &rejections).await;
            reuseport::stop_steering(&socket);
            // Peers in the queue believe that they are connected: closing the socket would reset them. The queue is
            // read from the system itself, which knows of them before the poller does.
            while let Ok((stream, peer)) = socket.accept() {
                if stream.set_nonblocking(true).is_ok() {
                    self.admit(stream, peer, &rejections);
                }
            }
        }
        drop((listener, socket));
        // Rejected peers get time to read why.
        let _ = timeout(LINGER, rejections.acquire_many(max_rejections as u32)).await;
    }

    async fn accept_until(
        &self,
        end: impl Future<Output = ()>,
        listener: &TcpListener,
        rejections: &Arc<Semaphore>,
    ) {
        let mut end = pin!(end);
        loop {
            tokio::select! {
                biased;
                () = &mut end => return,
                (stream, peer) = accept(listener, |error| self.accept_failed(error)) => {
                    // This thread has polled the stream; from now on a worker does.
                    if let Ok(stream) = stream.into_std() {
                        self.admit(stream, peer, rejections);
                    }
                }
            }
        }
    }

    fn accept_failed(&self, error: &io::Error) {
        self.observer.accept_failed();
        tracing::warn!(%error, "a connection could not be accepted");
    }

    /// Hands a connection to a worker, or rejects it.
    fn admit(&self, stream: StdStream, peer: SocketAddr, rejections: &Arc<Semaphore>) {
        let has_room = self.open.load(Ordering::Relaxed) < self.max_connections;
        let Some(peer) = has_room.then(|| self.peers.acquire(peer.ip())).flatten() else {
            self.observer.connection_rejected();
            if let Ok(permit) = Arc::clone(rejections).try_acquire_owned() {
                tokio::spawn(async move {
                    // The peer may not read the answer.
                    let _ = timeout(LINGER, reject(stream)).await;
                    drop(permit);
                });
            }
            return;
        };
        // A worker that has ended would look idle for ever, and lose every connection sent to it.
        let workers = self.workers.iter().filter(|worker| !worker.sender.is_closed());
        let Some(worker) = workers.min_by_key(|worker| worker.connections.load(Ordering::Relaxed)) else {
            return tracing::error!("no worker is left to answer a connection");
        };
        let permit = ConnectionPermit::new([&self.open, &worker.connections], peer, &self.observer);
        // A worker that ends just now drops both, which closes the connection and releases the permit.
        let _ = worker.sender.send((stream, permit));
    }
}

/// Answers `overloaded`, and waits for the peer to close: a reset could discard the answer.
async fn reject(stream: StdStream) -> io::Result<()> {
    let mut stream = TcpStream::from_std(stream)?;
    stream.write_all(&problem::overloaded_response()).await?;
    stream.shutdown().await?;
    let mut discarded = [0; 1024];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}
