//! The snapshot crate compiles a registry to one immutable file, verifies such a file, and reads it in place.
//!
//! A daemon answers queries from a snapshot. All records are in flat tables that refer to each other by
//! index, so a selection reads them without parsing and without allocating memory. The compiler prepares
//! everything that a query needs: the steps of every chain, the groups of equal candidates, and the JSON of
//! the answers.
//!
//! The main entry points are:
//!
//! * [`compile()`] turns a checked registry into an [`UnsealedSnapshot`]. Its
//!   [`finish`](UnsealedSnapshot::finish) adds the tests of the registry and returns the bytes of the file.
//! * [`Snapshot::open`] verifies bytes of any origin. It returns a [`Rejection`] with its [`RejectionStage`]
//!   if the bytes are not exactly what the compiler could have written.
//! * [`Snapshot`] is the typed view of a verified file: look-ups by id, records by index ([`AccountIdx`], …),
//!   and the levels, steps and candidates of a chain.
//! * [`mod@file`] reads snapshots from disk, and replaces files atomically.
//! * [`rendezvous`] is the arithmetic that picks one account among equal candidates.
//!
//! # Example: compile, open, read
//!
//! ```
//! use switchboard_registry::{Files, check, read};
//! use switchboard_snapshot::{NoProgress, Snapshot, compile};
//!
//! let files = Files::from_iter([("acme/company.toml", "[[ou]]\nid = \"acme\"\n")]);
//! let (registry, mut findings) = read(&files);
//! check(&registry, &mut findings);
//! assert!(findings.is_empty());
//!
//! let generation = 7;
//! let unsealed = compile(&registry, generation, &NoProgress).unwrap();
//! let snapshot = Snapshot::open(unsealed.finish(&[])).unwrap();
//!
//! assert_eq!(snapshot.generation(), 7);
//! let company = snapshot.find_company("acme").unwrap();
//! assert_eq!(snapshot.company(company).ous().next().unwrap().id(), "acme");
//! ```
//!
//! # Where to begin reading
//!
//! Begin with `format.rs`, which has every stored record, and [`header`]. Then follow a snapshot through its
//! life: `compile/` writes the records, `verify/` opens and checks them, [`view`] reads them.
//! `hash_index.rs` finds a record by its id. `decompile.rs` turns a company back into the registry's values.
//! Only `compile/` and `decompile.rs` know the registry, and only [`view`] contains `unsafe` code.

pub mod compile;
mod decompile;
pub mod file;
#[cfg_attr(not(feature = "forge"), allow(unreachable_pub, reason = "public with the feature `forge` alone"))]
mod format;
mod hash_index;
pub mod header;
mod index_types;
pub mod rendezvous;
mod verify;
pub mod view;

pub use compile::{BuildStage, NoProgress, Progress, UnsealedSnapshot, compile};
pub use decompile::{Decompiler, UnknownChannel, warnings};
pub use file::Bytes;
pub use header::{Digests, Header, Rejection, RejectionStage, Sha256Digest};
pub use index_types::{
    AccountIdx, ChainStartIdx, ChannelIdx, CompanyIdx, GroupIdx, LevelIdx, LevelPoolIdx, OuIdx, PoolIdx,
};
pub use view::Snapshot;

/// The stored records, for tests that damage them. This module is not part of the public interface.
#[cfg(feature = "forge")]
#[doc(hidden)]
pub mod forge {
    pub use super::format::*;

    /// Returns the records of a snapshot, inside the bytes of the snapshot.
    pub fn tables(snapshot: &super::Snapshot) -> &ArchivedTables {
        snapshot.tables()
    }
}
