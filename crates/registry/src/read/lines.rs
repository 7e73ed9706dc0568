//! Which line an offset of a text is on.

use std::ops::Range;

/// Offsets to lines.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn of(text: &str) -> Lines {
        Lines(memchr::memchr_iter(b'\n', text.as_bytes()).collect())
    }

    /// The line of an offset, from 1.
    pub(crate) fn at(&self, offset: usize) -> u32 {
        u32::try_from(self.0.partition_point(|&newline| newline < offset) + 1).unwrap_or(u32::MAX)
    }

    /// The bytes of a line of this text, without its end.
    pub(crate) fn span(&self, line: u32, text: &str) -> Range<usize> {
        let at = line.max(1) as usize - 1;
        let start = at.checked_sub(1).map_or(Some(0), |before| self.0.get(before).map(|newline| newline + 1));
        let start = start.unwrap_or(text.len());
        let end = self.0.get(at).copied().unwrap_or(text.len());
        let line = text.get(start..end).unwrap_or_default();
        start..start + line.trim_end_matches('\r').len()
    }
}
