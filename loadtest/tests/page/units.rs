//! Figures as text have their digits and units.

use loadtest::report::units::{bytes, percent, rate, shortest, thousands, tick_rate, tick_time, time};

#[test]
fn figures_have_three_significant_digits_and_a_unit() {
    let times = [0.0, 87.25, 999.7, 12_345.0, 2.5e6].map(time);
    assert_eq!(times, ["0.00 µs", "87.2 µs", "1.00 ms", "12.3 ms", "2.50 s"]);
    assert_eq!([12.5, 999.6, 1_234_567.4].map(rate), ["12.5", "1,000", "1,234,567"]);
    assert_eq!([0, 16_812_345, 16_700_000_000].map(bytes), ["0.00 MB", "16.8 MB", "16.7 GB"]);
    assert_eq!(thousands(0), "0");
    let shares = [0.0, 1e-6, 2e-4, 0.0314, 0.623].map(percent);
    assert_eq!(shares, ["0 %", "under 0.001 %", "0.020 %", "3.14 %", "62.3 %"]);
}

#[test]
fn ticks_have_the_digits_they_need() {
    assert_eq!([1.0, 20.0, 1e3, 5e5, 1e6].map(tick_time), ["1 µs", "20 µs", "1 ms", "500 ms", "1 s"]);
    assert_eq!([0.0, 500.0, 2e4, 2.5e4, 1.5e6].map(tick_rate), ["0", "500/s", "20k/s", "25k/s", "1.5M/s"]);
    assert_eq!(shortest(0.1 * 3.0), "0.3");
}
