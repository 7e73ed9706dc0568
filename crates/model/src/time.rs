//! Points in time, in seconds and in milliseconds, and their notation by RFC 3339. Nothing here reads a
//! clock.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::SignedDuration;
use jiff::civil::{DateTime, Time};
use jiff::fmt::temporal::{Pieces, PiecesOffset};

/// 1970-01-01 00:00, from which Unix times count.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
const SECONDS_PER_DAY: i32 = 24 * 60 * 60;

/// Seconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct UnixSeconds(pub i64);

/// Milliseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct UnixMillis(pub i64);

impl UnixSeconds {
    /// The earliest time. An account that is available from this time on is always available.
    pub const MIN: UnixSeconds = UnixSeconds(i64::MIN);
    /// The latest time. No `available_from` is later, so no account is resting at this time.
    pub const MAX: UnixSeconds = UnixSeconds(i64::MAX);

    /// Parses a date or a date-time by RFC 3339. Returns `None` for any other notation.
    ///
    /// A date means midnight UTC. A fraction of a second rounds up, so that nothing begins or ends too early.
    /// A leap second is the first second of the next minute.
    ///
    /// ```
    /// use switchboard_model::UnixSeconds;
    ///
    /// assert_eq!(UnixSeconds::from_rfc3339("1970-01-02"), Some(UnixSeconds(86_400)));
    /// assert_eq!(UnixSeconds::from_rfc3339("1970-01-01T01:00:00.5+01:00"), Some(UnixSeconds(1)));
    /// assert_eq!(UnixSeconds::from_rfc3339("1970-01-01T01:00"), None);
    /// ```
    pub fn from_rfc3339(text: &str) -> Option<UnixSeconds> {
        let (seconds, nanoseconds) = parse(text)?;
        Some(UnixSeconds(seconds + i64::from(nanoseconds > 0)))
    }
}

impl UnixMillis {
    /// Returns the time in seconds, rounded down.
    pub const fn to_seconds(self) -> UnixSeconds {
        UnixSeconds(self.0.div_euclid(1_000))
    }

    /// Returns the milliseconds as an unsigned number, or 0 for a time before 1970. The default generation of
    /// a snapshot is such a number.
    pub const fn as_u64(self) -> u64 {
        if self.0 < 0 { 0 } else { self.0 as u64 }
    }

    /// Parses the same notations as [`UnixSeconds::from_rfc3339`]. A fraction of a millisecond rounds up.
    pub fn from_rfc3339(text: &str) -> Option<UnixMillis> {
        let (seconds, nanoseconds) = parse(text)?;
        Some(UnixMillis(seconds * 1000 + i64::from(nanoseconds.div_ceil(1_000_000))))
    }
}

impl fmt::Display for UnixSeconds {
    /// Writes a date for midnight UTC, and otherwise a date-time in UTC, as RFC 3339 does: `2027-03-01` or
    /// `2027-03-01T08:00:00Z`. Writes the number of a time outside the years of RFC 3339.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = EPOCH.checked_add(SignedDuration::from_secs(self.0));
        match time.ok().filter(|time| time.year() >= 0) {
            None => write!(out, "{}", self.0),
            Some(time) if time.time() == Time::midnight() => write!(out, "{}", time.date()),
            Some(time) => write!(out, "{time}Z"),
        }
    }
}

impl From<SystemTime> for UnixMillis {
    /// Rounds down to a millisecond. A time before 1970 becomes 0.
    fn from(moment: SystemTime) -> UnixMillis {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Parses a date or a date-time. Returns Unix seconds and the nanoseconds after them.
fn parse(text: &str) -> Option<(i64, u32)> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = if rest.is_empty() { ("T00:00:00", "Z") } else { rest.split_at_checked(9)? };
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at_checked(rest.find(|letter: char| !letter.is_ascii_digit())?)?,
        None => ("0", rest),
    };
    // Checked first because jiff also parses week dates, annotations, and times without separators or
    // seconds.
    let is_rfc3339 = has_shape(date, "0000-00-00")
        && has_shape(time, "T00:00:00")
        && !fraction.is_empty()
        && (has_shape(offset, "Z") || has_shape(offset, "+00:00"));
    if !is_rfc3339 {
        return None;
    }
    let whole_seconds = format!("{date}{time}{offset}");
    let pieces = Pieces::parse(&whole_seconds).ok()?;
    let offset = match pieces.offset()? {
        PiecesOffset::Numeric(offset) => offset.offset().seconds(),
        _ => 0,
    };
    if offset.abs() >= SECONDS_PER_DAY {
        return None;
    }
    // jiff parses second 60 as 59.
    let leap_second = i64::from(time.ends_with("60"));
    let local = pieces.date().to_datetime(pieces.time()?).duration_since(EPOCH).as_secs();
    Some((local + leap_second - i64::from(offset), nanoseconds(fraction)))
}

/// Returns whether the text has the shape. In the shape, `0` is a digit, `T` a separator, `Z` the zone UTC,
/// `+` a sign.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(letter, shape): (u8, u8)| match shape {
        b'0' => letter.is_ascii_digit(),
        b'T' => matches!(letter, b'T' | b't' | b' '),
        b'Z' => matches!(letter, b'Z' | b'z'),
        b'+' => matches!(letter, b'+' | b'-'),
        other => letter == other,
    };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

/// Returns the nanoseconds of a fraction. Digits after the ninth count as one nanosecond, unless all of them
/// are zero.
fn nanoseconds(fraction: &str) -> u32 {
    let (nine, rest) = fraction.split_at_checked(9).unwrap_or((fraction, ""));
    let digits = nine.bytes().chain(std::iter::repeat(b'0')).take(9);
    let whole = digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    whole + u32::from(rest.bytes().any(|digit| digit != b'0'))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn milliseconds_round_down_to_seconds() {
        assert_eq!(UnixMillis(1_999).to_seconds(), UnixSeconds(1));
        assert_eq!(UnixMillis(-1).to_seconds(), UnixSeconds(-1));
        assert_eq!(UnixMillis(-1).as_u64(), 0);
    }

    #[test]
    fn system_time_before_1970_becomes_zero() {
        assert_eq!(UnixMillis::from(UNIX_EPOCH - Duration::from_secs(1)), UnixMillis(0));
        assert_eq!(UnixMillis::from(UNIX_EPOCH + Duration::from_micros(2_500)), UnixMillis(2));
    }

    #[test]
    fn dates_and_times_become_seconds() {
        for (text, seconds) in [
            ("1970-01-02", 86_400),
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00z", 0),
            ("1970-01-01T00:00:00.000001Z", 1),
            ("1970-01-01T00:00:00.000Z", 0),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31T23:30:00-00:30", 0),
            ("1969-12-31T23:59:59.5Z", 0),
            ("2026-01-01", 1_767_225_600),
            ("2016-12-31T23:59:60Z", 1_483_228_800),
            ("1970-01-01T23:59:00+23:59", 0),
            ("9999-12-31", 253_402_214_400),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(UnixSeconds::from_rfc3339(text), Some(UnixSeconds(seconds)), "{text}");
        }
    }

    #[test]
    fn times_are_written_as_dates_or_in_utc() {
        for text in [
            "2026-01-01",
            "1969-12-31",
            "2027-03-01T08:00:00Z",
            "0001-01-01",
            "9999-12-31",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(UnixSeconds::from_rfc3339(text).map(|time| time.to_string()).as_deref(), Some(text));
        }
        assert_eq!(UnixSeconds::MIN.to_string(), i64::MIN.to_string());
    }

    #[test]
    fn fractions_round_up_to_milliseconds() {
        for (text, at) in [
            ("1970-01-01", 0),
            ("1970-01-01T00:00:00.5Z", 500),
            ("1970-01-01T00:00:00.0001Z", 1),
            ("1970-01-01T00:00:00.9999999999Z", 1_000),
            ("1970-01-01T00:00:00.0000000001Z", 1),
            ("1969-12-31T23:59:59.25Z", -750),
        ] {
            assert_eq!(UnixMillis::from_rfc3339(text), Some(UnixMillis(at)), "{text}");
        }
    }

    #[test]
    fn other_notations_are_rejected() {
        for bad in [
            "",
            "tomorrow",
            "2026-13-01",
            "2026-02-30",
            "2026-01-01T00:00:00",
            "20260101",
            "2026-W01-1",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00,5Z",
            "2026-01-01T00:00:00+01",
            "2026-01-01T00:00:00+0100",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+01:60",
            "2026-01-01T00:00:00+01:00:00",
            "2026-01-01T00:00:00ZZ",
            "01/02/2026",
            "2026-01-01T00:00:00Z[UTC]",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
