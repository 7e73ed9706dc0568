//! What the reload thread does with what it has fetched: proves it, publishes it by one pointer store,
//! and frees the one it replaced. Whatever arrives broken is refused, told, and changes nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::copying::Refusal;
use super::event::{Event, LastReload, MOST_TOLD, Observer};
use super::settle::Settling;
use super::source::{EMBEDDED_GENERATION, Fetched, Look, Source, unix_ms};
use super::store::{Generation, Store};
use super::watch::Watch;
use switchboard_pipeline::{Refused, build};
use switchboard_registry::{Findings, Severity};
use switchboard_snapshot::{Rejection, Snapshot, Stage};

/// What the reload thread needs.
pub struct Reloader {
    pub(super) source: Source,
    store: Store,
    pub(super) observer: Observer,
    pub(super) last: Arc<Mutex<LastReload>>,
    pub(super) watch: Option<Watch>,
    /// Why events do not tell of changes, if they do not; none before that was tried.
    pub(super) unwatched: Option<Option<String>>,
    /// What the source looked like when it was last read.
    pub(super) look: Option<Look>,
    /// It looks different now, but is not read yet.
    pub(super) settling: Option<Settling>,
    /// The digest of what was read while it changed: another change may look the same.
    pub(super) hasty: Option<u128>,
    /// What was refused last.
    pub(super) refusal: Option<Refusal>,
    /// Why the source could not be read, when it was last tried.
    pub(super) unreadable: Option<String>,
    /// Whether what is in service is what the source said when it was last read.
    pub(super) confirmed: bool,
    /// The digest of the files that are in service.
    files_digest: Option<u128>,
    /// Replaced, but perhaps still held by a request.
    pub(super) retired: Vec<Arc<Generation>>,
}

impl Reloader {
    /// Of a source, into a store.
    pub fn new(source: Source, store: Store, observer: Observer) -> Reloader {
        let last = Arc::default();
        Reloader {
            source,
            store,
            observer,
            last,
            watch: None,
            unwatched: None,
            look: None,
            settling: None,
            hasty: None,
            refusal: None,
            unreadable: None,
            confirmed: false,
            files_digest: None,
            retired: Vec::new(),
        }
    }

    /// Where the last reload can be read.
    pub fn last(&self) -> Arc<Mutex<LastReload>> {
        Arc::clone(&self.last)
    }

    /// Proves and publishes what was fetched, or says why not.
    pub(super) fn take(&mut self, fetched: Result<Fetched, String>) {
        let current = self.store.current();
        if fetched.is_ok() {
            self.unreadable = None;
        }
        match fetched {
            Err(reason) => {
                // It may pass without a change of the file, as a lack of file descriptors does: looked at
                // again with the next poll, and told once.
                self.look = None;
                if self.unreadable.as_ref() != Some(&reason) {
                    self.note("unreadable", Some(reason.clone()), &Findings::default());
                    (self.observer)(&Event::Unreadable { reason: &reason });
                    self.unreadable = Some(reason);
                }
            }
            Ok(Fetched::Files(files)) => {
                let digest = files.digest();
                if self.files_digest == Some(digest) {
                    return self.unchanged();
                }
                let now_ms = unix_ms(SystemTime::now());
                let generation = match (&self.source, current) {
                    (Source::Embedded(_), _) => EMBEDDED_GENERATION,
                    (_, Some(current)) => now_ms.max(current.snapshot.generation() + 1),
                    (_, None) => now_ms,
                };
                let now = (now_ms / 1000) as i64;
                match build::publish(&files, generation, now, &|_, _, _| {}) {
                    Ok(compiled) => {
                        self.files_digest = Some(digest);
                        (self.observer)(&Event::Timed { timings: &compiled.timings });
                        self.publish(compiled.snapshot, now_ms, &compiled.findings);
                    }
                    Err(Refused { findings, .. }) => {
                        let reason =
                            format!("{} has {} in its findings", self.source.describe(), errors(&findings));
                        self.rejected(Stage::Registry, reason, &findings);
                    }
                }
            }
            Ok(Fetched::Bytes { bytes, modified_ms }) => match build::open(bytes)
                .and_then(|opened| newer(&opened.0, current.as_deref()).map(|newer| (opened, newer)))
            {
                Ok((_, false)) => self.unchanged(),
                Ok(((snapshot, timings), true)) => {
                    (self.observer)(&Event::Timed { timings: &timings });
                    let built_at_ms = snapshot.header().built_at_ms().unwrap_or(modified_ms);
                    self.publish(snapshot, built_at_ms, &Findings::default());
                }
                Err(Rejection { stage, reason }) => {
                    let reason = format!("{}: {reason}", self.source.describe());
                    self.rejected(stage, reason, &Findings::default());
                }
            },
        }
    }

    fn publish(&mut self, snapshot: Snapshot, built_at_ms: u64, findings: &Findings) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.built_at_ms = built_at_ms;
        last.activated_at_ms = unix_ms(SystemTime::now());
        // Under the lock, so that `/status` shows a generation with its own times.
        self.retired.extend(self.store.publish(snapshot));
        drop(last);
        self.note("published", None, findings);
        // No other thread publishes.
        if let Some(generation) = self.store.current() {
            (self.observer)(&Event::Published { snapshot: &generation.snapshot, built_at_ms, findings });
        }
        self.free();
    }

    fn unchanged(&mut self) {
        self.note("unchanged", None, &Findings::default());
        (self.observer)(&Event::Unchanged);
    }

    fn rejected(&mut self, stage: Stage, reason: String, findings: &Findings) {
        self.note("rejected", Some(reason.clone()), findings);
        let refusal = Refusal::of(&self.source, stage, self.watch.as_ref().and_then(Watch::change));
        let told = self.refusal.as_ref().is_some_and(|earlier| refusal.continues(earlier));
        self.refusal = Some(refusal);
        if !told {
            (self.observer)(&Event::Rejected { stage, reason: &reason, findings });
        }
    }

    /// Before it is told, so that whoever hears of it finds it in `/status`.
    pub(super) fn note(&mut self, outcome: &'static str, error: Option<String>, findings: &Findings) {
        self.confirmed = matches!(outcome, "published" | "unchanged");
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.at_ms = unix_ms(SystemTime::now());
        last.outcome = outcome;
        last.error = error;
        let errors = findings.0.iter().filter(|finding| finding.code.severity() == Severity::Error);
        last.findings = errors.take(MOST_TOLD).map(ToString::to_string).collect();
    }

    /// Frees, here and not on a worker, what no request holds any more.
    pub(super) fn free(&mut self) {
        self.retired.retain(|generation| Arc::strong_count(generation) > 1);
        let in_service = usize::from(self.store.current().is_some());
        (self.observer)(&Event::Alive { snapshots: in_service + self.retired.len() });
    }
}

fn errors(findings: &Findings) -> String {
    match findings.errors() {
        1 => "1 error".to_owned(),
        more => format!("{more} errors"),
    }
}

/// Whether to put it in service; an older one, or another of the same generation, is refused.
fn newer(snapshot: &Snapshot, current: Option<&Generation>) -> Result<bool, Rejection> {
    let Some(Generation { snapshot: current, .. }) = current else { return Ok(true) };
    if snapshot.header() == current.header() {
        return Ok(false);
    }
    if snapshot.generation() > current.generation() {
        return Ok(true);
    }
    let (new, old) = (snapshot.generation(), current.generation());
    let reason = format!(
        "generation {new} is not newer than {old}, which is in service: generations only grow; compile it again"
    );
    Err(Stage::Generation.rejection(reason))
}
