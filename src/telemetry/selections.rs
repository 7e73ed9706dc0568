//! What became of queries: for each worker, one counter for each channel and outcome, and how far up accounts
//! were found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use super::count::Count;
use super::names::{self, LEVELS};
use super::timings::head;

/// One worker's selections.
pub struct Outcomes {
    /// How many outcomes there are.
    outcomes: usize,
    /// By channel, with an empty name for queries without a known one. Looked at with every new generation, and
    /// by scrapes.
    rows: Mutex<BTreeMap<String, Row>>,
    climbed: [Count; LEVELS.len()],
}

/// One channel's counters, by outcome.
type Row = Arc<[Count]>;

/// The counters of one snapshot's channels. Channels are numbered anew by every snapshot: whoever
/// answers keeps these beside the snapshot, and asks for others with the next generation.
#[derive(Clone)]
pub struct Selections {
    /// Row 0 is for queries without a known channel; then one row for each channel.
    rows: Vec<Row>,
}

impl Outcomes {
    pub(super) fn new(outcomes: usize) -> Outcomes {
        Outcomes { outcomes, rows: Mutex::default(), climbed: Default::default() }
    }

    /// The counters of a snapshot's channels, in its order. Once for each generation.
    pub fn channels(&self, ids: &[&str]) -> Selections {
        let mut known = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || (0..self.outcomes).map(|_| Count::default()).collect();
        let row = |id: &&str| Arc::clone(known.entry((*id).to_owned()).or_insert_with(fresh));
        Selections { rows: [""].iter().chain(ids).map(row).collect() }
    }

    /// An account was found so many levels above the query's OU.
    pub fn climbed(&self, levels: u32) {
        if let Some(count) = self.climbed.get((levels as usize).min(LEVELS.len() - 1)) {
            count.add(1);
        }
    }
}

impl Selections {
    /// Counts a query: the channel by its index in the snapshot, the outcome by its index among the
    /// labels. Neither a look-up nor an allocation.
    pub fn count(&self, channel: Option<u32>, outcome: usize) {
        let row = channel.map_or(0, |channel| channel as usize + 1);
        if let Some(count) = self.rows.get(row).and_then(|row| row.get(outcome)) {
            count.add(1);
        }
    }
}

/// Appends all workers' selections in the text format: of these channels, and of all that were asked for.
pub(super) fn render<'o>(
    out: &mut String,
    all: impl Iterator<Item = &'o Outcomes> + Clone,
    announced: &BTreeSet<String>,
    outcomes: &[&'static str],
) {
    let mut totals: BTreeMap<String, Vec<u64>> =
        announced.iter().map(|channel| (channel.clone(), vec![0; outcomes.len()])).collect();
    for one in all.clone() {
        // A copy of the pointers: a worker may want the lock.
        let rows = one.rows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (channel, row) in &rows {
            let totals = totals.entry(channel.clone()).or_insert_with(|| vec![0; outcomes.len()]);
            totals.iter_mut().zip(&**row).for_each(|(total, count)| *total += count.get());
        }
    }
    head(out, &names::SELECTIONS, "counter");
    let name = names::SELECTIONS.name;
    for (channel, totals) in totals {
        // An id has no quote and no line feed (`snapshot::verify`), but it may have this.
        let channel = channel.replace('\\', "\\\\");
        for (outcome, total) in outcomes.iter().zip(totals) {
            let _ = writeln!(out, "{name}{{channel=\"{channel}\",outcome=\"{outcome}\"}} {total}");
        }
    }
    head(out, &names::CLIMBED, "counter");
    for (at, levels) in LEVELS.iter().enumerate() {
        let total: u64 = all.clone().filter_map(|one| one.climbed.get(at)).map(Count::get).sum();
        let _ = writeln!(out, "{}{{levels=\"{levels}\"}} {total}", names::CLIMBED.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_summed_and_channels_are_there_before_they_are_asked_for() {
        let workers = [Outcomes::new(2), Outcomes::new(2)];
        for worker in &workers {
            worker.channels(&["sms"]).count(Some(0), 1);
            worker.channels(&["a\\b", "sms"]).count(Some(1), 1);
            worker.channels(&[]).count(None, 0);
            worker.climbed(0);
            worker.climbed(7);
        }
        let mut text = String::new();
        render(&mut text, workers.iter(), &["line".to_owned()].into(), &["country", "no_pool"]);
        for line in [
            "switchboard_selections_total{channel=\"\",outcome=\"country\"} 2",
            "switchboard_selections_total{channel=\"a\\\\b\",outcome=\"no_pool\"} 0",
            "switchboard_selections_total{channel=\"line\",outcome=\"country\"} 0",
            "switchboard_selections_total{channel=\"sms\",outcome=\"no_pool\"} 4",
            "switchboard_climbed_total{levels=\"0\"} 2",
            "switchboard_climbed_total{levels=\"3+\"} 2",
        ] {
            assert!(text.lines().any(|each| each == line), "no {line} in {text}");
        }
    }
}
