//! The tests of the daemon in one binary, which is linked once and runs them in parallel. Only the faults of a fleet
//! have a binary of their own, because they take the whole machine.
//!
//! - A test that needs a program that is not installed is ignored, and names its Debian package. Where `CI`
//!   is set, it fails.
//! - Long forms end in `_long` and are ignored. They need the machine for themselves and print their counts:
//!   `cargo test --release --test contract -- --ignored long --nocapture --test-threads 1`.
//! - Some files of the repository are generated, and a test compares each with what is generated now. Its
//!   failure names the command that writes the file: `SWITCHBOARD_REGENERATE=1 cargo test --test contract …`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

mod access;
mod accounts;
mod architecture;
mod audit;
mod balancers;
mod build_snapshot;
mod cli;
mod clients;
mod compare;
mod console_coverage;
mod console_page;
mod corruption;
mod coverage;
mod database;
mod database_serve;
mod deploy;
mod diff;
mod documents;
mod expected;
mod fleet;
mod generations;
mod harness;
mod hostile_input;
mod http;
mod numbering;
mod openapi;
mod oracle;
mod process;
mod prometheus;
mod publish;
mod registry;
mod reload;
mod restart;
mod rotation;
mod schema;
mod signatures;
mod snapshot;
mod standings;
mod state;
mod tls;
mod writers;
