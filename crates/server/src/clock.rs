//! The time of day in whole seconds and the `date` field of answers, both from one read of the system's
//! clock.

use std::cell::{Cell, Ref, RefCell};
use std::time::{Duration, UNIX_EPOCH};

use httpdate::fmt_http_date;
use hyper::header::HeaderValue;
use rustix::time::{ClockId, clock_gettime};
use switchboard_model::UnixSeconds;

/// A clock for the use of one thread.
#[derive(Debug)]
pub struct Clock {
    /// Unix time of the last read, in seconds.
    seconds: Cell<u64>,
    /// The same time as an IMF-fixdate (RFC 9110, 5.6.7). Formatted once per second.
    date: RefCell<String>,
}

impl Default for Clock {
    fn default() -> Clock {
        let clock = Clock { seconds: Cell::new(0), date: RefCell::new(fmt_http_date(UNIX_EPOCH)) };
        clock.read();
        clock
    }
}

impl Clock {
    /// Reads the system's clock, and updates the date.
    #[inline]
    pub fn read(&self) -> UnixSeconds {
        // The coarse clock is at most 4 ms late. It takes a fifth of the exact clock's 25 ns.
        let seconds = u64::try_from(unix_seconds()).unwrap_or_default();
        if self.seconds.replace(seconds) != seconds {
            *self.date.borrow_mut() = fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        }
        UnixSeconds(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    /// Returns the date of the last [`Clock::read`].
    #[inline]
    pub fn date(&self) -> Ref<'_, str> {
        Ref::map(self.date.borrow(), String::as_str)
    }
}

/// Returns the time of day of the `date` field, in seconds.
#[inline]
fn unix_seconds() -> i64 {
    let seconds = clock_gettime(ClockId::RealtimeCoarse).tv_sec;
    #[cfg(test)]
    return seconds + SHIFT.get();
    #[cfg(not(test))]
    seconds
}

thread_local! {
    static CLOCK: Clock = Clock::default();
}

/// Reads the system's clock, and returns the value of the `date` field. For answers that are not on the fast
/// path.
pub(crate) fn date_value() -> HeaderValue {
    CLOCK.with(|clock| {
        clock.read();
        HeaderValue::from_str(&clock.date()).unwrap_or_else(|_| HeaderValue::from_static(""))
    })
}

#[cfg(test)]
thread_local! {
    /// The seconds by which the clock of this thread is ahead of the system's.
    pub(crate) static SHIFT: Cell<i64> = const { Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_is_of_the_second_that_was_read() {
        let clock = Clock::default();
        let UnixSeconds(seconds) = clock.read();
        let date = httpdate::parse_http_date(&clock.date()).unwrap();
        assert_eq!(date.duration_since(UNIX_EPOCH).unwrap().as_secs(), seconds as u64);
        assert_eq!(clock.date().len(), 29);
    }
}
