//! What the reload thread reports: every event to an observer, the last reload to `/status`.

use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use switchboard_model::UnixMillis;
use switchboard_pipeline::build::StageTimings;
use switchboard_registry::{Findings, Severity};
use switchboard_snapshot::{RejectionStage, Snapshot};

use crate::telemetry::ReloadOutcome;

/// Findings that `/status` shows at most.
const MAX_FINDINGS: usize = 20;

/// Something that happened on the reload thread.
#[derive(Debug)]
pub enum ReloadEvent<'a> {
    /// A new generation is in service.
    Published {
        /// Its snapshot.
        snapshot: &'a Snapshot,
        /// When the snapshot was built.
        built_at: UnixMillis,
        /// Warnings about its registry.
        findings: &'a Findings,
    },
    /// The source was read and holds what is in service.
    Unchanged,
    /// The source's stamp is that of when it was read, and it held what is in service then.
    Confirmed,
    /// The source holds no valid snapshot or registry. The last good generation stays in service.
    Rejected {
        /// The stage that rejected it.
        stage: RejectionStage,
        /// Why.
        reason: &'a str,
        /// What is wrong with the registry.
        findings: &'a Findings,
    },
    /// The source cannot be read. The last good generation stays in service.
    Unreadable {
        /// Why.
        reason: &'a str,
    },
    /// A snapshot was loaded.
    Timed {
        /// How long each stage took.
        timings: &'a StageTimings,
    },
    /// The number of snapshots in memory was determined.
    Alive {
        /// The one in service, and replaced ones that a request or a worker still holds.
        snapshots: usize,
    },
    /// The file-system watch of the source began or ceased to work.
    Watching {
        /// Why it does not work, if so. Then the source is only polled.
        down: Option<&'a str>,
    },
}

impl ReloadEvent<'_> {
    /// Returns how an attempt to load a snapshot ended, if this is the end of one.
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

/// Receives every event, on the reload thread.
pub type ReloadObserver = Arc<dyn Fn(&ReloadEvent<'_>) + Send + Sync>;

/// The last reload, for `/status`.
#[derive(Debug, Clone, Default)]
pub struct LastReload {
    /// When it ended.
    pub at: UnixMillis,
    /// How it ended; `None` before the first.
    pub outcome: Option<ReloadOutcome>,
    /// Why nothing was published.
    pub error: Option<String>,
    /// The first errors in the registry.
    pub findings: Vec<String>,
    /// When the snapshot in service was built.
    pub built_at: UnixMillis,
    /// When the snapshot in service was activated.
    pub activated_at: UnixMillis,
    /// How changes of the source are noticed.
    pub watch_mode: WatchMode,
}

/// How changes of the source are noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchMode {
    /// By file-system events, and by polling.
    Events,
    /// By polling alone.
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

/// Passes events on, and keeps the last reload.
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

    /// Keeps how a reload ended. To be called before the event is reported, so that those who see the
    /// event find it in `/status`.
    pub(super) fn record_outcome(&self, outcome: ReloadOutcome, error: Option<String>, findings: &Findings) {
        let errors = findings.iter().filter(|finding| finding.code.severity() == Severity::Error);
        let mut last = self.last.lock();
        last.at = SystemTime::now().into();
        last.outcome = Some(outcome);
        last.error = error;
        last.findings = errors.take(MAX_FINDINGS).map(ToString::to_string).collect();
    }
}
