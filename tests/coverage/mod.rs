//! `switchboard coverage`: every row in every format is the decision that a selection makes.

pub mod agreement;
pub mod command;
mod page;
