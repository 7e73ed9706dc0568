//! Watches a source for changes. An event of notify only means that the source may have changed. Events can
//! be lost: queues overflow, network file systems report none, and a watch ends with its folder. Therefore
//! the source is polled as well, and its stamp and digest decide.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RenameMode};
use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use switchboard_pipeline::{Fetched, SnapshotSource, SourceError, SourceStamp};
use switchboard_registry::{ReadLimits, is_passed_over};
use switchboard_release::{MAX_ENVELOPE_BYTES, release_path};

use super::poller::{Poll, Polled, PolledSource, QUIET_PERIOD, SourcePoller};
use super::reload_event::{ReloadEvent, ReloadSignal, Reporter, WatchMode};
use super::watch_path::{WatchedDirs, read_bounded};

/// Time without a change after which a snapshot file and its signed manifest are read, because one is written
/// after the other.
const SIGNED_QUIET_PERIOD: Duration = Duration::from_secs(1);

/// A source with a file-system watch on the folders of its path.
pub(super) struct WatchedSource {
    source: SnapshotSource,
    limits: ReadLimits,
    /// The file with the signed manifest beside a snapshot file. `None` if no signatures are required.
    release: Option<PathBuf>,
    watch: Option<DirWatch>,
    state: WatchState,
    reporter: Reporter,
}

/// The state of the file-system watch.
#[derive(Debug, Clone, PartialEq, Eq)]
enum WatchState {
    Untried,
    Active,
    /// The source cannot be watched. The text is the reason.
    Down(String),
}

/// A watch on the folders of a source's path. It never watches a file, because such a watch ends when another
/// file is renamed over the watched one.
struct DirWatch {
    signal: ReloadSignal,
    seen: Arc<Mutex<SeenEvents>>,
    watcher: Option<DirWatcher>,
}

/// The state that events have reported.
#[derive(Default)]
struct SeenEvents {
    dirs: WatchedDirs,
    /// Whether the path may have changed after it was last followed.
    is_path_stale: bool,
    /// Whether a folder may have been replaced under its watch, or events were dropped.
    is_watch_stale: bool,
    /// Files that were opened for writing and not closed.
    open_files: BTreeSet<PathBuf>,
    /// Number of changes. All writes between opening and closing a file are one change.
    changes: u64,
}

impl WatchedSource {
    pub(super) fn new(source: SnapshotSource, reporter: Reporter) -> WatchedSource {
        let limits = ReadLimits::default();
        WatchedSource { source, limits, release: None, watch: None, state: WatchState::Untried, reporter }
    }

    /// Starts the watch with the next poll.
    pub(super) fn watch(&mut self, signal: ReloadSignal) {
        self.watch = Some(DirWatch { signal, seen: Arc::default(), watcher: None });
    }
}

impl PolledSource for WatchedSource {
    fn renew_watch(&mut self, follow_path: bool) {
        let Some(watch) = &mut self.watch else { return };
        let state = match watch.renew(&self.source, self.release.as_deref(), follow_path) {
            Ok(()) => WatchState::Active,
            Err(error) => WatchState::Down(error.to_string()),
        };
        if self.state == state {
            return;
        }
        let (mode, down) = match &state {
            WatchState::Down(reason) => (WatchMode::Poll, Some(reason.as_str())),
            WatchState::Active | WatchState::Untried => (WatchMode::Events, None),
        };
        self.reporter.last.lock().watch_mode = mode;
        self.reporter.report(&ReloadEvent::Watching { down });
        self.state = state;
    }

    fn is_being_written(&self) -> bool {
        self.watch.as_ref().is_some_and(DirWatch::is_being_written)
    }

    fn stamp(&self) -> SourceStamp {
        match (self.source.stamp(), &self.release) {
            (SourceStamp::File(mut stamp), Some(release)) => {
                stamp.add_file(release);
                SourceStamp::File(stamp)
            }
            (stamp, _) => stamp,
        }
    }

    fn fetch(&self) -> Result<Fetched, SourceError> {
        let manifest = self.release.as_deref().map(read_release).transpose()?;
        let mut fetched = self.source.fetch(self.limits)?;
        if let Fetched::Bytes { release, .. } = &mut fetched {
            *release = manifest;
        }
        Ok(fetched)
    }

    fn quiet_period(&self) -> Duration {
        // A replica renames both files at once, and the publisher tolerates the new manifest beside the old file.
        let is_copied = matches!(self.source, SnapshotSource::Snapshot(_));
        if self.release.is_some() && is_copied { SIGNED_QUIET_PERIOD } else { QUIET_PERIOD }
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}

impl Poll for SourcePoller<WatchedSource> {
    fn poll(&mut self) -> Polled {
        self.poll()
    }

    fn forget_last_read(&mut self) {
        self.forget_last_read();
    }

    fn set_limits(&mut self, limits: ReadLimits) {
        self.source.limits = limits;
    }

    fn watch(&mut self, signal: ReloadSignal) {
        self.source.watch(signal);
    }

    fn is_watch_down(&self) -> bool {
        matches!(self.source.state, WatchState::Down(_))
    }

    fn require_release(&mut self) {
        self.source.release = self.source.source.file().map(release_path);
    }

    fn reset_debounce(&mut self) {
        self.reset_debounce();
    }

    fn is_settling(&self) -> bool {
        self.is_settling()
    }

    fn is_due_soon(&self) -> bool {
        self.is_due_soon()
    }

    fn last_change(&self) -> Option<u64> {
        self.source.watch.as_ref().and_then(DirWatch::last_change)
    }
}

impl DirWatch {
    /// Ensures that every folder on the source's path is watched. With `follow_path`, follows the path again,
    /// even if no event reported a change of the path.
    ///
    /// # Errors
    /// Fails if a folder cannot be watched. Then no folder is watched until the next call succeeds.
    fn renew(
        &mut self,
        source: &SnapshotSource,
        release: Option<&Path>,
        follow_path: bool,
    ) -> notify::Result<()> {
        let mut seen = self.seen.lock();
        if self.watcher.is_some() && !seen.is_path_stale && !seen.is_watch_stale && !follow_path {
            return Ok(());
        }
        seen.is_path_stale = false;
        let mut dirs = WatchedDirs::from_source(source);
        if let Some(release) = release {
            dirs.add_file(release);
        }
        let is_same = self.watcher.is_some() && !seen.is_watch_stale && seen.dirs.folders == dirs.folders;
        seen.dirs = dirs;
        if is_same {
            return Ok(());
        }
        seen.is_watch_stale = false;
        let folders = seen.dirs.folders.clone();
        seen.open_files.retain(|file| file.parent().is_some_and(|folder| folders.contains_key(folder)));
        // notify waits for the thread that runs the handler, and the handler takes this lock.
        drop(seen);
        // All watches are created anew, because notify would drop the watch of a new folder together with the
        // replaced folder of the same name. The old ones are dropped first, because watches are limited.
        self.watcher = None;
        let (seen, signal) = (Arc::clone(&self.seen), self.signal.clone());
        let mut watcher = DirWatcher::new(move |event| {
            if seen.lock().record(event) {
                signal.fs_event();
            }
        })?;
        for (path, folder) in folders {
            match watcher.watch(&path) {
                Ok(()) => {}
                Err(error) if is_io(&error, io::ErrorKind::PermissionDenied) && !folder.contains_source => {}
                Err(error) if is_io(&error, io::ErrorKind::NotFound) => {
                    // The folder was removed after the path was followed, perhaps before its parent was
                    // watched.
                    self.seen.lock().is_watch_stale = true;
                    self.signal.fs_event();
                }
                Err(error) => return Err(error),
            }
        }
        self.watcher = Some(watcher);
        Ok(())
    }

    fn is_being_written(&self) -> bool {
        self.watcher.is_some() && !self.seen.lock().open_files.is_empty()
    }

    fn last_change(&self) -> Option<u64> {
        self.watcher.as_ref().map(|_| self.seen.lock().changes)
    }
}

impl SeenEvents {
    /// Records an event. Returns whether the source should be polled.
    fn record(&mut self, event: notify::Result<notify::Event>) -> bool {
        let is_relevant = match event {
            Ok(event) if !event.need_rescan() => {
                let mut is_relevant = false;
                for path in &event.paths {
                    is_relevant |= self.concerns(path)
                        && !self.is_passed_over(path, event.kind)
                        && self.record_path(path, event.kind);
                }
                is_relevant
            }
            // Events were lost, perhaps one about a replaced folder.
            _ => {
                self.is_watch_stale = true;
                true
            }
        };
        self.is_path_stale |= is_relevant;
        is_relevant
    }

    fn concerns(&self, path: &Path) -> bool {
        let folders = &self.dirs.folders;
        self.dirs.entries.contains(path)
            || folders.contains_key(path)
            || path.parent().and_then(|parent| folders.get(parent)).is_some_and(|parent| parent.any_entry)
    }

    /// Returns whether the event is about the content of a file that the reader of a registry passes over.
    /// Such a file may stay open for hours. A folder of such a name may be a company.
    fn is_passed_over(&self, path: &Path, kind: EventKind) -> bool {
        let is_content = matches!(
            kind,
            EventKind::Create(CreateKind::File)
                | EventKind::Modify(ModifyKind::Data(_))
                | EventKind::Access(_)
        );
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        is_content && is_passed_over(&name) && !self.dirs.entries.contains(path)
    }

    fn record_path(&mut self, path: &Path, kind: EventKind) -> bool {
        match kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                self.open_files.remove(path);
            }
            // Reads are ignored, because the reload thread would wake itself.
            EventKind::Access(_) => return false,
            // The old and the new name of a rename have an event each.
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return false,
            EventKind::Modify(ModifyKind::Metadata(_)) => {}
            EventKind::Modify(ModifyKind::Data(_)) => {
                if self.open_files.insert(path.to_owned()) {
                    self.changes += 1;
                }
            }
            // A new empty file is open for writing. Symbolic and hard links appear complete.
            EventKind::Create(CreateKind::File)
                if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == 0) =>
            {
                self.open_files.insert(path.to_owned());
                self.changes += 1;
            }
            _ => {
                self.open_files.remove(path);
                self.is_watch_stale |= self.dirs.folders.contains_key(path);
                self.changes += 1;
            }
        }
        true
    }
}

/// Reads the file with a signed manifest. Returns the reason if there is no such file or it is too large.
///
/// # Errors
/// Returns an error that may end without a change of the file, such as a lack of file descriptors.
fn read_release(path: &Path) -> Result<Result<Vec<u8>, String>, SourceError> {
    match read_bounded(path, MAX_ENVELOPE_BYTES) {
        Ok(content) => Ok(Ok(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Err(
            "the file does not exist; sign the snapshot with `switchboard sign`, and copy the signed manifest before \
             the snapshot"
                .to_owned(),
        )),
        Err(error) if error.raw_os_error().is_none() || error.kind() == io::ErrorKind::PermissionDenied => {
            Ok(Err(format!("{error}; expected the file that `switchboard sign` writes")))
        }
        Err(error) => Err(SourceError::Snapshot { path: path.to_owned(), error }),
    }
}

/// A watcher of notify that does not panic. notify 8.2 ignores an error when it starts its thread, and then
/// panics in `watch` and in `drop`. A panic in a drop during another panic would abort the process.
struct DirWatcher(Option<RecommendedWatcher>);

impl DirWatcher {
    fn new(
        handler: impl FnMut(notify::Result<notify::Event>) + Send + 'static,
    ) -> notify::Result<DirWatcher> {
        Ok(DirWatcher(Some(notify::recommended_watcher(handler)?)))
    }

    fn watch(&mut self, folder: &Path) -> notify::Result<()> {
        let watched = AssertUnwindSafe(|| {
            self.0.as_mut().map_or(Ok(()), |watcher| watcher.watch(folder, RecursiveMode::NonRecursive))
        });
        catch_unwind(watched).unwrap_or_else(|_| {
            std::mem::forget(self.0.take());
            Err(notify::Error::generic("notify could not start its thread"))
        })
    }
}

impl Drop for DirWatcher {
    fn drop(&mut self) {
        let watcher = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(watcher)));
    }
}

fn is_io(error: &notify::Error, kind: io::ErrorKind) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => kind == io::ErrorKind::NotFound,
        ErrorKind::Io(error) => error.kind() == kind,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use notify::Event;
    use notify::event::{AccessKind, DataChange, Flag, RemoveKind};
    use tempfile::TempDir;

    use super::*;

    /// Events about a snapshot file in a folder.
    struct Seen {
        folder: TempDir,
        events: SeenEvents,
    }

    impl Seen {
        fn new() -> Seen {
            let folder = tempfile::tempdir().unwrap();
            let source = SnapshotSource::Snapshot(folder.path().canonicalize().unwrap().join("file"));
            let events = SeenEvents { dirs: WatchedDirs::from_source(&source), ..SeenEvents::default() };
            Seen { folder, events }
        }

        fn record(&mut self, name: &str, kind: EventKind) -> bool {
            let path = self.folder.path().canonicalize().unwrap().join(name);
            self.events.record(Ok(Event::new(kind).add_path(path)))
        }
    }

    const WRITE: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    const CLOSE: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
    const READ: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Read));

    #[test]
    fn writes_to_a_file_until_it_is_closed_are_one_change() {
        let mut seen = Seen::new();
        for (kind, changes, is_open) in
            [(WRITE, 1, true), (WRITE, 1, true), (CLOSE, 1, false), (WRITE, 2, true), (CLOSE, 2, false)]
        {
            assert!(seen.record("file", kind));
            assert_eq!((seen.events.changes, !seen.events.open_files.is_empty()), (changes, is_open));
        }
    }

    #[test]
    fn reads_and_other_files_are_ignored() {
        let mut seen = Seen::new();
        assert!(!seen.record("file", READ));
        assert!(!seen.record("other", WRITE));
        assert_eq!(seen.events.changes, 0);
        assert!(!seen.events.is_path_stale);
    }

    #[test]
    fn open_lock_file_of_an_editor_delays_no_reload() {
        let mut seen = Seen::new();
        let source = SnapshotSource::Registry(seen.folder.path().canonicalize().unwrap());
        seen.events.dirs = WatchedDirs::from_source(&source);
        for name in ["~$accounts.csv", ".accounts.csv.swp", "Thumbs.db", "upload.part"] {
            assert!(!seen.record(name, WRITE), "{name}");
        }
        assert_eq!((seen.events.changes, seen.events.open_files.len()), (0, 0));
        assert!(seen.record("accounts.csv", WRITE));
        // A folder of such a name may be a company.
        assert!(seen.record("x~", EventKind::Create(CreateKind::Folder)));
        assert!(seen.record("~$accounts.csv", EventKind::Remove(RemoveKind::File)));
    }

    #[test]
    fn removed_folder_and_dropped_events_make_the_watch_stale() {
        let mut seen = Seen::new();
        assert!(seen.record("", EventKind::Remove(RemoveKind::Folder)));
        assert!(seen.events.is_watch_stale && seen.events.is_path_stale);

        let mut seen = Seen::new();
        assert!(seen.events.record(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan))));
        assert!(seen.events.is_watch_stale);
    }
}
