//! The metrics: names, label values and counters. The queue of the log lines.
//!
//! [`Telemetry`] registers all series at the start, so that every series exists before its first event. Each
//! worker counts its requests in its own [`WorkerMetrics`], without atomic additions; scrapes sum them.
//! The recorder is not installed globally, because tests run several daemons in one process.

mod handles;
mod log_queue;
mod names;
mod worker_metrics;

pub use handles::{FleetMeasurements, PublishedSnapshot, Telemetry};
pub use log_queue::LogQueue;
pub use names::{
    AccessFile, AuthOutcome, ConnectionEvent, ReloadOutcome, Route, STATUSES, SelectionOutcome, TlsListener,
};
pub use worker_metrics::{AuthCounters, ChannelCounters, RequestTimings, SelectionCounters, WorkerMetrics};
