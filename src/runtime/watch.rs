//! Notices that a source may have changed. notify says no more than "maybe": queues overflow, network
//! file systems are silent, watches are lost with the folder they stood on. So the reload thread also
//! looks by itself every so often, and the source's look and digest decide.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RenameMode};
use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::source::Source;
use super::trail::Trail;
use super::wake::Waker;

/// Watches the folders on the trail to a source. Never the file itself: a watch on a file is lost when
/// another is renamed over it.
pub(super) struct Watch {
    waker: Waker,
    seen: Arc<Mutex<Seen>>,
    events: Option<Events>,
}

/// What the events have told.
#[derive(Default)]
struct Seen {
    trail: Trail,
    /// Something on the trail changed since the trail was last followed.
    touched: bool,
    /// A watch may stand on a folder that is in its place no more, or events were lost.
    lost: bool,
    /// Files that somebody has written into, and not closed.
    writing: BTreeSet<PathBuf>,
    /// How many changes there have been; all that is written between opening and closing is one.
    changes: u64,
}

impl Watch {
    /// Of nothing yet.
    pub(super) fn new(waker: Waker) -> Watch {
        Watch { waker, seen: Arc::default(), events: None }
    }

    /// Sees to it that the source's whole trail is watched. With `anew` the trail is followed again even
    /// if no event told that it changed.
    ///
    /// Comes before a look: what happens before the watch stands is seen by the look, the rest by the watch.
    ///
    /// # Errors
    /// What could not be watched and why; then only looking is left, until the next call succeeds.
    pub(super) fn keep(&mut self, source: &Source, anew: bool) -> Result<(), String> {
        let mut seen = lock(&self.seen);
        if self.events.is_some() && !seen.touched && !seen.lost && !anew {
            return Ok(());
        }
        seen.touched = false;
        let trail = Trail::of(source);
        let kept = self.events.is_some() && !seen.lost && seen.trail.folders == trail.folders;
        seen.trail = trail;
        if kept {
            return Ok(());
        }
        seen.lost = false;
        let folders = seen.trail.folders.clone();
        seen.writing.retain(|file| file.parent().is_some_and(|folder| folders.contains_key(folder)));
        // The handler takes the lock, and answers from the same thread that watches are asked of.
        drop(seen);
        // All of them anew: what notify still holds of a folder that was replaced, it would take away from
        // the one that replaced it. Where that fails, the old ones go as well: they may be what is too much.
        self.events = None;
        let (seen, waker) = (Arc::clone(&self.seen), self.waker.clone());
        let mut events =
            Events::new(move |event| lock(&seen).heed(event, &waker)).map_err(|error| error.to_string())?;
        for (path, folder) in folders {
            match events.watch(&path) {
                Ok(()) => {}
                Err(error) if is(&error, std::io::ErrorKind::PermissionDenied) && !folder.holds => {}
                Err(error) if is(&error, std::io::ErrorKind::NotFound) => {
                    // Gone since the trail was followed, perhaps before its parent was watched.
                    lock(&self.seen).lost = true;
                    self.waker.maybe();
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        self.events = Some(events);
        Ok(())
    }

    /// Whether somebody is in the middle of writing a file of the source, as far as is known.
    pub(super) fn writing(&self) -> bool {
        self.events.is_some() && !lock(&self.seen).writing.is_empty()
    }

    /// The number of the last change, where events tell of changes.
    pub(super) fn change(&self) -> Option<u64> {
        self.events.as_ref().map(|_| lock(&self.seen).changes)
    }
}

impl Seen {
    fn heed(&mut self, event: notify::Result<notify::Event>, waker: &Waker) {
        let relevant = match event {
            Ok(event) if !event.need_rescan() => {
                let mut relevant = false;
                for path in &event.paths {
                    relevant |= self.concerns(path) && self.note(path, event.kind);
                }
                relevant
            }
            // Events were dropped, perhaps one that told of a lost folder.
            _ => {
                self.lost = true;
                true
            }
        };
        if relevant {
            self.touched = true;
            waker.maybe();
        }
    }

    fn concerns(&self, path: &Path) -> bool {
        let folders = &self.trail.folders;
        self.trail.names.contains(path)
            || folders.contains_key(path)
            || path.parent().and_then(|parent| folders.get(parent)).is_some_and(|parent| parent.whole)
    }

    /// Whether it is a reason to look.
    fn note(&mut self, path: &Path, kind: EventKind) -> bool {
        match kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                self.writing.remove(path);
            }
            // Reading is an event as well: heeding it would wake the thread by its own looking.
            EventKind::Access(_) => return false,
            // Both halves have been told one by one.
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return false,
            EventKind::Modify(ModifyKind::Metadata(_)) => {}
            EventKind::Modify(ModifyKind::Data(_)) => {
                if self.writing.insert(path.to_owned()) {
                    self.changes += 1;
                }
            }
            // A file that was opened to be written. Links, and names of files that exist, come whole.
            EventKind::Create(CreateKind::File)
                if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == 0) =>
            {
                self.writing.insert(path.to_owned());
                self.changes += 1;
            }
            _ => {
                self.writing.remove(path);
                self.lost |= self.trail.folders.contains_key(path);
                self.changes += 1;
            }
        }
        true
    }
}

/// notify's watcher. Its methods and its drop panic where its thread could not be started; a panic while
/// one unwinds would end the process.
struct Events(Option<RecommendedWatcher>);

impl Events {
    fn new(heed: impl FnMut(notify::Result<notify::Event>) + Send + 'static) -> notify::Result<Events> {
        Ok(Events(Some(notify::recommended_watcher(heed)?)))
    }

    fn watch(&mut self, folder: &Path) -> notify::Result<()> {
        let watched = AssertUnwindSafe(|| {
            self.0.as_mut().map_or(Ok(()), |watcher| watcher.watch(folder, RecursiveMode::NonRecursive))
        });
        catch_unwind(watched).unwrap_or_else(|_| {
            std::mem::forget(self.0.take());
            Err(notify::Error::generic("the thread that takes events could not be started"))
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let watcher = self.0.take();
        // Nothing is left to be done about it.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(watcher)));
    }
}

fn is(error: &notify::Error, kind: std::io::ErrorKind) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => kind == std::io::ErrorKind::NotFound,
        ErrorKind::Io(error) => error.kind() == kind,
        _ => false,
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
