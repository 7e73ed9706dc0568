//! What a selection will need next, asked for while another one has its turn.

use super::{Run, Snapshot, Sought, fetch};
use crate::format::{ArchivedLevel, ArchivedMember};
use crate::index;

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
