//! The label values of the metrics, one enum for each label. Counters are arrays indexed by these enums.

use switchboard_model::{Rule, SelectError};
use switchboard_pipeline::build::LoadStage;
use switchboard_snapshot::RejectionStage;

switchboard_model::text_enum! {
    /// An event of a connection to the data listener: label `outcome` of
    /// `switchboard_http_connections_total`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum ConnectionEvent {
        /// The connection was accepted and handed to a worker.
        Accepted => "accepted",
        /// The connection was rejected because the listener or the peer has its maximum number of
        /// connections.
        Rejected => "rejected",
        /// accept(2) failed, because of a lack of file descriptors or memory.
        AcceptError => "accept_error",
        /// The connection was closed because a timeout expired.
        TimedOut => "timed_out",
        /// The connection broke, or its bytes were not HTTP.
        Error => "error",
        /// The connection was force-closed because the drain timeout expired or a second stop signal arrived.
        /// Its label value is `cut`.
        ForceClosed => "cut",
    }
}

switchboard_model::text_enum! {
    /// A route of the data listener: label `route` of the request metrics.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Route {
        /// The route `/v1/select` of single selections.
        Select => "select",
        /// The route `/v1/select/batch` of batches.
        Batch => "batch",
        /// The route `/v1/explain` of explanations.
        Explain => "explain",
        /// Any other path, and requests that were rejected before their path was read.
        Other => "other",
    }
}

/// All HTTP statuses of the data listener: label `code` of `switchboard_http_requests_total`.
pub const STATUSES: [u16; 10] = [200, 400, 404, 405, 413, 415, 422, 431, 500, 503];

/// The result of a query: label `outcome` of `switchboard_selections_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectionOutcome {
    /// This rule selected an account.
    Selected(Rule),
    /// The selection failed with this error.
    Failed(SelectError),
    /// No snapshot was in service to answer the query.
    NoSnapshot,
}

impl SelectionOutcome {
    pub(super) const COUNT: usize = Rule::ALL.len() + SelectError::ALL.len() + 1;

    /// Returns all outcomes, in the order of their indices, which is the order in `/metrics`.
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

    /// Returns the value of the label `outcome`: a rule or a problem code.
    pub const fn as_str(self) -> &'static str {
        match self {
            SelectionOutcome::Selected(rule) => rule.as_str(),
            SelectionOutcome::Failed(error) => error.as_str(),
            SelectionOutcome::NoSnapshot => "no_snapshot",
        }
    }
}

switchboard_model::text_enum! {
    /// The result of an attempt to load a snapshot: label `outcome` of `switchboard_snapshot_reloads_total`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum ReloadOutcome {
        /// A new generation went into service.
        Published => "published",
        /// The source matches the snapshot in service.
        Unchanged => "unchanged",
        /// The source has no valid snapshot or registry.
        Rejected => "rejected",
        /// The source could not be read.
        Unreadable => "unreadable",
    }
}

switchboard_model::text_enum! {
    /// A kind of record in a snapshot: label `kind` of `switchboard_snapshot_entries`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum RecordKind {
        Companies => "companies",
        Ous => "ous",
        Pools => "pools",
        Accounts => "accounts",
        Chains => "chains",
    }
}

/// Values of the label `stage` of `switchboard_snapshot_rejections_total`.
pub(super) const REJECTION_STAGES: [RejectionStage; RejectionStage::ALL.len()] = RejectionStage::ALL;
/// Values of the label `stage` of `switchboard_snapshot_load_duration_seconds`.
pub(super) const LOAD_STAGES: [LoadStage; LoadStage::ALL.len()] = LoadStage::ALL;
/// Values of the label `levels` of `switchboard_climbed_total`.
pub(super) const LEVELS: [&str; 4] = ["0", "1", "2", "3+"];

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters are created in the order of `all` and indexed by `index`.
    #[test]
    fn index_of_an_outcome_is_its_position_in_all() {
        for (at, outcome) in SelectionOutcome::all().enumerate() {
            assert_eq!(outcome.index(), at, "{outcome:?}");
        }
        assert_eq!(SelectionOutcome::all().count(), SelectionOutcome::COUNT);
    }
}
