//! The faults of a fleet: each one under load, with every answer compared. A binary of its own, which runs after the
//! tests of the daemon, because the load takes the whole machine. The faults of the broker and of the network run
//! one at a time.
//!
//! - The bounded forms run where `CI` is set, in turn on the newest server of `SWITCHBOARD_NATS_SERVERS` and on
//!   the oldest one. The long forms run on each server. They are ignored tests whose names end in `_long`.
//! - A test that needs a program that is not installed is ignored, and names its Debian package. Where `CI`
//!   is set, it fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

mod broker;
#[expect(dead_code, unused_imports, reason = "the tests of the daemon use the rest")]
#[path = "../harness/mod.rs"]
mod harness;
mod load;
mod publishers;
mod releases;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fleet_testbed::broker::programs;
use serde_json::Value;
use switchboard_model::Condition::{self, Draining};
use switchboard_snapshot::header;

use harness::fleet_site::wait_until_served;
use harness::{DaemonProcess, PATIENCE, wait_within};
use load::{Fleet, GROUP, account_id};

/// The size of a test.
struct Size {
    daemons: usize,
    simulated: usize,
    standings: usize,
    kills: usize,
    outage: Duration,
}

const BOUNDED: Size =
    Size { daemons: 5, simulated: 100, standings: 10_000, kills: 10, outage: Duration::from_secs(3) };
const LONG: Size =
    Size { daemons: 5, simulated: 100, standings: 100_000, kills: 100, outage: Duration::from_secs(30) };

/// Held by the fault that runs. Two at once would take the processor from each other.
static TURN: Mutex<()> = Mutex::new(());

impl Size {
    /// Runs a fault on each of these servers. It disturbs the connections of these daemons.
    fn run(&self, servers: &[PathBuf], disturbed: &[usize], fault: impl Fn(&Size, Fleet)) {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        for server in servers {
            let started = Instant::now();
            println!("on {}", server.display());
            let mut fleet = Fleet::start(server, self.standings + GROUP, self.daemons);
            fleet.simulate(self.simulated, disturbed);
            fault(self, fleet);
            println!("took {:?}", started.elapsed());
        }
    }

    fn all(&self) -> Vec<usize> {
        (0..self.daemons).collect()
    }
}

fn oldest() -> PathBuf {
    programs().swap_remove(0)
}

fn newest() -> PathBuf {
    programs().pop().unwrap()
}

/// Changes a standing through one replica. Returns the status.
fn change(daemon: &DaemonProcess, number: usize, to: Option<Condition>) -> u16 {
    let path = format!("/v1/standings/bank/{}", account_id(number));
    match to {
        None => daemon.admin("DELETE", &path, "").0,
        Some(to) => {
            let to = if to == Draining { "draining" } else { "suspended" };
            daemon.admin("PUT", &path, &format!(r#"{{"standing":"{to}","reason":"half"}}"#)).0
        }
    }
}

fn standing_of(daemon: &DaemonProcess, number: usize) -> Value {
    let (_, answer) = daemon.admin("GET", &format!("/v1/standings/bank/{}", account_id(number)), "");
    serde_json::from_str::<Value>(&answer).unwrap()["standing"].clone()
}

/// Returns the command of `switchboard` with the fleet's broker. The first words run the program.
fn command(fleet: &Fleet, before: &[String], arguments: &[&str]) -> Command {
    let program = env!("CARGO_BIN_EXE_switchboard");
    let mut words = before.iter().map(String::as_str).chain([program]).chain(arguments.iter().copied());
    let mut command = Command::new(words.next().unwrap());
    command.args(words).env("SWITCHBOARD_FLEET", fleet.site.url()).env("SWITCHBOARD_FLEET_PREFIX", "test");
    command
}

fn run(fleet: &Fleet, before: &[String], arguments: &[&str]) -> Output {
    command(fleet, before, arguments).output().unwrap()
}

#[track_caller]
fn publish(fleet: &Fleet, before: &[String], arguments: &[&str]) {
    let output = run(fleet, before, &[&["fleet", "publish", "--confirm"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
}

/// Returns the generation of the release.
fn released(fleet: &Fleet) -> u64 {
    let output = run(fleet, &[], &["fleet", "status", "--format", "json"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    status["release"]["generation"].as_u64().unwrap()
}

/// Waits until all replicas serve the release of the broker. Returns its generation.
#[track_caller]
fn wait_for_release(fleet: &Fleet) -> u64 {
    let generation = released(fleet);
    fleet.daemons.iter().for_each(|daemon| wait_until_served(daemon, generation));
    generation
}

/// Writes a snapshot file whose generation is older than any of a publisher's clock.
fn snapshot_file(fleet: &Fleet, number: u64) -> String {
    let path = fleet.site.path(&format!("{number}.swb"));
    let mut bytes = fleet.snapshot(number).bytes().to_vec();
    assert!(header::restamp(&mut bytes, 1));
    fs::write(&path, bytes).unwrap();
    path
}

/// Waits until every replica has a state and a reason.
#[track_caller]
fn wait_for_states(fleet: &Fleet, event: &str, is_expected: impl Fn(&str, &str) -> bool) {
    let is_reached = || {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        states(fleet).iter().all(|(state, reason)| is_expected(&text(state), &text(reason)))
    };
    wait_within(PATIENCE, || format!("{event}: {:?}", states(fleet)), is_reached);
}

fn states(fleet: &Fleet) -> Vec<(Value, Value)> {
    let state = |daemon: &DaemonProcess| {
        let status = daemon.status();
        (status["fleet"]["state"].clone(), status["fleet"]["reason"].clone())
    };
    fleet.daemons.iter().map(state).collect()
}
