//! Figures as people read them: three significant digits and a unit.

use super::model::Pinning;

/// Formats microseconds.
pub fn time(micros: f64) -> String {
    let (value, unit) = scaled(micros);
    format!("{} {unit}", digits(value))
}

/// Formats a rate without its unit, with its thousands apart.
pub fn rate(rate: f64) -> String {
    if rate < 100.0 { digits(rate) } else { thousands(rate.round() as u64) }
}

pub(crate) fn per_second(value: f64) -> String {
    format!("{}/s", rate(value))
}

/// Formats `1234567` as `1,234,567`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut apart = String::with_capacity(digits.len() * 4 / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

/// Formats bytes as megabytes.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Formats a share as per cent; a small one has the digits that make it visible.
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
    let (value, unit) = scaled(micros);
    sign_of_micro(&format!("{} {unit}", shortest(value)))
}

pub(crate) fn tick_rate(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{}M/s", shortest(rate / 1e6)),
        rate if rate >= 1e3 => format!("{}k/s", shortest(rate / 1e3)),
        rate if rate > 0.0 => format!("{}/s", shortest(rate)),
        _ => "0".to_owned(),
    }
}

/// Rounds off what binary fractions leave of a round number.
pub(crate) fn shortest(value: f64) -> String {
    ((value * 1e6).round() / 1e6).to_string()
}

/// Replaces the terminal's `us` with `µs`.
pub(crate) fn sign_of_micro(text: &str) -> String {
    text.strip_suffix(" us").map_or_else(|| text.to_owned(), |text| format!("{text} µs"))
}

/// Formats which cores the daemon and the harness run on.
pub fn pinning(pinning: Option<&Pinning>) -> String {
    let list = |cores: &[u32]| cores.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    match pinning {
        Some(it) if it.daemon.is_empty() => {
            format!("harness on core {}, the daemon where it ran", list(&it.harness))
        }
        Some(it) => format!("daemon on core {}, harness on core {}", list(&it.daemon), list(&it.harness)),
        None => "none: the system moves them about".to_owned(),
    }
}

fn scaled(micros: f64) -> (f64, &'static str) {
    match micros {
        micros if micros < 999.5 => (micros, "us"),
        micros if micros < 999_500.0 => (micros / 1e3, "ms"),
        micros => (micros / 1e6, "s"),
    }
}

fn digits(value: f64) -> String {
    match value {
        value if value < 9.995 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_significant_digits_and_a_unit() {
        let times = [0.0, 87.25, 999.7, 12_345.0, 2.5e6].map(time);
        assert_eq!(times, ["0.00 us", "87.2 us", "1.00 ms", "12.3 ms", "2.50 s"]);
        assert_eq!([12.5, 999.6, 1_234_567.4].map(rate), ["12.5", "1,000", "1,234,567"]);
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
