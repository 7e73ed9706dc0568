//! Fixtures of the benchmarks: registries of known shapes, and queries drawn from a seed before the measured
//! time.
#![allow(clippy::panic, clippy::expect_used, reason = "a benchmark that cannot be set up must stop")]

pub mod kinds;
pub mod large;
pub mod shapes;

use switchboard_model::UnixSeconds;
use switchboard_select::{NO_STANDINGS, Overlay, SelectContext};
use switchboard_snapshot::{Bytes, Snapshot};

/// The seed of all random draws, unless a benchmark has its own.
pub const SEED: u64 = 7;

/// Number of queries of a kind. Too many for a branch predictor to learn, and few enough to stay in the
/// cache.
pub const QUERIES: usize = 1_024;

/// The time of all selections: 2026-09-21, in Unix seconds.
pub const NOW: i64 = 1_790_000_000;

/// The context of all selections, without standings.
pub const CONTEXT: SelectContext<'static> =
    SelectContext { now: UnixSeconds(NOW), random: 0, standings: &NO_STANDINGS };

/// Returns the overlay of a snapshot without standings, as the daemon creates it.
pub fn overlay(snapshot: &Snapshot) -> Overlay {
    Overlay::from_free(snapshot.free_accounts())
}

/// Returns the context of selections with this overlay.
pub fn context(standings: &Overlay) -> SelectContext<'_> {
    SelectContext { standings, ..CONTEXT }
}

/// Copies a snapshot's bytes into memory that is allocated as for a snapshot file.
pub fn pages(snapshot: &Snapshot) -> Bytes {
    let bytes = snapshot.bytes();
    Bytes::read(&[], bytes, bytes.len()).unwrap_or_else(|error| panic!("no memory: {error}"))
}

/// Opens a copy of the snapshot, in memory that is allocated as for a snapshot file.
pub fn opened(snapshot: &Snapshot) -> Snapshot {
    Snapshot::open(pages(snapshot)).unwrap_or_else(|rejection| panic!("{rejection}"))
}

/// Returns queries one after another, and starts again after the last.
pub struct Rounds<'q, T> {
    all: &'q [T],
    at: usize,
}

impl<'q, T> Rounds<'q, T> {
    /// Creates the sequence. Panics if `all` is empty.
    pub fn of(all: &'q [T]) -> Rounds<'q, T> {
        assert!(!all.is_empty(), "there are no queries");
        Rounds { all, at: 0 }
    }

    /// Returns the next query of the sequence.
    #[allow(clippy::should_implement_trait, reason = "an iterator may end, this sequence never does")]
    pub fn next(&mut self) -> &'q T {
        let item = self.all.get(self.at).unwrap_or_else(|| unreachable!("kept below the length"));
        self.at += 1;
        if self.at == self.all.len() {
            self.at = 0;
        }
        item
    }
}
