//! Registers series with a recorder of our own.

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

use super::names::{LOAD_BOUNDS, LOAD_DURATION, Metric};

const METADATA: Metadata<'static> = Metadata::new("switchboard", Level::INFO, None);

/// A recorder that nobody else writes to.
pub(super) fn build() -> PrometheusRecorder {
    // Without buckets it would keep summaries. Refused are only empty bounds, and these are not.
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(LOAD_DURATION.name.to_owned()), &LOAD_BOUNDS)
        .unwrap_or_default()
        .build_recorder()
}

pub(super) fn counter(
    recorder: &PrometheusRecorder,
    metric: &Metric,
    labels: &[(&'static str, &str)],
) -> Counter {
    recorder.describe_counter(metric.name.into(), None, SharedString::const_str(metric.help));
    recorder.register_counter(&key(metric, labels), &METADATA)
}

pub(super) fn gauge(
    recorder: &PrometheusRecorder,
    metric: &Metric,
    labels: &[(&'static str, &str)],
) -> Gauge {
    recorder.describe_gauge(metric.name.into(), None, SharedString::const_str(metric.help));
    recorder.register_gauge(&key(metric, labels), &METADATA)
}

pub(super) fn histogram(
    recorder: &PrometheusRecorder,
    metric: &Metric,
    labels: &[(&'static str, &str)],
) -> Histogram {
    recorder.describe_histogram(metric.name.into(), None, SharedString::const_str(metric.help));
    recorder.register_histogram(&key(metric, labels), &METADATA)
}

fn key(metric: &Metric, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<Label> = labels.iter().map(|&(name, value)| Label::new(name, value.to_owned())).collect();
    Key::from_parts(metric.name, labels)
}
