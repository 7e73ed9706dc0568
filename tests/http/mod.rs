//! Both listeners over real sockets, byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod admin;
mod batch;
pub(crate) mod client;
mod connections;
mod crowds;
mod daemon;
mod direct;
mod drain;
mod fixture;
mod limits;
mod metrics;
mod panics;
mod queries;
mod rfc;
mod routes;
