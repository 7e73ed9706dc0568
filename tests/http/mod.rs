//! Tests of both listeners over real sockets, byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod account;
mod admin;
mod batch;
mod connections;
mod crowds;
mod drain;
mod fast_path;
mod limits;
mod metrics;
mod panics;
mod queries;
mod rfc;
mod routes;
