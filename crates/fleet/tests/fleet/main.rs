//! The fleet against real brokers and web servers.
//!
//! The tests of the broker run against each server of `SWITCHBOARD_NATS_SERVERS`, a list of programs separated by
//! colons, by default `nats-server` of the `PATH`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

mod bus;
mod fetch;
mod merge;
mod publish;
mod shared;
mod status;
mod watch;
