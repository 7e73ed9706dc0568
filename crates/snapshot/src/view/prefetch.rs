//! Memory that a selection needs next, requested while another selection has its turn.

use super::{AccountJson, OuProbe, Records, Snapshot, Steps, prefetch_record};
use crate::format::ArchivedMember;
use crate::{LevelPoolIdx, hash_index};

/// Candidates in a cache line, about.
const CANDIDATES_PER_LINE: u32 = 64 / size_of::<ArchivedMember>() as u32;
/// Lines of candidates that are requested at once: the processor itself prefetches those behind them.
const MAX_LINES: u32 = 4;

impl Snapshot {
    /// Prefetches the OU that a probe leads to.
    #[inline]
    pub fn prefetch_ou(&self, OuProbe { hash }: OuProbe) {
        let tables = self.tables();
        let slot = tables.ou_index.get(hash_index::position(hash, tables.ou_index.len()));
        prefetch_record(slot.and_then(|slot| tables.ous.get(slot.record.to_native() as usize)));
    }

    /// Prefetches the text that an answer says of an account.
    #[inline]
    pub fn prefetch_account_json(&self, json: AccountJson) {
        prefetch_record(self.tables().text.get(json.start() as usize));
    }

    /// Prefetches the text that an answer says of a location.
    #[inline]
    pub fn prefetch_location_json(&self, level_pool: LevelPoolIdx) {
        let tables = self.tables();
        let start = tables.level_pools.at(level_pool.get()).location.start.to_native();
        prefetch_record(tables.text.get(start as usize));
    }
}

impl Steps<'_> {
    /// Prefetches the first step.
    #[inline]
    pub fn prefetch_first(&self) {
        prefetch_record(self.first_stored());
    }

    /// Prefetches the first step's candidates, and its pool.
    #[inline]
    pub fn prefetch_candidates(&self) {
        let Some(step) = self.clone().next() else { return };
        let (tables, members) = (step.tables, &step.record.members);
        let start = members.start.to_native() as usize;
        let lines = members.len.to_native().div_ceil(CANDIDATES_PER_LINE).min(MAX_LINES) as usize;
        for line in 0..lines {
            prefetch_record(tables.members.get(start + line * CANDIDATES_PER_LINE as usize));
        }
        prefetch_record(tables.level_pools.get(step.level_pool().get() as usize));
    }
}
