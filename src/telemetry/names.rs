//! The names, help texts and bucket bounds of all metrics, and their label values: one enum for each label.
//! Counters are arrays indexed by these enums. Units are base units. No label is a company, account, phone
//! number or client.

use switchboard_fleet::release::Reason;
use switchboard_model::{Rule, SelectError};
use switchboard_pipeline::build::LoadStage;
use switchboard_snapshot::RejectionStage;

/// The name and the help text of a metric.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
}

const fn metric(name: &'static str, help: &'static str) -> Metric {
    Metric { name, help }
}

pub(super) const SELECTIONS: Metric = metric(
    "switchboard_selections_total",
    "Answered queries, including batch lines, by channel (empty if the snapshot does not have the channel of the query) and outcome (a rule or a problem code).",
);
pub(super) const CLIMBED: Metric = metric(
    "switchboard_climbed_total",
    "Selections from a pool, by how many organizational units (OUs) the pool's OU is above the query's OU.",
);
pub(super) const SELECT_DURATION: Metric = metric(
    "switchboard_select_duration_seconds",
    "Duration of single selections, from the request head read to the answer rendered.",
);
pub(super) const BATCH_LINES: Metric = metric("switchboard_batch_lines_total", "Answered lines of batches.");
pub(super) const REQUESTS: Metric =
    metric("switchboard_http_requests_total", "Requests to the data listener, by route and HTTP status.");
pub(super) const REQUEST_DURATION: Metric = metric(
    "switchboard_http_request_duration_seconds",
    "Duration of requests to the data listener, from the head read to the answer rendered, including the arrival of the body.",
);
pub(super) const CONNECTIONS: Metric =
    metric("switchboard_http_connections", "Open connections to the data listener.");
pub(super) const CONNECTIONS_LIMIT: Metric = metric(
    "switchboard_http_connections_limit",
    "Maximum number of connections to the data listener: max_connections, or less if the limit on open files requires it. 0 before it listens.",
);
pub(super) const CONNECTION_EVENTS: Metric = metric(
    "switchboard_http_connections_total",
    "Events of connections to the data listener. A connection is accepted or rejected (over a limit). An accepted connection may later also count as timed_out, error or cut (force-closed during a drain). accept_error counts failed calls of accept(2), which are retried.",
);
pub(super) const PANICS: Metric = metric(
    "switchboard_http_panics_total",
    "Panics caught in both listeners, of a request (answered 500), a batch line or a connection. Each is a bug in Switchboard.",
);
pub(super) const GENERATION: Metric =
    metric("switchboard_snapshot_generation", "Generation of the snapshot in service. 0 before the first.");
pub(super) const CONTENT_HASH: Metric = metric(
    "switchboard_snapshot_content_hash",
    "First 48 bits of the SHA-256 of the content of the snapshot in service, without its generation. Equal on all replicas that serve equal registries. 0 before the first.",
);
pub(super) const FROM_STATE: Metric = metric(
    "switchboard_snapshot_from_state",
    "1 if the snapshot in service is from the state directory because the source was not usable at the start, else 0.",
);
pub(super) const STATE_WRITABLE: Metric = metric(
    "switchboard_state_writable",
    "1 if the last write to the state directory succeeded, or if there is no state directory; 0 if it failed.",
);
pub(super) const AUDIT_RECORDS: Metric = metric(
    "switchboard_audit_records_total",
    "Records that this process wrote to the audit log. Absent without a state directory.",
);
pub(super) const AUDIT_WRITABLE: Metric = metric(
    "switchboard_audit_writable",
    "1 if the last write to the audit log succeeded; 0 if it failed, so that standings cannot be changed. Absent without a state directory.",
);
pub(super) const BUILT: Metric = metric(
    "switchboard_snapshot_built_timestamp_seconds",
    "Unix time at which the snapshot in service was built, or the modification time of its file if the snapshot contains no build time. 0 before the first.",
);
pub(super) const ACTIVATED: Metric = metric(
    "switchboard_snapshot_activated_timestamp_seconds",
    "Unix time at which the snapshot in service was activated. 0 before the first.",
);
pub(super) const CONFIRMED: Metric = metric(
    "switchboard_snapshot_confirmed_timestamp_seconds",
    "Unix time at which the source was last confirmed to match the snapshot in service. Updated every poll_interval, but not while the source is rejected or unreadable, or while a read of it hangs. 0 before the first.",
);
pub(super) const BYTES: Metric =
    metric("switchboard_snapshot_bytes", "Size of the snapshot in service in bytes.");
pub(super) const ENTRIES: Metric = metric(
    "switchboard_snapshot_entries",
    "Number of records in the snapshot in service, by kind. The kind chains counts levels.",
);
pub(super) const RELOADS: Metric =
    metric("switchboard_snapshot_reloads_total", "Snapshot load attempts, by outcome.");
pub(super) const REJECTIONS: Metric = metric(
    "switchboard_snapshot_rejections_total",
    "Rejected snapshots and registries, by the stage that rejected them.",
);
pub(super) const LOAD_DURATION: Metric =
    metric("switchboard_snapshot_load_duration_seconds", "Duration of loading a snapshot, by stage.");
pub(super) const ALIVE: Metric = metric(
    "switchboard_snapshots_alive",
    "Number of snapshots in memory. More than 1 for a long time means that an old snapshot is not released.",
);
pub(super) const HELD_BACK: Metric = metric(
    "switchboard_companies_held_back",
    "Companies whose newest files are not served, because they have errors or the guard refuses them. Their versions in service stay.",
);
pub(super) const WATCH: Metric = metric(
    "switchboard_watch_active",
    "1 if events of the file system or the database report changes of the source, 0 if it is only polled.",
);
pub(super) const STANDINGS: Metric =
    metric("switchboard_standings", "Accounts of the snapshot in service that have a standing, by standing.");
pub(super) const STANDINGS_WRITABLE: Metric = metric(
    "switchboard_standings_writable",
    "1 if standings can be changed, 0 if the last write to the journal failed or another process writes the journal.",
);
pub(super) const LOG_LINES_DROPPED: Metric = metric(
    "switchboard_log_lines_dropped_total",
    "Log lines that were dropped because standard error was not read fast enough.",
);
pub(super) const TLS_HANDSHAKES: Metric = metric(
    "switchboard_tls_handshakes_total",
    "TLS handshakes that ended, by listener and outcome. Absent without TLS.",
);
pub(super) const TLS_EXPIRY: Metric = metric(
    "switchboard_tls_certificate_expiry_timestamp_seconds",
    "Unix time from which a certificate in force is no longer valid; of several client CAs, the earliest. Absent without TLS.",
);
pub(super) const AUTH_REQUESTS: Metric = metric(
    "switchboard_auth_requests_total",
    "Requests to routes that need a permission, by listener and by the decision about the caller.",
);
pub(super) const PRINCIPALS_RELOADS: Metric = metric(
    "switchboard_principals_reloads_total",
    "Changes of the principals file after the start: replaced, or rejected because the file is broken or unreadable.",
);
pub(super) const PRINCIPALS_EXPIRY: Metric = metric(
    "switchboard_principals_next_expiry_timestamp_seconds",
    "Unix time of the next end of a principal's credentials; 0 if none ends. Absent without principals.",
);
pub(super) const TLS_RELOADS: Metric = metric(
    "switchboard_tls_reloads_total",
    "Changes of the files of TLS after the start: replaced, or rejected because a file is faulty or unreadable. Absent without TLS.",
);
pub(super) const FILE_IN_FORCE: Metric = metric(
    "switchboard_access_file_in_force",
    "1 if the newest content of a file of access control is in force, 0 if it was rejected and the last good content stays. A file that is not set has no series.",
);
pub(super) const TRUSTED_KEYS_RELOADS: Metric = metric(
    "switchboard_trusted_keys_reloads_total",
    "Changes of the file of the trusted keys after the start: replaced, or rejected because the file is broken or unreadable. Absent without trusted keys.",
);
pub(super) const RELEASE_EXPIRY: Metric = metric(
    "switchboard_release_expires_timestamp_seconds",
    "Unix time from which the release of the snapshot in service counts as stale. 0 if its manifest states none, or if the snapshot is from the state directory. Absent without trusted keys.",
);
pub(super) const FLEET_CONNECTED: Metric = metric(
    "switchboard_fleet_connected",
    "1 while the broker of the fleet is connected, else 0. Absent without a fleet.",
);
pub(super) const FLEET_STALE: Metric = metric(
    "switchboard_fleet_stale_seconds",
    "Time since the last message or heartbeat of the broker; up to 10 s are usual. Absent without a fleet.",
);
pub(super) const FLEET_GENERATION: Metric = metric(
    "switchboard_fleet_release_generation",
    "Generation of the last release whose manifest was accepted as genuine, in service or not. 0 before the first. Absent without a fleet.",
);
pub(super) const FLEET_ROLLOUT: Metric = metric(
    "switchboard_fleet_rollout_percent",
    "Percentage of the replicas that take this release now. 100 after the last wave, without waves, and before the first release. Absent without a fleet.",
);
pub(super) const FLEET_EXPIRY: Metric = metric(
    "switchboard_fleet_release_expires_timestamp_seconds",
    "Unix time from which this release counts as stale. 0 if its manifest states none. Absent without a fleet.",
);
pub(super) const FLEET_REJECTED: Metric = metric(
    "switchboard_fleet_rejected_total",
    "Releases that this replica did not take, by reason. A fetch that is tried again and fails again counts again. Absent without a fleet.",
);
pub(super) const FLEET_NOT_TAKEN: Metric = metric(
    "switchboard_fleet_release_not_taken",
    "1 at the reason for which this replica does not take the newest release now, else 0. Absent without a fleet.",
);
pub(super) const FLEET_CLOCK_OFFSET: Metric = metric(
    "switchboard_fleet_clock_offset_seconds",
    "Time by which the clock of this machine is ahead of the broker's; negative if it is behind. Absent without a fleet.",
);
pub(super) const FLEET_FETCH_BYTES: Metric = metric(
    "switchboard_fleet_fetch_bytes_total",
    "Bytes of snapshots that were transferred to this replica. Absent without a fleet.",
);
pub(super) const BUILD: Metric = metric(
    "switchboard_build_info",
    "Always 1. The labels are the version and the commit of the running program.",
);

/// Bucket bounds of load durations, in seconds. Reading an unchanged small file takes 1 ms, compiling
/// millions of accounts 30 s.
pub(super) const LOAD_BOUNDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;

/// Bucket bounds of request durations, in nanoseconds. 1, 5 and 10 ms are bounds because objectives use them.
pub(super) const REQUEST_BOUNDS: [u64; 22] = [
    MICRO,
    2_500,
    5 * MICRO,
    10 * MICRO,
    25 * MICRO,
    50 * MICRO,
    100 * MICRO,
    250 * MICRO,
    500 * MICRO,
    MILLI,
    2_500 * MICRO,
    5 * MILLI,
    10 * MILLI,
    25 * MILLI,
    50 * MILLI,
    100 * MILLI,
    250 * MILLI,
    500 * MILLI,
    1_000 * MILLI,
    2_500 * MILLI,
    5_000 * MILLI,
    10_000 * MILLI,
];
/// Number of [`REQUEST_BOUNDS`] that the histogram of single selections uses: those up to 100 ms.
pub(super) const SELECT_BOUNDS: usize = 16;

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
    /// A listener with TLS: label `listener` of `switchboard_tls_handshakes_total`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum TlsListener {
        /// The data listener.
        Data => "data",
        /// The admin listener.
        Admin => "admin",
    }
}

switchboard_model::text_enum! {
    /// A watched file of access control: label `file` of `switchboard_access_file_in_force`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum AccessFile {
        /// The principals file.
        Principals => "principals",
        /// The files of TLS: certificate, key and client CA.
        Tls => "tls",
        /// The file of the trusted keys.
        TrustedKeys => "trusted_keys",
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
        /// The route `/v1/account`, which finds the account of an address.
        Account => "account",
        /// The route `/v1/explain` of explanations.
        Explain => "explain",
        /// Any other path, and requests that were rejected before their path was read.
        Other => "other",
    }
}

switchboard_model::text_enum! {
    /// The decision about the caller of a request: label `outcome` of `switchboard_auth_requests_total`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum AuthOutcome {
        /// A known caller has the permission.
        Allowed => "allowed",
        /// A caller without a credential may do what the principal `anonymous` may.
        Anonymous => "anonymous",
        /// The credential is missing, unknown or expired.
        Unauthorized => "unauthorized",
        /// A known caller does not have the permission.
        Forbidden => "forbidden",
    }
}

/// All HTTP statuses of the data listener: label `code` of `switchboard_http_requests_total`.
pub const STATUSES: [u16; 12] = [200, 400, 401, 403, 404, 405, 413, 415, 422, 431, 500, 503];

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
pub(super) const FLEET_PENDING: Metric = metric(
    "switchboard_fleet_standings_pending",
    "Accounts with a standing of this replica that the broker does not have yet. Absent without a fleet.",
);
pub(super) const FLEET_OVERRULED: Metric = metric(
    "switchboard_fleet_overruled_total",
    "Standings that lost against a more restrictive one, as this replica found. Absent without a fleet.",
);
/// Values of the label `reason` of the two metrics about releases that were not taken.
pub(super) const FLEET_REASONS: [Reason; Reason::ALL.len()] = Reason::ALL;
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
