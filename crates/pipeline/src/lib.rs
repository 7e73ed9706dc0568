//! From a registry's files to a snapshot that is proved and tested, and analyses of whole snapshots.
//!
//! [`build`] makes a snapshot of files; `check`, `compile`, `serve` and reload call this one function. [`self_test`] runs
//! the registry's expected selections, [`test_coverage`] finds the steps that they do not cover. [`analysis`] has every
//! decision of a snapshot at once, for `coverage` and `diff`.

pub mod analysis;
pub mod build;
pub mod self_test;
pub mod test_coverage;

pub use build::{BuildFailure, BuiltSnapshot, build_snapshot};
