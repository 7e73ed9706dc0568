//! Assembles the daemon: `App::bind`, `start`, `drain`. `run` adds logs and signals.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use switchboard_pipeline::SnapshotSource;
use switchboard_server::{ForceClose, Listener, ServerSettings, ServerThreads, reuseport};
use tokio::sync::{oneshot, watch};

use super::observe;
use super::process::{ConnectionLimits, lower_priority};
use super::signals::{self, ReloadTrigger, Signals};
use super::sockets::{InheritedSockets, SocketError};
use super::status::Status;
use crate::api::{admin, data};
use crate::config::Settings;
use crate::runtime::state::Restore;
use crate::runtime::{
    LastReload, ReloadEvent, Reloader, Standings, StateDir, Store, WatchMode, reload_signal,
};
use crate::telemetry::Telemetry;

/// The reason why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener cannot be bound to its address.
    #[error(
        "cannot listen on {address}: {error}; another program may use the address: see --listen and \
        --admin-listen"
    )]
    Bind {
        /// The address that cannot be bound.
        address: SocketAddr,
        /// The error that the system returned.
        error: io::Error,
    },
    /// The journal of standings cannot be read or written.
    #[error(
        "cannot use the journal {path}: {error}; without the journal, suspended accounts would be selected again: \
        see --standings",
        path = .path.display()
    )]
    Standings {
        /// The path of the journal file.
        path: PathBuf,
        /// The error that the system returned.
        error: io::Error,
    },
    /// A socket that the service manager passed cannot be used.
    #[error("cannot use a passed socket: {0}; see ListenStream= and FileDescriptorName= in its unit")]
    InheritedSocket(#[from] SocketError),
    /// The system cannot create a thread, a signal handler or a runtime.
    #[error(
        "the system refused a thread, a signal handler, a runtime or a socket: {0}; see the limits on tasks and \
        open files"
    )]
    System(#[from] io::Error),
    /// The source has no valid snapshot, and the settings require one. The text is the reason.
    #[error(
        "no snapshot, but --require-snapshot is set: {0}; repair the source, or start without \
        --require-snapshot: the daemon then waits for a valid source"
    )]
    NoSnapshot(String),
}

/// Time that the last write to the state directory has at the end of a drain.
const STATE_TIMEOUT: Duration = Duration::from_secs(2);
/// The reason in [`StartError::NoSnapshot`] if the reload thread ended without reporting one.
const NO_REASON: &str = "the source was not read";

/// A daemon that answers on its admin listener and reads its source. [`start`](Self::start) makes it answer
/// queries.
pub struct App {
    settings: Settings,
    limits: ConnectionLimits,
    telemetry: Arc<Telemetry>,
    store: Store,
    standings: Standings,
    state: Option<StateDir>,
    last_reload: Arc<Mutex<LastReload>>,
    reload: ReloadTrigger,
    first_poll: Option<oneshot::Receiver<()>>,
    inherited_data_socket: Option<TcpListener>,
    is_data_closed: watch::Sender<bool>,
    admin: RunningAdmin,
}

/// A daemon that answers queries until [`drain`](Self::drain).
pub struct RunningApp {
    telemetry: Arc<Telemetry>,
    standings: Standings,
    state: Option<StateDir>,
    reload: ReloadTrigger,
    data: ServerThreads,
    data_address: SocketAddr,
    /// Becomes true when the data listener drains.
    drain: watch::Sender<bool>,
    /// True before the data listener is open and from the drain on, for `/readyz`.
    is_data_closed: watch::Sender<bool>,
    admin: RunningAdmin,
}

/// The running admin listener with its socket.
struct RunningAdmin {
    server: admin::AdminServer,
    address: SocketAddr,
    /// The bound socket. `None` if it was inherited: the service manager keeps it for the next process.
    socket: Option<TcpListener>,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Fails if an address, a passed socket, the journal or a thread cannot be used. A missing or broken source
/// is an error only if the settings require a snapshot. Otherwise `/readyz` and `/status` report the source,
/// and the daemon answers queries when the first valid snapshot arrives.
pub fn run(settings: Settings) -> Result<(), StartError> {
    observe::start_logs(settings.log_format);
    // Only the location is logged, because the message of a panic may contain data of a client.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(
            location = panic.location().map(ToString::to_string),
            "panicked: a bug in Switchboard; report it with this location and the version"
        );
    }));
    let drain_timeout = settings.drain_timeout;
    let limits = ConnectionLimits::for_process(&settings);
    let mut signals = Signals::new()?;
    let mut app = App::bind_within(settings, limits)?;
    let reload = app.reload.clone();
    // A slow source, or one that is still being copied, must not delay a stop.
    if let Some(first_poll) = app.first_poll.take()
        && signals.wait(&reload, first_poll).is_none()
    {
        app.stop();
        return Ok(());
    }
    let running = app.start()?;
    signals.wait(&reload, std::future::pending::<()>());
    signals.force_close_on_second_signal(running.force_close())?;
    running.drain(drain_timeout);
    Ok(())
}

impl App {
    /// Opens the journal, binds the admin listener and starts to read the source.
    ///
    /// # Errors
    /// Fails if an inherited socket, the journal or the address of the admin listener cannot be used.
    pub fn bind(settings: Settings) -> Result<App, StartError> {
        let limits = ConnectionLimits::for_process(&settings);
        App::bind_within(settings, limits)
    }

    fn bind_within(settings: Settings, limits: ConnectionLimits) -> Result<App, StartError> {
        let started = Instant::now();
        let sockets = InheritedSockets::from_env()?;
        let telemetry = Telemetry::new(env!("CARGO_PKG_VERSION"), env!("SWITCHBOARD_COMMIT"));
        let store = Store::default();
        // Creates the folder of the journal.
        let state = settings.state.clone().map(|path| open_state(path, &telemetry)).transpose()?;
        // Before the first snapshot, so that no snapshot is in service without its standings.
        let standings = open_standings(&store, &settings)?;
        let (signal, receiver) = reload_signal();
        let reload = ReloadTrigger::new(signal.clone());
        let observer = {
            let (observer, reload) = (observe::reload_observer(Arc::clone(&telemetry)), reload.clone());
            Arc::new(move |event: &ReloadEvent<'_>| {
                observer(event);
                if event.outcome().is_some() {
                    reload.finish();
                }
            })
        };
        let source = settings.source();
        // The demo is never kept, so it is never restored.
        let restorable = state.clone().filter(|_| source != SnapshotSource::Demo);
        let mut reloader = Reloader::new(source.clone(), store.clone(), observer, state.clone());
        let restore = restorable.map(|state| reloader.restore(state, store.clone()));
        let last_reload = reloader.last_reload();
        let is_data_closed = watch::Sender::new(true);
        let context = admin::AdminContext {
            telemetry: Arc::clone(&telemetry),
            store: store.clone(),
            standings: standings.clone(),
            closed: is_data_closed.subscribe(),
            status: Arc::new(Status {
                started,
                source,
                standings: standings.clone(),
                state: state.clone(),
                last_reload: Arc::clone(&last_reload),
            }),
        };
        let admin = RunningAdmin::start(settings.admin_listen, sockets.admin, context, limits.admin)?;

        // The data listener is bound after the first poll, because a process that takes over an address from
        // another must not accept queries before it has a snapshot.
        let (polled, first_poll) = oneshot::channel();
        let polled = Arc::new(Mutex::new(Some(polled)));
        let start = move || {
            if let Some(polled) = polled.lock().take() {
                // The receiver no longer exists if the process is stopping.
                let _ = polled.send(());
            }
        };
        let (settled, waiting) = channel();
        if let Some(restore) = restore.clone() {
            let (timeout, start) = (settings.start_timeout, start.clone());
            let run = move || restore_after(timeout, &waiting, &restore, start);
            thread::Builder::new().name("start".into()).spawn(run)?;
        }
        let (watch_mode, poll_interval) = (settings.watch, settings.poll_interval);
        thread::Builder::new().name("reload".into()).spawn(move || {
            if watch_mode == WatchMode::Events {
                reloader.watch(signal);
            }
            reloader.poll_until_settled();
            drop(settled);
            if let Some(restore) = restore {
                restore.run(None);
            }
            start();
            // From now on the workers take precedence.
            lower_priority();
            reloader.run(&receiver, poll_interval);
        })?;
        Ok(App {
            settings,
            limits,
            telemetry,
            store,
            standings,
            state,
            last_reload,
            reload,
            first_poll: Some(first_poll),
            inherited_data_socket: sockets.data,
            is_data_closed,
            admin,
        })
    }

    /// Makes [`start`](Self::start) answer queries on a listening socket instead of binding the address in
    /// the settings.
    #[must_use]
    pub fn with_data_socket(self, socket: TcpListener) -> App {
        App { inherited_data_socket: Some(socket), ..self }
    }

    /// Waits until the source was read, binds the data listener and starts to answer queries.
    ///
    /// # Errors
    /// Fails if a required snapshot is missing, or if the address or a thread cannot be used.
    pub fn start(self) -> Result<RunningApp, StartError> {
        if let Some(first_poll) = self.first_poll {
            // An error means that the reload thread panicked. Then there is no snapshot.
            let _ = first_poll.blocking_recv();
        }
        let settings = self.settings;
        if settings.require_snapshot && self.store.current().is_none() {
            let reason = self.last_reload.lock().error.clone();
            return Err(StartError::NoSnapshot(reason.unwrap_or_else(|| NO_REASON.to_owned())));
        }
        let http = ServerSettings {
            listen: settings.listen,
            workers: self.limits.workers,
            max_connections: self.limits.data,
            max_connections_per_peer: self.limits.peer,
            max_body_bytes: settings.max_body_bytes,
            header_timeout: settings.header_timeout,
            body_timeout: settings.body_timeout,
            idle_timeout: settings.idle_timeout,
            // Idle connections must close in order well before the others are force-closed.
            drain_grace: ServerSettings::default().drain_grace.min(settings.drain_timeout / 2),
        };
        let is_inherited = self.inherited_data_socket.is_some() || self.admin.socket.is_none();
        let listener = match self.inherited_data_socket {
            Some(socket) => Listener::from_inherited(socket, &http)?,
            None => {
                Listener::bind(&http).map_err(|error| StartError::Bind { address: settings.listen, error })?
            }
        };
        let data_address = listener.local_addr()?;
        let (drain, draining) = watch::channel(false);
        let data = data::serve(listener, self.store, Arc::clone(&self.telemetry), draining)?;
        // The data listener is open, so that a client that waits for `/readyz` can connect.
        self.is_data_closed.send_replace(false);
        tracing::info!(
            data = %data_address, admin = %self.admin.address, passed = is_inherited, "listening"
        );
        signals::notify_ready();
        Ok(RunningApp {
            telemetry: self.telemetry,
            standings: self.standings,
            state: self.state,
            reload: self.reload,
            data,
            data_address,
            drain,
            is_data_closed: self.is_data_closed,
            admin: self.admin,
        })
    }

    /// Stops the daemon before the data listener was bound.
    fn stop(self) {
        self.reload.stop();
        self.standings.hand_over();
        if let Some(state) = &self.state {
            state.hand_over();
        }
        signals::notify_stopping();
        tracing::info!("stopped by a signal before the first read of the source ended");
    }
}

impl RunningApp {
    /// Returns the address of the data listener.
    pub fn data_address(&self) -> SocketAddr {
        self.data_address
    }

    /// Returns the address of the admin listener.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address
    }

    /// Returns the snapshot in service and the live standings.
    pub fn store(&self) -> &Store {
        self.standings.store()
    }

    /// Returns the metrics of the daemon.
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// Returns a handle that closes every connection, to end a drain early.
    pub fn force_close(&self) -> ForceClose {
        self.data.force_close()
    }

    /// Stops accepting. Each connection ends after its current request. `/readyz` answers 503. A second
    /// call has no effect.
    pub fn begin_drain(&self) {
        if self.is_data_closed.send_replace(true) {
            return;
        }
        self.standings.hand_over();
        if let Some(state) = &self.state {
            state.hand_over();
        }
        // If another process listens on the same admin address, probes must reach that one from now on.
        self.admin.socket.iter().for_each(reuseport::steer_to_newer_socket);
        self.drain.send_replace(true);
        tracing::info!("draining");
        signals::notify_stopping();
    }

    /// Begins the drain and waits at most `timeout` for requests in flight. Returns the number of connections
    /// that were force-closed then.
    pub fn drain(self, timeout: Duration) -> usize {
        self.begin_drain();
        let force_closed = self.data.drain(timeout);
        if force_closed > 0 {
            tracing::warn!(
                connections = force_closed,
                "force-closed connections that were still open; their requests are lost"
            );
        }
        // The reload thread may be reading a large registry. It writes nothing, so it may end with the
        // process.
        self.reload.stop();
        if let Some(state) = &self.state {
            state.wait_until_handed_over(STATE_TIMEOUT);
        }
        drop(self.admin.server);
        self.admin.socket.iter().for_each(reuseport::stop_steering);
        tracing::info!(cut = force_closed, "stopped");
        force_closed
    }
}

impl RunningAdmin {
    /// Starts the admin listener on an inherited socket, or on the address if there is none.
    fn start(
        address: SocketAddr,
        inherited: Option<TcpListener>,
        context: admin::AdminContext,
        max_connections: usize,
    ) -> Result<RunningAdmin, StartError> {
        let is_inherited = inherited.is_some();
        let listener = match inherited {
            Some(socket) => admin::AdminListener::from_inherited(socket)?,
            None => {
                admin::AdminListener::bind(address).map_err(|error| StartError::Bind { address, error })?
            }
        };
        let socket = if is_inherited { None } else { Some(listener.try_clone_socket()?) };
        let address = listener.local_addr()?;
        Ok(RunningAdmin { server: listener.serve(context, max_connections)?, address, socket })
    }
}

/// Serves a kept snapshot if the source has not answered after `timeout`. `settled` is closed when it has.
fn restore_after(timeout: Duration, settled: &Receiver<()>, restore: &Restore, start: impl FnOnce()) {
    if settled.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout) {
        let reason = format!("the source has not answered within {timeout:?} (start_timeout)");
        if restore.run(Some(&reason)) {
            start();
        }
    }
}

/// Opens the state directory and starts the thread that writes it.
fn open_state(path: PathBuf, telemetry: &Arc<Telemetry>) -> Result<StateDir, StartError> {
    let observer = Arc::new(observe::state_observer(Arc::clone(telemetry)));
    let (state, writer) = StateDir::open(path, observer);
    thread::Builder::new().name("state".into()).spawn(move || writer.run())?;
    Ok(state)
}

/// Opens the standings and starts the writer and the expirer thread.
fn open_standings(store: &Store, settings: &Settings) -> Result<Standings, StartError> {
    let observer = Arc::new(observe::observe_standings);
    let path = settings.journal();
    // The state directory may be unusable without an effect on what is served.
    let is_required = settings.standings.is_some();
    let opened = Standings::open(store.clone(), path.clone(), is_required, observer);
    let (standings, writer, expirer) = opened.map_err(|error| match path {
        Some(path) => StartError::Standings { path, error },
        None => StartError::System(error),
    })?;
    thread::Builder::new().name("standings".into()).spawn(move || writer.run())?;
    thread::Builder::new().name("expiry".into()).spawn(move || expirer.run())?;
    Ok(standings)
}
