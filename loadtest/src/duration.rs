//! Durations of the command line and of scenarios: `90`, `800us`, `500ms`, `30s`, `10m`.

use std::time::Duration;

pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let micros: u64 = match unit {
        "us" => 1,
        "ms" => 1_000,
        "" | "s" => 1_000_000,
        "m" => 60_000_000,
        _ => return Err("write seconds, or 500ms, 30s, 10m".to_owned()),
    };
    match digits.parse::<u64>().ok().and_then(|n| n.checked_mul(micros)) {
        Some(n) if (1..=2_592_000_000_000).contains(&n) => Ok(Duration::from_micros(n)),
        _ => Err("write a number from 1us to 30 days, as in 500ms, 30s, 10m".to_owned()),
    }
}

/// As [`parse`] reads it.
pub(crate) fn shown(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0 => "0us".to_owned(),
        _ if micros.is_multiple_of(1_000_000) => format!("{}s", micros / 1_000_000),
        _ if micros.is_multiple_of(1_000) => format!("{}ms", micros / 1_000),
        _ => format!("{micros}us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, micros) in [("90", 90_000_000), ("800us", 800), ("500ms", 500_000), ("10m", 600_000_000)] {
            assert_eq!(parse(text), Ok(Duration::from_micros(micros)), "{text}");
            assert_eq!(
                parse(&shown(Duration::from_micros(micros))),
                Ok(Duration::from_micros(micros)),
                "{text}"
            );
        }
        for text in ["", "0", "s", "1h", "-1s", "1.5s", "99999999999999999999"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
