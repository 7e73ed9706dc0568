//! How long requests take: histograms of fixed buckets, one set for each worker.
//!
//! The exporter's own histograms keep every sample, with the time it was taken, until upkeep sorts it
//! into buckets: 24 bytes a sample, an allocation every 64, and 46 ns each time. These are 23 counters
//! that one thread adds to, summed when somebody looks: no memory that grows with the load, and 2 ns.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::count::Count;
use super::names::{Metric, REQUEST_BOUNDS, REQUEST_DURATION, REQUESTS, SELECT_BOUNDS, SELECT_DURATION};

/// One worker's times.
pub struct Timings {
    select: Buckets,
    /// By route.
    requests: Vec<Buckets>,
    /// By route, then by status: requests are counted where they are timed.
    codes: Vec<Vec<Count>>,
    statuses: Arc<[u16]>,
}

impl Timings {
    pub(super) fn new(routes: usize, statuses: &Arc<[u16]>) -> Timings {
        let row = || statuses.iter().map(|_| Count::default()).collect();
        Timings {
            select: Buckets::default(),
            requests: (0..routes).map(|_| Buckets::default()).collect(),
            codes: (0..routes).map(|_| row()).collect(),
            statuses: Arc::clone(statuses),
        }
    }

    /// A single selection was answered.
    pub fn select(&self, took: Duration) {
        self.select.record(took);
    }

    /// A request was answered; the route by its index among the labels.
    pub fn request(&self, route: usize, status: u16, took: Duration) {
        if let Some(buckets) = self.requests.get(route) {
            buckets.record(took);
        }
        self.refused(route, status);
    }

    /// A request was refused before there was anything to time.
    pub fn refused(&self, route: usize, status: u16) {
        let at = self.statuses.iter().position(|&known| known == status);
        let counter = self.codes.get(route).zip(at).and_then(|(row, at)| row.get(at));
        debug_assert!(counter.is_some(), "status {status} is no label");
        if let Some(counter) = counter {
            counter.add(1);
        }
    }
}

/// Appends all workers' times in the text format.
pub(super) fn render<'t>(
    out: &mut String,
    all: impl Iterator<Item = &'t Timings> + Clone,
    routes: &[&'static str],
    statuses: &[u16],
) {
    head(out, &REQUESTS, "counter");
    for (at, route) in routes.iter().enumerate() {
        for (code, status) in statuses.iter().enumerate() {
            let counters = all.clone().filter_map(|one| one.codes.get(at)?.get(code));
            let total: u64 = counters.map(Count::get).sum();
            let _ = writeln!(out, "{}{{route=\"{route}\",code=\"{status}\"}} {total}", REQUESTS.name);
        }
    }
    head(out, &REQUEST_DURATION, "histogram");
    for (at, route) in routes.iter().enumerate() {
        let one_route = all.clone().filter_map(|one| one.requests.get(at));
        let labels = format!("route=\"{route}\"");
        histogram(out, &REQUEST_DURATION, &labels, &Total::of(one_route), REQUEST_BOUNDS.len());
    }
    head(out, &SELECT_DURATION, "histogram");
    histogram(out, &SELECT_DURATION, "", &Total::of(all.map(|one| &one.select)), SELECT_BOUNDS);
}

/// Counters by bound, the last beyond all bounds. Alone on its cache lines as far as workers go, since
/// each allocates its own.
#[derive(Default)]
struct Buckets {
    counts: [Count; REQUEST_BOUNDS.len() + 1],
    nanos: Count,
}

impl Buckets {
    fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let at = REQUEST_BOUNDS.partition_point(|&bound| bound < nanos);
        if let Some(count) = self.counts.get(at) {
            count.add(1);
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
    fn of<'b>(all: impl Iterator<Item = &'b Buckets>) -> Total {
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

pub(super) fn head(out: &mut String, metric: &Metric, kind: &str) {
    let _ = writeln!(out, "\n# HELP {} {}\n# TYPE {0} {kind}", metric.name, metric.help);
}

fn histogram(out: &mut String, metric: &Metric, labels: &str, total: &Total, bounds: usize) {
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
    fn a_time_counts_in_every_bucket_it_fits() {
        let timings = Timings::new(1, &[200].into());
        timings.select(Duration::from_micros(5));
        timings.select(Duration::from_nanos(5_001));
        timings.select(Duration::from_secs(2));
        let mut text = String::new();
        render(&mut text, [&timings].into_iter(), &["select"], &[200]);
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
