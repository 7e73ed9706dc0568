//! Publishes the content of a source: verifies it, activates it by one pointer store, and drops the replaced
//! generation. A broken snapshot or registry is rejected and reported; the last good generation stays in
//! service.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use switchboard_database::{Contents, Rows};
use switchboard_model::UnixMillis;
use switchboard_pipeline::{
    BuildFailure, BuildMode, DEMO_GENERATION, Fetched, HeldBack, Reload, SnapshotSource, SourceError, build,
    build_reload, error_count,
};
use switchboard_registry::{Files, Findings};
use switchboard_release::{Verified, release_path};
use switchboard_snapshot::header::Digests;
use switchboard_snapshot::{Bytes, NoProgress, Rejection, RejectionStage, Snapshot};

use super::reload_event::{HeldBackCompany, ReloadEvent, Reporter};
use super::state::{Restore, StateDir, body, built_at};
use super::store::{Generation, Store};
use super::trusted_keys::KeysInForce;
use crate::telemetry::ReloadOutcome;

/// Maximum number of companies that the reason of a rejection names.
const MAX_NAMED: usize = 10;

/// A file that has not grown for this time is no longer being copied.
const MAX_COPY_PAUSE: Duration = Duration::from_secs(10);
/// Time from the start with a restored snapshot until its source is judged again, as a reload. At a start, a
/// registry is served whole or not at all, and a client should see that it was the kept one.
const JUDGED_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// Puts snapshots of one source in service. No other code may swap the snapshot of the store.
pub(super) struct Publisher {
    source: SnapshotSource,
    store: Store,
    reporter: Reporter,
    /// Keeps what is put in service. `None` without a state directory, and for the demo.
    state: Option<StateDir>,
    /// The keys that must have signed a snapshot file. `None` if no signatures are required.
    trusted_keys: Option<KeysInForce>,
    last_rejection: Option<RejectionDedup>,
    /// Error of the last read, if it failed.
    last_read_error: Option<String>,
    /// Whether the snapshot in service matches the source as of the last read.
    is_current: bool,
    /// Digest of the registry in service. `None` if the source is a snapshot, or if a company is held back.
    files_digest: Option<u128>,
    /// Digest of the files of which the guard refused a change, and the time of the refusal.
    refused: Option<(u128, Instant)>,
    /// Digest of refused files that a request to reload has confirmed. Stays until other files are read.
    confirmed: Option<u128>,
    /// Puts a kept snapshot in service if the source is not usable. `None` without a state directory.
    restore: Option<Restore>,
    /// The time from which the source of a restored snapshot is judged again, as a reload.
    judge_again_at: Option<Instant>,
    /// Called once, when a snapshot is in service or the source has been read.
    on_ready: Option<Box<dyn FnOnce() + Send>>,
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
            trusted_keys: None,
            last_rejection: None,
            last_read_error: None,
            is_current: false,
            files_digest: None,
            refused: None,
            confirmed: None,
            restore: None,
            judge_again_at: None,
            on_ready: None,
            retired: Vec::new(),
        }
    }

    /// Sets what puts a kept snapshot in service if the source is not usable at the start.
    pub(super) fn set_restore(&mut self, restore: Restore) {
        self.restore = Some(restore);
    }

    /// Sets the keys that must have signed a snapshot file.
    pub(super) fn set_trusted_keys(&mut self, keys: KeysInForce) {
        self.trusted_keys = Some(keys);
    }

    /// Sets what [`ready`](Self::ready) calls.
    pub(super) fn set_on_ready(&mut self, on_ready: impl FnOnce() + Send + 'static) {
        self.on_ready = Some(Box::new(on_ready));
    }

    /// Announces that a snapshot is in service, or that the source has been read.
    pub(super) fn ready(&mut self) {
        if let Some(on_ready) = self.on_ready.take() {
            on_ready();
        }
    }

    /// Returns how long it takes until the source of a restored snapshot is judged again. Returns `None` if it is not.
    pub(super) fn judged_again_in(&self) -> Option<Duration> {
        self.judge_again_at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Prepares a reload that was requested at this time. The same failure is reported again. A request after
    /// a refusal of the guard confirms the refused files.
    pub(super) fn reload_requested(&mut self, at: Instant) {
        self.last_rejection = None;
        self.last_read_error = None;
        if let Some((digest, _)) = self.refused.filter(|(_, refused_at)| at > *refused_at) {
            self.confirmed = Some(digest);
        }
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
                    Fetched::Files(files) => self.apply_files(&files, None, change),
                    Fetched::Database(Contents { files, rows }) => {
                        self.apply_files(&files, Some(&rows), change);
                    }
                    Fetched::NoRelease => self.no_release(),
                    Fetched::Bytes { bytes, modified_at, release } => {
                        self.apply_bytes(bytes, modified_at, release, change);
                    }
                }
            }
        }
    }

    /// Builds and activates a registry. Findings name rows in place of lines if the registry is in a database.
    fn apply_files(&mut self, files: &Files, rows: Option<&Rows>, change: impl Fn() -> Option<u64>) {
        let digest = files.digest();
        self.confirmed = self.confirmed.filter(|confirmed| *confirmed == digest);
        (self.refused, self.judge_again_at) = (None, None);
        if self.files_digest == Some(digest) {
            self.set_held_back(&[], false);
            return self.unchanged();
        }
        let now = UnixMillis::from(SystemTime::now());
        let was_empty = self.store.current().is_none();
        let mut reload = self.build(files, now);
        if let Some(rows) = rows {
            match &mut reload {
                Ok(reload) => reload.change_findings(|findings| rows.relocate(files, findings)),
                Err(failure) => rows.relocate(files, &mut failure.findings),
            }
        }
        if was_empty
            && let Err(failure) = &reload
            && self.restore(&self.rejection_of(failure))
        {
            self.ready();
            self.judge_again_at = Some(Instant::now() + JUDGED_AGAIN_AFTER);
        }
        // Before anything is reported, because a request may follow a report at once.
        let judged_at = Instant::now();
        match reload {
            Ok(Reload { held_back, built: Some(built), .. }) => {
                self.files_digest = held_back.is_empty().then_some(digest);
                self.reporter.report(&ReloadEvent::Timed { timings: &built.timings });
                self.set_held_back(&held_back, true);
                match self.with_kept_generation(built.snapshot) {
                    Some(snapshot) => {
                        let built_at = built_at(&snapshot, now);
                        self.activate(snapshot, built_at, Some(&built.findings));
                    }
                    None => {
                        self.reporter.record_warnings(&built.findings);
                        self.unchanged();
                    }
                }
                self.remember_refusal(digest, judged_at, &held_back);
            }
            Ok(Reload { held_back, built: None, findings }) => {
                let is_refused = |held: &HeldBack| held.cause.stage() == RejectionStage::Guard;
                let all_refused = held_back.iter().all(is_refused);
                let stage = if all_refused { RejectionStage::Guard } else { RejectionStage::Registry };
                let source = self.source.describe();
                let reason = format!("{source}: every change is held back: {}", named(&held_back));
                self.set_held_back(&held_back, false);
                self.rejected(stage, reason, &findings, change());
                self.remember_refusal(digest, judged_at, &held_back);
            }
            Err(failure) => {
                let reason = self.rejection_of(&failure);
                self.rejected(RejectionStage::Registry, reason, &failure.findings, change());
            }
        }
    }

    /// Builds a snapshot of a registry's files. At a start, a registry is served whole or not at all.
    fn build(&self, files: &Files, now: UnixMillis) -> Result<Reload, BuildFailure> {
        let generation = self.next_generation(now);
        match self.store.current() {
            Some(current) => {
                let (in_service, is_confirmed) = (&current.snapshot, self.confirmed.is_some());
                build_reload(files, in_service, is_confirmed, generation, now.to_seconds(), &NoProgress)
            }
            None => build::build_snapshot(files, generation, now.to_seconds(), BuildMode::Serve, &NoProgress)
                .map(Reload::from),
        }
    }

    fn rejection_of(&self, failure: &BuildFailure) -> String {
        format!("{} has {}", self.source.describe(), error_count(&failure.findings))
    }

    /// Puts a kept snapshot in service if there is none, because the source is not usable for this reason.
    /// Returns whether a snapshot is in service.
    fn restore(&self, reason: &str) -> bool {
        self.restore.as_ref().is_some_and(|restore| restore.run(reason))
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

    /// Remembers that the guard refused a change of these files, so that a request to reload can confirm it.
    fn remember_refusal(&mut self, digest: u128, judged_at: Instant, held_back: &[HeldBack]) {
        let is_refused = held_back.iter().any(|held| held.cause.stage() == RejectionStage::Guard);
        self.refused = is_refused.then_some((digest, judged_at));
    }

    /// Records and reports the companies that are held back. `is_published` says whether others are published.
    fn set_held_back(&self, held_back: &[HeldBack], is_published: bool) {
        let now = SystemTime::now().into();
        let mut last = self.reporter.last.lock();
        let before = std::mem::take(&mut last.held_back);
        let find = |all: &[HeldBackCompany], id: &str| {
            all.binary_search_by(|held| held.company.as_str().cmp(id)).ok()
        };
        let earlier = |company: &str| find(&before, company).and_then(|at| before.get(at));
        let companies: Vec<HeldBackCompany> = held_back
            .iter()
            .map(|held| {
                let since = earlier(&held.company).map_or(now, |held| held.since);
                HeldBackCompany::new(held, since)
            })
            .collect();
        last.held_back.clone_from(&companies);
        drop(last);
        let is_new = |held: &&HeldBackCompany| is_published && earlier(&held.company) != Some(*held);
        let new: Vec<HeldBackCompany> = companies.iter().filter(is_new).cloned().collect();
        let is_held = |company: &str| find(&companies, company).is_some();
        let released = before.iter().map(|held| held.company.clone()).filter(|company| !is_held(company));
        let released: Vec<String> = released.collect();
        self.reporter.report(&ReloadEvent::HeldBack {
            companies: &companies,
            new: &new,
            released: &released,
        });
    }

    fn apply_bytes(
        &mut self,
        bytes: Bytes,
        modified_at: UnixMillis,
        release: Option<Result<Vec<u8>, String>>,
        change: impl Fn() -> Option<u64>,
    ) {
        let digest = self.trusted_keys.is_some().then(|| Digests::of(&bytes).file.to_string());
        let digest = digest.unwrap_or_default();
        // The signatures come first, because nothing of a file that is not signed is parsed.
        let opened = self.verify(&digest, release).and_then(|verified| {
            let (snapshot, timings) = build::open_tested(bytes)?;
            if let Some(verified) = &verified {
                self.check_generation(verified, &snapshot)?;
            }
            let is_newer = is_newer(&snapshot, self.store.current().as_deref(), self.state.as_ref())?;
            Ok((verified, is_newer.then_some((snapshot, timings))))
        });
        if let Some(keys) = &self.trusted_keys {
            let is_refused = |rejection: &Rejection| rejection.stage == RejectionStage::Signature;
            keys.set_refused(opened.as_ref().is_err_and(is_refused));
        }
        if let (Some(keys), Ok((Some(verified), _))) = (&self.trusted_keys, &opened) {
            keys.record(verified, &digest);
            self.reporter.report(&ReloadEvent::Verified { verified });
        }
        match opened {
            Ok((_, None)) => self.unchanged(),
            Ok((_, Some((snapshot, timings)))) => {
                self.reporter.report(&ReloadEvent::Timed { timings: &timings });
                let built_at = built_at(&snapshot, modified_at);
                self.activate(snapshot, built_at, None);
            }
            Err(Rejection { stage, reason }) => {
                let reason = format!("{}: {reason}", self.source.describe());
                self.restore(&reason);
                // The restored snapshot is this file, so that no signatures are needed for it.
                if stage == RejectionStage::Signature && self.is_in_service(&digest) {
                    return self.unchanged();
                }
                self.rejected(stage, reason, &Findings::default(), change());
            }
        }
    }

    fn is_in_service(&self, digest: &str) -> bool {
        self.store.current().is_some_and(|current| current.snapshot.digest() == digest)
    }

    /// Verifies the signatures of a snapshot file. Returns `None` if none are required, and for the snapshot in
    /// service, which needs none.
    ///
    /// # Errors
    /// Rejects a file without a manifest that names it and that enough keys signed.
    fn verify(
        &self,
        digest: &str,
        release: Option<Result<Vec<u8>, String>>,
    ) -> Result<Option<Verified>, Rejection> {
        let Some(keys) = &self.trusted_keys else { return Ok(None) };
        let release = release.unwrap_or_else(|| Err("the file was not read".to_owned()));
        match keys.verify(&release, digest) {
            Ok(verified) => Ok(Some(verified)),
            // The manifest may be that of the next snapshot, because it is written first.
            Err(_) if self.is_in_service(digest) => Ok(None),
            Err(reason) => Err(self.signature_rejection(&reason)),
        }
    }

    /// Checks that a manifest states the generation of its snapshot.
    fn check_generation(&self, verified: &Verified, snapshot: &Snapshot) -> Result<(), Rejection> {
        let (stated, actual) = (verified.manifest.generation, snapshot.generation());
        if stated == actual {
            return Ok(());
        }
        let reason = format!(
            "it states generation {stated}, but the snapshot has generation {actual}; sign the snapshot with \
             `switchboard sign`"
        );
        Err(self.signature_rejection(&reason))
    }

    fn signature_rejection(&self, reason: &str) -> Rejection {
        let release = self.source.file().map(|path| release_path(path).display().to_string());
        let release = release.unwrap_or_default();
        RejectionStage::Signature.rejection(format!("{release}: {reason}"))
    }

    /// Puts a snapshot in service. Without `findings`, its warnings are found when it is in service.
    fn activate(&mut self, snapshot: Snapshot, built_at: UnixMillis, findings: Option<&Findings>) {
        let mut last = self.reporter.last.lock();
        last.built_at = built_at;
        last.activated_at = SystemTime::now().into();
        let held_back = last.held_back.len();
        let companies = snapshot.counts().companies;
        last.warnings = None;
        // Swapped under the lock, so that `/status` shows each generation with its own times.
        let replaced = self.store.swap(snapshot);
        drop(last);
        let company_required =
            companies > 1 && replaced.as_ref().is_some_and(|it| it.snapshot.only_company().is_some());
        self.retired.extend(replaced);
        self.record_outcome(ReloadOutcome::Published, None, &Findings::default());
        if let Some(findings) = findings {
            self.reporter.record_warnings(findings);
        }
        if let Some(generation) = self.store.current() {
            if let Some(state) = &self.state {
                state.keep(Arc::clone(&generation));
            }
            let snapshot = &generation.snapshot;
            let event = ReloadEvent::Published { snapshot, built_at, findings, held_back, company_required };
            self.reporter.report(&event);
            self.drop_retired();
            if findings.is_none() {
                self.reporter.find_warnings(snapshot, || true);
            }
        }
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

    /// Serves the kept snapshot until the fleet has a release for this replica, which is no fault.
    fn no_release(&mut self) {
        let reason = format!("{} has no release for this replica yet", self.source.describe());
        self.restore(&reason);
        self.is_current = false;
        self.reporter.last.lock().error = Some(reason.clone());
        self.reporter.report(&ReloadEvent::NoRelease { reason: &reason });
    }

    /// Reports a read error. Repeated polls report the same error once.
    fn unreadable(&mut self, reason: String) {
        if self.last_read_error.as_ref() != Some(&reason) {
            self.restore(&reason);
            self.record_outcome(ReloadOutcome::Unreadable, Some(reason.clone()), &Findings::default());
            self.reporter.report(&ReloadEvent::Unreadable { reason: &reason });
            self.last_read_error = Some(reason);
        }
    }

    /// Reports a panic of the reload thread as an unreadable source.
    pub(super) fn panicked(&mut self) {
        let reason =
            "a bug in Switchboard stopped this reload; report it with the source and the panic from the log";
        self.restore(reason);
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

/// Names companies that are held back with their causes, at most ten.
fn named(held_back: &[HeldBack]) -> String {
    let named = held_back.iter().take(MAX_NAMED).map(|held| format!("{} ({})", held.company, held.cause));
    let named = named.collect::<Vec<_>>().join(", ");
    match held_back.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named}, and {more} more companies"),
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
    /// Whether the file may be incomplete: it had another length than its header announces, or its signatures
    /// were rejected.
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
        let metadata = source.file().and_then(|path| fs::metadata(path).ok());
        let file = metadata.map(|metadata| FileState {
            identity: (metadata.dev(), metadata.ino(), metadata.created().ok()),
            len: metadata.len(),
        });
        // With trusted keys, a file that is still being copied has another digest than its manifest.
        let is_torn = matches!(stage, RejectionStage::Length | RejectionStage::Signature);
        RejectionDedup { change, file, is_torn, at: Instant::now() }
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
            let fetched = Fetched::Bytes { bytes: aligned.into(), modified_at: UnixMillis(0), release: None };
            self.publisher.apply(Ok(fetched), || Some(change));
        }

        fn apply_files(&mut self, files: Files) {
            self.publisher.apply(Ok(Fetched::Files(files)), || None);
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
        published.publisher.reload_requested(Instant::now());
        published.apply(&broken, 3);
        assert_eq!(published.take_outcomes(), [ReloadOutcome::Rejected], "a requested reload reports again");
    }

    /// Returns the files of companies with one account each.
    fn files(companies: &[&str], version: u32) -> Files {
        let company = "[[ou]]\nid = \"hq\"\n\n[[pool]]\nid = \"line\"\nchannel = \"line\"\nous = [\"hq\"]\n";
        let accounts =
            format!("id,channel,role,address,country,pool\na,line,secondary,@v{version},GB,line\n");
        let files = companies.iter().flat_map(|id| {
            [
                (format!("{id}/company.toml"), company.to_owned()),
                (format!("{id}/accounts.csv"), accounts.clone()),
            ]
        });
        files.collect()
    }

    #[test]
    fn request_confirms_a_refusal_only_after_it_and_for_the_same_files() {
        let mut published = Published::new();
        let mut outcome_of = |request: bool, files: Files| {
            if request {
                published.publisher.reload_requested(Instant::now());
            }
            published.apply_files(files);
            let companies = published.store.current().unwrap().snapshot.counts().companies;
            (published.take_outcomes(), companies)
        };
        use ReloadOutcome::{Published as New, Rejected, Unchanged};
        assert_eq!(outcome_of(false, files(&["a", "b"], 1)), (vec![New], 2));
        assert_eq!(outcome_of(true, files(&["b"], 1)), (vec![Rejected], 2), "requested before the refusal");
        assert_eq!(outcome_of(false, files(&["b"], 1)), (vec![Rejected], 2), "not requested");
        assert_eq!(
            outcome_of(true, files(&["b"], 2)),
            (vec![New], 2),
            "other files than those that were refused"
        );
        assert_eq!(outcome_of(true, files(&["b"], 2)), (vec![New], 1), "the same files");
        assert_eq!(outcome_of(true, files(&["b"], 2)), (vec![Unchanged], 1));
    }

    #[test]
    fn request_that_arrived_before_the_refusal_ended_confirms_nothing() {
        let mut published = Published::new();
        published.apply_files(files(&["a", "b"], 1));
        let before = Instant::now();
        published.apply_files(files(&["b"], 1));
        published.publisher.reload_requested(before);
        published.apply_files(files(&["b"], 1));
        use ReloadOutcome::{Published as New, Rejected};
        assert_eq!(published.take_outcomes(), [New, Rejected, Rejected]);
    }

    #[test]
    fn company_stays_held_back_since_its_first_refusal() {
        let mut published = Published::new();
        published.apply_files(files(&["a", "b"], 1));
        published.apply_files(files(&["b"], 1));
        let held = |published: &Published| published.publisher.reporter.last.lock().held_back.clone();
        let first = held(&published);
        assert_eq!((first.len(), &*first[0].company, first[0].stage), (1, "a", RejectionStage::Guard));
        published.apply_files(files(&["b"], 2));
        assert_eq!(held(&published), first);
        published.apply_files(files(&["a", "b"], 3));
        assert!(held(&published).is_empty());
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
