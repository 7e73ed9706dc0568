//! `switchboard coverage`: every row is what `select` answers, whichever way it is written.

pub mod agreement;
pub mod command;
mod page;
