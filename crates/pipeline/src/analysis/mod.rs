//! Every decision that a snapshot makes for a country alone: the answers of each OU of each company on
//! each channel, to a client of whom only the country is known.
//!
//! Nothing is decided here. [`DecisionTable`] runs the selection that the daemon's answers come from, once for all OUs
//! whose chains begin at the same level.
//!
//! Reading order: [`decision`], [`scope`]; then [`compare`] (how two snapshots differ) and [`replay`] (how the answers
//! to recorded queries differ).

pub mod compare;
pub mod decision;
pub mod replay;
pub mod scope;

pub use decision::{Decision, DecisionTable, Row, RuleCounts, ServingStep};
pub use scope::{Scope, Scoped};
