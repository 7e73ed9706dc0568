//! Counts how queries ended: for each worker one counter for each channel and outcome, and one for each
//! number of levels that a selection climbed.

use std::array::from_fn;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use switchboard_snapshot::ChannelIdx;

use super::labels::{LEVELS, SelectionOutcome};
use super::local_counter::LocalCounter;
use super::names;
use super::timings::write_head;

/// One worker's selections.
#[derive(Default)]
pub struct SelectionCounters {
    /// By channel id; the empty id is for queries without a known channel. Locked by this worker once for
    /// each generation, and by scrapes.
    channels: Mutex<BTreeMap<String, OutcomeCounters>>,
    climbed: [LocalCounter; LEVELS.len()],
}

/// One channel's counters, by outcome.
type OutcomeCounters = Arc<[LocalCounter; SelectionOutcome::COUNT]>;

/// One worker's counters of one snapshot's channels. Every snapshot numbers its channels anew, so a
/// worker gets others with every generation.
#[derive(Clone)]
pub struct ChannelCounters {
    /// The first row is for queries without a known channel; then one row for each channel.
    rows: Vec<OutcomeCounters>,
}

impl SelectionCounters {
    /// Returns the counters of a snapshot's channels, given their ids in its order.
    pub fn channels(&self, ids: &[&str]) -> ChannelCounters {
        let mut known = self.channels.lock();
        let row = |id: &&str| {
            let row = known.entry((*id).to_owned());
            Arc::clone(row.or_insert_with(|| Arc::new(from_fn(|_| LocalCounter::default()))))
        };
        ChannelCounters { rows: [""].iter().chain(ids).map(row).collect() }
    }

    /// Counts a selection from a pool this many levels above the query's OU.
    pub fn count_climbed(&self, levels: u32) {
        if let Some(counter) = self.climbed.get((levels as usize).min(LEVELS.len() - 1)) {
            counter.add(1);
        }
    }
}

impl ChannelCounters {
    /// Counts a query under its channel's index in the snapshot. Neither looks up nor allocates.
    pub fn count(&self, channel: Option<ChannelIdx>, outcome: SelectionOutcome) {
        let row = channel.map_or(0, |channel| channel.get() as usize + 1);
        if let Some(counter) = self.rows.get(row).and_then(|row| row.get(outcome.index())) {
            counter.add(1);
        }
    }
}

/// Appends the sums over all workers in the text format: for the channels that workers have counted, and
/// for those in `announced`.
pub(super) fn render<'o>(
    out: &mut String,
    workers: impl Iterator<Item = &'o SelectionCounters> + Clone,
    announced: &BTreeSet<String>,
) {
    let zeros = [0_u64; SelectionOutcome::COUNT];
    let mut totals: BTreeMap<String, _> = announced.iter().map(|channel| (channel.clone(), zeros)).collect();
    for worker in workers.clone() {
        // Copies the pointers, so that the worker does not wait for the lock.
        let channels = worker.channels.lock().clone();
        for (channel, counters) in channels {
            let totals = totals.entry(channel).or_insert(zeros);
            totals.iter_mut().zip(counters.iter()).for_each(|(total, counter)| *total += counter.get());
        }
    }
    write_head(out, &names::SELECTIONS, "counter");
    let name = names::SELECTIONS.name;
    for (channel, totals) in totals {
        // An id has no quote and no line feed (`snapshot::verify`), but it may have a backslash.
        let channel = channel.replace('\\', "\\\\");
        for (outcome, total) in SelectionOutcome::all().zip(totals) {
            let outcome = outcome.as_str();
            let _ = writeln!(out, "{name}{{channel=\"{channel}\",outcome=\"{outcome}\"}} {total}");
        }
    }
    write_head(out, &names::CLIMBED, "counter");
    for (at, levels) in LEVELS.iter().enumerate() {
        let counters = workers.clone().filter_map(|worker| worker.climbed.get(at));
        let total: u64 = counters.map(LocalCounter::get).sum();
        let _ = writeln!(out, "{}{{levels=\"{levels}\"}} {total}", names::CLIMBED.name);
    }
}

#[cfg(test)]
mod tests {
    use switchboard_model::{Rule, SelectError};

    use super::*;

    #[test]
    fn rendered_counters_are_sums_of_workers_and_include_channels_without_queries() {
        let (selected, no_pool) =
            (SelectionOutcome::Selected(Rule::Country), SelectionOutcome::Failed(SelectError::NoPool));
        let workers = [SelectionCounters::default(), SelectionCounters::default()];
        for worker in &workers {
            worker.channels(&["sms"]).count(Some(ChannelIdx::new(0)), no_pool);
            worker.channels(&["a\\b", "sms"]).count(Some(ChannelIdx::new(1)), no_pool);
            worker.channels(&[]).count(None, selected);
            worker.count_climbed(0);
            worker.count_climbed(7);
        }
        let mut text = String::new();
        render(&mut text, workers.iter(), &["line".to_owned()].into());
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
