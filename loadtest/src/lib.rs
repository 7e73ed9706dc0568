//! The load test of Switchboard: scenarios and a soak against a daemon, their reports, and the comparison of
//! reports.

mod child;
pub mod compare;
mod cpu_affinity;
pub mod engine;
pub mod error;
pub mod null;
mod output;
pub mod quantity;
pub mod report;
pub mod run;
pub mod scenario;
pub mod soak;
pub mod statistics;
pub mod traffic;

pub use self::child::{Tied, run_tied};
