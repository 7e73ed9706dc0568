//! Switchboard: which official account talks to this client?

pub mod account;
pub mod admin;
pub mod http;
pub mod live;
pub mod numbering;
pub mod registry;
pub mod select;
pub mod snapshot;
pub mod telemetry;
