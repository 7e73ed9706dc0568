//! The thread of the admin listener: accepts connections, answers requests, and maintains the metrics.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use switchboard_server::{
    AcceptSet, BindError, BoundAddress, ConnectionInfo, Handshakes, ListenAddress, ListenSocket, Stream,
    Takeover, Timeouts, Tls, catch_panic_async, establish, serve_connection,
};
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet, LocalSet, yield_now};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::background::Background;
use super::compare::Comparisons;
use super::service::{AdminContext, AdminService, LastRequest};
use crate::telemetry::TlsListener;

/// Timeouts of admin connections. They are short, because the listener accepts few connections.
const TIMEOUTS: Timeouts = Timeouts {
    header: Duration::from_secs(5),
    body: Duration::from_secs(10),
    // Short, because probes open a new connection every few seconds, and idle ones must not block them.
    idle: Duration::from_secs(5),
    // The listener ends with the process.
    drain_grace: Duration::ZERO,
};
/// Interval at which the exporter sorts the samples of its histograms into buckets. It keeps them until then.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The sockets of the admin listener. [`serve`](Self::serve) starts to answer on them.
pub struct AdminListener {
    sockets: Vec<ListenSocket>,
}

/// The running admin listener. It also answers while the data listener drains. Dropping it stops the thread.
pub struct AdminServer {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl AdminListener {
    /// Binds the addresses. With `reuse_port`, another process that also sets it can bind the same ones.
    ///
    /// # Errors
    /// Returns the address that cannot be bound, with the error of the system.
    pub fn bind(addresses: &[ListenAddress], reuse_port: bool) -> Result<AdminListener, BindError> {
        let mut sockets = Vec::new();
        for address in addresses {
            sockets.extend(address.bind(reuse_port)?);
        }
        Ok(AdminListener { sockets })
    }

    /// Uses listening sockets that the service manager passed to this process.
    ///
    /// # Errors
    /// Returns the error of the system if a socket cannot be made non-blocking.
    pub fn from_inherited(sockets: Vec<ListenSocket>) -> io::Result<AdminListener> {
        for socket in &sockets {
            socket.set_nonblocking()?;
        }
        Ok(AdminListener { sockets })
    }

    /// Returns other handles of the sockets, for steering connections away from them in a drain.
    pub(crate) fn try_clone_sockets(&self) -> io::Result<Vec<ListenSocket>> {
        self.sockets.iter().map(ListenSocket::try_clone).collect()
    }

    /// Returns the steps that take the paths of Unix sockets over from another process.
    pub(crate) fn take_over_later(&mut self) -> Vec<Takeover> {
        self.sockets.iter_mut().filter_map(ListenSocket::take_over_later).collect()
    }

    /// Returns the addresses with their actual ports.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub fn local_addrs(&self) -> io::Result<Vec<BoundAddress>> {
        self.sockets.iter().map(ListenSocket::local_addr).collect()
    }

    /// Starts to answer, on TCP sockets with `tls` if it is given. Beyond `max_connections`, closes the connection that has been idle for the longest
    /// time.
    ///
    /// # Errors
    /// Returns the error of the system if the thread or its runtime cannot be created.
    pub fn serve(
        self,
        context: AdminContext,
        max_connections: usize,
        tls: Option<Arc<Tls>>,
    ) -> io::Result<AdminServer> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let background = Background::start(Arc::clone(&context.telemetry))?;
        let (stop, stopped) = watch::channel(false);
        let thread = thread::Builder::new().name("admin".to_owned()).spawn(move || {
            let handshakes = tls.map(|tls| Rc::new(Handshakes::new(tls, TIMEOUTS.header)));
            let comparisons = Comparisons::new(context.compare, Arc::clone(&context.telemetry));
            let state = (Rc::new(context), Rc::new(background), Rc::new(comparisons));
            let served = run(self.sockets, state, stopped, max_connections, handshakes);
            LocalSet::new().block_on(&runtime, served);
        })?;
        Ok(AdminServer { stop, thread: Some(thread) })
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // The panic hook has already logged a panic of the thread.
            let _ = thread.join();
        }
    }
}

async fn run(
    sockets: Vec<ListenSocket>,
    (context, background, comparisons): (Rc<AdminContext>, Rc<Background>, Rc<Comparisons>),
    mut stopped: watch::Receiver<bool>,
    max_connections: usize,
    handshakes: Option<Rc<Handshakes>>,
) {
    let listeners = match AcceptSet::new(sockets) {
        Ok(listeners) => listeners,
        Err(error) => {
            return tracing::error!(
                error = error.to_string(),
                "cannot poll the admin listener: metrics, probes and standings are not answered; restart the daemon"
            );
        }
    };
    let drain = stopped.clone();
    let mut open: Vec<Connection> = Vec::new();
    let mut tasks = JoinSet::new();
    let mut upkeep = interval(UPKEEP_INTERVAL);
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let failed = |error: &io::Error| {
        tracing::warn!(
            error = error.to_string(),
            "cannot accept an admin connection; retrying in 50 ms; if this continues, raise the limit on open files"
        );
    };
    loop {
        let turn = async {
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return false,
                _ = upkeep.tick() => context.telemetry.upkeep(),
                (stream, peer) = listeners.accept(failed) => {
                    open.retain(|connection| !connection.task.is_finished());
                    if open.len() >= max_connections {
                        evict(&mut open);
                    }
                    let now = Cell::new(Instant::now());
                    let last_request = Rc::new(LastRequest { at: now, is_open: Cell::new(false) });
                    let service = AdminService {
                        context: Rc::clone(&context),
                        background: Rc::clone(&background),
                        comparisons: Rc::clone(&comparisons),
                        hang_up: stream.hang_up().ok(),
                        last_request: Rc::clone(&last_request),
                    };
                    let connection = ConnectionInfo::new(peer);
                    let task = tasks.spawn_local(serve(service, stream, connection, handshakes.clone(), drain.clone()));
                    open.push(Connection { last_request, task });
                    // The new connection must be served before many more are accepted.
                    yield_now().await;
                }
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            }
            true
        };
        match catch_panic_async(turn).await {
            Some(true) => {}
            Some(false) => return,
            None => context.telemetry.count_panic(),
        }
    }
}

/// An open connection of the admin listener.
struct Connection {
    last_request: Rc<LastRequest>,
    task: AbortHandle,
}

/// Closes the connection that has been idle for the longest time, so that idle connections do not block
/// probes.
fn evict(open: &mut Vec<Connection>) {
    // A connection that waits for an answer is not idle.
    let idle = |connection: &Connection| {
        let LastRequest { at, is_open } = &*connection.last_request;
        (is_open.get(), at.get())
    };
    let longest = open.iter().enumerate().min_by_key(|(_, connection)| idle(connection));
    if let Some((at, _)) = longest {
        open.swap_remove(at).task.abort();
    }
}

async fn serve(
    service: AdminService,
    stream: Stream,
    mut connection: ConnectionInfo,
    handshakes: Option<Rc<Handshakes>>,
    drain: watch::Receiver<bool>,
) {
    // An error of this option concerns only its peer.
    let _ = stream.set_nodelay();
    let telemetry = &service.context.telemetry;
    let served = async {
        let count = |outcome| telemetry.count_tls_handshake(TlsListener::Admin, outcome);
        let established = establish(handshakes.as_deref(), stream, count).await;
        let Ok(established) = established else { return };
        connection.client_certificate = established.client_certificate;
        serve_connection(established.stream, &service, connection, TIMEOUTS, drain).await;
    };
    if catch_panic_async(served).await.is_none() {
        service.context.telemetry.count_panic();
    }
}
