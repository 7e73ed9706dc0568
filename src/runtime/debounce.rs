//! Reads a source 50 ms after its last change, and after 1 s at the latest. While a file is open for writing,
//! waits until it is closed, has not changed for 1 s, or 10 s have passed.

use std::time::{Duration, Instant};

use switchboard_pipeline::SourceStamp;

/// A source that is not being written is read when its stamp has not changed for this time. The value exceeds
/// the resolution of file-system times (10 ms), so that a later write changes the stamp.
pub(super) const QUIET_PERIOD: Duration = Duration::from_millis(50);
/// Maximum wait for a source whose files are replaced again and again.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// A source that is open for writing is read when its stamp has not changed for this time, because its writer
/// has stalled.
const MAX_STALL: Duration = Duration::from_secs(1);
/// Maximum wait for a source in which some file is always being written.
const MAX_WAIT_WHILE_WRITTEN: Duration = Duration::from_secs(10);

/// The observations of a source since it began to change.
#[derive(Debug)]
pub(super) struct Debounce {
    stamp: SourceStamp,
    changing_since: Instant,
    unchanged_since: Instant,
    last_written: Option<Instant>,
}

impl Debounce {
    pub(super) fn new(stamp: SourceStamp, now: Instant) -> Debounce {
        Debounce { stamp, changing_since: now, unchanged_since: now, last_written: None }
    }

    /// Records the stamp of the source at `now`, and whether one of its files is open for writing.
    pub(super) fn observe(&mut self, stamp: SourceStamp, now: Instant, is_being_written: bool) {
        if stamp != self.stamp {
            self.stamp = stamp;
            self.unchanged_since = now;
        }
        if is_being_written {
            self.last_written = Some(now);
        }
    }

    pub(super) fn stamp(&self) -> &SourceStamp {
        &self.stamp
    }

    /// Returns whether the source should be read at `now`, the time of the last observation.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let unchanged_for = now - self.unchanged_since;
        let is_being_written = self.last_written == Some(now);
        // The last time at which a file was open for writing, or the first observation if no file was.
        let closed_since = self.last_written.unwrap_or(self.changing_since);
        self.stamp == SourceStamp::Constant
            || self.is_overdue(now)
            || if is_being_written {
                unchanged_for >= MAX_STALL
            } else {
                unchanged_for >= QUIET_PERIOD || now - closed_since >= MAX_WAIT
            }
    }

    /// Returns whether the source should be read although it is still changing.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        let changing_for = now - self.changing_since;
        changing_for >= MAX_WAIT_WHILE_WRITTEN || (self.last_written.is_none() && changing_for >= MAX_WAIT)
    }

    /// Returns whether the stamp is old enough that every later write changes it.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        self.stamp == SourceStamp::Constant || now - self.unchanged_since >= QUIET_PERIOD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(number: u64) -> SourceStamp {
        SourceStamp::Unreadable(number.to_string())
    }

    /// Observes a source every 10 ms. Returns the time in milliseconds after which it is read.
    fn read_after(stamp_at: impl Fn(u64) -> u64, is_written_at: impl Fn(u64) -> bool) -> u64 {
        let start = Instant::now();
        let mut debounce = Debounce::new(stamp(stamp_at(0)), start);
        (1..2_000)
            .map(|step| step * 10)
            .find(|&ms| {
                let now = start + Duration::from_millis(ms);
                debounce.observe(stamp(stamp_at(ms)), now, is_written_at(ms));
                debounce.is_due(now)
            })
            .unwrap()
    }

    #[test]
    fn change_is_due_after_the_quiet_period() {
        assert_eq!(read_after(|_| 0, |_| false), 50);
        assert_eq!(read_after(|ms| ms.min(300), |_| false), 350);
    }

    #[test]
    fn endless_changes_are_due_after_the_maximum_wait() {
        assert_eq!(read_after(|ms| ms, |_| false), 1_000);
        assert_eq!(read_after(|ms| ms, |_| true), 10_000);
    }

    #[test]
    fn written_file_is_due_when_it_is_closed_or_its_writer_stalls() {
        assert_eq!(read_after(|ms| ms / 900, |ms| ms < 4_000), 4_000, "closed");
        assert_eq!(read_after(|ms| ms.min(500), |_| true), 1_500, "stalled");
        // Between two files of a copy no file is open for a moment.
        assert_eq!(read_after(|ms| ms.min(3_000), |ms| ms < 3_000 && ms != 2_000), 3_050, "closed at last");
    }
}
