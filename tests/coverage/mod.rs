//! `switchboard coverage`: every row, in every format, is the decision of a selection.

pub mod agreement;
mod browser;
pub mod command;
mod page;
