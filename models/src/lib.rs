//! The cell that generations are published through, the lock beside it, and the standings overlay, under
//! loom: the very sources of the daemon, with loom's atomics and locks in place of the system's.
//!
//! The sources are borrowed by path, because loom's types cannot be a feature of the daemon's crates: Cargo builds a
//! workspace with the union of all features, and loom's atomics panic outside a model.
//!
//! What stands in for the rest: [`cell`] for arc-swap, whose promises (a store releases, a load acquires,
//! a cache looks for a change with a relaxed load) are taken for granted; [`snapshot`] for snapshots, of
//! which only the number and the accounts' names matter here.

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
    /// The value alone: the journal is not part of any model.
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
