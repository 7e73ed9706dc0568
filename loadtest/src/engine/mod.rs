//! The sender: one thread that sends requests when they are due, and records their latencies and errors.
//!
//! Request `i` of an open loop is due at `i / rate`, independent of the requests before it. Its latency
//! counts from then, and includes the wait for a free connection. A stall of the server therefore delays
//! every request that is due in it.

mod connection;
mod plan;
mod recorder;
mod sender;
mod source;
mod validity;

pub use plan::{Pace, Plan, Schedule};
pub use recorder::{Measured, histogram, latency};
pub use sender::measure;
pub use source::{FailureKind, OutcomeCounts, Received, Source, Unchecked, WrongAnswer};
pub use switchboard_client::{Head, Media, PartialAnswer};
pub use validity::judge;
