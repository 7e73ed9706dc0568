//! The data listener answers queries with selections and problems. Each worker has its own `WorkerContext`.
//! It answers most requests by `fast_path`, and the others through hyper and `service`.

pub mod account;
mod body;
mod context;
mod fast_path;
pub mod query_string;
pub mod select;
mod service;

pub use context::Callers;
pub use service::serve;

/// All paths of the data listener with their methods, as in the header `Allow`.
pub const PATHS: &[(&str, &str)] = &super::routes::DATA_PATHS;
