//! Counts a slow in-place copy as one rejection, even if it is read several times while it is being written.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant, SystemTime};

use switchboard_pipeline::SnapshotSource;
use switchboard_snapshot::RejectionStage;

/// A file that has not grown for this time is no longer being copied.
const MAX_COPY_PAUSE: Duration = Duration::from_secs(10);

/// The file and the change of a rejection, to recognize the same bad file again.
#[derive(Debug)]
pub(super) struct RejectionDedup {
    /// Number of the source's last change. `None` without file-system events.
    change: Option<u64>,
    file: Option<FileState>,
    /// Whether the file had another length than its header announces.
    is_torn: bool,
    at: Instant,
}

#[derive(Debug)]
struct FileState {
    /// Device, inode and creation time. The inode alone may be reused.
    identity: (u64, u64, Option<SystemTime>),
    len: u64,
}

impl RejectionDedup {
    /// Creates the description of a rejection at `stage` of the current content of the source.
    pub(super) fn new(source: &SnapshotSource, stage: RejectionStage, change: Option<u64>) -> RejectionDedup {
        let metadata = match source {
            SnapshotSource::Snapshot(path) => fs::metadata(path).ok(),
            SnapshotSource::Demo | SnapshotSource::Registry(_) => None,
        };
        let file = metadata.map(|metadata| FileState {
            identity: (metadata.dev(), metadata.ino(), metadata.created().ok()),
            len: metadata.len(),
        });
        RejectionDedup { change, file, is_torn: stage == RejectionStage::Length, at: Instant::now() }
    }

    /// Returns whether this rejection concerns the same bad file as an earlier one.
    ///
    /// With file-system events, all writes between opening and closing a file are one change. Without them, a
    /// torn file that has grown is the same file, copied further.
    pub(super) fn is_same(&self, earlier: &RejectionDedup) -> bool {
        let same_file = match (&self.file, &earlier.file) {
            (Some(now), Some(then)) if now.identity == then.identity => Some(now.len > then.len),
            (None, None) => Some(false),
            _ => None,
        };
        let Some(has_grown) = same_file else { return false };
        match (self.change, earlier.change) {
            // Change 0 happened before the watch started.
            (Some(now), Some(then)) if then > 0 => now == then,
            _ => self.is_torn && earlier.is_torn && has_grown && self.at - earlier.at < MAX_COPY_PAUSE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(change: Option<u64>, inode: u64, len: u64, at: Instant) -> RejectionDedup {
        RejectionDedup {
            change,
            file: Some(FileState { identity: (1, inode, None), len }),
            is_torn: true,
            at,
        }
    }

    #[test]
    fn torn_file_that_has_grown_is_the_same_without_events() {
        let now = Instant::now();
        let soon = now + Duration::from_secs(2);
        let late = now + Duration::from_secs(20);
        let first = rejection(None, 7, 100, now);
        assert!(rejection(None, 7, 200, soon).is_same(&first), "longer");
        assert!(!rejection(None, 7, 50, soon).is_same(&first), "begun anew");
        assert!(!rejection(None, 8, 200, soon).is_same(&first), "another file in its place");
        assert!(!rejection(None, 7, 200, late).is_same(&first), "long ago");
    }

    #[test]
    fn file_is_the_same_until_it_is_closed_with_events() {
        let now = Instant::now();
        let late = now + Duration::from_secs(20);
        let first = rejection(Some(3), 7, 100, now);
        assert!(rejection(Some(3), 7, 100, late).is_same(&first), "not closed since");
        assert!(!rejection(Some(4), 7, 200, late).is_same(&first), "opened again");
        assert!(!rejection(Some(3), 8, 200, late).is_same(&first), "another file in its place");
        let before_the_watch = rejection(Some(0), 7, 100, now);
        let soon = now + Duration::from_secs(2);
        assert!(rejection(Some(1), 7, 200, soon).is_same(&before_the_watch), "begun before the watch");
    }
}
