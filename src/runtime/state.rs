//! The state directory keeps the last two snapshots in service and the highest generation over restarts.
//!
//! | file | content |
//! |---|---|
//! | `lock` | locked by the process that writes the other files |
//! | `floor` | the highest generation that was ever in service here, in decimal digits |
//! | `current.swb`, `previous.swb` | the last two snapshots that were put in service |
//!
//! [`StateDir`] passes each published generation to the [`StateWriter`], which has a thread of its own: a slow
//! disk delays no snapshot. [`Restore`] puts a kept snapshot in service if the source is not usable at a start.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Condvar, Mutex};
use switchboard_model::UnixMillis;
use switchboard_pipeline::build;
use switchboard_snapshot::{Header, Snapshot, file};

use super::reload_event::{ReloadEvent, Reporter};
use super::store::{Generation, Store};

const LOCK: &str = "lock";
const FLOOR: &str = "floor";
pub(super) const CURRENT: &str = "current.swb";
pub(super) const PREVIOUS: &str = "previous.swb";

/// Interval at which a process without the lock tries to lock the directory.
const LOCK_INTERVAL: Duration = Duration::from_millis(200);
/// Interval at which a failed write is repeated.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// The state of the directory, for `/status` and the metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateStatus {
    /// Whether this process holds the lock, so that it writes the directory.
    pub has_lock: bool,
    /// Why the last write failed. `None` if it succeeded, or if there was none.
    pub error: Option<String>,
}

/// An event of the state directory.
#[derive(Debug)]
pub enum StateEvent<'a> {
    /// This process got the lock.
    Locked,
    /// This process is about to release the lock. What else writes the directory must stop before the
    /// observer returns.
    Releasing,
    /// Another process holds the lock. This process writes nothing.
    Waiting,
    /// The directory or a file in it cannot be written.
    Unwritable {
        /// Path and error of the system.
        error: &'a str,
    },
    /// A write succeeded after one that failed.
    Writable,
    /// A snapshot is kept.
    Kept {
        /// Generation of the snapshot.
        generation: u64,
    },
    /// The file `floor` cannot be read.
    BadFloor {
        /// Path and error.
        error: &'a str,
        /// Generation that is used as the floor.
        floor: u64,
    },
}

/// Receives every event of the state directory.
pub type StateObserver = Arc<dyn Fn(&StateEvent<'_>) + Send + Sync>;

/// A handle of the state directory. Clones share their state.
#[derive(Clone)]
pub struct StateDir(Arc<Shared>);

struct Shared {
    path: PathBuf,
    observer: StateObserver,
    status: Mutex<StateStatus>,
    /// Highest generation that is known to have been in service here. 0 without one.
    floor: Mutex<u64>,
    work: Mutex<Work>,
    woken: Condvar,
}

/// The work of the writer.
#[derive(Default)]
struct Work {
    /// The newest generation that is not kept yet.
    newest: Option<Arc<Generation>>,
    /// Whether to release the lock.
    hand_over: bool,
    /// Whether the lock is released and the writer has ended.
    is_handed_over: bool,
}

/// The state of the writer's thread. [`run`](Self::run) is the thread's function.
pub struct StateWriter {
    shared: Arc<Shared>,
    lock: Option<File>,
}

/// A verified snapshot from the state directory.
struct KeptSnapshot {
    snapshot: Snapshot,
    file: &'static str,
    modified_at: UnixMillis,
}

impl StateDir {
    /// Opens the directory, and creates it if it is missing. Never fails: the daemon serves without a usable
    /// directory, and the status has the reason.
    pub fn open(path: PathBuf, observer: StateObserver) -> (StateDir, StateWriter) {
        let shared = Arc::new(Shared {
            path,
            observer,
            status: Mutex::default(),
            floor: Mutex::new(0),
            work: Mutex::default(),
            woken: Condvar::new(),
        });
        let mut writer = StateWriter { shared: Arc::clone(&shared), lock: None };
        if !writer.try_lock() {
            shared.read_floor();
            if shared.status.lock().error.is_none() {
                (shared.observer)(&StateEvent::Waiting);
            }
        }
        (StateDir(shared), writer)
    }

    /// Returns the path of the directory.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Returns the state of the directory.
    pub fn status(&self) -> StateStatus {
        self.0.status.lock().clone()
    }

    /// Returns the highest generation that was ever in service here. 0 if there was none.
    pub(super) fn floor(&self) -> u64 {
        if !self.0.status.lock().has_lock {
            // The process with the lock may have put a newer one in service.
            self.0.read_floor();
        }
        *self.0.floor.lock()
    }

    /// Returns the path of the file that holds the floor, for messages.
    pub(super) fn floor_path(&self) -> PathBuf {
        self.0.path.join(FLOOR)
    }

    /// Keeps a generation. Returns at once: the writer's thread does the work.
    pub(super) fn keep(&self, generation: Arc<Generation>) {
        let mut floor = self.0.floor.lock();
        *floor = (*floor).max(generation.snapshot.generation());
        drop(floor);
        self.0.work.lock().newest = Some(generation);
        self.0.woken.notify_all();
    }

    /// Returns the kept snapshot whose content equals that of `built`, if the directory has one.
    pub(super) fn find_equal(&self, built: &Snapshot) -> Option<Snapshot> {
        let path = self.0.path.join(CURRENT);
        // A registry mostly differs in its lengths, so that the file is not read.
        let header = file::read_header(&path).ok().flatten()?;
        let has_equal_lengths = has_equal_lengths(&header, built.header());
        let bytes = has_equal_lengths.then(|| file::read(&path).ok()).flatten()?;
        let is_equal = body(&bytes) == body(built.bytes());
        is_equal.then(|| Snapshot::open(bytes).ok()).flatten()
    }

    /// Makes the writer keep what waits and release the lock, so that another process can write.
    pub fn hand_over(&self) {
        self.0.work.lock().hand_over = true;
        self.0.woken.notify_all();
    }

    /// Waits until the lock is released, at most `timeout`.
    pub fn wait_until_handed_over(&self, timeout: Duration) {
        let mut work = self.0.work.lock();
        self.0.woken.wait_while_for(&mut work, |work| !work.is_handed_over, timeout);
    }

    /// Opens `current.swb`, or `previous.swb` if that one cannot be used. Verifies it like any other file.
    fn open_kept(&self) -> Result<KeptSnapshot, String> {
        let mut problems = Vec::new();
        for name in [CURRENT, PREVIOUS] {
            let path = self.0.path.join(name);
            let opened = (|| {
                let modified_at = fs::metadata(&path)?.modified()?.into();
                let bytes = file::read(&path)?;
                Ok((build::open_tested(bytes), modified_at))
            })();
            match opened {
                Ok((Ok((snapshot, _)), modified_at)) => {
                    return Ok(KeptSnapshot { snapshot, file: name, modified_at });
                }
                Ok((Err(rejection), _)) => problems.push(format!("{}: {rejection}", path.display())),
                Err(error) => {
                    let error: io::Error = error;
                    problems.push(format!("{}: {error}", path.display()));
                }
            }
        }
        Err(problems.join("; "))
    }
}

fn has_equal_lengths(one: &Header, other: &Header) -> bool {
    Header { generation: 0, checksum: 0, ..*one } == Header { generation: 0, checksum: 0, ..*other }
}

/// Returns the time at which a snapshot was built. `otherwise` is the time if the generation is none.
pub(super) fn built_at(snapshot: &Snapshot, otherwise: UnixMillis) -> UnixMillis {
    let built_at = snapshot.header().built_at_ms();
    built_at.and_then(|ms| i64::try_from(ms).ok()).map_or(otherwise, UnixMillis)
}

/// Returns the bytes behind the header of a snapshot.
pub(super) fn body(bytes: &[u8]) -> &[u8] {
    bytes.get(switchboard_snapshot::header::LEN..).unwrap_or_default()
}

impl Shared {
    /// Reads the floor from the disk. Keeps a higher one that is known already.
    fn read_floor(&self) {
        let path = self.path.join(FLOOR);
        let read = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| "expected a generation in decimal digits".to_owned()),
            // Without a floor, any generation is accepted: operators remove the file to go back.
            Err(error) if is_missing(&error) => Ok(0),
            Err(error) => Err(error.to_string()),
        };
        let found = read.unwrap_or_else(|error| {
            let kept = file::read_header(&self.path.join(CURRENT)).ok().flatten();
            let floor = kept.map_or(0, |header| header.generation);
            let error = format!("{}: {error}", path.display());
            (self.observer)(&StateEvent::BadFloor { error: &error, floor });
            floor
        });
        let mut floor = self.floor.lock();
        *floor = (*floor).max(found);
    }

    fn failed(&self, path: &Path, error: &io::Error) {
        let error = format!("{}: {error}", path.display());
        let mut status = self.status.lock();
        if status.error.as_ref() == Some(&error) {
            return;
        }
        status.error = Some(error.clone());
        drop(status);
        (self.observer)(&StateEvent::Unwritable { error: &error });
    }

    fn succeeded(&self) {
        if self.status.lock().error.take().is_some() {
            (self.observer)(&StateEvent::Writable);
        }
    }
}

/// Returns whether an error means that there is no such file.
pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

impl StateWriter {
    /// Keeps generations. Returns when the lock was handed over.
    pub fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut tried_at: Option<Instant> = None;
        loop {
            if self.lock.is_none() {
                self.try_lock();
            }
            let mut work = shared.work.lock();
            let is_failed = shared.status.lock().error.is_some();
            let is_idle = |work: &mut Work| !work.hand_over && work.newest.is_none();
            if self.lock.is_none() {
                shared.woken.wait_while_for(&mut work, |work| !work.hand_over, LOCK_INTERVAL);
            } else if is_failed
                && work.newest.is_some()
                && let Some(tried_at) = tried_at
            {
                let left = RETRY_INTERVAL.saturating_sub(tried_at.elapsed());
                shared.woken.wait_while_for(&mut work, |work| !work.hand_over, left);
            } else {
                shared.woken.wait_while(&mut work, is_idle);
            }
            let hand_over = work.hand_over;
            let newest = if self.lock.is_some() { work.newest.take() } else { None };
            drop(work);
            if let Some(generation) = newest {
                tried_at = Some(Instant::now());
                if !self.keep(&generation.snapshot) {
                    // Repeated later, unless a newer one has come.
                    shared.work.lock().newest.get_or_insert(generation);
                }
            }
            if hand_over {
                if self.lock.is_some() {
                    (shared.observer)(&StateEvent::Releasing);
                }
                self.lock = None;
                shared.status.lock().has_lock = false;
                shared.work.lock().is_handed_over = true;
                shared.woken.notify_all();
                return;
            }
        }
    }

    /// Tries to lock the directory, which it creates if it is missing. Returns whether this process has the
    /// lock.
    fn try_lock(&mut self) -> bool {
        let path = self.shared.path.join(LOCK);
        let opened = fs::create_dir_all(&self.shared.path)
            .and_then(|()| OpenOptions::new().create(true).truncate(false).write(true).open(&path));
        let locked = opened.and_then(|file| match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        });
        match locked {
            Ok(Some(file)) => {
                self.lock = Some(file);
                self.shared.status.lock().has_lock = true;
                // The process that had the lock may have raised the floor.
                self.shared.read_floor();
                self.shared.succeeded();
                (self.shared.observer)(&StateEvent::Locked);
                true
            }
            Ok(None) => {
                self.shared.succeeded();
                false
            }
            Err(error) => {
                self.shared.failed(&path, &error);
                false
            }
        }
    }

    /// Keeps a snapshot. Returns whether it is kept, or is older than what is kept.
    fn keep(&self, snapshot: &Snapshot) -> bool {
        let generation = snapshot.generation();
        // Of a process that has had the lock before this one.
        if generation < *self.shared.floor.lock() {
            return true;
        }
        match self.write(snapshot) {
            Ok(is_new) => {
                self.shared.succeeded();
                if is_new {
                    (self.shared.observer)(&StateEvent::Kept { generation });
                }
                true
            }
            Err((path, error)) => {
                self.shared.failed(&path, &error);
                false
            }
        }
    }

    /// Writes the floor, then moves the current snapshot to the previous one, then writes the snapshot. Each
    /// step is atomic. Returns false if the snapshot was kept already.
    fn write(&self, snapshot: &Snapshot) -> Result<bool, (PathBuf, io::Error)> {
        let [floor, current, previous] = [FLOOR, CURRENT, PREVIOUS].map(|name| self.shared.path.join(name));
        let generation = snapshot.generation();
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| (path, error)
        };
        let on_disk = fs::read_to_string(&floor).ok().and_then(|text| text.trim().parse::<u64>().ok());
        if on_disk != Some(generation) {
            let text = format!("{generation}\n");
            file::write(&floor, text.as_bytes()).map_err(io::Error::from).map_err(at(&floor))?;
        }
        let kept = file::read_intact_header(&current).ok().flatten();
        if kept.as_ref() == Some(snapshot.header()) {
            return Ok(false);
        }
        // A damaged file must not replace an intact one.
        if kept.is_some() {
            link(&current, &previous).map_err(at(&previous))?;
        }
        file::write(&current, snapshot.bytes()).map_err(io::Error::from).map_err(at(&current))?;
        Ok(true)
    }
}

/// Makes `to` another name of the file `from`, atomically. Copies it where the file system has no links.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    let temporary = to.with_extension("link");
    let _ = fs::remove_file(&temporary);
    if fs::hard_link(from, &temporary).is_err() {
        return file::write(to, &fs::read(from)?).map_err(io::Error::from);
    }
    let renamed = fs::rename(&temporary, to);
    // rename(2) leaves the temporary name if both names are of one file.
    let _ = fs::remove_file(&temporary);
    renamed
}

/// Puts a kept snapshot in service if the source is not usable at a start.
#[derive(Clone)]
pub struct Restore {
    state: StateDir,
    store: Store,
    reporter: Reporter,
    /// Whether it was tried. Held while the file is opened, so that a second caller waits.
    is_tried: Arc<Mutex<bool>>,
}

impl Restore {
    pub(super) fn new(state: StateDir, store: Store, reporter: Reporter) -> Restore {
        Restore { state, store, reporter, is_tried: Arc::default() }
    }

    /// Puts the kept snapshot in service, unless there is one in service already. `reason` says why the
    /// source is not usable. Returns whether a snapshot is in service.
    pub fn run(&self, reason: &str) -> bool {
        let mut is_tried = self.is_tried.lock();
        let is_needed = self.store.current().is_none() && !*is_tried;
        *is_tried = true;
        if is_needed {
            match self.state.open_kept() {
                Ok(kept) => self.publish(kept, reason),
                Err(problem) => self.reporter.report(&ReloadEvent::NotRestored { problem: &problem, reason }),
            }
        }
        self.store.current().is_some()
    }

    fn publish(&self, kept: KeptSnapshot, reason: &str) {
        let KeptSnapshot { snapshot, file, modified_at } = kept;
        let built_at = built_at(&snapshot, modified_at);
        let mut last = self.reporter.last.lock();
        // Under the lock, so that `/status` shows the generation with its own times.
        if !self.store.swap_if_empty(snapshot) {
            return;
        }
        last.built_at = built_at;
        last.activated_at = SystemTime::now().into();
        last.from_state = true;
        last.warnings = None;
        drop(last);
        if let Some(generation) = self.store.current() {
            let snapshot = &generation.snapshot;
            self.reporter.report(&ReloadEvent::Restored { snapshot, built_at, file, reason });
            let is_in_service = || self.store.current().is_some_and(|now| Arc::ptr_eq(&now, &generation));
            self.reporter.find_warnings(snapshot, is_in_service);
        }
    }
}
