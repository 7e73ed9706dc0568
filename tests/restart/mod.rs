//! Processes that take over from one another, are told to stop, or are killed, under load.
//!
//! Short here; `SWITCHBOARD_RESTARTS=200 cargo test --release --test contract restart -- --nocapture` is
//! the long form, and prints what it counted.

mod drain;
mod handover;
mod kill;
mod load;
mod passed;

use std::net::TcpListener;
use std::process::Command;

/// `switchboard serve` with the demo registry, on addresses of one's own choosing.
fn serve(data: &str, admin: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(["serve", "--listen", data, "--admin-listen", admin]);
    command
}

/// How many restarts to survive.
fn restarts() -> usize {
    std::env::var("SWITCHBOARD_RESTARTS").map_or(5, |count| count.parse().unwrap())
}

/// An address that was free a moment ago, for processes that share it.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
