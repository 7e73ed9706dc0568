//! Watches one file other than the source, such as the principals, with the watch and the debounce of the
//! source.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime};

use switchboard_pipeline::{Fetched, SnapshotSource, SourceError, SourceStamp};
use switchboard_snapshot::Bytes;

use super::poller::{Polled, PolledSource, QUIET_PERIOD, SourcePoller};
use super::reload_event::{ReloadSignal, ReloadSignalReceiver, Reporter, WatchMode, reload_signal};
use super::watch::WatchedSource;
use super::watch_path::read_bounded;

/// The running watch of a file. Dropping it ends the thread of the watch.
pub struct FileWatch {
    signal: ReloadSignal,
}

impl FileWatch {
    /// Starts a thread that reads a file now and after each change, and calls `changed` with the content or
    /// with the path and the error. Without a change of the file, a file that cannot be read is read again
    /// every `interval`.
    ///
    /// # Errors
    /// Returns the error of the system if it refuses the thread.
    pub fn start(
        name: &str,
        path: PathBuf,
        max_bytes: usize,
        mode: WatchMode,
        interval: Duration,
        changed: impl FnMut(Result<&[u8], String>) + Send + 'static,
    ) -> io::Result<FileWatch> {
        let (signal, receiver) = reload_signal();
        // The events of the watch are those of the source, which has its own.
        let reporter = Reporter::new(Arc::new(|_| {}));
        let mut watched = WatchedSource::new(SnapshotSource::Snapshot(path.clone()), reporter);
        if mode == WatchMode::Events {
            watched.watch(signal.clone());
        }
        let poller = SourcePoller::new(BoundedFile { watched, path, max_bytes });
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(poller, &receiver, interval, changed))?;
        Ok(FileWatch { signal })
    }
}

impl Drop for FileWatch {
    fn drop(&mut self) {
        self.signal.stop();
    }
}

/// A file that is read up to a limit.
struct BoundedFile {
    watched: WatchedSource,
    path: PathBuf,
    max_bytes: usize,
}

impl PolledSource for BoundedFile {
    fn renew_watch(&mut self, follow_path: bool) {
        self.watched.renew_watch(follow_path);
    }

    fn is_being_written(&self) -> bool {
        self.watched.is_being_written()
    }

    fn stamp(&self) -> SourceStamp {
        self.watched.stamp()
    }

    fn fetch(&self) -> Result<Fetched, SourceError> {
        let read = read_bounded(&self.path, self.max_bytes).and_then(|content| {
            let bytes = Bytes::read(&content, io::empty(), content.len().max(1))?;
            Ok(Fetched::Bytes { bytes, modified_at: SystemTime::now().into(), release: None })
        });
        read.map_err(|error| SourceError::Snapshot { path: self.path.clone(), error })
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}

fn run(
    mut poller: SourcePoller<BoundedFile>,
    signal: &ReloadSignalReceiver,
    interval: Duration,
    mut changed: impl FnMut(Result<&[u8], String>),
) {
    loop {
        let polled_at = Instant::now();
        match poller.poll() {
            Polled::Fetched(Ok(Fetched::Bytes { bytes, .. })) => changed(Ok(&bytes)),
            // The hints of the source are about registries and snapshots.
            Polled::Fetched(Err(SourceError::Snapshot { path, error })) => {
                let path = path.display();
                changed(Err(format!("{path}: {error}; put the file back, or check its permissions")));
            }
            Polled::Fetched(Err(error)) => changed(Err(error.to_string())),
            Polled::Fetched(Ok(Fetched::Files(_) | Fetched::Database(_) | Fetched::NoRelease))
            | Polled::Unchanged
            | Polled::Settling
            | Polled::SameContent => {}
        }
        loop {
            let is_due_soon = poller.is_due_soon();
            if is_due_soon {
                // One poll covers all events that arrive meanwhile.
                sleep(QUIET_PERIOD);
            }
            let timeout =
                if is_due_soon { Duration::ZERO } else { interval.saturating_sub(polled_at.elapsed()) };
            let reasons = signal.wait(timeout);
            if reasons.stop {
                return;
            }
            if is_due_soon || reasons.fs_event || polled_at.elapsed() >= interval {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::channel;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn file_is_read_at_the_start_and_after_each_change() {
        for mode in [WatchMode::Events, WatchMode::Poll] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            fs::write(&path, "one").unwrap();
            let (sender, contents) = channel();
            let report = move |read: Result<&[u8], String>| drop(sender.send(read.map(<[u8]>::to_vec)));
            let interval = Duration::from_millis(50);
            let watch = FileWatch::start("file", path.clone(), 10, mode, interval, report).unwrap();
            let next = |expected: &str| loop {
                let read = contents.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {expected}"));
                let text = read.map_or_else(|error| error, |bytes| String::from_utf8(bytes).unwrap());
                if text.contains(expected) {
                    break;
                }
            };
            next("one");
            fs::write(folder.path().join("new"), "two").unwrap();
            fs::rename(folder.path().join("new"), &path).unwrap();
            next("two");
            fs::write(&path, "12345678901").unwrap();
            next("more than 10 bytes");
            fs::remove_file(&path).unwrap();
            next("No such file");
            fs::write(&path, "").unwrap();
            fs::write(&path, "three").unwrap();
            next("three");
            drop(watch);
            // The sender is dropped with the thread.
            while contents.recv_timeout(PATIENCE).is_ok() {}
        }
    }
}
