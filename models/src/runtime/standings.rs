//! The value alone: the journal is not part of any model.

#[path = "../../../src/runtime/standings/standing.rs"]
pub mod standing;
pub use standing::{AccountKey, Standing, StandingCounts, StandingError};
