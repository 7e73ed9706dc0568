//! Histograms of nanoseconds, and what is told of them in microseconds.

use crate::{
    error::{Error, Result},
    report::model::Latency,
};
use hdrhistogram::Histogram;

/// Two hours: the longest time-out is one.
const MOST: u64 = 7_200_000_000_000;

/// Points of the curve by which the rest to 1 is halved.
const POINTS: u32 = 4;

/// Three significant digits, for which all the space is there from the start: a growing histogram would stall the
/// sender.
pub(super) fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, MOST, 3).map_err(|error| Error::Refused(format!("no histogram: {error}")))
}

pub(super) fn latency(histogram: &Histogram<u64>) -> Latency {
    if histogram.is_empty() {
        return Latency::default();
    }
    let at = |quantile| micros(histogram.value_at_quantile(quantile));
    let curve = histogram.iter_quantiles(POINTS);
    Latency {
        count: histogram.len(),
        mean: histogram.mean() / 1e3,
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        p9999: at(0.9999),
        max: micros(histogram.max()),
        curve: curve.map(|step| (step.quantile_iterated_to(), micros(step.value_iterated_to()))).collect(),
    }
}

pub(super) fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_in_microseconds() {
        let mut histogram = histogram().unwrap();
        for micros in 1..=1_000_u64 {
            histogram.record(micros * 1_000).unwrap();
        }
        let told = latency(&histogram);
        for (told, true_value) in
            [(told.p50, 500.0), (told.p99, 990.0), (told.max, 1_000.0), (told.mean, 500.5)]
        {
            assert!((told - true_value).abs() <= true_value / 500.0, "{told} for {true_value}");
        }
        assert_eq!(told.curve.first().map(|point| point.0), Some(0.0));
        assert_eq!(told.curve.last().map(|point| point.0), Some(1.0));
        assert!(told.curve.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1), "{:?}", told.curve);
        assert_eq!(latency(&super::histogram().unwrap()), Latency::default());
    }
}
