//! Bringing records near before they are needed. In a large snapshot every record is 40 to 160 ns away, which is what a
//! selection takes its time for; what is asked for side by side takes that time once.

use super::{Run, Snapshot, Sought};
use crate::snapshot::format::{ArchivedLevel, ArchivedMember};
use crate::snapshot::index;

/// Candidates in a cache line, about.
const MEMBERS_A_LINE: u32 = 64 / size_of::<ArchivedMember>() as u32;
/// Lines of candidates that are fetched at once: the processor itself goes on with those behind them.
const LINES_AHEAD: u32 = 4;

impl Snapshot {
    /// Begins to fetch the OU that is sought there, whichever it is.
    pub fn near_ou(&self, Sought { hash }: Sought) {
        let contents = self.contents();
        let slot = contents.ou_index.get(index::position(hash, contents.ou_index.len()));
        fetch(slot.and_then(|slot| contents.ous.get(slot.record.to_native() as usize)));
    }

    /// Begins to fetch the first of these steps.
    pub fn near_step(&self, steps: &Run<'_>) {
        fetch(steps.first());
    }

    /// Begins to fetch the candidates of the level's first step, and its pool.
    pub fn near_members(&self, level: &ArchivedLevel, steps: &Run<'_>) {
        let contents = self.contents();
        let Some(step) = steps.first() else { return };
        let start = step.members.start.to_native() as usize;
        let lines = step.members.len.to_native().div_ceil(MEMBERS_A_LINE).min(LINES_AHEAD) as usize;
        for line in 0..lines {
            fetch(contents.members.get(start + line * MEMBERS_A_LINE as usize));
        }
        fetch(contents.level_pools.get(self.step_pool(level, step) as usize));
    }

    /// Begins to fetch a run of bytes of the text.
    pub fn near_text(&self, start: u32) {
        fetch(self.contents().text.get(start as usize));
    }
}

/// Begins to bring a record near that will be needed. In a large snapshot every record is 40 to 160 ns away, which is
/// what a selection takes its time for; what is asked for side by side takes that time once.
#[allow(unsafe_code, reason = "there is no safe prefetch")]
pub(super) fn fetch<T>(record: Option<&T>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(record) = record {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint to the cache, valid for any address; nothing is read.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(record).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = record;
}
