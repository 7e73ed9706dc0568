//! The admin listener: metrics, probes, status, standings and the description of the interface. It has a thread and a
//! runtime of its own, so that it answers when the workers cannot, and costs them nothing.

mod listener;
mod routes;
mod service;
mod standings;

pub use listener::{AdminListener, AdminServer};
pub use routes::PATHS;
pub use service::{AdminContext, LastFailure, StatusSource};
