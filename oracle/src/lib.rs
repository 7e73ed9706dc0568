//! A second implementation of the selection rules, independent of the compiler and of the compiled walk.
//!
//! It reads the registry as lists and loops over them, in the order in which the rules are written. Of
//! Switchboard itself it knows `switchboard-registry`, which reads the files, and `switchboard-model`. The
//! tests compare the snapshot's answers with it over random registries, and the load test compares the
//! daemon's answers.

mod chain;
mod interpreter;
mod query;

pub use chain::{Found, Step};
pub use interpreter::{Client, Explained, Oracle, Selected, Verdict};
pub use query::Query;
