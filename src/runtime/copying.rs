//! Whether what is refused is one more bad file, or the same that is still arriving: a slow copy is one
//! refusal, however often it is looked at.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant, SystemTime};

use super::source::Source;
use switchboard_snapshot::Stage;

/// A file that did not grow for this long is no copy that goes on.
const GOES_ON: Duration = Duration::from_secs(10);

/// What was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The change that it came with, where events tell of changes.
    change: Option<u64>,
    file: Option<File>,
    /// Fewer bytes than were announced.
    torn: bool,
    at: Instant,
}

/// A file while it is written.
#[derive(Debug)]
struct File {
    /// Device, inode and birth: inodes are used again.
    identity: (u64, u64, Option<SystemTime>),
    len: u64,
}

impl Refusal {
    /// Of what the source holds now.
    pub(super) fn of(source: &Source, stage: Stage, change: Option<u64>) -> Refusal {
        let meta = match source {
            Source::Snapshot(path) => fs::metadata(path).ok(),
            Source::Embedded(_) | Source::Registry(_) => None,
        };
        let file = meta
            .map(|meta| File { identity: (meta.dev(), meta.ino(), meta.created().ok()), len: meta.len() });
        Refusal { change, file, torn: stage == Stage::Length, at: Instant::now() }
    }

    /// Whether it goes on from an earlier one.
    ///
    /// Where events tell, a file from its opening to its closing is one change, whatever it looks like in
    /// between. Where they do not, a torn file that has become longer is the same file, further copied.
    pub(super) fn continues(&self, earlier: &Refusal) -> bool {
        let same_file = match (&self.file, &earlier.file) {
            (Some(now), Some(then)) if now.identity == then.identity => Some(now.len > then.len),
            (None, None) => Some(false),
            _ => None,
        };
        let Some(grew) = same_file else { return false };
        match (self.change, earlier.change) {
            // None at all: what changed was there before the events.
            (Some(now), Some(then)) if then > 0 => now == then,
            _ => self.torn && earlier.torn && grew && self.at - earlier.at < GOES_ON,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: Option<u64>, inode: u64, len: u64, at: Instant) -> Refusal {
        Refusal { change, file: Some(File { identity: (1, inode, None), len }), torn: true, at }
    }

    #[test]
    fn a_copy_goes_on_and_another_file_is_another() {
        let now = Instant::now();
        let soon = now + Duration::from_secs(2);
        let late = now + Duration::from_secs(20);
        let first = refusal(None, 7, 100, now);
        assert!(refusal(None, 7, 200, soon).continues(&first), "longer");
        assert!(!refusal(None, 7, 50, soon).continues(&first), "begun anew");
        assert!(!refusal(None, 8, 200, soon).continues(&first), "put in its place");
        assert!(!refusal(None, 7, 200, late).continues(&first), "long ago");

        let first = refusal(Some(3), 7, 100, now);
        assert!(refusal(Some(3), 7, 100, late).continues(&first), "not closed since");
        assert!(!refusal(Some(4), 7, 200, soon).continues(&first), "opened again");
        assert!(!refusal(Some(3), 8, 200, soon).continues(&first), "put in its place");
        assert!(
            refusal(Some(1), 7, 200, soon).continues(&refusal(Some(0), 7, 100, now)),
            "begun before the watch"
        );
    }
}
