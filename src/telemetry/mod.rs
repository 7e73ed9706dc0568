//! Floor 5. Every metric's name, help, buckets and handles. Nothing of ours is imported here: label
//! values and numbers come in as texts and numbers.
//!
//! Handles are made once, so that every series is there from the start and counting is an atomic add.
//! The recorder is not installed globally: several daemons fit into one process, as tests have them.
//!
//! Reading order: `names`, [`handles`], [`selections`], [`timings`].

pub mod handles;
mod names;
mod recorder;
pub mod selections;
pub mod timings;

pub use handles::{Arrival, Labels, Telemetry};
pub use selections::Selections;
pub use timings::Timings;
