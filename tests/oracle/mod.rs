//! Switchboard held to the oracle, the crate that is the selection rules once more.
//!
//! [`properties`] holds the real thing to it over random [`registries`] and [`queries`]; [`picks`] holds
//! the pick to its promises, which no interpreter can foretell; [`acme`] holds the oracle itself to the
//! example company's tests.
//!
//! The real thing is reached through [`subject::Subject`] alone.
//!
//! | variable | |
//! |---|---|
//! | `PROPTEST_CASES` | random registries, 40 queries each; 1,000 by default, and fewer are not held to the coverage |
//! | `PROPTEST_RNG_SEED` | another sequence of them; without it every run is the same |

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
