//! The registry compiled to one immutable, flat run of bytes, and the way back in.
//!
//! [`compile()`] turns a checked registry into bytes; [`Snapshot::open`] proves bytes sound and reads
//! them in place. Only `compile/` knows the registry; only `view` has `unsafe`; how records are stored is private.
//!
//! Reading order: `format` (what is stored), [`header`] (before it), `hash_index` (how an id is found), [`rendezvous`] (how
//! a pick is drawn), `compile/` (how it is made), [`open`](Snapshot::open) and `verify/` (what is proved), [`view`] (how it
//! is read), [`mod@file`] (how it reaches the memory and the disk).

pub mod compile;
pub mod file;
#[cfg_attr(not(feature = "forge"), allow(unreachable_pub, reason = "public with the feature `forge` alone"))]
mod format;
mod hash_index;
pub mod header;
mod index_types;
mod open;
pub mod rejection;
pub mod rendezvous;
mod verify;
pub mod view;

pub use compile::{BuildStage, NoProgress, Progress, UnsealedSnapshot, compile};
pub use file::Bytes;
pub use header::Header;
pub use index_types::{
    AccountIdx, ChainStartIdx, ChannelIdx, CompanyIdx, GroupIdx, LevelIdx, LevelPoolIdx, OuIdx, PoolIdx,
};
pub use rejection::{Rejection, RejectionStage};
pub use view::Snapshot;

/// The stored records, for tests that damage them. Not part of the interface.
#[cfg(feature = "forge")]
#[doc(hidden)]
pub mod forge {
    pub use super::format::*;

    /// The records of a snapshot, where they lie in its bytes.
    pub fn tables(snapshot: &super::Snapshot) -> &ArchivedTables {
        snapshot.tables()
    }
}
