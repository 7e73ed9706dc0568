//! Floor 5. Every metric's name, help, buckets and handles. Nothing of ours is imported here: label
//! values and numbers come in as texts and numbers.
//!
//! Handles are made once, so that every series is there from the start. What is counted with every request is
//! counted by each worker for itself, without an atomic add, and summed when somebody looks.
//! The recorder is not installed globally: several daemons fit into one process, as tests have them.
//!
//! Reading order: `names`, [`handles`], `recorder`, [`worker`], `count`, [`selections`], [`timings`].

mod count;
pub mod handles;
mod names;
mod recorder;
pub mod selections;
pub mod timings;
pub mod worker;

pub use handles::{Arrival, Labels, Telemetry};
pub use selections::Selections;
pub use timings::Timings;
pub use worker::Worker;
