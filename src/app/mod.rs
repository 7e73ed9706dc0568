//! The assembly of the daemon. [`run`] is the command `switchboard serve`. [`App`] is the daemon without logs
//! and signals; the tests use it too.

mod assembly;
mod greeting;
mod observe;
mod process;
mod sockets;
mod status;
mod tls;

pub use assembly::{App, FleetError, ListenError, RunningApp, StartError, check_fleet, run, unused_access};
pub use observe::start_logs;
pub use sockets::SocketError;
pub use tls::{TlsError, TlsFiles};
