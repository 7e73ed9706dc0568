//! Builds a verified and tested snapshot from a registry's files, and analyzes whole snapshots.
//!
//! The entry point is [`build_snapshot`], which `check`, `compile`, `serve` and a reload all call. A snapshot
//! that was compiled earlier goes through [`build::open_tested`] instead.
//!
//! ```
//! use switchboard_model::UnixSeconds;
//! use switchboard_pipeline::{BuildMode, build_snapshot};
//! use switchboard_registry::Files;
//! use switchboard_snapshot::NoProgress;
//!
//! let files = Files::from_iter([("acme/company.toml", "[[ou]]\nid = \"acme\"\n")]);
//! let now = UnixSeconds(1_790_000_000);
//! match build_snapshot(&files, 1, now, BuildMode::Strict, &NoProgress) {
//!     Ok(built) => println!("{} OUs, {} warnings", built.snapshot.counts().ous, built.findings.len()),
//!     Err(failure) => println!("{} errors", failure.findings.errors()),
//! }
//! ```
//!
//! Begin to read in [`build`]. [`build_reload`] holds back companies whose newest files are broken. A [`SnapshotSource`] reads a registry or a snapshot file and opens it.
//! [`self_test`] runs the registry's expected selections, and [`test_coverage`] finds the steps that these
//! tests do not cover. [`analysis`] computes every decision of a snapshot, for `coverage` and `diff`.

pub mod analysis;
pub mod build;
pub mod finding_json;
mod reload;
pub mod self_test;
mod snapshot_source;
pub mod test_coverage;

pub use build::{BuildFailure, BuildMode, BuiltSnapshot, build_snapshot};
pub use finding_json::findings_json;
pub use reload::{GuardRefusal, HeldBack, HoldCause, Reload, build_reload, error_count, guard_snapshot};
pub use snapshot_source::{
    DEMO_GENERATION, Fetched, OpenError, Opened, SnapshotSource, SourceError, SourceStamp, demo_files,
};
