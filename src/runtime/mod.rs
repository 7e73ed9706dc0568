//! The state that changes while the daemon runs: the snapshot in service and the standings of its accounts.
//!
//! [`Reloader`] reads a [`SnapshotSource`](switchboard_pipeline::SnapshotSource) when it changes and
//! publishes the snapshot in the [`Store`], which all answers read. [`standings`] sets and expires standings
//! in the same store.

mod database;
pub mod fleet;
mod poller;
mod publisher;
mod reload_event;
mod reloader;
pub mod standings;
pub mod state;
mod store;
mod trusted_keys;
mod watch;
mod watch_path;
mod watched_file;

pub use fleet::Fleet;
pub use reload_event::{
    HeldBackCompany, LastReload, ReloadEvent, ReloadObserver, ReloadSignal, ReloadSignalReceiver,
    ServedWarnings, WakeReasons, WatchMode, reload_signal,
};
pub(crate) use reload_event::{first_errors, one_line};
pub use reloader::Reloader;
pub use standings::Standings;
pub use state::StateDir;
pub use store::{Generation, Reader, Store};
pub use trusted_keys::{KeysError, KeysEvent, KeysInForce};
pub use watch_path::read_bounded;
pub use watched_file::FileWatch;
