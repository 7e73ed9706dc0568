//! What the benches measure with: registries of known shapes, and queries drawn from a seed before any
//! clock runs.
#![allow(clippy::panic, clippy::expect_used, reason = "a bench that cannot be set up has nothing to say")]

pub mod kinds;
pub mod large;
pub mod shapes;

use switchboard_model::UnixSeconds;
use switchboard_select::{NO_STANDINGS, Overlay, SelectContext};
use switchboard_snapshot::{Bytes, Snapshot};

/// Where drawing begins, unless a bench says otherwise.
pub const SEED: u64 = 7;

/// Queries of a kind: enough that no branch predictor learns them by heart, few enough to stay cached.
pub const QUERIES: usize = 1_024;

/// When all selections are made: 2026-09-21, in Unix seconds.
pub const NOW: i64 = 1_790_000_000;

/// The moment that all selections are made at, without standings.
pub const MOMENT: SelectContext<'static> =
    SelectContext { now: UnixSeconds(NOW), random: 0, standings: &NO_STANDINGS };

/// The overlay of a snapshot in service, as the daemon makes it: without standings.
pub fn overlay(snapshot: &Snapshot) -> Overlay {
    Overlay::from_free(snapshot.free_accounts())
}

/// The same moment, in service.
pub fn moment(standings: &Overlay) -> SelectContext<'_> {
    SelectContext { standings, ..MOMENT }
}

/// A snapshot's bytes as they lie when the daemon has read them from a file.
pub fn pages(snapshot: &Snapshot) -> Bytes {
    let bytes = snapshot.bytes();
    Bytes::read(&[], bytes, bytes.len()).unwrap_or_else(|error| panic!("no memory: {error}"))
}

/// The same snapshot, opened from there.
pub fn opened(snapshot: &Snapshot) -> Snapshot {
    Snapshot::open(pages(snapshot)).unwrap_or_else(|rejection| panic!("{rejection}"))
}

/// Hands out the queries one after another, round and round.
pub struct Rounds<'q, T> {
    all: &'q [T],
    at: usize,
}

impl<'q, T> Rounds<'q, T> {
    /// Of at least one.
    pub fn of(all: &'q [T]) -> Rounds<'q, T> {
        assert!(!all.is_empty(), "nothing was drawn");
        Rounds { all, at: 0 }
    }

    /// The next one.
    #[allow(clippy::should_implement_trait, reason = "an iterator could end")]
    pub fn next(&mut self) -> &'q T {
        let item = self.all.get(self.at).unwrap_or_else(|| unreachable!("kept below the length"));
        self.at += 1;
        if self.at == self.all.len() {
            self.at = 0;
        }
        item
    }
}
