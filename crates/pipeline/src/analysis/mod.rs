//! Floor 4. Every decision that a snapshot makes for a country alone: what each OU of each company is answered on
//! each channel, for a client of whom nothing but the country is known.
//!
//! Nothing is decided here. [`Survey`] asks the walk that the daemon's answers come from, once for all OUs that
//! enter the chains at the same place; who reads it reads what would be answered.
//!
//! Reading order: [`decision`], [`row`], [`survey`], [`scope`] (what of it is asked for), [`tally`] (how many by
//! which rule); then [`compare`] (what differs between two snapshots), [`candidates`] (in which accounts),
//! [`changes`] (alike ones together) and [`replay`] (the same for recorded queries).

pub mod candidates;
pub mod changes;
pub mod compare;
pub mod decision;
pub mod replay;
pub mod row;
pub mod scope;
pub mod survey;
pub mod tally;

pub use decision::{Decision, Served};
pub use row::Row;
pub use scope::{Scope, Scoped};
pub use survey::Survey;
pub use tally::Tally;
