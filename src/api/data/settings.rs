//! What the data listener can be told.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::thread;
use std::time::Duration;

use super::pulse::Limits;

/// How the data listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The address; port 0 takes one that is free.
    pub listen: SocketAddr,
    /// Threads that answer. One for each core, unless the cores are needed elsewhere.
    pub workers: usize,
    /// Most connections at a time: one more is answered `overloaded`. An idle one costs about 20 KB.
    pub max_connections: usize,
    /// Most of them from one peer: an IPv4 address, or a /64 of IPv6; 0: no limit of its own.
    pub max_connections_per_peer: usize,
    /// Most bytes of bodies being received, and of large answers not taken yet, in all.
    pub max_body_bytes: usize,
    /// Longest time from a request's first byte to the end of its head.
    pub header_timeout: Duration,
    /// Longest time from the end of a request's head to its answer, the arrival of its body included.
    pub body_timeout: Duration,
    /// Longest time a connection may wait for its next request, or for its peer to take an answer.
    pub idle_timeout: Duration,
    /// How long an idle connection is kept open for its next request once the listener drains, so that a
    /// request that is on its way by then is answered, and the answer says that it is the last.
    pub drain_grace: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: (Ipv4Addr::LOCALHOST, 7400).into(),
            workers: thread::available_parallelism().map_or(1, NonZero::get),
            max_connections: 10_000,
            // A quarter: no one peer can take every place, and a proxy in front keeps far fewer.
            max_connections_per_peer: 2_500,
            // 16 bodies of the largest size, where a body is usually here in one piece.
            max_body_bytes: 64 * 1024 * 1024,
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            drain_grace: Duration::from_secs(2),
        }
    }
}

impl Settings {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            header_timeout: self.header_timeout,
            body_timeout: self.body_timeout,
            idle_timeout: self.idle_timeout,
            drain_grace: self.drain_grace,
        }
    }
}
