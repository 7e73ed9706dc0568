//! What changes while the daemon runs: the snapshot in service, and the live standings of its accounts.
//!
//! [`Reloader`] reads a [`SnapshotSource`] when it changes and puts its snapshot into the [`Store`], the one
//! cell that answers read from; [`standings`] sets and expires standings there.

mod debounce;
mod poller;
mod publisher;
mod rejection_dedup;
mod reload_event;
mod reload_signal;
mod reloader;
mod snapshot_source;
pub mod standings;
mod store;
mod watch;
mod watch_path;

pub use reload_event::{LastReload, ReloadEvent, ReloadObserver, WatchMode};
pub use reload_signal::{ReloadSignal, ReloadSignalReceiver, WakeReasons, reload_signal};
pub use reloader::Reloader;
pub use snapshot_source::{DEMO_GENERATION, Fetched, OpenError, SnapshotSource, SourceError, demo_files};
pub use standings::Standings;
pub use store::{Generation, Reader, Store};
