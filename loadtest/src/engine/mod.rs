//! The sender: one thread that sends requests when they are due, and records what a client would have seen.
//!
//! Request `i` of an open loop is due at `i / rate`, whatever became of those before it. Its latency counts
//! from then, also while it waits for a free connection: a stall of the server delays every request that is
//! due in it.

mod connection;
mod plan;
mod recorder;
mod sender;
mod source;
mod validity;

pub use plan::{Pace, Plan};
pub use recorder::Measured;
pub use sender::measure;
pub use source::{FailureKind, Media, OutcomeCounts, Received, Source, Unchecked, WrongAnswer};
