//! Runs `loadtest run` with a real daemon. The scenarios are shortened.
//!
//! `cargo test --workspace` builds the daemon in the folder of this package's program. `-p loadtest` does
//! not.
#![cfg(test)]

mod access;
mod crash;
mod interrupted;
mod machine;
mod metrics;
mod pinning;
mod quantiles;
mod queries;
mod rate_search;
mod restored_standings;
mod scenario_files;
mod scenarios;
#[expect(dead_code, reason = "the daemon's own tests ask it for more")]
#[path = "../../../tests/prometheus/server.rs"]
mod server;
mod slow_clients;
mod slow_line;
mod standings;
mod sweep_steps;
mod target;
mod variant;
mod verdicts;

use loadtest::report::model::Report;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The folder of Prometheus' rules.
const RULES: &str = "../config/prometheus";

fn daemon() -> PathBuf {
    let daemon = Path::new(env!("CARGO_BIN_EXE_loadtest")).with_file_name("switchboard");
    assert!(daemon.is_file(), "no {}: run `cargo build -p switchboard` first", daemon.display());
    daemon
}

/// Runs `loadtest run` with its reports in a folder.
fn run(out: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.arg("run").args(arguments).arg("--out").arg(out).args(["--pin", "none"]);
    command.output().unwrap()
}

fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Reads the only report in the folder.
fn report(out: &Path) -> Report {
    let files = fs::read_dir(out).unwrap().map(|file| file.unwrap().path());
    let json: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "json")).collect();
    assert_eq!(json.len(), 1, "{json:?}");
    serde_json::from_slice(&fs::read(&json[0]).unwrap()).unwrap()
}
