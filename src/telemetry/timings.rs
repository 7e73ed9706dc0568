//! Durations of requests: histograms with fixed buckets, one set for each worker.
//!
//! The exporter's own histograms keep every sample with its timestamp until upkeep sorts it into buckets:
//! 24 bytes a sample, an allocation every 64, and 46 ns each. These are 23 counters that one thread adds
//! to and scrapes sum: their memory does not grow with the load, and a sample takes 2 ns.

use std::fmt::Write as _;
use std::time::Duration;

use super::labels::{Route, STATUSES};
use super::local_counter::LocalCounter;
use super::names::{Metric, REQUEST_BOUNDS, REQUEST_DURATION, REQUESTS, SELECT_BOUNDS, SELECT_DURATION};

/// One worker's durations, and its requests by status.
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

    /// Counts a request that was refused too early to have a duration. Ignores a status that is not one
    /// of [`STATUSES`].
    pub fn count_status(&self, route: Route, status: u16) {
        let column = STATUSES.iter().position(|known| *known == status);
        let row = self.statuses.get(route as usize);
        if let Some(counter) = row.zip(column).and_then(|(row, column)| row.get(column)) {
            counter.add(1);
        }
    }
}

/// Appends the sums over all workers in the text format.
pub(super) fn render<'t>(out: &mut String, workers: impl Iterator<Item = &'t RequestTimings> + Clone) {
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

/// Counters by bound; the last is beyond all bounds. Each worker allocates its own, so workers share no
/// cache line.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_every_bucket_with_a_greater_bound() {
        let timings = RequestTimings::default();
        timings.record_selection(Duration::from_micros(5));
        timings.record_selection(Duration::from_nanos(5_001));
        timings.record_selection(Duration::from_secs(2));
        let mut text = String::new();
        render(&mut text, [&timings].into_iter());
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
