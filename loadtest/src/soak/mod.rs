//! A daemon under everything at once, for as long as one likes: queries, reloads good and bad,
//! standings that change, slow clients. It must answer each query as asked, and not grow.

mod flap;
mod load;
mod reload;
mod report;
mod sample;
mod tally;

use self::{reload::Registry, tally::Tally};
use crate::{
    daemon::{self, Daemon, Launch},
    duration,
    error::{Error, Result},
    slow::{self, Ways},
    until::Until,
};
use clap::Args;
use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// How many send and read a little at a time.
const SLOW: u32 = 20;

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
    over: Until,
    tally: Tally,
}

impl Run {
    fn goes_on(&self) -> bool {
        self.over.goes_on()
    }

    fn sleep_until(&self, then: Instant) {
        self.over.sleep_until(then);
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
    let daemon = Daemon::start(&Launch {
        program: &program,
        snapshot: registry.snapshot(),
        journal: Some(&folder.path().join("standings")),
        workers: None,
        cores: &[],
    })?;
    let run = Run {
        data: daemon.data,
        admin: daemon.admin,
        pid: daemon.pid(),
        rate: soak.rate,
        reload_every: soak.reload_every,
        // Ten samples at the least of a short run.
        sample_every: Duration::from_secs(2).min(soak.duration / 10),
        over: Until::default(),
        tally: Tally::default(),
    };
    let slowly = Ways::default()
        .head("/v1/select?channel=signal&ou=london&country=GB")
        .body(r#"{"channel":"telegram","ou":"zurich","country":"CH"}"#);
    let samples = thread::scope(|scope| {
        let (run, slowly) = (&run, &slowly);
        for n in 0..load::CONNECTIONS {
            scope.spawn(move || load::steady(run, n));
        }
        for n in 0..SLOW {
            let seen = |seen| match seen {
                Ok(()) => run.tally.slow.one(),
                Err(failure) => run.tally.failed(failure),
            };
            scope.spawn(move || slow::client(&run.over, run.data, slowly, n, &seen));
        }
        scope.spawn(|| reload::turns(run, &mut registry));
        scope.spawn(|| flap::flap(run));
        let samples = sample::series(run, Instant::now() + soak.duration);
        run.over.end();
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
