//! The selection rules once more, written apart from the compiler and the compiled walk.
//!
//! [`interpreter`] and [`chain`] read the registry as the administrators' files say it, with lists and
//! loops, and say what a query must be answered. Of Switchboard itself they know `registry`, which reads the
//! files, and `numbering`. [`sorted`] puts what has a name where it is found by it, so that registries of a
//! million accounts can be asked as well; no rule is in it.
//!
//! The contract's tests hold the snapshot to this over random registries, the load test its daemon's answers.

pub mod chain;
pub mod interpreter;
pub mod query;
pub mod sorted;

pub use chain::{Found, Step};
pub use interpreter::{Client, Explained, Oracle, Selected, Verdict};
pub use query::Query;
