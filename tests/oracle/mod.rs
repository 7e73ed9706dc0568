//! Compares Switchboard with the oracle, a crate that implements the selection rules a second time.
//!
//! [`properties`] compares both over random [`registries`] and [`queries`]. [`picks`] checks the promises of
//! the pick, which no interpreter can predict. [`acme`] checks the oracle itself against the tests of the
//! example company. Only [`subject::Subject`] accesses Switchboard.
//!
//! | variable | meaning |
//! |---|---|
//! | `PROPTEST_CASES` | number of random registries; 1,000 by default. Fewer are not checked for coverage |
//! | `PROPTEST_RNG_SEED` | seed of the random sequence; without it every run is the same |

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
