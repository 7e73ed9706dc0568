//! Floor 6. Assembly: the only place that knows everything. Settings are mapped into what each
//! subsystem takes, the threads are started, signals are heeded, and all of it ends in order.

pub mod demo;
mod logs;
mod observe;
mod status;

use std::io;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Instant;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Notice, Settings};
use crate::live::publish::LOAD_STAGES;
use crate::live::{Reloader, Source, Standings, Store, Waker, bell};
use crate::snapshot::Stage;
use crate::telemetry::{Labels, Telemetry};
use crate::{admin, http};

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
    let signals = Signals::new()?;
    let source = match (registry, snapshot) {
        (Some(root), _) => Source::Registry(root),
        (None, Some(file)) => Source::Snapshot(file),
        (None, None) => Source::Embedded(demo::files()),
    };
    let labels = Labels {
        outcomes: http::outcomes(),
        routes: http::routes(),
        statuses: http::statuses(),
        stages: Stage::ALL.iter().map(|stage| stage.text()).collect(),
        load_stages: LOAD_STAGES.to_vec(),
    };
    let telemetry = Telemetry::new(env!("CARGO_PKG_VERSION"), env!("SWITCHBOARD_COMMIT"), labels);
    let store = Store::default();
    let (drain, draining) = tokio::sync::watch::channel(false);
    let (close, closed) = tokio::sync::watch::channel(true);

    // Before the first snapshot: none is ever in service without its standings.
    let journal = standings.clone().unwrap_or_default();
    let (standings, keeper) = Standings::open(store.clone(), standings, Box::new(observe::standings))
        .map_err(|error| CannotRun::Standings { path: journal, error })?;
    thread::Builder::new().name("standings".into()).spawn(move || keeper.run())?;

    let mut reloader =
        Reloader::new(source.clone(), store.clone(), Box::new(observe::observer(Arc::clone(&telemetry))));
    let last = reloader.last();
    let status = status::Status { started, source, standings: standings.clone(), last: Arc::clone(&last) };

    let admin_listener = admin::Listener::bind(admin_listen)
        .map_err(|error| CannotRun::Listen { address: admin_listen, error })?;
    let admin_address = admin_listener.local_addr()?;
    let status: Arc<dyn Fn() -> serde_json::Value + Send + Sync> = Arc::new(move || status.json());
    let admin = admin_listener.serve(Arc::clone(&telemetry), standings.clone(), closed, status)?;

    // The first look comes before the data listener: where a second process takes over from a first on
    // the same address, it must not answer before it has something to answer from.
    let (waker, bell) = bell();
    if watch == Notice::Events {
        reloader.watch(waker.clone());
    }
    reloader.look_again();
    if require_snapshot && store.current().is_none() {
        let reason = last.lock().unwrap_or_else(PoisonError::into_inner).error.clone();
        return Err(CannotRun::NoSnapshot(reason.unwrap_or_default()));
    }
    thread::Builder::new().name("reload".into()).spawn(move || reloader.run(&bell, poll_interval))?;

    let defaults = http::Settings::default();
    let workers = if workers == 0 { defaults.workers } else { workers };
    let http_settings =
        http::Settings { listen, workers, max_connections, header_timeout, body_timeout, idle_timeout };
    let listener =
        http::Listener::bind(&http_settings).map_err(|error| CannotRun::Listen { address: listen, error })?;
    let data_address = listener.local_addr()?;
    let serving = listener.serve(store, telemetry, draining)?;
    // Whoever waits for `/readyz` finds the data listener open.
    close.send_replace(false);
    tracing::info!(data = %data_address, admin = %admin_address, "listening");

    signals.heed(&waker);
    tracing::info!("draining");
    close.send_replace(true);
    standings.hand_over();
    drain.send_replace(true);
    let in_time = serving.drain(drain_timeout);
    // The reload thread may be in the middle of a large registry. It writes nothing: it ends with the process.
    waker.stop();
    drop(admin);
    tracing::info!(in_time, "stopped");
    Ok(())
}

/// The signals that are heeded, from the moment this exists: before it, they would end the process.
struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let hangup = signal(SignalKind::hangup())?;
        drop(inside);
        Ok(Signals { runtime, terminate, interrupt, hangup })
    }

    /// Returns on SIGTERM or SIGINT; SIGHUP asks for a reload.
    fn heed(mut self, waker: &Waker) {
        self.runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = self.terminate.recv() => return,
                    _ = self.interrupt.recv() => return,
                    _ = self.hangup.recv() => waker.ask(),
                }
            }
        });
    }
}
