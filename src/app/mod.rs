//! Floor 6. Assembly: the only place that knows everything. Settings are mapped into what each
//! subsystem takes, the threads are started, signals are heeded, and all of it ends in order.

mod descriptors;
mod logs;
mod observe;
mod priority;
mod signals;
mod sockets;
mod status;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use priority::give_way;
use signals::{Reloading, Signals};
use sockets::Sockets;

use crate::api::{admin, data};
use crate::config::{Notice, Settings};
use crate::runtime::{ReloadEvent, Reloader, SnapshotSource, Standings, Store, reload_signal};
use crate::telemetry::Telemetry;

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum CannotRun {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}; is it another program's? see --listen and --admin-listen")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The journal of standings cannot be used.
    #[error("{path}: {error}; without the journal, suspended accounts would be selected again; see --standings", path = .path.display())]
    Standings {
        /// The journal.
        path: std::path::PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A listening socket that the process was started with is none that it can use.
    #[error("a passed socket cannot be used: {0}; see ListenStream= and FileDescriptorName= of its unit")]
    Passed(String),
    /// The system refuses a thread, a signal handler or a runtime.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
    /// The source gave no snapshot, and one is required.
    #[error(
        "no snapshot, and --require-snapshot: {0}; mend the source, or start without to wait for a good one"
    )]
    NoSnapshot(String),
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting. A source that is missing or broken does not: the process stays up,
/// says so on `/readyz` and `/status`, and goes into service when a good one arrives.
pub fn run(settings: Settings) -> Result<(), CannotRun> {
    let Settings {
        listen,
        admin_listen,
        registry,
        snapshot,
        standings,
        workers,
        max_connections,
        max_connections_per_peer,
        max_body_bytes,
        header_timeout,
        body_timeout,
        idle_timeout,
        drain_timeout,
        poll_interval,
        watch,
        require_snapshot,
        log_format,
    } = settings;
    logs::start(log_format);
    // A panic's message may hold what a caller sent; where it happened tells enough.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(location = panic.location().map(ToString::to_string), "panicked");
    }));
    let started = Instant::now();
    let workers = if workers == 0 { data::Settings::default().workers } else { workers };
    let descriptors = descriptors::plan(workers, max_connections, max_connections_per_peer);
    let mut signals = Signals::new()?;
    let sockets = Sockets::passed().map_err(CannotRun::Passed)?;
    let source = match (registry, snapshot) {
        (Some(root), _) => SnapshotSource::Registry(root),
        (None, Some(file)) => SnapshotSource::Snapshot(file),
        (None, None) => SnapshotSource::Demo,
    };
    let telemetry = Telemetry::new(env!("CARGO_PKG_VERSION"), env!("SWITCHBOARD_COMMIT"));
    let store = Store::default();
    let (drain, draining) = tokio::sync::watch::channel(false);
    let (close, closed) = tokio::sync::watch::channel(true);

    // Before the first snapshot: none is ever in service without its standings.
    let journal = standings.clone().unwrap_or_default();
    let (standings, writer, expirer) =
        Standings::open(store.clone(), standings, Arc::new(observe::observe_standings))
            .map_err(|error| CannotRun::Standings { path: journal, error })?;
    thread::Builder::new().name("standings".into()).spawn(move || writer.run())?;
    thread::Builder::new().name("expiry".into()).spawn(move || expirer.run())?;

    let reloading = Reloading::default();
    let (observer, reloaded) = (observe::reload_observer(Arc::clone(&telemetry)), reloading.clone());
    let observer = Arc::new(move |event: &ReloadEvent<'_>| {
        observer(event);
        if event.outcome().is_some() {
            reloaded.end();
        }
    });
    let mut reloader = Reloader::new(source.clone(), store.clone(), observer);
    let last = reloader.last_reload();
    let status = status::Status { started, source, standings: standings.clone(), last: Arc::clone(&last) };

    let own_admin = sockets.admin.is_none();
    let admin_listener = match sockets.admin {
        Some(socket) => admin::Listener::passed(socket)?,
        None => admin::Listener::bind(admin_listen)
            .map_err(|error| CannotRun::Listen { address: admin_listen, error })?,
    };
    let admin_door = if own_admin { Some(admin_listener.door()?) } else { None };
    let admin_address = admin_listener.local_addr()?;
    let status: Arc<dyn Fn() -> serde_json::Value + Send + Sync> = Arc::new(move || status.json());
    let admin =
        admin_listener.serve(Arc::clone(&telemetry), standings.clone(), closed, status, descriptors.admin)?;

    // The first look comes before the data listener: where a second process takes over from a first on
    // the same address, it must not answer before it has something to answer from.
    let (signal, receiver) = reload_signal();
    let (looked, first_look) = tokio::sync::oneshot::channel();
    let fs_signal = signal.clone();
    thread::Builder::new().name("reload".into()).spawn(move || {
        if watch == Notice::Events {
            reloader.watch(fs_signal);
        }
        reloader.poll_until_settled();
        // Whoever waited for it may have been told to stop.
        let _ = looked.send(());
        // From now on there are workers who answer.
        give_way();
        reloader.run(&receiver, poll_interval);
    })?;
    // A source that is still being copied, or slow, must not hold up a stop.
    if signals.heed(&signal, &reloading, first_look).is_none() {
        signal.stop();
        standings.hand_over();
        signals::tell_stopping();
        tracing::info!("stopped before the source was read");
        return Ok(());
    }
    if require_snapshot && store.current().is_none() {
        let reason = last.lock().error.clone();
        return Err(CannotRun::NoSnapshot(reason.unwrap_or_default()));
    }
    // Idle connections are closed in order well before those in flight are cut.
    let drain_grace = data::Settings::default().drain_grace.min(drain_timeout / 2);
    let http_settings = data::Settings {
        listen,
        workers,
        max_connections: descriptors.data,
        max_connections_per_peer: descriptors.peer,
        max_body_bytes,
        header_timeout,
        body_timeout,
        idle_timeout,
        drain_grace,
    };
    let own_data = sockets.data.is_none();
    // A socket that was passed wins: whoever passed it sends the queries there, whatever the settings say.
    let listener = match sockets.data {
        Some(socket) => data::Listener::passed(socket, &http_settings)?,
        None => data::Listener::bind(&http_settings)
            .map_err(|error| CannotRun::Listen { address: listen, error })?,
    };
    let data_address = listener.local_addr()?;
    let serving = listener.serve(store, telemetry, draining)?;
    // Whoever waits for `/readyz` finds the data listener open.
    close.send_replace(false);
    tracing::info!(
        data = %data_address, admin = %admin_address, passed = !(own_data && own_admin), "listening"
    );
    signals::tell_ready();

    signals.heed(&signal, &reloading, std::future::pending::<()>());
    close.send_replace(true);
    standings.hand_over();
    // Where another process answers on the same admin address, probes are for that one from here on.
    admin_door.iter().for_each(data::leave::lead_to_the_second);
    drain.send_replace(true);
    tracing::info!("draining");
    signals::tell_stopping();
    signals.cut_on_the_next(serving.cutter())?;
    let cut = serving.drain(drain_timeout);
    if cut > 0 {
        tracing::warn!(connections = cut, "cut: they were still open");
    }
    // The reload thread may be in the middle of a large registry. It writes nothing: it ends with the process.
    signal.stop();
    drop(admin);
    admin_door.iter().for_each(data::leave::lead_nowhere);
    tracing::info!(cut, "stopped");
    Ok(())
}
