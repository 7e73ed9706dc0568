//! A second implementation of the selection rules, independent of the compiler and of the selection in the
//! snapshot.
//!
//! The oracle reads the registry as lists and loops over them, in the order in which the rules are written.
//! It depends only on `switchboard-registry`, which reads the files, and on `switchboard-model`. The tests
//! compare the snapshot's answers with the oracle's over random registries. The load test compares the
//! daemon's answers.
//!
//! The entry point is [`Oracle::answer`]. Begin to read in `interpreter`.

mod chain;
mod interpreter;
mod query;

pub use chain::{Found, Step};
pub use interpreter::{Client, Explained, Oracle, Selected, Verdict};
pub use query::Query;
