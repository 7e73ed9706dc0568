//! Figures as people read them: three digits that say something, and a unit.

use super::model::Pinning;

/// Microseconds.
pub fn time(micros: f64) -> String {
    let (value, unit) = match micros {
        micros if micros < 999.5 => (micros, "us"),
        micros if micros < 999_500.0 => (micros / 1e3, "ms"),
        micros => (micros / 1e6, "s"),
    };
    format!("{} {unit}", digits(value))
}

/// A second, with its thousands apart.
pub fn rate(rate: f64) -> String {
    if rate < 100.0 { digits(rate) } else { thousands(rate.round() as u64) }
}

/// `1234567` as `1,234,567`.
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

/// Bytes in megabytes.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn digits(value: f64) -> String {
    match value {
        value if value < 9.995 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// Who runs on which cores. A daemon that ran already is where it was.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        let times = [
            (0.0, "0.00 us"),
            (87.25, "87.2 us"),
            (999.7, "1.00 ms"),
            (12_345.0, "12.3 ms"),
            (2.5e6, "2.50 s"),
        ];
        for (micros, shown) in times {
            assert_eq!(time(micros), shown);
        }
        assert_eq!([rate(12.5), rate(999.6), rate(1_234_567.4)], ["12.5", "1,000", "1,234,567"]);
        assert_eq!(thousands(0), "0");
    }
}
