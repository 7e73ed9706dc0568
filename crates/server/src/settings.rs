//! The settings of a server and their defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::thread;
use std::time::Duration;

use super::ListenAddress;

/// The address, the threads and the limits of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// The addresses to listen on. Port 0 selects a free port.
    pub listen: Vec<ListenAddress>,
    /// Whether another process that also sets this may listen on the same addresses, for a hand-over.
    pub reuse_port: bool,
    /// Number of worker threads. Use one for each core, unless other programs need the cores.
    pub workers: usize,
    /// Maximum number of open connections. A further connection is answered `overloaded`. An idle connection
    /// takes about 20 KB.
    pub max_connections: usize,
    /// Maximum number of open connections of one peer: an IPv4 address, or a /64 of IPv6. 0 means no limit.
    pub max_connections_per_peer: usize,
    /// Maximum number of bytes in memory, over all connections, for bodies being received and large answers
    /// not read.
    pub max_body_bytes: usize,
    /// Longest time from a request's first byte to the end of its head.
    pub header_timeout: Duration,
    /// Longest time from the end of a request's head to its answer. Includes the arrival of the body.
    pub body_timeout: Duration,
    /// Longest time that a connection may wait for its next request, or for its peer to read an answer.
    pub idle_timeout: Duration,
    /// Time that an idle connection stays open after the server begins to drain. A request that is under way
    /// is answered in this time, and the answer announces that it is the last.
    pub drain_grace: Duration,
}

/// The timeouts of one connection.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Time from a request's first byte to the end of its head.
    pub header: Duration,
    /// Time from the end of the head to the answer.
    pub body: Duration,
    /// Time from the answer to the first byte of the next request.
    pub idle: Duration,
    /// Time that an idle connection stays open after the server begins to drain.
    pub drain_grace: Duration,
}

impl Default for ServerSettings {
    fn default() -> ServerSettings {
        ServerSettings {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)).into()],
            reuse_port: false,
            workers: thread::available_parallelism().map_or(1, NonZero::get),
            max_connections: 10_000,
            // A quarter of all connections: no single peer can take them all, and a proxy keeps far fewer.
            max_connections_per_peer: 2_500,
            // 16 bodies of the largest size. Most bodies arrive in one piece and are not counted.
            max_body_bytes: 64 * 1024 * 1024,
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            drain_grace: Duration::from_secs(2),
        }
    }
}

impl ServerSettings {
    /// Returns the timeouts of a connection.
    pub fn timeouts(&self) -> Timeouts {
        Timeouts {
            header: self.header_timeout,
            body: self.body_timeout,
            idle: self.idle_timeout,
            drain_grace: self.drain_grace,
        }
    }
}
