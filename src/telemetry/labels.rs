//! The closed sets of label values, an enum each. Counters are arrays indexed by these enums.

use switchboard_model::{Rule, SelectError};
use switchboard_pipeline::build::LoadStage;

use switchboard_snapshot::RejectionStage;

/// What happened to a connection of the data listener: `outcome` of `switchboard_http_connections_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// Accepted and handed to a worker.
    Accepted,
    /// Refused because the listener or the peer has its maximum of connections.
    Rejected,
    /// Lost because accept(2) failed, for lack of file descriptors or memory.
    AcceptError,
    /// Closed because a timeout expired.
    TimedOut,
    /// Broken, or its bytes were not HTTP.
    Error,
    /// Still open when the drain timeout expired.
    ForceClosed,
}

impl ConnectionEvent {
    pub(super) const ALL: [ConnectionEvent; 6] = [
        ConnectionEvent::Accepted,
        ConnectionEvent::Rejected,
        ConnectionEvent::AcceptError,
        ConnectionEvent::TimedOut,
        ConnectionEvent::Error,
        ConnectionEvent::ForceClosed,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            ConnectionEvent::Accepted => "accepted",
            ConnectionEvent::Rejected => "rejected",
            ConnectionEvent::AcceptError => "accept_error",
            ConnectionEvent::TimedOut => "timed_out",
            ConnectionEvent::Error => "error",
            ConnectionEvent::ForceClosed => "cut",
        }
    }
}

/// A route of the data listener: `route` of the request metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `/v1/select`
    Select,
    /// `/v1/select/batch`
    Batch,
    /// `/v1/explain`
    Explain,
    /// Every other path, and requests that were refused before they had a path.
    Other,
}

impl Route {
    /// Every route.
    pub const ALL: [Route; 4] = [Route::Select, Route::Batch, Route::Explain, Route::Other];

    /// Returns the label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Route::Select => "select",
            Route::Batch => "batch",
            Route::Explain => "explain",
            Route::Other => "other",
        }
    }
}

/// Every HTTP status of the data listener: `code` of `switchboard_http_requests_total`.
pub const STATUSES: [u16; 10] = [200, 400, 404, 405, 413, 415, 422, 431, 500, 503];

/// How a query ended: `outcome` of `switchboard_selections_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectionOutcome {
    /// An account was selected by this rule.
    Selected(Rule),
    /// The selection failed.
    Failed(SelectError),
    /// No snapshot was in service.
    NoSnapshot,
}

impl SelectionOutcome {
    pub(super) const COUNT: usize = Rule::ALL.len() + SelectError::ALL.len() + 1;

    /// Returns every outcome, in the order of the exposition.
    pub fn all() -> impl Iterator<Item = SelectionOutcome> {
        let mut rules = Rule::ALL;
        rules.sort_by_key(|rule| *rule as usize);
        let failed = SelectError::ALL.map(SelectionOutcome::Failed);
        rules.map(SelectionOutcome::Selected).into_iter().chain(failed).chain([SelectionOutcome::NoSnapshot])
    }

    pub(super) fn index(self) -> usize {
        match self {
            SelectionOutcome::Selected(rule) => rule as usize,
            SelectionOutcome::Failed(error) => Rule::ALL.len() + error as usize,
            SelectionOutcome::NoSnapshot => Self::COUNT - 1,
        }
    }

    /// Returns the label value: a rule or a problem's code.
    pub const fn as_str(self) -> &'static str {
        match self {
            SelectionOutcome::Selected(rule) => rule.as_str(),
            SelectionOutcome::Failed(error) => error.as_str(),
            SelectionOutcome::NoSnapshot => "no_snapshot",
        }
    }
}

/// How an attempt to load a snapshot ended: `outcome` of `switchboard_snapshot_reloads_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// A new generation is in service.
    Published,
    /// The source holds what is in service.
    Unchanged,
    /// The source holds no valid snapshot or registry.
    Rejected,
    /// The source cannot be read.
    Unreadable,
}

impl ReloadOutcome {
    pub(super) const ALL: [ReloadOutcome; 4] = [
        ReloadOutcome::Published,
        ReloadOutcome::Unchanged,
        ReloadOutcome::Rejected,
        ReloadOutcome::Unreadable,
    ];

    /// The label value, which is also the outcome in `/status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            ReloadOutcome::Published => "published",
            ReloadOutcome::Unchanged => "unchanged",
            ReloadOutcome::Rejected => "rejected",
            ReloadOutcome::Unreadable => "unreadable",
        }
    }
}

/// A kind of record in a snapshot: `kind` of `switchboard_snapshot_entries`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordKind {
    Companies,
    Ous,
    Pools,
    Accounts,
    Chains,
}

impl RecordKind {
    pub(super) const ALL: [RecordKind; 5] =
        [RecordKind::Companies, RecordKind::Ous, RecordKind::Pools, RecordKind::Accounts, RecordKind::Chains];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            RecordKind::Companies => "companies",
            RecordKind::Ous => "ous",
            RecordKind::Pools => "pools",
            RecordKind::Accounts => "accounts",
            RecordKind::Chains => "chains",
        }
    }
}

/// `stage` of `switchboard_snapshot_rejections_total`.
pub(super) const REJECTION_STAGES: [RejectionStage; RejectionStage::ALL.len()] = RejectionStage::ALL;
/// `stage` of `switchboard_snapshot_load_duration_seconds`.
pub(super) const LOAD_STAGES: [LoadStage; LoadStage::ALL.len()] = LoadStage::ALL;
/// `levels` of `switchboard_climbed_total`.
pub(super) const LEVELS: [&str; 4] = ["0", "1", "2", "3+"];

#[cfg(test)]
mod tests {
    use super::*;

    /// Indices that are `as usize` of an enum, and the enum's `ALL` in the order that arrays are made in.
    #[test]
    fn every_label_value_has_the_index_of_its_place() {
        for (at, outcome) in SelectionOutcome::all().enumerate() {
            assert_eq!(outcome.index(), at, "{outcome:?}");
        }
        assert_eq!(SelectionOutcome::all().count(), SelectionOutcome::COUNT);
        assert!(ConnectionEvent::ALL.iter().enumerate().all(|(at, event)| *event as usize == at));
        assert!(Route::ALL.iter().enumerate().all(|(at, route)| *route as usize == at));
        assert!(ReloadOutcome::ALL.iter().enumerate().all(|(at, outcome)| *outcome as usize == at));
        assert!(RecordKind::ALL.iter().enumerate().all(|(at, kind)| *kind as usize == at));
        assert!(REJECTION_STAGES.iter().enumerate().all(|(at, stage)| *stage as usize == at));
        assert!(LOAD_STAGES.iter().enumerate().all(|(at, stage)| *stage as usize == at));
    }
}
