//! Publishes the content of a source: verifies it, activates it by one pointer store, and drops the replaced
//! generation. A broken snapshot or registry is rejected and reported; the last good generation stays in
//! service.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use switchboard_model::UnixMillis;
use switchboard_pipeline::{
    BuildFailure, BuildMode, DEMO_GENERATION, Fetched, SnapshotSource, SourceError, build,
};
use switchboard_registry::{Files, Findings};
use switchboard_snapshot::{Bytes, NoProgress, Rejection, RejectionStage, Snapshot};

use super::reload_event::{ReloadEvent, Reporter};
use super::state::{StateDir, body, built_at};
use super::store::{Generation, Store};
use crate::telemetry::ReloadOutcome;

/// A file that has not grown for this time is no longer being copied.
const MAX_COPY_PAUSE: Duration = Duration::from_secs(10);

/// Puts snapshots of one source in service. No other code may swap the snapshot of the store.
pub(super) struct Publisher {
    source: SnapshotSource,
    store: Store,
    reporter: Reporter,
    /// Keeps what is put in service. `None` without a state directory, and for the demo.
    state: Option<StateDir>,
    last_rejection: Option<RejectionDedup>,
    /// Error of the last read, if it failed.
    last_read_error: Option<String>,
    /// Whether the snapshot in service matches the source as of the last read.
    is_current: bool,
    /// Digest of the registry in service. `None` if the source is a snapshot.
    files_digest: Option<u128>,
    /// Replaced generations that a request or a worker may still hold.
    retired: Vec<Arc<Generation>>,
}

impl Publisher {
    pub(super) fn new(
        source: SnapshotSource,
        store: Store,
        reporter: Reporter,
        state: Option<StateDir>,
    ) -> Publisher {
        let state = state.filter(|_| source != SnapshotSource::Demo);
        Publisher {
            source,
            store,
            reporter,
            state,
            last_rejection: None,
            last_read_error: None,
            is_current: false,
            files_digest: None,
            retired: Vec::new(),
        }
    }

    /// Forgets earlier failures, so that the same failure is reported again.
    pub(super) fn forget_failures(&mut self) {
        self.last_rejection = None;
        self.last_read_error = None;
    }

    /// Reports that the source has not changed since it matched the snapshot in service.
    pub(super) fn confirm(&self) {
        if self.is_current {
            self.reporter.report(&ReloadEvent::Confirmed);
        }
    }

    /// Activates the content of the source. Reports the reason if that fails. `change` returns the sequence
    /// number of the source's last change, or `None` without file-system events. It is called after the
    /// verification, to include changes during it.
    pub(super) fn apply(&mut self, fetched: Result<Fetched, SourceError>, change: impl Fn() -> Option<u64>) {
        match fetched {
            Err(error) => self.unreadable(error.to_string()),
            Ok(content) => {
                self.last_read_error = None;
                match content {
                    Fetched::Files(files) => self.apply_files(&files, change),
                    Fetched::Bytes { bytes, modified_at } => self.apply_bytes(bytes, modified_at, change),
                }
            }
        }
    }

    fn apply_files(&mut self, files: &Files, change: impl Fn() -> Option<u64>) {
        let digest = files.digest();
        if self.files_digest == Some(digest) {
            return self.unchanged();
        }
        let now = UnixMillis::from(SystemTime::now());
        let generation = self.next_generation(now);
        match build::build_snapshot(files, generation, now.to_seconds(), BuildMode::Serve, &NoProgress) {
            Ok(built) => {
                self.files_digest = Some(digest);
                self.reporter.report(&ReloadEvent::Timed { timings: &built.timings });
                match self.with_kept_generation(built.snapshot) {
                    Some(snapshot) => {
                        let built_at = built_at(&snapshot, now);
                        self.activate(snapshot, built_at, &built.findings);
                    }
                    None => {
                        self.reporter.record_warnings(&built.findings);
                        self.unchanged();
                    }
                }
            }
            Err(BuildFailure { findings, .. }) => {
                let errors = match findings.errors() {
                    1 => "1 error".to_owned(),
                    // More than 100 errors of one kind are not all kept.
                    few @ ..=100 => format!("{few} errors"),
                    many => format!("at least {many} errors"),
                };
                let reason = format!("{} has {errors}", self.source.describe());
                self.rejected(RejectionStage::Registry, reason, &findings, change());
            }
        }
    }

    /// Returns the generation of a registry that is built now.
    fn next_generation(&self, now: UnixMillis) -> u64 {
        if self.source == SnapshotSource::Demo {
            return DEMO_GENERATION;
        }
        // Greater than every earlier generation even if the clock was set back.
        let in_service = self.store.current().map_or(0, |current| current.snapshot.generation());
        let floor = self.state.as_ref().map_or(0, StateDir::floor);
        now.as_u64().max(in_service.max(floor).saturating_add(1))
    }

    /// Gives a built snapshot the generation of the kept snapshot if both have the same content. Returns
    /// `None` if the snapshot in service has this content.
    fn with_kept_generation(&self, built: Snapshot) -> Option<Snapshot> {
        let Some(state) = &self.state else { return Some(built) };
        match self.store.current() {
            Some(current) => {
                let is_equal = body(current.snapshot.bytes()) == body(built.bytes());
                (!is_equal).then_some(built)
            }
            None => Some(state.find_equal(&built).unwrap_or(built)),
        }
    }

    fn apply_bytes(&mut self, bytes: Bytes, modified_at: UnixMillis, change: impl Fn() -> Option<u64>) {
        let opened = build::open_tested(bytes).and_then(|(snapshot, timings)| {
            let is_newer = is_newer(&snapshot, self.store.current().as_deref(), self.state.as_ref())?;
            Ok(is_newer.then_some((snapshot, timings)))
        });
        match opened {
            Ok(None) => self.unchanged(),
            Ok(Some((snapshot, timings))) => {
                self.reporter.report(&ReloadEvent::Timed { timings: &timings });
                let built_at = built_at(&snapshot, modified_at);
                self.activate(snapshot, built_at, &Findings::default());
            }
            Err(Rejection { stage, reason }) => {
                let reason = format!("{}: {reason}", self.source.describe());
                self.rejected(stage, reason, &Findings::default(), change());
            }
        }
    }

    fn activate(&mut self, snapshot: Snapshot, built_at: UnixMillis, findings: &Findings) {
        let mut last = self.reporter.last.lock();
        last.built_at = built_at;
        last.activated_at = SystemTime::now().into();
        // Swapped under the lock, so that `/status` shows each generation with its own times.
        self.retired.extend(self.store.swap(snapshot));
        drop(last);
        self.record_outcome(ReloadOutcome::Published, None, findings);
        self.reporter.record_warnings(findings);
        if let Some(generation) = self.store.current() {
            if let Some(state) = &self.state {
                state.keep(Arc::clone(&generation));
            }
            let snapshot = &generation.snapshot;
            self.reporter.report(&ReloadEvent::Published { snapshot, built_at, findings });
        }
        self.drop_retired();
    }

    fn unchanged(&mut self) {
        self.record_outcome(ReloadOutcome::Unchanged, None, &Findings::default());
        self.reporter.report(&ReloadEvent::Unchanged);
    }

    fn rejected(&mut self, stage: RejectionStage, reason: String, findings: &Findings, change: Option<u64>) {
        self.record_outcome(ReloadOutcome::Rejected, Some(reason.clone()), findings);
        let rejection = RejectionDedup::new(&self.source, stage, change);
        let is_reported = self.last_rejection.as_ref().is_some_and(|earlier| rejection.is_same(earlier));
        self.last_rejection = Some(rejection);
        if !is_reported {
            self.reporter.report(&ReloadEvent::Rejected { stage, reason: &reason, findings });
        }
    }

    /// Reports a read error. Repeated polls report the same error once.
    fn unreadable(&mut self, reason: String) {
        if self.last_read_error.as_ref() != Some(&reason) {
            self.record_outcome(ReloadOutcome::Unreadable, Some(reason.clone()), &Findings::default());
            self.reporter.report(&ReloadEvent::Unreadable { reason: &reason });
            self.last_read_error = Some(reason);
        }
    }

    /// Reports a panic of the reload thread as an unreadable source.
    pub(super) fn panicked(&mut self) {
        let reason =
            "a bug in Switchboard stopped this reload; report it with the source and the panic from the log";
        self.record_outcome(ReloadOutcome::Unreadable, Some(reason.to_owned()), &Findings::default());
        self.reporter.report(&ReloadEvent::Unreadable { reason });
    }

    fn record_outcome(&mut self, outcome: ReloadOutcome, error: Option<String>, findings: &Findings) {
        self.is_current = matches!(outcome, ReloadOutcome::Published | ReloadOutcome::Unchanged);
        self.reporter.record_outcome(outcome, error, findings);
    }

    /// Drops replaced generations that no request and no worker holds. Dropping takes milliseconds, so it
    /// runs on the reload thread.
    pub(super) fn drop_retired(&mut self) {
        self.retired.retain(|generation| Arc::strong_count(generation) > 1);
        let in_service = usize::from(self.store.current().is_some());
        self.reporter.report(&ReloadEvent::Alive { snapshots: in_service + self.retired.len() });
    }

    /// Returns whether a replaced generation is still in memory.
    pub(super) fn has_retired(&self) -> bool {
        !self.retired.is_empty()
    }
}

/// Returns whether to activate a snapshot. Returns false if the snapshot is the one in service.
///
/// # Errors
/// Rejects a generation that is older than the one in service or than the floor, and another snapshot of the
/// same generation.
fn is_newer(
    snapshot: &Snapshot,
    current: Option<&Generation>,
    state: Option<&StateDir>,
) -> Result<bool, Rejection> {
    let new = snapshot.generation();
    let current = current.map(|current| &current.snapshot);
    if current.is_some_and(|current| current.header() == snapshot.header()) {
        return Ok(false);
    }
    let remedy = "compile the registry again, with a greater --generation if the clock of that machine is behind; \
                  to serve an old snapshot, run `switchboard compile OLD.swb -o FILE`, which gives its content a \
                  new generation";
    if let Some(old) = current.map(Snapshot::generation).filter(|old| new <= *old) {
        let than = if new == old {
            format!("generation {new} is in service with other content")
        } else {
            format!("generation {new} is older than generation {old}, which is in service")
        };
        return Err(RejectionStage::Generation.rejection(format!("{than}: {remedy}")));
    }
    if let Some(state) = state
        && new < state.floor()
    {
        let reason = format!(
            "generation {new} is older than generation {floor}, which was in service here: {remedy}; as a last \
             resort, stop the daemon and remove {path}",
            floor = state.floor(),
            path = state.floor_path().display(),
        );
        return Err(RejectionStage::Generation.rejection(reason));
    }
    Ok(true)
}

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
    use std::io;

    use parking_lot::Mutex;
    use rkyv::util::AlignedVec;

    use super::*;
    use switchboard_pipeline::demo_files;

    /// A publisher for a snapshot file that is never read, with the events that it reports.
    struct Published {
        publisher: Publisher,
        store: Store,
        outcomes: Arc<Mutex<Vec<ReloadOutcome>>>,
        alive: Arc<Mutex<usize>>,
    }

    impl Published {
        fn new() -> Published {
            let (outcomes, alive) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<usize>>::default());
            let observer = {
                let (outcomes, alive) = (Arc::clone(&outcomes), Arc::clone(&alive));
                Arc::new(move |event: &ReloadEvent<'_>| {
                    outcomes.lock().extend(event.outcome());
                    if let ReloadEvent::Alive { snapshots } = event {
                        *alive.lock() = *snapshots;
                    }
                })
            };
            let (store, source) = (Store::default(), SnapshotSource::Snapshot("/no/such/file".into()));
            let publisher = Publisher::new(source, store.clone(), Reporter::new(observer), None);
            Published { publisher, store, outcomes, alive }
        }

        fn apply(&mut self, bytes: &[u8], change: u64) {
            let mut aligned = AlignedVec::new();
            aligned.extend_from_slice(bytes);
            let fetched = Fetched::Bytes { bytes: aligned.into(), modified_at: UnixMillis(0) };
            self.publisher.apply(Ok(fetched), || Some(change));
        }

        fn fail_to_read(&mut self) {
            let path = "/no/such/file".into();
            let error = SourceError::Snapshot { path, error: io::Error::other("gone") };
            self.publisher.apply(Err(error), || None);
        }

        fn take_outcomes(&self) -> Vec<ReloadOutcome> {
            std::mem::take(&mut self.outcomes.lock())
        }

        fn generation(&self) -> Option<u64> {
            self.store.current().map(|generation| generation.snapshot.generation())
        }
    }

    fn snapshot(generation: u64) -> Vec<u8> {
        let compiled = build::build_snapshot(
            &demo_files(),
            generation,
            switchboard_model::UnixSeconds(1_790_000_000),
            BuildMode::Serve,
            &NoProgress,
        );
        compiled.ok().unwrap().snapshot.bytes().to_vec()
    }

    #[test]
    fn newer_snapshot_is_published_and_an_older_one_is_rejected() {
        let mut published = Published::new();
        published.apply(&snapshot(5), 1);
        published.apply(&snapshot(5), 2);
        published.apply(&snapshot(4), 3);
        published.apply(&snapshot(6), 4);
        use ReloadOutcome::{Published as New, Rejected, Unchanged};
        assert_eq!(published.take_outcomes(), [New, Unchanged, Rejected, New]);
        assert_eq!(published.generation(), Some(6));
    }

    #[test]
    fn broken_snapshot_keeps_the_generation_and_is_reported_once_for_each_change() {
        let mut published = Published::new();
        published.apply(&snapshot(5), 1);
        let mut broken = snapshot(6);
        broken[200] ^= 1;
        published.take_outcomes();
        for change in [2, 2, 3] {
            published.apply(&broken, change);
        }
        assert_eq!(published.take_outcomes(), [ReloadOutcome::Rejected, ReloadOutcome::Rejected]);
        assert_eq!(published.generation(), Some(5));
        published.publisher.forget_failures();
        published.apply(&broken, 3);
        assert_eq!(published.take_outcomes(), [ReloadOutcome::Rejected], "a requested reload reports again");
    }

    #[test]
    fn read_error_is_reported_once_until_a_read_succeeds() {
        let mut published = Published::new();
        published.fail_to_read();
        published.fail_to_read();
        published.apply(&snapshot(5), 1);
        published.fail_to_read();
        use ReloadOutcome::{Published as New, Unreadable};
        assert_eq!(published.take_outcomes(), [Unreadable, New, Unreadable]);
        assert_eq!(published.generation(), Some(5));
    }

    #[test]
    fn replaced_generation_is_dropped_when_its_last_holder_releases_it() {
        let mut published = Published::new();
        published.apply(&snapshot(5), 1);
        let held = published.store.current();
        published.apply(&snapshot(6), 2);
        assert_eq!((*published.alive.lock(), published.publisher.has_retired()), (2, true));
        drop(held);
        published.publisher.drop_retired();
        assert_eq!((*published.alive.lock(), published.publisher.has_retired()), (1, false));
    }

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
