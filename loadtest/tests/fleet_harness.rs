//! Measures a small fleet of real daemons and simulated replicas with `loadtest fleet`. The floors are those of a
//! large fleet with a release build, times three.

use serde_json::Value;
use std::{fs, path::Path, process::Command};

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
