//! Registries to try Switchboard with: large ones drawn from a seed, and the demo bank; and a daemon
//! under load for as long as one likes. The benches draw their registries from here as well.

mod account;
pub mod bank;
mod channel;
mod dice;
pub mod engine;
pub mod error;
pub mod null;
mod numbers;
mod output;
pub mod registry;
pub mod report;
pub mod soak;
pub mod traffic;
