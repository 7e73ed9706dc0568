//! Floor 5. The admin listener: metrics, probes, status, standings and the description of the interface, on a thread and a runtime of its own, so
//! that it answers when the workers cannot, and costs them nothing.
//!
//! It knows neither what a status holds nor who draws it up: that is handed in.

mod listener;
mod route;
mod standings;

pub use listener::{Listener, Serving};
pub use route::{PATHS, Status};
