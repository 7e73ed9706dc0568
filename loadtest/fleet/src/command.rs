//! The command `loadtest fleet`.

use std::ffi::OsString;
use std::fs;
use std::future::poll_fn;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use generator::{Error, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::bed::{Bed, BedSettings};
use crate::measure::{Extent, outage, releases, requests, standings};
use crate::report::{Figure, FleetReport, log};

/// The arguments of `loadtest fleet`.
#[derive(Args, Debug)]
pub struct Fleet {
    /// What to measure [default: everything]
    #[arg(value_enum)]
    measures: Vec<Measure>,
    /// Number of real daemons
    #[arg(long, value_name = "N", default_value_t = 50)]
    daemons: usize,
    /// Number of simulated replicas: the code of a replica, without a process and a disk
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    simulated: usize,
    /// Number of accounts of the registry that is published; 1000000 has limits of its own
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(500..))]
    accounts: u32,
    /// Number of rounds of each measure; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Time for which the broker is away, in seconds
    #[arg(long, value_name = "S", default_value_t = 30)]
    outage: u32,
    /// Factor of the floors of all times, for a debug build or a busy machine
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    limits: f64,
    /// Program of the broker
    #[arg(long, value_name = "PATH", default_value = "nats-server")]
    nats_server: PathBuf,
    /// Program of the daemon [default: switchboard in the folder of loadtest]
    #[arg(long, value_name = "PATH")]
    switchboard: Option<PathBuf>,
    /// Folder in which the report is written
    #[arg(long, value_name = "DIR", default_value = "target/loadtest")]
    out: PathBuf,
}

/// A measure of a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// The answer to a PUT of a standing, and the time until every replica has it
    Standings,
    /// A thousand standings at once
    Burst,
    /// A release, until every replica serves it
    Release,
    /// A rollback, until every replica serves the earlier content
    Rollback,
    /// A broker that is killed and comes back
    Outage,
    /// A broker that never comes back
    Gone,
    /// Requests a second with a fleet and without
    Requests,
}

/// Runs the measures, prints their table, and writes their report.
///
/// # Errors
/// Returns an error if a figure misses its floor, or if a measure fails.
pub fn run(fleet: &Fleet) -> Result<()> {
    let loadtest = std::env::current_exe().map_err(Error::io("find", "this program"))?;
    let switchboard = fleet.switchboard.clone().unwrap_or_else(|| loadtest.with_file_name("switchboard"));
    if !switchboard.is_file() {
        return Err(Error::Usage(format!(
            "{} does not exist: build it with `cargo build --release --workspace`, or name another with --switchboard",
            switchboard.display()
        )));
    }
    // The broker and daemons end with this process, also if it is killed.
    let launcher = [loadtest.as_os_str(), "tied".as_ref(), "--parent".as_ref()].map(OsString::from);
    let parent = [std::process::id().to_string(), "--".to_owned()].map(OsString::from);
    let settings = BedSettings {
        daemons: fleet.daemons,
        simulated: fleet.simulated,
        accounts: fleet.accounts as usize,
        nats_server: fleet.nats_server.clone(),
        switchboard,
        launcher: launcher.into_iter().chain(parent).collect(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Error::io("start", "the runtime"))?;
    let report = runtime.block_on(async {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
        let mut signals =
            kinds.into_iter().collect::<io::Result<Vec<_>>>().map_err(Error::io("receive", "signals"))?;
        let interrupted = poll_fn(|context| {
            let mut polled = signals.iter_mut().map(|signal| signal.poll_recv(context));
            polled.find(Poll::is_ready).map_or(Poll::Pending, |_| Poll::Ready(()))
        });
        // The measures run on this thread, with which the broker and the daemons would end.
        tokio::select! {
            report = measure(fleet, &settings, &loadtest) => report.map(Some),
            () = interrupted => Ok(None),
        }
    })?;
    let Some(report) = report else {
        log("interrupted: there is no report");
        std::process::exit(130);
    };
    write(&report, &fleet.out)?;
    let missed: Vec<String> = report.missed().map(|figure| figure.figure.clone()).collect();
    if missed.is_empty() {
        Ok(())
    } else {
        Err(Error::Refused(format!("floors missed: {}", missed.join("; "))))
    }
}

async fn measure(fleet: &Fleet, settings: &BedSettings, loadtest: &Path) -> Result<FleetReport> {
    let started = jiff::Timestamp::now();
    let extent = Extent {
        rounds: fleet.rounds.into(),
        limits: fleet.limits,
        outage: Duration::from_secs(fleet.outage.into()),
    };
    let is_wanted = |measure| fleet.measures.is_empty() || fleet.measures.contains(&measure);
    let mut figures: Vec<Figure> = Vec::new();
    let mut broker = String::new();
    let (mut daemons, mut simulated) = (requests::DAEMONS, requests::SIMULATED);
    if is_wanted(Measure::Requests) {
        log("measure     requests");
        let (measured, version) = requests::measure(settings, loadtest, extent).await?;
        figures.extend(measured);
        broker = version;
    }
    if Measure::value_variants().iter().any(|measure| *measure != Measure::Requests && is_wanted(*measure)) {
        log(&format!("fleet       {} daemons, {} simulated replicas", settings.daemons, settings.simulated));
        let mut bed = Bed::start(settings.clone()).await?;
        (daemons, simulated) = (settings.daemons, settings.simulated);
        broker = bed.bus.server_version();
        for measure in Measure::value_variants().iter().filter(|measure| is_wanted(**measure)) {
            let name = measure.to_possible_value().map(|value| value.get_name().to_owned());
            log(&format!("measure     {}", name.unwrap_or_default()));
            figures.extend(match measure {
                Measure::Standings => standings::single(&bed, extent).await?,
                Measure::Burst => standings::burst(&bed, extent).await?,
                Measure::Release => releases::publish(&mut bed, extent).await?,
                Measure::Rollback => releases::roll_back(&mut bed, extent).await?,
                Measure::Outage => outage::back(&mut bed, extent).await?,
                Measure::Gone => outage::gone(&mut bed, extent).await?,
                Measure::Requests => Vec::new(),
            });
        }
    }
    Ok(FleetReport {
        started: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        processor: processor(),
        cores: thread::available_parallelism().map_or(0, usize::from),
        broker,
        daemons,
        simulated,
        accounts: fleet.accounts as usize,
        figures,
    })
}

/// Prints the table, and writes the report as JSON into the folder.
fn write(report: &FleetReport, folder: &Path) -> Result<()> {
    // Some file systems forbid colons, and scp takes the text before a colon for a host.
    let path = folder.join(format!("loadtest-fleet-{}.json", report.started.replace([':', '-'], "")));
    let json = serde_json::to_string_pretty(report).map_err(|error| Error::Io(error.to_string()))?;
    fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
    fs::write(&path, json).map_err(Error::io("write", &path))?;
    log(&format!("data        {}", path.display()));
    let mut out = anstream::stdout().lock();
    match out.write_all(report.table().as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write to", "standard output")(error))
        }
        _ => Ok(()),
    }
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.to_owned())
}
