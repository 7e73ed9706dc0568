//! Moments, in the two units that Switchboard counts in. Nothing here reads a clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct UnixSeconds(pub i64);

/// Milliseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct UnixMillis(pub i64);

impl UnixSeconds {
    /// Before every other moment: what is available from then on is always available.
    pub const MIN: UnixSeconds = UnixSeconds(i64::MIN);
    /// After every other moment, when no account rests any more.
    pub const MAX: UnixSeconds = UnixSeconds(i64::MAX);
}

impl UnixMillis {
    /// Returns the second that the moment lies in.
    pub const fn to_seconds(self) -> UnixSeconds {
        UnixSeconds(self.0.div_euclid(1_000))
    }

    /// Returns the milliseconds as an unsigned number, 0 before 1970: the default generation of a snapshot.
    pub const fn as_u64(self) -> u64 {
        if self.0 < 0 { 0 } else { self.0 as u64 }
    }
}

impl From<SystemTime> for UnixMillis {
    /// Rounds down to a millisecond. Moments before 1970 become 0.
    fn from(moment: SystemTime) -> UnixMillis {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
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
}
