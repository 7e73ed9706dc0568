//! The quantiles and the curve of recorded latencies.

use loadtest::{
    engine::{histogram, latency},
    report::model::Latency,
};

#[test]
fn quantiles_of_a_histogram_are_in_microseconds() {
    let mut recorded = histogram().unwrap();
    for micros in 1..=1_000_u64 {
        recorded.record(micros * 1_000).unwrap();
    }
    let figures = latency(&recorded);
    for (value, expected) in
        [(figures.p50, 500.0), (figures.p99, 990.0), (figures.max, 1_000.0), (figures.mean, 500.5)]
    {
        assert!((value - expected).abs() <= expected / 500.0, "{value} for {expected}");
    }
    assert_eq!(figures.curve.first().map(|point| point.0), Some(0.0));
    assert_eq!(figures.curve.last().map(|point| point.0), Some(1.0));
    assert!(figures.curve.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1), "{:?}", figures.curve);
    assert_eq!(latency(&histogram().unwrap()), Latency::default());
}
