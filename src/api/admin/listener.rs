//! The thread of the admin listener: it accepts, answers, and maintains the metrics.

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use switchboard_server::{Timeouts, accept, bind, catch_panic_async, serve_connection};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet, LocalSet, yield_now};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::service::{AdminContext, AdminService};

/// No body is worth a long wait here.
const TIMEOUTS: Timeouts = Timeouts {
    header: Duration::from_secs(5),
    body: Duration::from_secs(10),
    // Short, because probes come every few seconds on connections of their own, and idle ones must not keep them out.
    idle: Duration::from_secs(5),
    // This listener ends with the process.
    drain_grace: Duration::ZERO,
};
/// How often the exporter sorts the samples of its histograms into buckets; until then it keeps each.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The socket of the admin listener, which does not answer yet.
pub struct AdminListener {
    socket: StdListener,
}

/// The running admin listener. It answers while the data listener drains, and ends when this is dropped.
pub struct AdminServer {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl AdminListener {
    /// Binds the address; a second process may bind the same one.
    ///
    /// # Errors
    /// The system's, of the address.
    pub fn bind(address: SocketAddr) -> io::Result<AdminListener> {
        Ok(AdminListener { socket: bind(address)? })
    }

    /// Takes a listening socket that this process was started with.
    ///
    /// # Errors
    /// The system's, where the socket cannot be made non-blocking.
    pub fn from_inherited(socket: StdListener) -> io::Result<AdminListener> {
        socket.set_nonblocking(true)?;
        Ok(AdminListener { socket })
    }

    /// Returns another handle of the socket, to steer connections away from it later.
    pub(crate) fn try_clone_socket(&self) -> io::Result<StdListener> {
        self.socket.try_clone()
    }

    /// Returns the address, with the port that was taken.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Starts to answer. Beyond `max_connections`, the connection that has been without a request for longest is closed.
    ///
    /// # Errors
    /// The system's, where it refuses a thread or a runtime.
    pub fn serve(self, context: AdminContext, max_connections: usize) -> io::Result<AdminServer> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let thread = thread::Builder::new().name("admin".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, run(self.socket, Rc::new(context), stopped, max_connections));
        })?;
        Ok(AdminServer { stop, thread: Some(thread) })
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // The panic hook has reported a thread that panicked.
            let _ = thread.join();
        }
    }
}

async fn run(
    socket: StdListener,
    context: Rc<AdminContext>,
    mut stopped: watch::Receiver<bool>,
    max_connections: usize,
) {
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the admin listener cannot be polled"),
    };
    let drain = stopped.clone();
    let mut open: Vec<Connection> = Vec::new();
    let mut tasks = JoinSet::new();
    let mut upkeep = interval(UPKEEP_INTERVAL);
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let failed = |error: &io::Error| tracing::warn!(%error, "an admin connection could not be accepted");
    loop {
        let turn = async {
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return false,
                _ = upkeep.tick() => context.telemetry.upkeep(),
                (stream, _) = accept(&listener, failed) => {
                    open.retain(|connection| !connection.task.is_finished());
                    if open.len() >= max_connections {
                        evict(&mut open);
                    }
                    let last_request = Rc::new(Cell::new(Instant::now()));
                    let service =
                        AdminService { context: Rc::clone(&context), last_request: Rc::clone(&last_request) };
                    let task = tasks.spawn_local(serve(service, stream, drain.clone()));
                    open.push(Connection { last_request, task });
                    // The new connection is served before many more are accepted.
                    yield_now().await;
                }
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            }
            true
        };
        match catch_panic_async(turn).await {
            Some(true) => {}
            Some(false) => return,
            None => context.telemetry.panicked(),
        }
    }
}

/// An open connection.
struct Connection {
    /// When the connection last had a request.
    last_request: Rc<Cell<Instant>>,
    task: AbortHandle,
}

/// Closes the connection that has been without a request for longest, so that idle ones do not keep a probe out.
fn evict(open: &mut Vec<Connection>) {
    let longest = open.iter().enumerate().min_by_key(|(_, connection)| connection.last_request.get());
    if let Some((at, _)) = longest {
        open.swap_remove(at).task.abort();
    }
}

async fn serve(service: AdminService, stream: TcpStream, drain: watch::Receiver<bool>) {
    // How the connection ends concerns its peer alone.
    let _ = stream.set_nodelay(true);
    if catch_panic_async(serve_connection(stream, &service, TIMEOUTS, drain)).await.is_none() {
        service.context.telemetry.panicked();
    }
}
