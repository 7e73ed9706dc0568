//! Every decision that a snapshot makes for a country alone: the answers of each OU of each company on
//! each channel, to a client of whom only the country is known.
//!
//! Nothing is decided here. [`DecisionTable`] runs the selection that the daemon's answers come from, once for all OUs
//! whose chains begin at the same level.
//!
//! Reading order: [`decision`], [`table`], [`scope`]; then [`compare`] (how two snapshots differ), [`changes`] (equal
//! changes grouped) and [`replay`] (the same for recorded queries).

pub mod changes;
pub mod compare;
pub mod decision;
pub mod replay;
pub mod scope;
pub mod table;

pub use decision::{Decision, Row, RuleCounts, ServingStep};
pub use scope::{Scope, Scoped};
pub use table::DecisionTable;
