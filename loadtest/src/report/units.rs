//! Figures as text: three significant digits and a unit.

/// Formats a number with three significant digits.
pub(crate) fn number(value: f64) -> String {
    match value {
        value if value < 9.995 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// Formats a time that is given in microseconds.
pub fn time(micros: f64) -> String {
    let (value, unit) = scaled_time(micros);
    format!("{} {unit}", number(value))
}

fn scaled_time(micros: f64) -> (f64, &'static str) {
    match micros {
        micros if micros < 999.5 => (micros, "µs"),
        micros if micros < 999_500.0 => (micros / 1e3, "ms"),
        micros => (micros / 1e6, "s"),
    }
}

/// Formats a rate without its unit, with separated thousands.
pub fn rate(rate: f64) -> String {
    if rate < 100.0 { number(rate) } else { thousands(rate.round() as u64) }
}

pub(crate) fn per_second(value: f64) -> String {
    format!("{}/s", rate(value))
}

/// Formats `1234567` as `1,234,567`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut separated = String::with_capacity(digits.len() * 4 / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            separated.push(',');
        }
        separated.push(digit);
    }
    separated
}

/// Formats a number with its noun, as in `1 run` and `2 runs`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Formats bytes in megabytes or gigabytes.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 999.5e6 => format!("{} MB", number(bytes / 1e6)),
        bytes => format!("{} GB", number(bytes / 1e9)),
    }
}

/// Formats a share in per cent. A small share has as many digits as make it visible.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.001 => "under 0.001 %".to_owned(),
        percent if percent < 0.1 => format!("{percent:.3} %"),
        percent if percent < 10.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

/// Formats the time at a tick of an axis, with no more digits than it needs.
pub(crate) fn tick_time(micros: f64) -> String {
    let (value, unit) = scaled_time(micros);
    format!("{} {unit}", shortest(value))
}

pub(crate) fn tick_rate(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{}M/s", shortest(rate / 1e6)),
        rate if rate >= 1e3 => format!("{}k/s", shortest(rate / 1e3)),
        rate if rate > 0.0 => format!("{}/s", shortest(rate)),
        _ => "0".to_owned(),
    }
}

/// Formats a value without the rounding error of binary fractions.
pub(crate) fn shortest(value: f64) -> String {
    ((value * 1e6).round() / 1e6).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(
            [0.0, 500.0, 2e4, 2.5e4, 1.5e6].map(tick_rate),
            ["0", "500/s", "20k/s", "25k/s", "1.5M/s"]
        );
        assert_eq!(shortest(0.1 * 3.0), "0.3");
    }
}
