//! What became of queries: one counter for each channel and outcome.

use std::sync::Arc;

use metrics::Counter;

/// The counters of one snapshot's channels. Channels are numbered anew by every snapshot: whoever
/// answers keeps these beside the snapshot, and asks for others with the next generation.
#[derive(Clone)]
pub struct Selections {
    /// Row 0 is for queries without a known channel; then one row for each channel.
    rows: Vec<Arc<[Counter]>>,
}

impl Selections {
    pub(super) fn new(rows: Vec<Arc<[Counter]>>) -> Selections {
        Selections { rows }
    }

    /// Counts a query: the channel by its index in the snapshot, the outcome by its index among the
    /// labels. Neither a look-up nor an allocation.
    pub fn count(&self, channel: Option<u32>, outcome: usize) {
        let row = channel.map_or(0, |channel| channel as usize + 1);
        if let Some(counter) = self.rows.get(row).and_then(|row| row.get(outcome)) {
            counter.increment(1);
        }
    }
}
