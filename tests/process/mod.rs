//! The process of the daemon: its settings, its addresses, its logs and its greeting.

mod listeners;
mod logs;
mod unix_sockets;

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

/// Returns an address of the loopback that was free a moment ago.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Returns the command of a daemon with these arguments and without settings of this test's environment.
fn serve(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.arg("serve").args(arguments).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Runs a daemon that must refuse to start, and returns its exit code and its standard error.
fn refused(mut command: Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}
