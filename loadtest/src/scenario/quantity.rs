//! Rates and durations as people write them.

use crate::duration;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};
use std::{fmt, time::Duration};

/// How often.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// A number: so many a second.
    PerSecond(f64),
    /// `"50 %"`: so much of the highest rate. 1 is all of it.
    Share(f64),
}

impl Rate {
    /// Where the highest rate is this.
    pub fn of(self, highest: f64) -> f64 {
        match self {
            Rate::PerSecond(rate) => rate,
            Rate::Share(share) => share * highest,
        }
    }

    /// Reads `2000` or `50%`.
    ///
    /// # Errors
    /// In words, what is expected.
    pub fn parse(text: &str) -> Result<Rate, String> {
        let expected =
            || "write requests a second, as in 2000, or a share of the highest rate, as in 50%".to_owned();
        let (digits, share) = match text.strip_suffix('%') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let number: f64 = digits.trim().parse().map_err(|_| expected())?;
        if !(number > 0.0 && number.is_finite()) {
            return Err(expected());
        }
        Ok(if share { Rate::Share(number / 100.0) } else { Rate::PerSecond(number) })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
        struct Rates;
        impl Visitor<'_> for Rates {
            type Value = Rate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of requests a second, or a share of the highest rate, as in \"50 %\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Rate, E> {
                Rate::parse(text).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, rate: i64) -> Result<Rate, E> {
                self.visit_f64(rate as f64)
            }

            fn visit_u64<E: Error>(self, rate: u64) -> Result<Rate, E> {
                self.visit_f64(rate as f64)
            }

            fn visit_f64<E: Error>(self, rate: f64) -> Result<Rate, E> {
                Ok(Rate::PerSecond(rate))
            }
        }
        deserializer.deserialize_any(Rates)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Rate::PerSecond(rate) => serializer.serialize_f64(*rate),
            // Without the digits that a hundredth has too many in binary.
            Rate::Share(share) => serializer.collect_str(&format_args!("{} %", (share * 1e8).round() / 1e6)),
        }
    }
}

/// A duration: `"800us"`, `"500ms"`, `"20s"`, `"2m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let text = String::deserialize(deserializer)?;
        duration::parse(&text).map(Span).map_err(D::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&duration::shown(self.0))
    }
}
