//! The counters that a worker updates with every request: statuses, durations and outcomes.
//!
//! One thread adds to these counters and scrapes sum them. The exporter's own histograms keep every sample
//! with its timestamp until upkeep sorts it into buckets: 24 bytes a sample, an allocation every 64, and 46
//! ns each. The histograms of this module are 23 counters each: their memory does not grow with the load, and
//! a sample takes 2 ns.

use std::array::from_fn;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use switchboard_snapshot::ChannelIdx;

use super::names::{AUTH_REQUESTS, AuthOutcome, LEVELS, Route, STATUSES, SelectionOutcome};
use super::names::{
    CLIMBED, Metric, REQUEST_BOUNDS, REQUEST_DURATION, REQUESTS, SELECT_BOUNDS, SELECT_DURATION, SELECTIONS,
};

/// The counters of one worker. Only its thread adds to them. Scrapes read and sum the counters of all
/// workers.
#[derive(Default)]
pub struct WorkerMetrics {
    /// Durations and statuses of the worker's requests.
    pub timings: RequestTimings,
    /// Outcomes of the worker's queries.
    pub selections: SelectionCounters,
    /// Decisions about the callers of the worker's requests.
    pub auth: AuthCounters,
}

/// Decisions about the callers of requests. One thread adds to them.
#[derive(Default)]
pub struct AuthCounters([LocalCounter; AuthOutcome::ALL.len()]);

impl AuthCounters {
    /// Counts a decision. Only the thread that owns the counters may call this.
    pub fn count(&self, outcome: AuthOutcome) {
        if let Some(counter) = self.0.get(outcome as usize) {
            counter.add(1);
        }
    }
}

/// Appends the decisions about callers, of all workers and of the admin listener.
pub(super) fn render_auth(out: &mut String, workers: &[Arc<WorkerMetrics>], admin: &AuthCounters) {
    write_head(out, &AUTH_REQUESTS, "counter");
    for (at, outcome) in AuthOutcome::ALL.iter().enumerate() {
        let get = |counters: &AuthCounters| counters.0.get(at).map_or(0, LocalCounter::get);
        let data: u64 = workers.iter().map(|worker| get(&worker.auth)).sum();
        for (listener, total) in [("data", data), ("admin", get(admin))] {
            let (name, outcome) = (AUTH_REQUESTS.name, outcome.as_str());
            let _ = writeln!(out, "{name}{{listener=\"{listener}\",outcome=\"{outcome}\"}} {total}");
        }
    }
}

/// Appends the sums over all workers in the text format. Every channel in `announced` has its series.
pub(super) fn render(out: &mut String, workers: &[Arc<WorkerMetrics>], announced: &BTreeSet<String>) {
    write_selections(out, workers.iter().map(|worker| &worker.selections), announced);
    write_timings(out, workers.iter().map(|worker| &worker.timings));
}

/// Durations and statuses of one worker's requests.
#[derive(Default)]
pub struct RequestTimings {
    selections: Buckets,
    durations: [Buckets; Route::ALL.len()],
    statuses: [[LocalCounter; STATUSES.len()]; Route::ALL.len()],
}

impl RequestTimings {
    /// Records the duration of a single selection.
    pub fn record_selection(&self, took: Duration) {
        self.selections.record(took);
    }

    /// Records the duration of a request and counts its status.
    pub fn record_request(&self, route: Route, status: u16, took: Duration) {
        if let Some(buckets) = self.durations.get(route as usize) {
            buckets.record(took);
        }
        self.count_status(route, status);
    }

    /// Counts a request that was rejected too early to have a duration. Ignores a status that is not in
    /// [`STATUSES`].
    pub fn count_status(&self, route: Route, status: u16) {
        let column = STATUSES.iter().position(|known| *known == status);
        let row = self.statuses.get(route as usize);
        if let Some(counter) = row.zip(column).and_then(|(row, column)| row.get(column)) {
            counter.add(1);
        }
    }
}

/// Appends the counts and durations of requests.
fn write_timings<'t>(out: &mut String, workers: impl Iterator<Item = &'t RequestTimings> + Clone) {
    write_head(out, &REQUESTS, "counter");
    for route in Route::ALL {
        for (column, status) in STATUSES.iter().enumerate() {
            let counters =
                workers.clone().filter_map(|worker| worker.statuses.get(route as usize)?.get(column));
            let total: u64 = counters.map(LocalCounter::get).sum();
            let route = route.as_str();
            let _ = writeln!(out, "{}{{route=\"{route}\",code=\"{status}\"}} {total}", REQUESTS.name);
        }
    }
    write_head(out, &REQUEST_DURATION, "histogram");
    for route in Route::ALL {
        let total = Total::sum(workers.clone().filter_map(|worker| worker.durations.get(route as usize)));
        let labels = format!("route=\"{}\"", route.as_str());
        write_histogram(out, &REQUEST_DURATION, &labels, &total, REQUEST_BOUNDS.len());
    }
    write_head(out, &SELECT_DURATION, "histogram");
    let total = Total::sum(workers.map(|worker| &worker.selections));
    write_histogram(out, &SELECT_DURATION, "", &total, SELECT_BOUNDS);
}

/// One counter for each bucket. The last bucket has no bound. Each worker allocates its own buckets, so that
/// workers share no cache line.
#[derive(Default)]
struct Buckets {
    counts: [LocalCounter; REQUEST_BOUNDS.len() + 1],
    nanos: LocalCounter,
}

impl Buckets {
    fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let at = REQUEST_BOUNDS.partition_point(|&bound| bound < nanos);
        if let Some(counter) = self.counts.get(at) {
            counter.add(1);
        }
        self.nanos.add(nanos);
    }
}

#[derive(Default)]
struct Total {
    counts: [u64; REQUEST_BOUNDS.len() + 1],
    nanos: u64,
}

impl Total {
    fn sum<'b>(all: impl Iterator<Item = &'b Buckets>) -> Total {
        let mut total = Total::default();
        for buckets in all {
            for (to, from) in total.counts.iter_mut().zip(&buckets.counts) {
                *to += from.get();
            }
            total.nanos += buckets.nanos.get();
        }
        total
    }
}

/// Appends the `HELP` and `TYPE` lines of a metric.
pub(super) fn write_head(out: &mut String, metric: &Metric, kind: &str) {
    let _ = writeln!(out, "\n# HELP {} {}\n# TYPE {0} {kind}", metric.name, metric.help);
}

fn write_histogram(out: &mut String, metric: &Metric, labels: &str, total: &Total, bounds: usize) {
    let name = metric.name;
    let comma = if labels.is_empty() { "" } else { "," };
    let mut below = 0;
    for (bound, count) in REQUEST_BOUNDS.iter().zip(total.counts).take(bounds) {
        below += count;
        let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{}\"}} {below}", seconds(*bound));
    }
    let all: u64 = total.counts.iter().sum();
    let labelled = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {all}");
    let _ = writeln!(out, "{name}_sum{labelled} {}\n{name}_count{labelled} {all}", seconds(total.nanos));
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// Outcomes of one worker's queries, by channel.
#[derive(Default)]
pub struct SelectionCounters {
    /// Counters by channel id. The empty id counts queries without a known channel. The worker locks the map
    /// once for each generation; scrapes lock it too.
    channels: Mutex<BTreeMap<String, OutcomeCounters>>,
    climbed: [LocalCounter; LEVELS.len()],
}

/// Counters of one channel, by outcome.
type OutcomeCounters = Arc<[LocalCounter; SelectionOutcome::COUNT]>;

/// One worker's counters for the channels of one snapshot. Every snapshot numbers its channels anew, so a
/// worker creates new ones for each generation.
#[derive(Clone)]
pub struct ChannelCounters {
    /// The first row counts queries without a known channel. One row for each channel follows.
    rows: Vec<OutcomeCounters>,
}

impl SelectionCounters {
    /// Returns the counters for the channels with these ids, which must be in the snapshot's order.
    pub fn channels(&self, ids: &[&str]) -> ChannelCounters {
        let mut known = self.channels.lock();
        let row = |id: &&str| {
            let row = known.entry((*id).to_owned());
            Arc::clone(row.or_insert_with(|| Arc::new(from_fn(|_| LocalCounter::default()))))
        };
        ChannelCounters { rows: [""].iter().chain(ids).map(row).collect() }
    }

    /// Counts a selection from a pool that is `levels` OUs above the query's OU.
    pub fn count_climbed(&self, levels: u32) {
        if let Some(counter) = self.climbed.get((levels as usize).min(LEVELS.len() - 1)) {
            counter.add(1);
        }
    }
}

impl ChannelCounters {
    /// Counts a query under the index of its channel in the snapshot. Needs no lookup and no allocation.
    pub fn count(&self, channel: Option<ChannelIdx>, outcome: SelectionOutcome) {
        let row = channel.map_or(0, |channel| channel.get() as usize + 1);
        if let Some(counter) = self.rows.get(row).and_then(|row| row.get(outcome.index())) {
            counter.add(1);
        }
    }
}

/// Appends the outcomes of queries, for all channels that a worker has counted and all in `announced`.
fn write_selections<'o>(
    out: &mut String,
    workers: impl Iterator<Item = &'o SelectionCounters> + Clone,
    announced: &BTreeSet<String>,
) {
    let zeros = [0_u64; SelectionOutcome::COUNT];
    let mut totals: BTreeMap<String, _> = announced.iter().map(|channel| (channel.clone(), zeros)).collect();
    for worker in workers.clone() {
        // Only the pointers are copied under the lock, because the worker may need it.
        let channels = worker.channels.lock().clone();
        for (channel, counters) in channels {
            let totals = totals.entry(channel).or_insert(zeros);
            totals.iter_mut().zip(counters.iter()).for_each(|(total, counter)| *total += counter.get());
        }
    }
    write_head(out, &SELECTIONS, "counter");
    let name = SELECTIONS.name;
    for (channel, totals) in totals {
        // `snapshot::verify` rejects ids with a quote or a line feed, but not with a backslash.
        let channel = channel.replace('\\', "\\\\");
        for (outcome, total) in SelectionOutcome::all().zip(totals) {
            let outcome = outcome.as_str();
            let _ = writeln!(out, "{name}{{channel=\"{channel}\",outcome=\"{outcome}\"}} {total}");
        }
    }
    write_head(out, &CLIMBED, "counter");
    for (at, levels) in LEVELS.iter().enumerate() {
        let counters = workers.clone().filter_map(|worker| worker.climbed.get(at));
        let total: u64 = counters.map(LocalCounter::get).sum();
        let _ = writeln!(out, "{}{{levels=\"{levels}\"}} {total}", CLIMBED.name);
    }
}

/// A counter that only one thread adds to and others read. An addition is a load and a store. The locked
/// instruction of a shared counter would take 5 ns, and a request makes seven additions.
#[derive(Debug, Default)]
struct LocalCounter(AtomicU64);

impl LocalCounter {
    /// Adds to the counter. Only its own thread may call this.
    fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
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
        write_selections(&mut text, workers.iter(), &["line".to_owned()].into());
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

    #[test]
    fn duration_counts_in_every_bucket_with_a_greater_bound() {
        let timings = RequestTimings::default();
        timings.record_selection(Duration::from_micros(5));
        timings.record_selection(Duration::from_nanos(5_001));
        timings.record_selection(Duration::from_secs(2));
        let mut text = String::new();
        write_timings(&mut text, [&timings].into_iter());
        for line in [
            "switchboard_select_duration_seconds_bucket{le=\"0.0000025\"} 0",
            "switchboard_select_duration_seconds_bucket{le=\"0.000005\"} 1",
            "switchboard_select_duration_seconds_bucket{le=\"0.00001\"} 2",
            "switchboard_select_duration_seconds_bucket{le=\"0.1\"} 2",
            "switchboard_select_duration_seconds_bucket{le=\"+Inf\"} 3",
            "switchboard_select_duration_seconds_sum 2.000010001",
            "switchboard_select_duration_seconds_count 3",
        ] {
            assert!(text.lines().any(|each| each == line), "no {line} in {text}");
        }
        assert!(!text.contains("switchboard_select_duration_seconds_bucket{le=\"0.25\"}"));
    }
}
