//! The assembly of the daemon: the only module that knows all others. [`run`] is `switchboard serve`; [`App`]
//! is the daemon without its logs and signals.

mod assembly;
mod logs;
mod observe;
mod process;
mod signals;
mod sockets;
mod status;

pub use assembly::{App, RunningApp, StartError, run};
pub use sockets::SocketError;
