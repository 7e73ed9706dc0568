//! Durations as people write them: `500ms`, `30s`, `2m`; a bare number is seconds.

use std::time::Duration;

/// Reads a duration.
///
/// # Errors
/// What was expected.
pub fn parse(text: &str) -> Result<Duration, String> {
    let bare = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let spelled = || text.parse::<jiff::SignedDuration>().ok().and_then(|duration| duration.try_into().ok());
    bare.or_else(spelled)
        .ok_or_else(|| format!("{text:?} is no duration: expected one such as 500ms, 30s or 2m"))
}

/// For serde.
pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text: String = serde::Deserialize::deserialize(from)?;
    parse(&text).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_written() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse("1.5"), Ok(Duration::from_millis(1500)));
        for bad in ["", "-3s", "soon", "-1", "NaN", "inf"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
