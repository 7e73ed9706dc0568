//! When a source that changes is read: once it has been quiet, and nobody is in the middle of writing it,
//! but not so late that a change that is whole waits for one that is not.

use std::time::{Duration, Instant};

use super::source::Look;

/// A source that nobody writes is read once it has looked the same for this long. Longer than the 10 ms
/// that file systems' clocks take for a step: what is written later has a later time.
pub(super) const QUIET: Duration = Duration::from_millis(50);
/// Or once others have been replacing its files for this long: answers follow within two seconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// A file that is open and written into has stalled after this long: what is there is taken for all there
/// will be, and refused within two seconds if it is not.
const STALLED: Duration = Duration::from_secs(1);
/// A source in which some file is always being written is read at last.
const LONGEST: Duration = Duration::from_secs(10);

/// A source that changes.
#[derive(Debug)]
pub(super) struct Settling {
    /// What it looked like last.
    pub(super) look: Look,
    /// Since when it changes.
    since: Instant,
    /// Since when it looks so.
    same: Instant,
    /// When it was last seen being written.
    written: Option<Instant>,
}

impl Settling {
    pub(super) fn new(look: Look, now: Instant) -> Settling {
        Settling { look, since: now, same: now, written: None }
    }

    /// Looked again.
    pub(super) fn seen(&mut self, look: Look, now: Instant, writing: bool) {
        if look != self.look {
            self.look = look;
            self.same = now;
        }
        if writing {
            self.written = Some(now);
        }
    }

    /// Whether it is to be read now.
    pub(super) fn settled(&self, now: Instant) -> bool {
        let quiet = now - self.same;
        let writing = self.written == Some(now);
        let free_since = self.written.unwrap_or(self.since);
        self.look == Look::Constant
            || self.overdue(now)
            || if writing { quiet >= STALLED } else { quiet >= QUIET || now - free_since >= PATIENCE }
    }

    /// Whether it is read whatever it looks like.
    pub(super) fn overdue(&self, now: Instant) -> bool {
        now - self.since >= LONGEST || (self.written.is_none() && now - self.since >= PATIENCE)
    }

    /// Whether it has looked the same for so long that no later change can look the same.
    pub(super) fn quiet(&self, now: Instant) -> bool {
        self.look == Look::Constant || now - self.same >= QUIET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(number: u64) -> Look {
        Look::Unreadable(number.to_string())
    }

    /// After how many milliseconds it is read, looked at every 10 ms.
    fn read_after(changes: impl Fn(u64) -> u64, writing: impl Fn(u64) -> bool) -> u64 {
        let start = Instant::now();
        let mut settling = Settling::new(look(changes(0)), start);
        (1..2_000)
            .map(|step| step * 10)
            .find(|&ms| {
                let now = start + Duration::from_millis(ms);
                settling.seen(look(changes(ms)), now, writing(ms));
                settling.settled(now)
            })
            .unwrap()
    }

    #[test]
    fn one_change_is_read_when_it_is_quiet() {
        assert_eq!(read_after(|_| 0, |_| false), 50);
        assert_eq!(read_after(|ms| ms.min(300), |_| false), 350);
    }

    #[test]
    fn changes_without_end_are_read_in_time() {
        assert_eq!(read_after(|ms| ms, |_| false), 1_000);
        assert_eq!(read_after(|ms| ms, |_| true), 10_000);
    }

    #[test]
    fn a_file_that_is_being_written_is_awaited_until_it_is_closed_or_stalls() {
        assert_eq!(read_after(|ms| ms / 900, |ms| ms < 4_000), 4_000, "closed");
        assert_eq!(read_after(|ms| ms.min(500), |_| true), 1_500, "stalled");
        // Between two files of a copy nothing is open for a moment, and that is no end.
        assert_eq!(read_after(|ms| ms.min(3_000), |ms| ms < 3_000 && ms != 2_000), 3_050, "closed at last");
    }
}
