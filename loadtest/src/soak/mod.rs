//! A daemon under everything at once, for as long as one likes: queries, reloads good and bad,
//! standings that change, slow clients. It must answer each query as asked, and not grow.

mod daemon;
mod duration;
mod flap;
mod http;
mod load;
mod reload;
mod report;
mod sample;
mod slow;
mod tally;

use self::{daemon::Daemon, reload::Registry, tally::Tally};
use crate::error::{Error, Result};
use clap::Args;
use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How long, how hard and how restless.
#[derive(Args)]
pub struct Soak {
    /// The daemon's binary; without it, the one beside this program
    #[arg(long, value_name = "PATH")]
    switchboard: Option<PathBuf>,
    /// How long: seconds, or 500ms, 30s, 10m
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration::parse)]
    duration: Duration,
    /// Requests a second, at a constant rate whatever the answers take
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How often the snapshot is replaced; every fourth time by a corrupt one
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration::parse)]
    reload_every: Duration,
}

/// What all the threads of a run share.
struct Run {
    data: SocketAddr,
    admin: SocketAddr,
    pid: u32,
    rate: u32,
    reload_every: Duration,
    sample_every: Duration,
    over: AtomicBool,
    tally: Tally,
}

impl Run {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// Sleeps in short pieces, so that the end of the run is not missed.
    fn sleep_until(&self, then: Instant) {
        while self.goes_on() {
            let left = then.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(100)));
        }
    }
}

/// Runs it, prints the table, and says no where the daemon did anything unasked.
pub fn run(soak: &Soak) -> Result<()> {
    let program = daemon::program(soak.switchboard.clone())?;
    let folder = tempfile::tempdir().map_err(|source| Error::Io {
        doing: "create a folder in",
        path: std::env::temp_dir(),
        source,
    })?;
    let mut registry = Registry::write(folder.path(), program.clone())?;
    let daemon = Daemon::start(&program, registry.snapshot(), &folder.path().join("standings"))?;
    let run = Run {
        data: daemon.data,
        admin: daemon.admin,
        pid: daemon.pid(),
        rate: soak.rate,
        reload_every: soak.reload_every,
        // Ten samples at the least of a short run.
        sample_every: Duration::from_secs(2).min(soak.duration / 10),
        over: AtomicBool::new(false),
        tally: Tally::default(),
    };
    let samples = thread::scope(|scope| {
        let run = &run;
        for n in 0..load::CONNECTIONS {
            scope.spawn(move || load::steady(run, n));
        }
        for n in 0..slow::CLIENTS {
            scope.spawn(move || slow::client(run, n));
        }
        scope.spawn(|| reload::turns(run, &mut registry));
        scope.spawn(|| flap::flap(run));
        let samples = sample::series(run, Instant::now() + soak.duration);
        run.over.store(true, Ordering::Relaxed);
        samples
    });
    let reloads = reload::counts(&run);
    let exit = daemon.stop()?;
    let report = report::Report { run: &run, samples, reloads, exit, duration: soak.duration };
    io::stdout().write_all(report.table().as_bytes()).map_err(|source| Error::Io {
        doing: "write to",
        path: PathBuf::from("stdout"),
        source,
    })?;
    let failed = report.failures();
    if failed.is_empty() { Ok(()) } else { Err(Error::Refused(format!("failed: {}", failed.join("; ")))) }
}
