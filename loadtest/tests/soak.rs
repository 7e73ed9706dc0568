//! Runs the soak for three seconds, and checks its summary of the memory.

use loadtest::soak::quarterly_lows;
use std::{path::Path, process::Command};

/// `cargo test --workspace` builds the daemon in the folder of this package's program. `-p loadtest` does
/// not.
#[test]
fn short_soak_succeeds_and_prints_its_table() {
    let program = Path::new(env!("CARGO_BIN_EXE_loadtest"));
    let daemon = program.with_file_name("switchboard");
    assert!(daemon.is_file(), "no {}: run `cargo build -p switchboard` first", daemon.display());
    let soak = Command::new(program)
        .args(["soak", "--switchboard"])
        .arg(&daemon)
        .args(["--duration", "3s", "--rate", "100", "--reload-every", "300ms"])
        .output()
        .unwrap();
    let (table, errors) = (String::from_utf8_lossy(&soak.stdout), String::from_utf8_lossy(&soak.stderr));
    assert!(soak.status.success(), "{table}{errors}");
    assert!(table.contains("right answers"), "{table}");
}

#[test]
fn each_quarter_has_its_lowest_memory() {
    assert_eq!(quarterly_lows(&[9, 1, 7, 5, 3, 4, 8, 6]), [1, 5, 3, 6]);
    assert_eq!(quarterly_lows(&[2, 1, 3, 4, 5]), [1, 3, 5]);
    assert_eq!(quarterly_lows(&[]), [0; 0]);
}
