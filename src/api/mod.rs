//! The HTTP interface: the data listener answers queries, the admin listener metrics, probes, status and standings.

pub mod admin;
pub mod data;
pub mod problem;
