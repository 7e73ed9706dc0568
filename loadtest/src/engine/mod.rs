//! The sender: one thread that sends requests when they are due, whatever became of those before them.
//!
//! Request `i` of an open loop is due at `i / rate`. It goes out at once where a connection is free; else it
//! waits for one, and its latency counts from when it was due all the while. So a server that stalls is charged
//! for every request that fell into the stall, not for one per connection.

mod answer;
mod connection;
mod distribution;
mod pace;
mod recorder;
mod sender;
mod sockets;
mod source;
mod validity;

pub use pace::{Pace, Plan};
pub use sender::{Measured, measure};
pub use source::{Media, Received, Source, Unjudged};
pub(crate) use validity::IDLE_PERCENT;
