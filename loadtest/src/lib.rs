//! The load test of Switchboard: scenarios against a daemon, a soak, and generators of registries. The
//! benchmarks draw their registries from here as well.

mod child;
pub mod compare;
mod cpu_affinity;
mod daemon;
pub mod demo;
pub mod engine;
pub mod error;
pub mod null;
mod output;
mod progress;
pub mod quantity;
pub mod registry;
pub mod report;
mod rng;
pub mod run;
pub mod scenario;
pub mod soak;
mod statistics;
pub mod traffic;

pub use self::child::{Tied, run_tied};
