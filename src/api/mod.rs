//! The HTTP interface. The data listener answers queries. The admin listener answers requests for metrics,
//! probes, status and standings. Both listeners write the access log.

pub mod access_log;
pub mod admin;
mod authorization;
pub mod data;
mod explain;
pub mod problem;
mod routes;

/// The media type of JSON.
const JSON: &str = "application/json";
