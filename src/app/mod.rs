//! The assembly of the daemon. [`run`] is the command `switchboard serve`. [`App`] is the daemon without logs
//! and signals; the tests use it too.

mod assembly;
mod observe;
mod process;
mod signals;
mod sockets;
mod status;

pub use assembly::{App, RunningApp, StartError, run};
pub use sockets::SocketError;
