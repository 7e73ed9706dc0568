//! Checks the cell that generations are published through, its lock, and the standings overlay under loom.
//! The sources are those of the daemon, with loom's atomics and locks.
//!
//! The sources are included by path, because loom's types cannot be a feature of the daemon's crates. Cargo
//! builds a workspace with the union of all features, and loom's atomics panic outside a model.
//!
//! Two modules stand in for the rest. [`cell`] replaces arc-swap and takes its promises for granted: a store
//! releases, a load acquires, a cache detects a change by a relaxed load. [`snapshot`] replaces snapshots, of
//! which only the generation and the accounts' ids matter here.

extern crate self as switchboard_select;
extern crate self as switchboard_snapshot;

pub mod cell;
#[path = "../../crates/snapshot/src/index_types.rs"]
pub mod index_types;
#[path = "../../crates/select/src/overlay.rs"]
pub mod overlay;
pub mod snapshot;

/// The store, and the standings that it holds.
#[path = "../../src/runtime"]
pub mod runtime {
    /// The standing as a value. The journal is not part of the model.
    pub mod standings {
        pub mod standing;
        pub use standing::{AccountKey, Standing, StandingCounts, StandingError};
    }
    pub mod store;
    pub use store::{Generation, Reader, Store};
}

pub use index_types::{AccountIdx, CompanyIdx};
pub use overlay::{NO_STANDINGS, Overlay};
pub use snapshot::Snapshot;
