//! The admin listener answers requests for metrics, probes, status, standings and the description of the
//! interface. It has its own thread and runtime, so that it answers even when all workers are busy, and does
//! not delay them.

mod accounts;
mod background;
mod body;
mod compare;
mod coverage;
mod effect;
mod explain;
mod listener;
mod multipart;
mod service;
mod standings;
mod text_match;

pub use compare::CompareLimits;
pub use listener::{AdminListener, AdminServer};
pub use service::{AdminContext, LastFailure, StatusSource};

/// All paths of the admin listener with their methods, as in the header `Allow`.
pub const PATHS: &[(&str, &str)] = &super::routes::ADMIN_PATHS;
