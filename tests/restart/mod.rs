//! Restarts of the process under load: hand-over to a new process, graceful stop, and kill.

mod drain;
mod handover;
mod in_process;
mod kill;
mod load;
mod passed;

use std::net::TcpListener;
use std::process::Command;

/// Returns the command that serves the demo registry on these addresses.
fn serve(data: &str, admin: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(["serve", "--listen", data, "--admin-listen", admin]);
    command
}

/// Returns the command that serves the demo registry on addresses that it shares with other processes.
fn share(data: &str, admin: &str) -> Command {
    let mut command = serve(data, admin);
    command.arg("--reuse-port");
    command
}

const RESTARTS: usize = 5;
const LONG_RESTARTS: usize = 200;

/// Returns an address that was free a moment ago, for processes that share it.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
