//! Switchboard: which official account talks to this client?

pub mod numbering;
