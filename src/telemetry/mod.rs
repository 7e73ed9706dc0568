//! Metrics: their names, label values and counters.
//!
//! Shared handles are made once, so that every series exists from the start. What is counted with every
//! request is counted per worker, without an atomic addition, and summed by scrapes. The recorder is not
//! installed globally, so that several daemons fit into one process, as tests have them.

mod handles;
mod labels;
mod names;
mod worker_metrics;

pub use handles::{PublishedSnapshot, Telemetry};
pub use labels::{ConnectionEvent, ReloadOutcome, Route, STATUSES, SelectionOutcome};
pub use worker_metrics::{ChannelCounters, RequestTimings, SelectionCounters, WorkerMetrics};
