//! The cell that generations are published through, the lock beside it, and the standings overlay, under
//! loom: the very sources of the daemon, with loom's atomics and locks in place of the system's.
//!
//! What stands in for the rest: [`cell`] for arc-swap, whose promises (a store releases, a load acquires,
//! a cache looks for a change with a relaxed load) are taken for granted; [`snapshot`] for snapshots, of
//! which only the number and the accounts' names matter here.

#[path = "../../src/account.rs"]
pub mod account;
pub mod cell;
pub mod live;
pub mod registry;
pub mod select;
pub mod snapshot;
