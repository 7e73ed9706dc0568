//! Figures as text: three significant digits and a unit.

use indicatif::HumanCount;

/// Formats a number with three significant digits.
pub fn number(value: f64) -> String {
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

/// Formats a rate with its unit, as in `20,000/s`.
pub fn per_second(value: f64) -> String {
    format!("{}/s", rate(value))
}

/// Formats a number with separated thousands, as in `1,234,567`.
pub fn thousands(count: u64) -> String {
    HumanCount(count).to_string()
}

/// Formats a number with its noun, as in `1 run` and `2 runs`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Formats bytes in megabytes or gigabytes.
pub fn bytes(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 999.5e6 => format!("{} MB", number(bytes / 1e6)),
        bytes => format!("{} GB", number(bytes / 1e9)),
    }
}

/// Formats a share in per cent. A small share has as many digits as make it visible.
pub fn percent(share: f64) -> String {
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
pub fn tick_time(micros: f64) -> String {
    let (value, unit) = scaled_time(micros);
    format!("{} {unit}", shortest(value))
}

/// Formats the rate at a tick of an axis, as in `20k/s`.
pub fn tick_rate(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{}M/s", shortest(rate / 1e6)),
        rate if rate >= 1e3 => format!("{}k/s", shortest(rate / 1e3)),
        rate if rate > 0.0 => format!("{}/s", shortest(rate)),
        _ => "0".to_owned(),
    }
}

/// Formats a value without the rounding error of binary fractions.
pub fn shortest(value: f64) -> String {
    ((value * 1e6).round() / 1e6).to_string()
}
