//! From a registry's files to a snapshot that is proved and tested, and what can be said of a snapshot as a whole.
//!
//! [`build`] makes a snapshot of files; check, compile, serve and reload call this one function. [`self_test`] asks
//! the registry's expected selections, [`test_coverage`] says which steps they leave out. [`analysis`] has every decision of a
//! snapshot at once, for `coverage` and `diff`.

pub mod analysis;
pub mod build;
pub mod self_test;
pub mod test_coverage;

pub use build::{Compiled, Refused, publish};
