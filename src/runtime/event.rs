//! What the reload thread tells: every event to an observer, the last reload to whoever asks.

use switchboard_pipeline::build::Timings;
use switchboard_registry::Findings;
use switchboard_snapshot::{Snapshot, Stage};

/// Most findings that `/status` shows.
pub const MOST_TOLD: usize = 20;

/// What came of looking at the source.
#[derive(Debug)]
pub enum Event<'a> {
    /// A new generation is in service.
    Published {
        /// It.
        snapshot: &'a Snapshot,
        /// When it was built, in Unix milliseconds.
        built_at_ms: u64,
        /// Its registry's warnings.
        findings: &'a Findings,
    },
    /// The files changed, but not what they say.
    Unchanged,
    /// The source looks as it did when what is in service was read: it still is what the source says.
    Confirmed,
    /// What arrived is broken; the last good generation goes on.
    Rejected {
        /// Where it was refused.
        stage: Stage,
        /// Why.
        reason: &'a str,
        /// What is wrong with the registry.
        findings: &'a Findings,
    },
    /// The source cannot be read; the last good generation goes on.
    Unreadable {
        /// Why.
        reason: &'a str,
    },
    /// How long the stages of a load took.
    Timed {
        /// Stage and duration.
        timings: &'a Timings,
    },
    /// How many snapshots are in memory: the one in service, and those that a request still holds.
    Alive {
        /// Their number.
        snapshots: usize,
    },
    /// Whether events tell of changes, from now on.
    Watching {
        /// Why they do not: only looking every so often is left.
        unwatched: Option<&'a str>,
    },
}

impl Event<'_> {
    /// Whether this is how a look at a changed source ended.
    pub fn is_outcome(&self) -> bool {
        use Event::*;
        matches!(self, Published { .. } | Unchanged | Rejected { .. } | Unreadable { .. })
    }
}

/// Sees every event, on the reload thread.
pub type Observer = Box<dyn Fn(&Event<'_>) + Send>;

/// The last reload, for `/status`.
#[derive(Debug, Clone, Default)]
pub struct LastReload {
    /// Unix milliseconds; 0 before the first.
    pub at_ms: u64,
    /// `published`, `unchanged`, `rejected`, `unreadable`; empty before the first.
    pub outcome: &'static str,
    /// Why it was not published.
    pub error: Option<String>,
    /// The findings behind it, at most [`MOST_TOLD`].
    pub findings: Vec<String>,
    /// When the one in service was built, in Unix milliseconds.
    pub built_at_ms: u64,
    /// When it was put in service, in Unix milliseconds.
    pub activated_at_ms: u64,
    /// How changes are noticed.
    pub noticed: Noticed,
}

/// How changes of the source are noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Noticed {
    /// Events tell of them; every so often it is looked all the same.
    Events,
    /// It is looked every so often, and that is all.
    #[default]
    Poll,
}

impl Noticed {
    /// For `/status`.
    pub const fn text(self) -> &'static str {
        match self {
            Noticed::Events => "events",
            Noticed::Poll => "poll",
        }
    }
}
