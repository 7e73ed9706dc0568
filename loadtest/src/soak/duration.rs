//! Durations of the command line: `90`, `500ms`, `30s`, `10m`.

use std::time::Duration;

pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let millis: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        _ => return Err("write seconds, or 500ms, 30s, 10m".to_owned()),
    };
    match digits.parse::<u64>().ok().and_then(|n| n.checked_mul(millis)) {
        Some(n) if (1..=2_592_000_000).contains(&n) => Ok(Duration::from_millis(n)),
        _ => Err("write a number from 1ms to 30 days, as in 500ms, 30s, 10m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, millis) in [("90", 90_000), ("500ms", 500), ("30s", 30_000), ("10m", 600_000)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "0", "s", "1h", "-1s", "1.5s", "99999999999999999999"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
