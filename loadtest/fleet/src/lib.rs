//! The parts of a fleet that tests and measurements start: a real broker that is killed, stopped and emptied, a proxy
//! that disturbs connections, daemons, and simulated replicas. `loadtest fleet` measures them.

pub mod bed;
pub mod board;
pub mod broker;
pub mod command;
pub mod daemon;
pub mod http;
pub mod measure;
pub mod proxy;
pub mod report;
pub mod simulated;
