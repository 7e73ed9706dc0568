//! Rates and durations in the notation of the command line and of scenarios.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{fmt, time::Duration};

const MAX_MICROS: u64 = 30 * 24 * 3_600 * 1_000_000;

/// Reads a duration from 1 us to 30 days: `90` (seconds), `800us`, `500ms`, `30s` or `10m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let micros: u64 = match unit {
        "us" => 1,
        "ms" => 1_000,
        "" | "s" => 1_000_000,
        "m" => 60_000_000,
        _ => return Err("write seconds, or a unit as in 500ms, 30s, 10m".to_owned()),
    };
    match digits.parse::<u64>().ok().and_then(|n| n.checked_mul(micros)) {
        Some(n) if (1..=MAX_MICROS).contains(&n) => Ok(Duration::from_micros(n)),
        _ => Err("write a duration from 1us to 30 days, for example 500ms, 30s, 10m".to_owned()),
    }
}

/// A duration in the notation of `parse_duration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(pub Duration);

impl HumanDuration {
    /// Returns the duration in microseconds, the unit of reports.
    pub(crate) fn micros(self) -> f64 {
        self.0.as_secs_f64() * 1e6
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        match micros {
            0 => f.write_str("0us"),
            _ if micros.is_multiple_of(1_000_000) => write!(f, "{}s", micros / 1_000_000),
            _ if micros.is_multiple_of(1_000) => write!(f, "{}ms", micros / 1_000),
            _ => write!(f, "{micros}us"),
        }
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HumanDuration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration(&text).map(HumanDuration).map_err(D::Error::custom)
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A rate of requests, absolute or relative.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "RateValue")]
pub enum Rate {
    /// Number of requests per second.
    PerSecond(f64),
    /// Share of the highest rate: 0.5 for `"50 %"`.
    Share(f64),
}

impl Rate {
    /// Returns the number of requests per second. `highest` is the highest rate.
    pub fn per_second(self, highest: f64) -> f64 {
        match self {
            Rate::PerSecond(rate) => rate,
            Rate::Share(share) => share * highest,
        }
    }

    /// Reads `2000` or `50%`.
    ///
    /// # Errors
    /// The text has another form. The error says which forms are expected.
    pub fn parse(text: &str) -> Result<Rate, String> {
        let percent = text.strip_suffix('%');
        match percent.unwrap_or(text).trim().parse::<f64>() {
            Ok(number) if number > 0.0 && number.is_finite() => Ok(match percent {
                Some(_) => Rate::Share(number / 100.0),
                None => Rate::PerSecond(number),
            }),
            _ => Err("write requests per second, for example 2000, or a share of the highest rate, for example 50%".to_owned()),
        }
    }
}

/// A rate as a TOML value.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number of requests per second, or a share of the highest rate, for example \"50 %\""
)]
enum RateValue {
    Number(f64),
    Text(String),
}

impl TryFrom<RateValue> for Rate {
    type Error = String;

    fn try_from(value: RateValue) -> Result<Rate, String> {
        match value {
            RateValue::Number(rate) => Ok(Rate::PerSecond(rate)),
            RateValue::Text(text) => Rate::parse(&text),
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Rate::PerSecond(rate) => serializer.serialize_f64(*rate),
            // Rounded, because most percentages have no exact binary form.
            Rate::Share(share) => serializer.collect_str(&format_args!("{} %", (share * 1e8).round() / 1e6)),
        }
    }
}
