//! Runs the soak for three seconds.

use std::{path::Path, process::Command};

/// `cargo test --workspace` builds the daemon in the folder of this package's program. `-p loadtest` does
/// not.
#[test]
fn a_short_soak_succeeds_and_prints_its_table() {
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
    assert!(table.contains("answers as asked"), "{table}");
}
