//! The data listener: queries in, selections and problems out. Each worker answers from a `WorkerContext` of its own,
//! most requests by `fast_path` and the rest through hyper and `service`.

pub mod batch;
mod body;
mod context;
mod explain;
mod fast_path;
pub mod query_string;
mod routes;
mod select;
mod service;

pub use routes::PATHS;
pub use service::serve;
