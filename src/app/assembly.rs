//! Assembles the daemon: `App::bind`, `start`, `drain`. `run` adds signals and the greeting on a terminal.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use switchboard_fleet::bus::BusError;
use switchboard_fleet::fetch::Fetcher;
use switchboard_pipeline::SnapshotSource;
use switchboard_registry::ReadLimits;
use switchboard_release::MAX_KEY_FILE_BYTES;
use switchboard_server::{
    BindError, BoundAddress, ForceClose, ListenSocket, Listener, ServerSettings, ServerThreads, Takeover,
    Tls, UnixBindFault,
};
use tokio::sync::{oneshot, watch};

use super::greeting::{ListenerAddresses, greeting};
use super::observe;
use super::process::{
    ConnectionLimits, ReloadTrigger, Signals, lower_priority, notify_ready, notify_stopping,
};
use super::sockets::{self, InheritedSockets, SocketError, holder_of};
use super::status::Status;
use super::tls::{TlsError, TlsFiles, WatchedTls};
use crate::access::audit::{AuditEvent, AuditLog, AuditRecord, AuditSettings};
use crate::access::{Access, AccessEvent, PrincipalsError, file::MAX_FILE_BYTES};
use crate::api::access_log::AccessLog;
use crate::api::admin::CompareLimits;
use crate::api::{admin, data};
use crate::config::{ExposedError, LogFormat, OverlapError, Settings, check_overlap};
use crate::runtime::fleet::{
    FleetObserver, ReplicaContext, ReplicaSettings, default_replica_id, exchanges, outcomes,
};
use crate::runtime::standings::{ChangeLog, StartExchange};
use crate::runtime::state::{Restore, StateEvent};
use crate::runtime::{
    FileWatch, Fleet, KeysError, KeysEvent, KeysInForce, LastReload, ReloadEvent, ReloadSignal, Reloader,
    Standings, StateDir, Store, WatchMode, reload_signal,
};
use crate::telemetry::{LogQueue, Telemetry};

/// The reason why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener cannot be bound to its address.
    #[error(transparent)]
    Bind(#[from] ListenError),
    /// The files of TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Two addresses to listen on overlap.
    #[error(transparent)]
    Overlap(#[from] OverlapError),
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
    /// A listener without principals can be reached from other machines.
    #[error(transparent)]
    Exposed(#[from] ExposedError),
    /// The principals file cannot be read or has faults.
    #[error(transparent)]
    Principals(#[from] PrincipalsError),
    /// The file of the trusted keys cannot be read or has faults.
    #[error(transparent)]
    TrustedKeys(#[from] KeysError),
    /// A file of the connection to the broker of the fleet cannot be used.
    #[error(transparent)]
    Fleet(#[from] FleetError),
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

/// The reason why the connection to the broker of a fleet cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A file cannot be read.
    #[error("cannot read {path}: {error}; see {option}", path = .path.display())]
    Unreadable {
        /// The option that names the file.
        option: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// The error that the system returned.
        error: io::Error,
    },
    /// A file or another setting cannot be used.
    #[error("the fleet: {0}")]
    Unusable(#[from] BusError),
}

/// Time that the last write to the state directory has at the end of a drain.
const STATE_TIMEOUT: Duration = Duration::from_secs(2);
/// The reason why a listener cannot be bound, with its remedy.
#[derive(Debug)]
pub struct ListenError {
    /// The option that sets the address.
    option: &'static str,
    /// The address that cannot be bound, and the error of the system.
    error: BindError,
    /// The process that listens on the address, if it is known.
    holder: Option<String>,
}

impl ListenError {
    /// Adds the option of the address, and the process that listens there.
    pub(crate) fn new(option: &'static str, error: BindError) -> ListenError {
        let holder = match &error {
            BindError::Tcp { address, error } if error.kind() == ErrorKind::AddrInUse => holder_of(*address),
            BindError::Unix { fault: UnixBindFault::InUse { holder }, .. } => {
                holder.and_then(sockets::process)
            }
            _ => None,
        };
        ListenError { option, error, holder }
    }
}

impl std::error::Error for ListenError {}

impl fmt::Display for ListenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holder = self.holder.as_deref().unwrap_or("a process that /proc does not show");
        let option = self.option;
        match &self.error {
            BindError::Tcp { address, error } => {
                write!(out, "cannot listen on {address} ({option}): ")?;
                match error.kind() {
                    ErrorKind::AddrInUse => write!(
                        out,
                        "{holder} already listens there; stop that process or choose another address; to hand the \
                        address over to a new process, start both with --reuse-port"
                    ),
                    ErrorKind::PermissionDenied => {
                        write!(out, "{error}; a port below 1024 needs the capability CAP_NET_BIND_SERVICE")
                    }
                    ErrorKind::AddrNotAvailable => write!(out, "{error}; use an address of this machine"),
                    _ => error.fmt(out),
                }
            }
            BindError::Unix { path, fault } => {
                write!(out, "cannot listen on unix:{} ({option}): ", path.display())?;
                match fault {
                    UnixBindFault::InUse { .. } => write!(
                        out,
                        "{holder} already listens there; stop that process or choose another path; to hand the path \
                        over to a new process of the same user, start both with --reuse-port"
                    ),
                    UnixBindFault::NotASocket(kind) => write!(
                        out,
                        "{kind} is at this path, and no socket; remove it, or choose another path"
                    ),
                    UnixBindFault::System(error) => match error.kind() {
                        ErrorKind::NotFound => write!(out, "{error}; create the folder of the socket"),
                        ErrorKind::PermissionDenied => write!(
                            out,
                            "{error}; the process must be able to write the folder of the socket, and to connect to a \
                            socket that is there"
                        ),
                        _ => error.fmt(out),
                    },
                }
            }
        }
    }
}

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
    tls: Option<WatchedTls>,
    access: Option<Access>,
    audit: Option<AuditLog>,
    fleet: Option<Fleet>,
    /// The watches of the principals and of the trusted keys.
    file_watches: Vec<FileWatch>,
    last_reload: Arc<Mutex<LastReload>>,
    reload: ReloadTrigger,
    first_poll: Option<oneshot::Receiver<()>>,
    inherited_data_sockets: Vec<ListenSocket>,
    is_data_closed: watch::Sender<bool>,
    admin: RunningAdmin,
}

/// A daemon that answers queries until [`drain`](Self::drain).
pub struct RunningApp {
    telemetry: Arc<Telemetry>,
    standings: Standings,
    state: Option<StateDir>,
    /// Watches the files of TLS as long as it exists.
    tls: Option<WatchedTls>,
    fleet: Option<Fleet>,
    reload: ReloadTrigger,
    data: ServerThreads,
    data_addresses: Vec<BoundAddress>,
    /// Becomes true when the data listener drains.
    drain: watch::Sender<bool>,
    /// True before the data listener is open and from the drain on, for `/readyz`.
    is_data_closed: watch::Sender<bool>,
    admin: RunningAdmin,
    /// End with the daemon.
    _file_watches: Vec<FileWatch>,
}

/// The running admin listener with its sockets.
struct RunningAdmin {
    server: admin::AdminServer,
    addresses: Vec<BoundAddress>,
    is_inherited: bool,
    /// The sockets whose addresses another process may share.
    shared: Vec<ListenSocket>,
    /// The Unix sockets that another process answers on until the data listener is open.
    takeovers: Vec<Takeover>,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Fails if an address, a passed socket, the journal or a thread cannot be used. A missing or broken source
/// is an error only if the settings require a snapshot. Otherwise `/readyz` and `/status` report the source,
/// and the daemon answers queries when the first valid snapshot arrives.
pub fn run(settings: Settings, logs: &LogQueue) -> Result<(), StartError> {
    // Only the location is logged, because the message of a panic may contain data of a client.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(
            location = panic.location().map(ToString::to_string),
            "panicked: a bug in Switchboard; report it with this location and the version"
        );
    }));
    // A person reads the terminal: the greeting says more than the events of the start.
    let is_greeted = settings.log_format == LogFormat::Text && io::stderr().is_terminal();
    logs.set_quiet(is_greeted);
    let (drain_timeout, source, admin_tls) = (settings.drain_timeout, settings.source(), settings.admin_tls);
    let has_principals = settings.principals.is_some();
    let limits = ConnectionLimits::for_process(&settings);
    let mut signals = Signals::new()?;
    let mut app = App::bind_within(settings, limits, CompareLimits::default())?;
    let (reload, last_reload) = (app.reload.clone(), Arc::clone(&app.last_reload));
    // A slow source, or one that is still being copied, must not delay a stop.
    if let Some(first_poll) = app.first_poll.take()
        && signals.wait(&reload, first_poll).is_none()
    {
        app.stop();
        return Ok(());
    }
    let running = app.start()?;
    if is_greeted {
        let is_restored = last_reload.lock().from_state;
        let data = ListenerAddresses {
            addresses: running.data_addresses(),
            has_tls: running.tls.is_some(),
            has_principals,
        };
        let admin = ListenerAddresses {
            addresses: running.admin_addresses(),
            has_tls: running.tls.is_some() && admin_tls,
            has_principals,
        };
        logs.push(greeting(&source, is_restored, running.store(), data, admin).into_bytes());
        logs.set_quiet(false);
    }
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
        App::bind_within(settings, limits, CompareLimits::default())
    }

    /// Does the same as [`bind`](Self::bind), with these limits of `/v1/compare`.
    ///
    /// # Errors
    /// Fails as [`bind`](Self::bind).
    pub fn bind_with_compare_limits(settings: Settings, compare: CompareLimits) -> Result<App, StartError> {
        let limits = ConnectionLimits::for_process(&settings);
        App::bind_within(settings, limits, compare)
    }

    fn bind_within(
        mut settings: Settings,
        limits: ConnectionLimits,
        compare: CompareLimits,
    ) -> Result<App, StartError> {
        let started = Instant::now();
        let sockets = InheritedSockets::from_env()?;
        // A passed socket replaces the addresses of its listener.
        if !sockets.data.is_empty() {
            settings.listen.clear();
        }
        if !sockets.admin.is_empty() {
            settings.admin_listen.clear();
        }
        let mut addresses = settings.addresses();
        addresses.extend(sockets.addresses()?);
        check_overlap(&addresses)?;
        settings.check_exposed(&addresses)?;
        let access = settings.principals.as_deref().map(Access::open).transpose()?;
        let trusted_keys = settings.trusted_keys.as_deref().map(KeysInForce::open).transpose()?;
        check_fleet(&settings)?;
        let unused = settings.unused_of_fleet().join(", ");
        if !unused.is_empty() {
            tracing::warn!(unused, "settings have no effect without --fleet");
        }
        for warning in unused_access(&settings, access.as_ref()) {
            tracing::warn!("{warning}");
        }
        let plain = settings.plain_addresses(&addresses);
        if access.is_some() && !plain.is_empty() {
            let addresses = plain.join(", ");
            tracing::warn!(
                addresses,
                "tokens are accepted without TLS on addresses that other machines can reach"
            );
        }
        let telemetry = Telemetry::new(env!("CARGO_PKG_VERSION"), env!("SWITCHBOARD_COMMIT"));
        if access.is_some() && settings.state.is_none() {
            tracing::warn!(
                "there are principals and no audit log, because there is no state directory; see --state"
            );
        }
        let audit = open_audit(&settings, &telemetry)?;
        let tls = TlsFiles::from_settings(&settings)?.map(|files| {
            telemetry.add_tls(settings.admin_tls);
            let interval = settings.poll_interval;
            WatchedTls::start::<StartError>(files, interval, Arc::clone(&telemetry), audit.clone())
        });
        let tls = tls.transpose()?;
        let store = Store::default();
        // Creates the folder of the journal.
        let fleet_slot = Arc::<OnceLock<Fleet>>::default();
        let open = |path| open_state(path, &telemetry, audit.clone(), &store, Arc::clone(&fleet_slot));
        let state = settings.state.clone().map(open).transpose()?;
        // Before the first snapshot, so that no snapshot is in service without its standings.
        let (start_exchange, exchanges) = exchanges();
        let start_exchange = settings.fleet_bus("").map(|_| start_exchange);
        let standings = open_standings(&store, &settings, audit.clone(), start_exchange)?;
        let (signal, receiver) = reload_signal();
        let reload = ReloadTrigger::new(signal.clone());
        let (to_fleet, from_reloads) = outcomes();
        let observer = {
            let to_fleet = settings.fleet_bus("").map(|_| to_fleet);
            let waits = !settings.require_snapshot;
            let observer = observe::reload_observer(Arc::clone(&telemetry), store.clone(), waits);
            let (reload, audit) = (reload.clone(), audit.clone());
            let access = access.clone().zip(Some(observe::access_observer(Arc::clone(&telemetry))));
            Arc::new(move |event: &ReloadEvent<'_>| {
                observer(event);
                if let (Some(audit), Some(record)) = (&audit, observe::audit_record(event)) {
                    audit.push(record);
                }
                if let (
                    Some((access, observer)),
                    ReloadEvent::Published { snapshot, .. } | ReloadEvent::Restored { snapshot, .. },
                ) = (&access, event)
                {
                    access.report_unknown_companies(snapshot, observer);
                }
                if let Some(to_fleet) = &to_fleet {
                    to_fleet.observe(event);
                }
                if event.outcome().is_some() || matches!(event, ReloadEvent::NoRelease { .. }) {
                    reload.finish();
                }
            })
        };
        let source = settings.source();
        // The demo is never kept, so it is never restored.
        let restorable = state.clone().filter(|_| source != SnapshotSource::Demo);
        let mut reloader = Reloader::new(source.clone(), store.clone(), observer, state.clone());
        reloader.set_read_limits(ReadLimits { max_file_bytes: settings.max_file_size });
        let restore = restorable.map(|state| reloader.restore_from(state, store.clone()));
        let last_reload = reloader.last_reload();
        let mut file_watches = Vec::new();
        if let Some(access) = &access {
            file_watches.push(watch_principals(access, &settings, &telemetry, &store, audit.clone())?);
        }
        if let Some(state) = &state {
            let (store, state, trusted_keys, reload) =
                (store.clone(), state.clone(), trusted_keys.clone(), signal.clone());
            let observer: FleetObserver = Arc::new(observe::fleet_observer(Arc::clone(&telemetry)));
            let on_long_work = lower_priority;
            let outcomes = from_reloads;
            let context = ReplicaContext {
                store,
                state,
                trusted_keys,
                reload,
                outcomes,
                exchanges,
                observer,
                on_long_work,
            };
            if let Some(fleet) = start_fleet(&settings, &telemetry, context)? {
                // The lock may have come before the slot had the replica.
                fleet_slot.get_or_init(|| fleet).wake();
            }
        }
        let fleet = fleet_slot.get().cloned();
        if let Some(keys) = &trusted_keys {
            let (signal, audit, fleet) = (signal.clone(), audit.clone(), fleet.clone());
            file_watches.push(watch_trusted_keys(keys, &settings, &telemetry, signal, audit, fleet)?);
            reloader.set_trusted_keys(keys.clone());
        }
        let is_data_closed = watch::Sender::new(true);
        let context = admin::AdminContext {
            telemetry: Arc::clone(&telemetry),
            store: store.clone(),
            standings: standings.clone(),
            closed: is_data_closed.subscribe(),
            access: access.clone().map(|access| (access, telemetry.add_access())),
            admin_hosts: settings.admin_host.clone(),
            audit: audit.clone(),
            compare,
            access_log: AccessLog::new("admin", settings.access_log),
            fleet: fleet.clone(),
            status: Arc::new(Status {
                started,
                source,
                standings: standings.clone(),
                state: state.clone(),
                tls: tls.as_ref().map(WatchedTls::status),
                access: access.clone(),
                audit: audit.clone(),
                trusted_keys: trusted_keys.clone(),
                fleet: fleet.clone(),
                last_reload: Arc::clone(&last_reload),
            }),
        };
        let admin_tls = tls.as_ref().filter(|_| settings.admin_tls).map(WatchedTls::tls);
        let admin = RunningAdmin::start(&settings, sockets.admin, admin_tls, context, limits.admin)?;

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
        if let Some(restore) = restore {
            let (timeout, start) = (settings.start_timeout, start.clone());
            let run = move || restore_after(timeout, &waiting, &restore, start);
            thread::Builder::new().name("start".into()).spawn(run)?;
        }
        let (watch_mode, poll_interval) = (settings.watch, settings.poll_interval);
        thread::Builder::new().name("reload".into()).spawn(move || {
            if watch_mode == WatchMode::Events {
                reloader.watch(signal);
            }
            reloader.read_first(move || {
                drop(settled);
                start();
                // From now on the workers take precedence.
                lower_priority();
            });
            reloader.run(&receiver, poll_interval);
        })?;
        Ok(App {
            settings,
            limits,
            telemetry,
            store,
            standings,
            state,
            tls,
            access,
            audit,
            fleet,
            file_watches,
            last_reload,
            reload,
            first_poll: Some(first_poll),
            inherited_data_sockets: sockets.data,
            is_data_closed,
            admin,
        })
    }

    /// Makes [`start`](Self::start) answer queries on a listening socket instead of binding the address in
    /// the settings.
    #[must_use]
    pub fn with_data_socket(self, socket: ListenSocket) -> App {
        App { inherited_data_sockets: vec![socket], ..self }
    }

    /// Waits until the source was read, binds the data listener and starts to answer queries.
    ///
    /// # Errors
    /// Fails if a required snapshot is missing, or if the address or a thread cannot be used.
    pub fn start(mut self) -> Result<RunningApp, StartError> {
        if let Some(first_poll) = self.first_poll {
            // An error means that the reload thread panicked. Then there is no snapshot.
            let _ = first_poll.blocking_recv();
        }
        let settings = self.settings;
        if settings.require_snapshot && self.store.current().is_none() {
            let reason = self.last_reload.lock().error.clone();
            return Err(StartError::NoSnapshot(reason.unwrap_or_else(|| NO_REASON.to_owned())));
        }
        let source = settings.source();
        let http = ServerSettings {
            listen: settings.listen,
            reuse_port: settings.reuse_port,
            tls: self.tls.as_ref().map(WatchedTls::tls),
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
        let is_inherited = !self.inherited_data_sockets.is_empty() || self.admin.is_inherited;
        let listener = if self.inherited_data_sockets.is_empty() {
            Listener::bind(&http).map_err(|error| ListenError::new("--listen", error))?
        } else {
            Listener::from_inherited(self.inherited_data_sockets, &http)?
        };
        let data_addresses = listener.local_addrs()?;
        let (drain, draining) = watch::channel(false);
        let telemetry = Arc::clone(&self.telemetry);
        let callers =
            data::Callers { access: self.access, audit: self.audit, access_log: settings.access_log };
        let data = data::serve(listener, self.store, telemetry, callers, draining)?;
        // The data listener is open, so that a client that waits for `/readyz` can connect.
        self.is_data_closed.send_replace(false);
        // Not earlier: until now, probes on the path reach the other process, which is ready.
        for takeover in self.admin.takeovers.drain(..) {
            takeover.complete().map_err(|error| ListenError::new("--admin-listen", error))?;
        }
        tracing::info!(
            source = source.describe(),
            data = join(&data_addresses),
            admin = join(&self.admin.addresses),
            tls = self.tls.is_some(),
            passed = is_inherited,
            "listening"
        );
        notify_ready();
        Ok(RunningApp {
            telemetry: self.telemetry,
            standings: self.standings,
            state: self.state,
            tls: self.tls,
            fleet: self.fleet,
            reload: self.reload,
            data,
            data_addresses,
            drain,
            is_data_closed: self.is_data_closed,
            admin: self.admin,
            _file_watches: self.file_watches,
        })
    }

    /// Stops the daemon before the data listener was bound.
    fn stop(self) {
        self.reload.stop();
        if let Some(fleet) = &self.fleet {
            fleet.stop();
        }
        hand_over(&self.standings, self.state.as_ref());
        notify_stopping();
        if let Some(state) = &self.state {
            state.wait_until_handed_over(STATE_TIMEOUT);
        }
        tracing::info!("stopped by a signal before the first read of the source ended");
    }
}

impl RunningApp {
    /// Returns the addresses of the data listener, with their actual ports.
    pub fn data_addresses(&self) -> &[BoundAddress] {
        &self.data_addresses
    }

    /// Returns the addresses of the admin listener, with their actual ports.
    pub fn admin_addresses(&self) -> &[BoundAddress] {
        &self.admin.addresses
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
        // Before the lock is released, because the next process writes the same files.
        if let Some(fleet) = &self.fleet {
            fleet.stop();
        }
        hand_over(&self.standings, self.state.as_ref());
        // If another process listens on the same admin address, probes must reach that one from now on.
        self.admin.shared.iter().for_each(ListenSocket::steer_to_newer_socket);
        self.drain.send_replace(true);
        tracing::info!("draining");
        notify_stopping();
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
        self.admin.shared.iter().for_each(ListenSocket::stop_steering);
        tracing::info!(force_closed, "stopped");
        force_closed
    }
}

impl RunningAdmin {
    /// Starts the admin listener on inherited sockets, or on the addresses in the settings if there are none.
    fn start(
        settings: &Settings,
        inherited: Vec<ListenSocket>,
        tls: Option<Arc<Tls>>,
        context: admin::AdminContext,
        max_connections: usize,
    ) -> Result<RunningAdmin, StartError> {
        let is_inherited = !inherited.is_empty();
        let mut listener = if is_inherited {
            admin::AdminListener::from_inherited(inherited)?
        } else {
            admin::AdminListener::bind(&settings.admin_listen, settings.reuse_port)
                .map_err(|error| ListenError::new("--admin-listen", error))?
        };
        let is_shared = settings.reuse_port && !is_inherited;
        let shared = if is_shared { listener.try_clone_sockets()? } else { Vec::new() };
        let (addresses, takeovers) = (listener.local_addrs()?, listener.take_over_later());
        let server = listener.serve(context, max_connections, tls)?;
        Ok(RunningAdmin { server, addresses, is_inherited, shared, takeovers })
    }
}

/// Returns the settings of access that have no effect, with the remedy.
pub fn unused_access(settings: &Settings, access: Option<&Access>) -> Vec<&'static str> {
    let mut unused = Vec::new();
    if settings.trusted_keys.is_some() && settings.source().file().is_none() {
        unused.push("trusted keys are not used, because the daemon compiles its source itself");
    }
    if access.is_some_and(Access::has_certificates) && settings.tls_client_ca.is_none() {
        unused.push(
            "principals have a `certificate`, but no client can show one: set --tls-client-ca with --tls-cert and \
             --tls-key",
        );
    }
    if access.is_some() && settings.anonymous {
        unused.push(
            "--anonymous has no effect beside --principals: callers without a credential are the principal `anonymous`",
        );
    }
    unused
}

/// Serves a kept snapshot if the source has not answered after `timeout`. `settled` is closed when it has.
fn restore_after(timeout: Duration, settled: &Receiver<()>, restore: &Restore, start: impl FnOnce()) {
    if settled.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout) {
        let reason = format!("the source has not answered within {timeout:?} (start_timeout)");
        if restore.run(&reason) {
            start();
        }
    }
}

/// Starts to watch the principals file.
fn watch_principals(
    access: &Access,
    settings: &Settings,
    telemetry: &Arc<Telemetry>,
    store: &Store,
    audit: Option<AuditLog>,
) -> io::Result<FileWatch> {
    let observer = observe::access_observer(Arc::clone(telemetry));
    access.report_opened(&observer);
    let path = settings.principals.clone().unwrap_or_default();
    let (access, store) = (access.clone(), store.clone());
    let (mode, interval) = (settings.watch, settings.poll_interval);
    FileWatch::start("principals", path, MAX_FILE_BYTES, mode, interval, move |read| {
        let content = read.as_ref().ok().copied().unwrap_or_default();
        access.apply(read, |event| {
            observer(event);
            if let (AccessEvent::Replaced { .. }, Some(audit)) = (event, &audit) {
                audit.push(AuditRecord::of_file(AuditEvent::PrincipalsReplaced, content));
            }
        });
        if let Some(generation) = store.current() {
            access.report_unknown_companies(&generation.snapshot, &observer);
        }
    })
}

/// Releases the journal and then the state directory, so that the changes which wait are still recorded.
fn hand_over(standings: &Standings, state: Option<&StateDir>) {
    let state = state.cloned();
    standings.hand_over(move || {
        if let Some(state) = state {
            state.hand_over();
        }
    });
}

/// Starts to watch the file of the trusted keys.
fn watch_trusted_keys(
    keys: &KeysInForce,
    settings: &Settings,
    telemetry: &Arc<Telemetry>,
    reload: ReloadSignal,
    audit: Option<AuditLog>,
    fleet: Option<Fleet>,
) -> io::Result<FileWatch> {
    telemetry.add_trusted_keys();
    let observer = observe::keys_observer(Arc::clone(telemetry));
    keys.report_opened(&observer);
    let path = settings.trusted_keys.clone().unwrap_or_default();
    let keys = keys.clone();
    let (mode, interval) = (settings.watch, settings.poll_interval);
    FileWatch::start("keys", path, MAX_KEY_FILE_BYTES, mode, interval, move |read| {
        let content = read.as_ref().ok().copied().unwrap_or_default();
        let must_judge_again = keys.apply(read, |event| {
            observer(event);
            // The replica asks for the keys while they are locked here, and then waits for their replacement.
            if let (KeysEvent::Replaced { .. }, Some(fleet)) = (event, &fleet) {
                fleet.wake();
            }
            if let (KeysEvent::Replaced { .. }, Some(audit)) = (event, &audit) {
                audit.push(AuditRecord::of_file(AuditEvent::KeysReplaced, content));
            }
        });
        if must_judge_again {
            reload.reload();
        }
    })
}

/// Opens the state directory and starts the thread that writes it.
fn open_state(
    path: PathBuf,
    telemetry: &Arc<Telemetry>,
    audit: Option<AuditLog>,
    store: &Store,
    fleet: Arc<OnceLock<Fleet>>,
) -> Result<StateDir, StartError> {
    let (observe, store) = (observe::state_observer(Arc::clone(telemetry)), store.clone());
    let record = move |event| match store.current() {
        Some(current) => AuditRecord::of_snapshot(event, &current.snapshot),
        None => AuditRecord::new(event),
    };
    let observer = Arc::new(move |event: &StateEvent<'_>| {
        observe(event);
        match (event, &audit) {
            (StateEvent::Locked, Some(audit)) => audit.open(record(AuditEvent::Start)),
            (StateEvent::Unwritable { error }, Some(audit)) => audit.set_unusable(Some(error)),
            (StateEvent::Writable, Some(audit)) => audit.set_unusable(None),
            (StateEvent::Releasing, Some(audit)) => audit.close(record(AuditEvent::Stop)),
            _ => {}
        }
        if let Some(fleet) = fleet.get() {
            fleet.wake();
        }
    });
    let (state, writer) = StateDir::open(path, observer);
    thread::Builder::new().name("state".into()).spawn(move || writer.run())?;
    Ok(state)
}

/// Checks the files of the connection to the broker, without a connection.
///
/// # Errors
/// Returns the file and what is expected in it.
pub fn check_fleet(settings: &Settings) -> Result<(), FleetError> {
    let Some(bus) = settings.fleet_bus("") else { return Ok(()) };
    for (option, path) in [
        ("--fleet-creds", &settings.fleet_creds),
        ("--fleet-ca", &settings.fleet_ca),
        ("--fleet-cert", &settings.fleet_cert),
        ("--fleet-key", &settings.fleet_key),
    ] {
        let Some(path) = path.clone() else { continue };
        if let Err(error) = std::fs::read(&path) {
            return Err(FleetError::Unreadable { option, path, error });
        }
    }
    bus.check_files()?;
    Fetcher::new(&bus, None)?;
    Ok(())
}

/// Starts the replica if a fleet is the source.
fn start_fleet(
    settings: &Settings,
    telemetry: &Telemetry,
    context: ReplicaContext,
) -> Result<Option<Fleet>, StartError> {
    let (Some(mut bus), Some(state)) = (settings.fleet_bus(""), &settings.state) else { return Ok(None) };
    telemetry.add_fleet();
    let id = settings.replica_id.clone();
    let id = id.unwrap_or_else(|| default_replica_id(state, &context.observer));
    bus.name = format!("switchboard {id}");
    tracing::info!(replica = id, canary = settings.canary, "replica of a fleet");
    let replica = ReplicaSettings { bus, id, canary: settings.canary, spread: settings.spread };
    Ok(Some(Fleet::start(replica, context)?))
}

/// Creates the audit log, if there is a state directory, and starts the thread that writes it.
fn open_audit(settings: &Settings, telemetry: &Arc<Telemetry>) -> Result<Option<AuditLog>, StartError> {
    let Some(folder) = settings.state.clone() else { return Ok(None) };
    let (max_bytes, keep) = (settings.audit_max_bytes, settings.audit_keep);
    telemetry.add_audit();
    let observer = Arc::new(observe::audit_observer(Arc::clone(telemetry)));
    let (audit, writer) = AuditLog::new(AuditSettings { folder, max_bytes, keep }, observer);
    thread::Builder::new().name("audit".into()).spawn(move || writer.run())?;
    Ok(Some(audit))
}

/// Returns the addresses with commas between them.
fn join(addresses: &[BoundAddress]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Opens the standings and starts the writer and the expirer thread.
fn open_standings(
    store: &Store,
    settings: &Settings,
    audit: Option<AuditLog>,
    exchange: Option<StartExchange>,
) -> Result<Standings, StartError> {
    let observer = Arc::new(observe::observe_standings);
    let path = settings.journal();
    // The state directory may be unusable without an effect on what is served.
    let is_required = settings.standings.is_some();
    let opened = Standings::open(
        store.clone(),
        path.clone(),
        is_required,
        observer,
        audit.map(|audit| Arc::new(audit) as Arc<dyn ChangeLog>),
        exchange,
    );
    let (standings, writer, expirer) = opened.map_err(|error| match path {
        Some(path) => StartError::Standings { path, error },
        None => StartError::System(error),
    })?;
    thread::Builder::new().name("standings".into()).spawn(move || writer.run())?;
    thread::Builder::new().name("expiry".into()).spawn(move || expirer.run())?;
    Ok(standings)
}
