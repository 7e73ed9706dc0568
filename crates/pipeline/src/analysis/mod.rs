//! All decisions of a snapshot that depend on a country alone: for each OU and channel of each company, the
//! answer to a client of whom only the country is known. `coverage` and `diff` print these decisions.
//!
//! This module contains no selection rules. [`DecisionTable`] runs the same selection as the daemon, once for
//! all OUs whose chains begin at the same level.
//!
//! Reading order: [`decision`], [`scope`]; then [`compare`] (the differences between two snapshots), [`change_json`]
//! (the same as JSON), [`replay`] (the differences between the answers to recorded queries) and [`effect`] (the
//! decisions that depend on one account).

pub mod change_json;
pub mod compare;
pub mod decision;
pub mod effect;
pub mod replay;
pub mod scope;

pub use decision::{Decision, DecisionTable, Row, RuleCounts, ServingStep};
pub use effect::{Effect, Gaps};
pub use scope::{Roles, Scope, Scoped, UnknownId};
