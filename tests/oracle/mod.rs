//! The oracle: the selection rules once more, written apart from the compiler and the compiled walk.
//!
//! [`interpreter`] and [`chain`] read the registry as the administrators' files say it, with lists and
//! loops and no index, and say what a query must be answered. [`properties`] holds the real thing
//! against that over random [`registries`] and [`queries`]; [`picks`] holds the pick to its promises,
//! which no interpreter can foretell; [`acme`] holds the oracle itself to the example company's tests.
//!
//! The real thing is reached through [`subject::Subject`] alone.
//!
//! | variable | |
//! |---|---|
//! | `PROPTEST_CASES` | random registries, 40 queries each; 1,000 by default, and fewer are not held to the coverage |
//! | `PROPTEST_RNG_SEED` | another sequence of them; without it every run is the same |

mod acme;
mod agreement;
mod chain;
mod coverage;
mod groups;
mod interpreter;
mod picks;
mod properties;
mod queries;
mod query;
mod registries;
mod render;
mod subject;
