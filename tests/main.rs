//! Every test in one binary: linked once, run in parallel.
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

mod architecture;
mod cli;
mod clients;
mod corruption;
mod coverage;
mod deploy;
mod diff;
mod documents;
mod expected;
mod generations;
mod harness;
mod hostile_input;
mod http;
mod numbering;
mod openapi;
mod oracle;
mod prometheus;
mod publish;
mod registry;
mod reload;
mod restart;
mod schema;
mod snapshot;
mod standings;
mod writers;
