//! Registries to try Switchboard with: large ones drawn from a seed, and the demo bank; and a daemon
//! under load for as long as one likes. The benches draw their registries from here as well.

mod account;
pub mod bank;
mod channel;
pub mod compare;
pub mod daemon;
mod dice;
mod duration;
pub mod engine;
pub mod error;
mod http;
pub mod null;
mod numbers;
mod output;
mod pin;
pub mod registry;
pub mod report;
pub mod run;
mod say;
pub mod scenario;
mod slow;
pub mod soak;
mod statistics;
pub mod traffic;
mod until;
