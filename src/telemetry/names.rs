//! Names, help texts and bucket bounds. Units are base units; no label is a company, account, phone or client.

/// A metric's name and help text.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
}

const fn metric(name: &'static str, help: &'static str) -> Metric {
    Metric { name, help }
}

pub(super) const SELECTIONS: Metric = metric(
    "switchboard_selections_total",
    "Queries answered, batch lines included, by channel (empty where none that is known was named) and by outcome: a rule or a problem's code.",
);
pub(super) const CLIMBED: Metric = metric(
    "switchboard_climbed_total",
    "Selections from a pool, by levels above the query's organizational unit.",
);
pub(super) const SELECT_DURATION: Metric = metric(
    "switchboard_select_duration_seconds",
    "Time of single selections, from the request's head read to the answer rendered.",
);
pub(super) const BATCH_LINES: Metric = metric("switchboard_batch_lines_total", "Lines of batches answered.");
pub(super) const REQUESTS: Metric =
    metric("switchboard_http_requests_total", "Requests to the data listener, by route and status.");
pub(super) const REQUEST_DURATION: Metric = metric(
    "switchboard_http_request_duration_seconds",
    "Time of requests to the data listener, from the head read to the answer rendered, the body's arrival included.",
);
pub(super) const CONNECTIONS: Metric =
    metric("switchboard_http_connections", "Open connections of the data listener.");
pub(super) const CONNECTIONS_LIMIT: Metric = metric(
    "switchboard_http_connections_limit",
    "Most connections of the data listener: max_connections, or what the limit on open files leaves of it; 0 before it listens.",
);
pub(super) const CONNECTION_EVENTS: Metric = metric(
    "switchboard_http_connections_total",
    "Connections to the data listener: accepted, rejected over the limit, or lost to accept_error; of those accepted, ended by timed_out or error, or cut at the end of a drain.",
);
pub(super) const PANICS: Metric = metric(
    "switchboard_http_panics_total",
    "Panics caught in either listener: a request's, which was answered 500, a batch line's or a connection's. Each is a fault of this program.",
);
pub(super) const GENERATION: Metric =
    metric("switchboard_snapshot_generation", "Generation of the snapshot in service; 0 before the first.");
pub(super) const BUILT: Metric = metric(
    "switchboard_snapshot_built_timestamp_seconds",
    "Unix time at which the snapshot in service was built; 0 where it does not say.",
);
pub(super) const ACTIVATED: Metric = metric(
    "switchboard_snapshot_activated_timestamp_seconds",
    "Unix time since which the snapshot is in service; 0 before the first.",
);
pub(super) const CONFIRMED: Metric = metric(
    "switchboard_snapshot_confirmed_timestamp_seconds",
    "Unix time at which the source was last found to hold what is in service: looked at every poll_interval, it stands still where the source is refused, unreadable or hangs; 0 before the first.",
);
pub(super) const BYTES: Metric = metric("switchboard_snapshot_bytes", "Size of the snapshot in service.");
pub(super) const ENTRIES: Metric =
    metric("switchboard_snapshot_entries", "Records of the snapshot in service, by kind.");
pub(super) const RELOADS: Metric =
    metric("switchboard_snapshot_reloads_total", "Attempts to load a snapshot, by what came of them.");
pub(super) const REJECTIONS: Metric = metric(
    "switchboard_snapshot_rejections_total",
    "Snapshots and registries refused, by the stage that refused them.",
);
pub(super) const LOAD_DURATION: Metric =
    metric("switchboard_snapshot_load_duration_seconds", "Time that loading a snapshot took, by stage.");
pub(super) const ALIVE: Metric = metric(
    "switchboard_snapshots_alive",
    "Snapshots in memory; more than 1 for long means that an old one is held.",
);
pub(super) const WATCH: Metric = metric(
    "switchboard_watch_active",
    "Whether events tell of changes of the source: 1; 0 where it is only looked at every poll_interval.",
);
pub(super) const STANDINGS: Metric = metric(
    "switchboard_standings",
    "Live standings in force on accounts of the snapshot in service, by what they make of the account.",
);
pub(super) const STANDINGS_WRITABLE: Metric = metric(
    "switchboard_standings_writable",
    "Whether standings can be changed: 1; 0 where the journal could not be written the last time, or another process holds it.",
);
pub(super) const BUILD: Metric =
    metric("switchboard_build_info", "Always 1; its labels say what is running.");

/// Bounds of load durations in seconds. An unchanged small file takes 1 ms, a compile of millions of accounts 30 s.
pub(super) const LOAD_BOUNDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;

/// Bounds of request durations in nanoseconds. 1, 5 and 10 ms are bounds because objectives are set there.
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
/// How many of [`REQUEST_BOUNDS`] the histogram of single selections has: up to 100 ms.
pub(super) const SELECT_BOUNDS: usize = 16;
