//! Compares the answers of Switchboard with the oracle, a second implementation of the selection rules.
//!
//! [`properties`] compares them over random [`registries`] and [`queries`]. [`picks`] checks the guarantees
//! of the pick, which the oracle cannot predict. [`acme`] checks the oracle itself with the example company's
//! tests.
//!
//! The system under test is reached only through [`subject::Subject`].
//!
//! | variable | meaning |
//! |---|---|
//! | `PROPTEST_CASES` | number of random registries, with 40 queries each. The default is 1,000; a run with fewer need not cover all cases |
//! | `PROPTEST_RNG_SEED` | seed of the random registries. Without this variable every run is the same |

mod acme;
mod agreement;
mod coverage;
mod groups;
mod picks;
pub mod properties;
mod queries;
pub mod registries;
mod render;
mod subject;
