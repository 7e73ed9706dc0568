//! The parts of a fleet that tests and measurements start: a real broker that is killed, stopped and emptied, and a
//! proxy that disturbs connections.

pub mod broker;
pub mod proxy;
