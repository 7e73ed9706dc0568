//! What the daemon answers: selections on the data listener, metrics and standings on the admin listener.

pub mod admin;
pub mod data;
