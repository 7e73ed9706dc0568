//! The signal that wakes the reload thread, the events that it reports, and the last reload for `/status`.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Condvar, Mutex};
use switchboard_model::UnixMillis;
use switchboard_pipeline::build::StageTimings;
use switchboard_pipeline::{HeldBack, HoldCause};
use switchboard_registry::{Finding, Findings, Severity};
use switchboard_release::Verified;
use switchboard_snapshot::{RejectionStage, Snapshot};

use crate::telemetry::ReloadOutcome;

/// Maximum number of warnings in `/status`.
const MAX_WARNINGS: usize = 20;

/// An event of the reload thread.
#[derive(Debug)]
pub enum ReloadEvent<'a> {
    /// A new generation is in service.
    Published {
        /// Snapshot of the new generation.
        snapshot: &'a Snapshot,
        /// Time at which the snapshot was built.
        built_at: UnixMillis,
        /// The warnings about the registry, without those of companies that are held back. `None` for a
        /// compiled snapshot, whose warnings are [`Warned`](ReloadEvent::Warned) later.
        findings: Option<&'a Findings>,
        /// Number of companies that are held back.
        held_back: usize,
        /// Whether the snapshot before had one company and this one has several. Queries without `company`
        /// fail from now on.
        company_required: bool,
    },
    /// The signatures of a snapshot were verified. The snapshot is in service, or goes into service now.
    Verified {
        /// The manifest, and the names of the keys that signed it.
        verified: &'a Verified,
    },
    /// The warnings about the registry of a compiled snapshot in service were found.
    Warned {
        /// The warnings.
        findings: &'a Findings,
    },
    /// The companies that are held back were determined.
    HeldBack {
        /// All companies that are held back.
        companies: &'a [HeldBackCompany],
        /// The companies that are held back for the first time or for another cause. Empty if nothing was
        /// published, because the rejection names them.
        new: &'a [HeldBackCompany],
        /// The ids of companies that are no longer held back.
        released: &'a [String],
    },
    /// A snapshot of the state directory is in service, because the source was not usable at the start.
    Restored {
        /// Snapshot of the generation in service.
        snapshot: &'a Snapshot,
        /// Time at which the snapshot was built.
        built_at: UnixMillis,
        /// Name of the file in the state directory.
        file: &'a str,
        /// Reason why the source was not usable.
        reason: &'a str,
    },
    /// The source was not usable at the start, and the state directory has no valid snapshot either.
    NotRestored {
        /// Paths and errors.
        problem: &'a str,
        /// Reason why the source was not usable.
        reason: &'a str,
    },
    /// The source was read and matches the snapshot in service.
    Unchanged,
    /// The source has not changed since it was read, and it matched the snapshot in service then.
    Confirmed,
    /// The source has no valid snapshot or registry. The last good generation stays in service.
    Rejected {
        /// Stage that rejected the snapshot or registry.
        stage: RejectionStage,
        /// Reason of the rejection, for people.
        reason: &'a str,
        /// Errors and warnings in the registry.
        findings: &'a Findings,
    },
    /// The source cannot be read. The last good generation stays in service.
    Unreadable {
        /// Path and error of the system.
        reason: &'a str,
    },
    /// The source is a fleet that has no release for this replica yet. Ends a requested reload.
    NoRelease {
        /// The fleet, for people.
        reason: &'a str,
    },
    /// The stages of loading a snapshot were timed.
    Timed {
        /// The duration of each stage.
        timings: &'a StageTimings,
    },
    /// The snapshots in memory were counted.
    Alive {
        /// Number of snapshots: the one in service and replaced ones that a request or a worker still holds.
        snapshots: usize,
    },
    /// Events of the file system, or notifications of the database, began or ceased to report changes.
    Watching {
        /// Reason why the watch does not work. `None` if it works. Without a watch, the source is only
        /// polled.
        down: Option<&'a str>,
    },
}

impl ReloadEvent<'_> {
    /// Returns the outcome if this event ends an attempt to load a snapshot.
    pub fn outcome(&self) -> Option<ReloadOutcome> {
        match self {
            ReloadEvent::Published { .. } => Some(ReloadOutcome::Published),
            ReloadEvent::Unchanged => Some(ReloadOutcome::Unchanged),
            ReloadEvent::Rejected { .. } => Some(ReloadOutcome::Rejected),
            ReloadEvent::Unreadable { .. } => Some(ReloadOutcome::Unreadable),
            _ => None,
        }
    }
}

/// Receives every event on the reload thread. A slow observer delays reloads.
pub type ReloadObserver = Arc<dyn Fn(&ReloadEvent<'_>) + Send + Sync>;

/// The result of the last reload, for `/status`.
#[derive(Debug, Clone, Default)]
pub struct LastReload {
    /// Time at which the reload ended.
    pub at: UnixMillis,
    /// Outcome of the reload. `None` before the first reload.
    pub outcome: Option<ReloadOutcome>,
    /// Reason why nothing was published.
    pub error: Option<String>,
    /// The first errors in the registry, at most ten.
    pub findings: Vec<String>,
    /// The companies that are held back, in the order of their ids.
    pub held_back: Vec<HeldBackCompany>,
    /// Time at which the snapshot in service was built.
    pub built_at: UnixMillis,
    /// Time at which the snapshot in service was activated.
    pub activated_at: UnixMillis,
    /// Whether the snapshot in service is from the state directory, and no reload has confirmed it.
    pub from_state: bool,
    /// The warnings about the registry in service. `None` while those of a compiled snapshot are searched.
    pub warnings: Option<ServedWarnings>,
    /// Way in which changes of the source are noticed.
    pub watch_mode: WatchMode,
}

/// The warnings about the registry in service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedWarnings {
    /// Number of all warnings.
    pub count: usize,
    /// The first warnings, at most 20.
    pub first: Vec<String>,
}

/// A company whose newest files are not served. Its version in service stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBackCompany {
    /// The id of the company.
    pub company: String,
    /// Time since which the company is held back.
    pub since: UnixMillis,
    /// Stage that rejected the newest files of the company.
    pub stage: RejectionStage,
    /// Cause with the first error, on one line.
    pub cause: String,
    /// The first errors of the company, at most ten.
    pub findings: Vec<String>,
}

impl ServedWarnings {
    fn new(findings: &Findings) -> ServedWarnings {
        let warnings = findings.iter().filter(|finding| finding.code.severity() == Severity::Warning);
        let first = warnings.take(MAX_WARNINGS).map(ToString::to_string).collect();
        ServedWarnings { count: findings.warnings(), first }
    }
}

impl HeldBackCompany {
    pub(super) fn new(held: &HeldBack, since: UnixMillis) -> HeldBackCompany {
        let findings = match &held.cause {
            HoldCause::Findings(findings) => first_errors(findings).iter().map(ToString::to_string).collect(),
            HoldCause::Guard(_) => Vec::new(),
        };
        let first = match &held.cause {
            HoldCause::Findings(findings) => first_errors(findings).first().map(|first| one_line(first)),
            HoldCause::Guard(_) => None,
        };
        let count = held.cause.to_string();
        let (stage, cause) =
            (held.cause.stage(), first.map_or(count.clone(), |first| format!("{count}: {first}")));
        HeldBackCompany { company: held.company.clone(), since, stage, cause, findings }
    }
}

/// The way in which changes of the source are noticed. The comments of the variants are help texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum WatchMode {
    /// Events of the file system or of the database report changes; the source is polled as well
    Events,
    /// The source is only polled
    #[default]
    Poll,
}

impl WatchMode {
    /// Returns the name of the mode in `/status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            WatchMode::Events => "events",
            WatchMode::Poll => "poll",
        }
    }
}

/// Passes events to the observer and keeps the last reload.
#[derive(Clone)]
pub(super) struct Reporter {
    observer: ReloadObserver,
    pub(super) last: Arc<Mutex<LastReload>>,
}

impl Reporter {
    pub(super) fn new(observer: ReloadObserver) -> Reporter {
        Reporter { observer, last: Arc::default() }
    }

    pub(super) fn report(&self, event: &ReloadEvent<'_>) {
        (self.observer)(event);
    }

    /// Stores the warnings about the registry in service.
    pub(super) fn record_warnings(&self, findings: &Findings) {
        self.last.lock().warnings = Some(ServedWarnings::new(findings));
    }

    /// Finds, stores and reports the warnings of a compiled snapshot that was put in service. Takes about as
    /// long as the checks of its registry. `is_in_service` is called at the end, because another thread may
    /// have replaced the snapshot meanwhile.
    pub(super) fn find_warnings(&self, snapshot: &Snapshot, is_in_service: impl FnOnce() -> bool) {
        let findings = switchboard_snapshot::warnings(snapshot);
        let mut last = self.last.lock();
        if is_in_service() {
            last.warnings = Some(ServedWarnings::new(&findings));
            drop(last);
            self.report(&ReloadEvent::Warned { findings: &findings });
        }
    }

    /// Stores the outcome of a reload for `/status`. Call it before the event is reported, because readers of
    /// the event may look at `/status`.
    pub(super) fn record_outcome(&self, outcome: ReloadOutcome, error: Option<String>, findings: &Findings) {
        let mut last = self.last.lock();
        last.at = SystemTime::now().into();
        last.outcome = Some(outcome);
        last.from_state &= !matches!(outcome, ReloadOutcome::Published | ReloadOutcome::Unchanged);
        last.error = error;
        last.findings = first_errors(findings).iter().map(ToString::to_string).collect();
    }
}

/// Returns a finding with its remedy on one line, for the log.
pub(crate) fn one_line(finding: &Finding) -> String {
    let Finding { place, code, message, help, .. } = finding;
    format!("{place}: {}: {message}; {help}", code.as_str())
}

/// Returns the errors that a short report shows: the first cause, then at most nine others.
pub(crate) fn first_errors(findings: &Findings) -> Vec<&Finding> {
    let causes = findings.causes().into_iter();
    causes.filter(|finding| finding.code.severity() == Severity::Error).collect()
}

/// The reasons why the reload thread was woken. No reason is set if the wait timed out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WakeReasons {
    /// A file of the source may have changed.
    pub fs_event: bool,
    /// Time of the last request to read the source again, even if its stamp has not changed.
    pub reload: Option<Instant>,
    /// The process is stopping, and the thread must end.
    pub stop: bool,
}

#[derive(Debug, Default)]
struct SignalState {
    reasons: Mutex<WakeReasons>,
    woken: Condvar,
}

/// The sending end: wakes the reload thread from any thread.
#[derive(Debug, Clone)]
pub struct ReloadSignal(Arc<SignalState>);

/// The receiving end of a [`ReloadSignal`].
#[derive(Debug)]
pub struct ReloadSignalReceiver(Arc<SignalState>);

/// Creates a signal. Returns both ends. The reasons are flags instead of a queue, because no reason may be lost,
/// and many file-system events count as one.
pub fn reload_signal() -> (ReloadSignal, ReloadSignalReceiver) {
    let shared = Arc::<SignalState>::default();
    (ReloadSignal(Arc::clone(&shared)), ReloadSignalReceiver(shared))
}

impl ReloadSignal {
    /// Reports that a file of the source may have changed.
    pub fn fs_event(&self) {
        self.wake(|reasons| reasons.fs_event = true);
    }

    /// Requests a reload, even if the stamp of the source has not changed.
    pub fn reload(&self) {
        self.wake(|reasons| reasons.reload = Some(Instant::now()));
    }

    /// Ends the reload thread after its current poll.
    pub fn stop(&self) {
        self.wake(|reasons| reasons.stop = true);
    }

    fn wake(&self, set: impl FnOnce(&mut WakeReasons)) {
        set(&mut self.0.reasons.lock());
        self.0.woken.notify_all();
    }
}

impl ReloadSignalReceiver {
    /// Waits for a reason, at most `timeout`. Returns all reasons since the last call.
    pub fn wait(&self, timeout: Duration) -> WakeReasons {
        let mut reasons = self.0.reasons.lock();
        self.0.woken.wait_while_for(&mut reasons, |reasons| *reasons == WakeReasons::default(), timeout);
        std::mem::take(&mut reasons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn wait_returns_every_reason_since_the_last_call() {
        let (signal, receiver) = reload_signal();
        for _ in 0..10_000 {
            signal.fs_event();
        }
        signal.reload();
        for _ in 0..10_000 {
            signal.fs_event();
        }
        let reasons = receiver.wait(LONG);
        assert!(reasons.fs_event && reasons.reload.is_some() && !reasons.stop);
        assert_eq!(receiver.wait(Duration::ZERO), WakeReasons::default());
        signal.stop();
        assert!(receiver.wait(LONG).stop);
    }

    #[test]
    fn waiting_thread_is_woken() {
        let (signal, receiver) = reload_signal();
        let waiting = std::thread::spawn(move || receiver.wait(LONG));
        signal.reload();
        assert!(waiting.join().unwrap().reload.is_some());
    }
}
