//! Measures a small fleet of real daemons and simulated replicas with `loadtest fleet`. The floors are those of a
//! large fleet with a release build, times three.

use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// `cargo test --workspace` builds the daemon in the folder of this package's program. `-p loadtest` does
/// not.
#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn small_fleet_keeps_the_floors_times_three() {
    let program = Path::new(env!("CARGO_BIN_EXE_loadtest"));
    let daemon = program.with_file_name("switchboard");
    assert!(daemon.is_file(), "no {}: run `cargo build -p switchboard` first", daemon.display());
    let out = tempfile::tempdir().unwrap();
    let fleet = Command::new(program)
        .args(["fleet", "standings", "burst", "release", "rollback", "outage", "gone"])
        .args(["--daemons", "5", "--simulated", "100", "--accounts", "2000"])
        .args(["--rounds", "1", "--outage", "3", "--limits", "3", "--out"])
        .arg(out.path())
        .output()
        .unwrap();
    let (table, errors) = (String::from_utf8_lossy(&fleet.stdout), String::from_utf8_lossy(&fleet.stderr));
    assert!(fleet.status.success(), "{table}{errors}");
    let files: Vec<_> = fs::read_dir(out.path()).unwrap().map(|file| file.unwrap().path()).collect();
    let [report] = files.as_slice() else { panic!("{files:?}") };
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let figures = report["figures"].as_array().unwrap();
    let with_floor = figures.iter().filter(|figure| !figure["floor"].is_null()).count();
    assert_eq!(with_floor, 9, "{figures:#?}");
    for figure in figures {
        let name = figure["figure"].as_str().unwrap();
        assert!(table.contains(name) && !figure["rounds"].as_array().unwrap().is_empty(), "{name}:\n{table}");
    }
}

#[test]
fn broker_that_does_not_exist_is_named() {
    let program = Path::new(env!("CARGO_BIN_EXE_loadtest"));
    let out = tempfile::tempdir().unwrap();
    let fleet = Command::new(program)
        .args(["fleet", "burst", "--nats-server", "/nonexistent/nats-server", "--switchboard"])
        .arg(program)
        .arg("--out")
        .arg(out.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&fleet.stderr);
    assert_eq!(fleet.status.code(), Some(3), "{errors}");
    assert!(errors.contains("/nonexistent/nats-server"), "{errors}");
}

/// A process that runs.
struct Process {
    id: u32,
    parent: u32,
    name: String,
}

/// Returns every process that runs. One that has ended and that no process has waited for yet does not run.
fn processes() -> Vec<Process> {
    let read = |folder: fs::DirEntry| {
        let stat = fs::read_to_string(folder.path().join("stat")).ok()?;
        // The name is in parentheses and may have any character.
        let (before, after) = stat.rsplit_once(") ")?;
        let (id, name) = before.split_once(" (")?;
        let mut fields = after.split(' ');
        let is_running = !matches!(fields.next()?, "Z" | "X");
        let (id, parent) = (id.parse().ok()?, fields.next()?.parse().ok()?);
        is_running.then(|| Process { id, parent, name: name.to_owned() })
    };
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(read).collect()
}

#[track_caller]
fn wait_until(event: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "{event}: not within a minute");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn broker_and_daemons_end_with_a_load_test_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut fleet = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["fleet", "outage", "--outage", "60", "--rounds", "1"])
        .args(["--daemons", "1", "--simulated", "0", "--accounts", "500", "--out"])
        .arg(folder.path())
        // A process that is killed removes no folder.
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let id = fleet.id();
    let mut children = Vec::new();
    wait_until("the broker and a daemon run", || {
        children = processes().into_iter().filter(|process| process.parent == id).collect();
        ["nats-server", "switchboard"].iter().all(|name| children.iter().any(|child| child.name == *name))
    });
    fleet.kill().unwrap();
    fleet.wait().unwrap();
    wait_until("the broker and the daemon have ended", || {
        let running = processes();
        children.iter().all(|child| running.iter().all(|process| process.id != child.id))
    });
}
