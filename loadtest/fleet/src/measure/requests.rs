//! Requests a second of a daemon of a fleet, relative to a daemon without a fleet.
//!
//! Each daemon is alone on the first core. Everything else is on the last one: the broker, the simulated replica that
//! sets standings, and the client. The daemons take turns, and the ratio of each pair counts.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use generator::{Error, Result};
use rustix::param::clock_ticks_per_second;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;
use switchboard_fleet::shared::Key;
use switchboard_fleet::standings::Standing;
use switchboard_model::Condition;
use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};

use super::Extent;
use crate::bed::{Bed, BedSettings, COMPANY};
use crate::daemon::{Daemon, DaemonSettings, StartingDaemon, command};
use crate::http::Client;
use crate::report::Figure;
use crate::simulated::SimulatedReplica;

/// The number of daemons of the fleet.
pub const DAEMONS: usize = 1;
/// The number of simulated replicas, of which the only one sets standings.
pub const SIMULATED: usize = 1;
/// The number of different selections.
const QUERIES: usize = 20_000;
/// The place of the time in user mode among the members of `/proc/PID/stat` behind the name. The time in the kernel
/// follows.
const USER_TIME: usize = 11;
/// The number of standings that are set each second.
const STANDINGS: u32 = 1_000;
/// The scenario: a closed loop of 32 connections, five times 400 ms after 100 ms each. Its median is the highest rate,
/// and the report has one per cent of it as the rate of the run that follows.
const SCENARIO: &str = "about = \"As many requests as are answered\"\nrate = \"1 %\"\nduration = \"100ms\"\n\
                        warm_up = \"1ms\"\nrepeat = 1\nconnections = 32\nceiling = \"400ms\"\nlatest_us = 1000000\n";

/// Measures the rates, in pairs. Returns the version of the broker as well.
///
/// # Errors
/// Returns an error if the machine has one core, or if the load test fails.
pub async fn measure(
    settings: &BedSettings,
    loadtest: &Path,
    extent: Extent,
) -> Result<(Vec<Figure>, String)> {
    let all = sched_getaffinity(None).map_err(failed)?;
    let mut usable = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
    let (Some(first), Some(last)) = (usable.next(), usable.next_back()) else {
        return Err(Error::Refused("the machine has one core: this measure needs two".to_owned()));
    };
    // The broker and the client inherit the core of this thread.
    let mut own = CpuSet::new();
    own.set(last);
    sched_setaffinity(None, &own).map_err(failed)?;
    let measured = on_cores(settings, loadtest, extent, first).await;
    sched_setaffinity(None, &all).map_err(failed)?;
    measured
}

async fn on_cores(
    settings: &BedSettings,
    loadtest: &Path,
    extent: Extent,
    core: usize,
) -> Result<(Vec<Figure>, String)> {
    let mut launcher = settings.launcher.clone();
    // Before the `--` that ends the options of the launcher.
    launcher.pop();
    launcher.extend(["--cores".into(), core.to_string().into(), "--".into()]);
    let bed =
        Bed::start(BedSettings { launcher, daemons: DAEMONS, simulated: SIMULATED, ..settings.clone() })
            .await?;
    let folder = bed.folder.path();
    let alone = start_alone(&bed, folder)?;
    let [in_fleet] = bed.daemons.as_slice() else { return Err(Error::Refused("no daemon".to_owned())) };
    let [writer] = bed.simulated.as_slice() else { return Err(Error::Refused("no replica".to_owned())) };
    let (queries, accounts) = draw(&bed, in_fleet).await?;
    let load = Load { loadtest, folder, queries };
    fs::write(folder.join("closed.toml"), SCENARIO).map_err(Error::io("write", folder))?;
    let (mut idle, mut busy, mut set, mut rates) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut idle_cost, mut busy_cost) = (Vec::new(), Vec::new());
    // The idle rounds come first, because no standing is set during them.
    for turn in 0..extent.rounds {
        let pair = pair(turn, async || load.on(&alone).await, async || load.on(in_fleet).await);
        let (without, with) = pair.await?;
        rates.push(without.rate);
        idle.push(with.rate / without.rate);
        idle_cost.push(without.cost / with.cost);
    }
    for turn in 0..extent.rounds {
        let during = async || {
            let (started, before) = (Instant::now(), writer.status().standings_revision);
            let measured = tokio::select! {
                done = load.on(in_fleet) => done,
                failed = keep_setting(writer, &accounts) => Err(failed),
            };
            let done = writer.status().standings_revision - before;
            measured.map(|measured| (measured, done as f64 / started.elapsed().as_secs_f64()))
        };
        let alone = async || load.on(&alone).await.map(|measured| (measured, 0.0));
        let ((without, _), (with, rate)) = pair(turn, alone, during).await?;
        busy.push(with.rate / without.rate);
        busy_cost.push(without.cost / with.cost);
        set.push(rate);
    }
    let figures = vec![
        Figure::new("daemon without a fleet", "requests/s", rates),
        Figure::new("requests/s of the daemon's core, idle fleet relative to none", "ratio", idle_cost)
            .at_least(0.98, 1.0),
        Figure::new(
            format!("requests/s of the daemon's core, {STANDINGS} standings/s relative to none"),
            "ratio",
            busy_cost,
        )
        .at_least(0.95, 0.98),
        Figure::new("requests/s of this client, idle fleet relative to none", "ratio", idle),
        Figure::new(
            format!("requests/s of this client, {STANDINGS} standings/s relative to none"),
            "ratio",
            busy,
        ),
        Figure::new("standings that were set meanwhile", "1/s", set),
    ];
    Ok((figures, bed.bus.server_version()))
}

/// Runs two measurements. The order changes, because the machine may become slower during a pair.
async fn pair<T>(
    turn: usize,
    first: impl AsyncFnOnce() -> Result<T>,
    second: impl AsyncFnOnce() -> Result<T>,
) -> Result<(T, T)> {
    if turn.is_multiple_of(2) {
        let first = first().await?;
        return Ok((first, second().await?));
    }
    let second = second().await?;
    Ok((first().await?, second))
}

/// Starts a daemon without a fleet that serves the same snapshot.
fn start_alone(bed: &Bed, folder: &Path) -> Result<Daemon> {
    let snapshot = folder.join("state-0/fleet/release.swb");
    let arguments: [OsString; 6] = [
        "--snapshot".into(),
        snapshot.into(),
        "--standings".into(),
        folder.join("standings").into(),
        "--workers".into(),
        "1".into(),
    ];
    let command = command(&bed.settings.launcher, &bed.settings.switchboard);
    let settings = DaemonSettings { command, arguments: arguments.into() };
    let started = StartingDaemon::start(&settings, Arc::new(|_| {})).and_then(StartingDaemon::listening);
    started.map_err(Error::io("start", &bed.settings.switchboard))
}

/// Draws selections that have an account. Returns the file with them, and accounts that none of them has.
async fn draw(bed: &Bed, daemon: &Daemon) -> Result<(PathBuf, Vec<String>)> {
    let mut client = Client::new(&daemon.data);
    let (mut queries, mut answered) = (String::new(), BTreeSet::new());
    for query in bed.registry.queries(QUERIES) {
        let answer = client.send("GET", &query, "").await;
        let (_, body) = answer.map_err(|error| Error::Io(format!("GET {query}: {error}")))?;
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        if let Some(account) = answer.get("account").and_then(Value::as_str) {
            answered.insert(account.to_owned());
            queries += &query;
            queries.push('\n');
        }
    }
    let path = bed.folder.path().join("queries.txt");
    fs::write(&path, queries).map_err(Error::io("write", &path))?;
    let others = bed.registry.accounts.iter().filter(|account| !answered.contains(*account));
    let accounts: Vec<String> = others.take(STANDINGS as usize).cloned().collect();
    if accounts.is_empty() {
        return Err(Error::Usage("too few accounts: choose a larger --accounts".to_owned()));
    }
    Ok((path, accounts))
}

/// Sets standings at a constant rate, until it is dropped. Returns the first error.
async fn keep_setting(writer: &SimulatedReplica, accounts: &[String]) -> Error {
    let mut due = interval(Duration::from_secs(1) / STANDINGS);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let requests = accounts.iter().cycle().enumerate();
    for (number, account) in requests {
        due.tick().await;
        let key = Key { company: COMPANY.into(), account: account.as_str().into() };
        let reason = format!("standing {number}");
        let standing = Standing { condition: Condition::Suspended, reason, until: None };
        if let Err(error) = writer.begin(key, Some(standing)) {
            return Error::Io(error.to_string());
        }
    }
    Error::Refused("there is no account to suspend".to_owned())
}

/// What a daemon did under load.
struct Done {
    /// The answers a second.
    rate: f64,
    /// The processor time of the whole daemon for each answer, in seconds. Its inverse is the highest rate that the
    /// daemon's core allows, also if the client is slower because it shares its core.
    cost: f64,
}

/// Returns the processor time of a process in seconds, with that of threads that have ended.
fn processor_time(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    // The name of the program, in parentheses, may contain spaces.
    let members = stat.rsplit_once(") ").map(|(_, members)| members).unwrap_or_default().split(' ');
    let ticks = members.skip(USER_TIME).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>();
    Ok(ticks as f64 / clock_ticks_per_second() as f64)
}

/// Returns the number of selections that a daemon has answered.
async fn answered(daemon: &Daemon) -> Result<f64> {
    let scraped = Client::new(&daemon.admin).send("GET", "/metrics", "").await;
    let (_, text) = scraped.map_err(|error| Error::Io(format!("GET /metrics: {error}")))?;
    let series = text.lines().filter(|line| line.starts_with("switchboard_selections_total"));
    Ok(series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}

/// The client that sends as many requests as are answered.
struct Load<'a> {
    loadtest: &'a Path,
    folder: &'a Path,
    queries: PathBuf,
}

impl Load<'_> {
    /// Measures a daemon.
    async fn on(&self, daemon: &Daemon) -> Result<Done> {
        let (count, time) = (answered(daemon).await?, processor_time(daemon.pid())?);
        let rate = self.rate(daemon).await?;
        let (count, time) = (answered(daemon).await? - count, processor_time(daemon.pid())? - time);
        if count == 0.0 {
            return Err(Error::Refused("the daemon answered no selection".to_owned()));
        }
        Ok(Done { rate, cost: time / count })
    }

    /// Returns the answers a second of a daemon.
    async fn rate(&self, daemon: &Daemon) -> Result<f64> {
        let out = self.folder.join("out");
        let _ = fs::remove_dir_all(&out);
        let mut command = std::process::Command::new(self.loadtest);
        command
            .arg("run")
            .arg(self.folder.join("closed.toml"))
            .args(["--target", &format!("http://{}", daemon.data), "--pin", "none", "--queries"])
            .arg(&self.queries)
            .arg("--out")
            .arg(&out)
            .stdin(Stdio::null());
        // Beside the standings that are set on this thread.
        let done = Handle::current().spawn_blocking(move || command.output()).await;
        let done = done.map_err(std::io::Error::other).flatten().map_err(Error::io("run", self.loadtest))?;
        if !done.status.success() {
            let output = [done.stdout, done.stderr].concat();
            return Err(Error::Refused(format!(
                "`loadtest run` failed:\n{}",
                String::from_utf8_lossy(&output)
            )));
        }
        let files = fs::read_dir(&out).map_err(Error::io("list", &out))?.flatten();
        let report =
            files.map(|file| file.path()).find(|path| path.extension().is_some_and(|it| it == "json"));
        let report = report.and_then(|path| fs::read(path).ok()).unwrap_or_default();
        let report: Value = serde_json::from_slice(&report).unwrap_or_default();
        let rate = report.pointer("/runs/0/steps/0/rate").and_then(Value::as_f64);
        rate.map(|percent| percent * 100.0)
            .ok_or_else(|| Error::Refused("the report of `loadtest run` has no rate".to_owned()))
    }
}

fn failed(error: rustix::io::Errno) -> Error {
    Error::Io(format!("cannot choose the cores of this process: {error}"))
}
