//! The settings of a server.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::thread;
use std::time::Duration;

/// How a server listens, and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// The address; port 0 takes one that is free.
    pub listen: SocketAddr,
    /// Threads that answer. One for each core, unless the cores are needed elsewhere.
    pub workers: usize,
    /// Most connections at a time; one more is answered `overloaded`. An idle connection costs about 20 KB.
    pub max_connections: usize,
    /// Most connections of one peer: an IPv4 address, or a /64 of IPv6. 0 sets no limit.
    pub max_connections_per_peer: usize,
    /// Most bytes of bodies being received, and of large answers not taken yet, in all.
    pub max_body_bytes: usize,
    /// Longest time from a request's first byte to the end of its head.
    pub header_timeout: Duration,
    /// Longest time from the end of a request's head to its answer, the arrival of its body included.
    pub body_timeout: Duration,
    /// Longest time a connection may wait for its next request, or for its peer to take an answer.
    pub idle_timeout: Duration,
    /// How long an idle connection stays open once the server drains. A request that was already on its way is then
    /// answered, and the answer says that it is the last.
    pub drain_grace: Duration,
}

/// How long a connection waits for each thing.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// From a request's first byte to the end of its head.
    pub header: Duration,
    /// From the end of the head to the answer.
    pub body: Duration,
    /// From the answer to the first byte of the next request.
    pub idle: Duration,
    /// How long an idle connection stays open once the server drains.
    pub drain_grace: Duration,
}

impl Default for ServerSettings {
    fn default() -> ServerSettings {
        ServerSettings {
            listen: (Ipv4Addr::LOCALHOST, 7400).into(),
            workers: thread::available_parallelism().map_or(1, NonZero::get),
            max_connections: 10_000,
            // A quarter: no one peer can take every connection, and a proxy in front keeps far fewer.
            max_connections_per_peer: 2_500,
            // 16 bodies of the largest size; most bodies arrive in one piece and are not counted.
            max_body_bytes: 64 * 1024 * 1024,
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            drain_grace: Duration::from_secs(2),
        }
    }
}

impl ServerSettings {
    /// Returns the timeouts of each connection.
    pub fn timeouts(&self) -> Timeouts {
        Timeouts {
            header: self.header_timeout,
            body: self.body_timeout,
            idle: self.idle_timeout,
            drain_grace: self.drain_grace,
        }
    }
}
