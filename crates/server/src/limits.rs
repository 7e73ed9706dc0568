//! The settings of a server with their defaults, and the limits over all connections: the number of connections
//! of each peer, and the memory of bodies.
//!
//! A limit on the size of a body bounds one request only. 10,000 slow connections with 4 MiB each would take
//! 40 GB. For this reason the bytes that stay in memory while a connection waits are counted over all
//! connections: bodies that are being received, and large answers that their peers have not read completely.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::{ListenAddress, Response, Tls};

/// The address, the threads and the limits of a server.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The addresses to listen on. Port 0 selects a free port.
    pub listen: Vec<ListenAddress>,
    /// Whether another process that also sets this may listen on the same addresses, for a hand-over.
    pub reuse_port: bool,
    /// The TLS configuration of the TCP addresses, or `None` for plain connections. Unix sockets are plain.
    pub tls: Option<Arc<Tls>>,
    /// Number of worker threads. Use one for each core, unless other programs need the cores.
    pub workers: usize,
    /// Maximum number of open connections. A further connection is answered `overloaded`. An idle connection
    /// takes about 20 KB.
    pub max_connections: usize,
    /// Maximum number of open connections of one peer: an IPv4 address, or a /64 of IPv6. 0 means no limit.
    /// Unix sockets have no limit for a peer, because all their peers are programs of this machine.
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
            tls: None,
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

/// The number of open connections of each peer. Locked when a connection is accepted or ends, never while a
/// request is answered.
#[derive(Debug)]
pub(crate) struct PeerLimit {
    max: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// Counts one connection of a peer until this value is dropped.
#[derive(Debug)]
pub(crate) struct PeerPermit {
    peers: Arc<PeerLimit>,
    peer: IpAddr,
}

impl PeerLimit {
    /// Allows each peer `max` connections. 0 means no limit.
    pub(crate) fn new(max: usize) -> Arc<PeerLimit> {
        Arc::new(PeerLimit { max: if max == 0 { usize::MAX } else { max }, open: Mutex::default() })
    }

    /// Counts one more connection of the peer. Returns `None` at the limit.
    pub(crate) fn acquire(self: &Arc<PeerLimit>, address: IpAddr) -> Option<PeerPermit> {
        let peer = peer(address);
        let mut open = self.open.lock();
        let count = open.entry(peer).or_default();
        // `max` is at least 1, so a peer without a connection never gets an entry of 0.
        (*count < self.max).then(|| {
            *count += 1;
            PeerPermit { peers: Arc::clone(self), peer }
        })
    }
}

impl Drop for PeerPermit {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock();
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

/// Returns the address that a peer is counted by: its IPv4 address, or the /64 prefix of its IPv6 address. An
/// IPv6 host may choose any of the 2^64 addresses in its prefix (RFC 4291, 2.5.1).
fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

/// A number of bytes that may be reserved at the same time.
#[derive(Debug)]
pub struct MemoryBudget {
    left: AtomicUsize,
    /// Number of bytes that bulk reservations leave to single queries.
    kept_for_single: usize,
}

/// The class of a request that reserves memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestClass {
    /// A small request. It may reserve the last byte.
    Single,
    /// A large request or answer. It leaves a quarter of the budget to small requests.
    Bulk,
}

/// A number of bytes, reserved from a budget until this value is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<MemoryBudget>,
    class: RequestClass,
    bytes: usize,
}

/// The reservation of an answer, held until the peer has read the answer. The response's extensions carry it
/// to the connection.
#[derive(Debug, Clone)]
pub(crate) struct HeldReservation(#[allow(dead_code, reason = "its drop has the effect")] Arc<Reservation>);

impl MemoryBudget {
    /// Creates a budget of this many bytes.
    pub fn new(bytes: usize) -> Arc<MemoryBudget> {
        Arc::new(MemoryBudget { left: AtomicUsize::new(bytes), kept_for_single: bytes / 4 })
    }

    /// Returns an empty reservation, which [`Reservation::grow`] can enlarge.
    pub fn reservation(self: &Arc<MemoryBudget>, class: RequestClass) -> Reservation {
        Reservation { budget: Arc::clone(self), class, bytes: 0 }
    }
}

impl Reservation {
    /// Reserves more bytes. Returns false, and reserves nothing, if the budget has fewer bytes left.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let kept = if self.class == RequestClass::Bulk { self.budget.kept_for_single } else { 0 };
        let take = |left: usize| left.checked_sub(bytes).filter(|left| *left >= kept);
        let is_reserved = self.budget.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        if is_reserved {
            self.bytes += bytes;
        }
        is_reserved
    }

    /// Holds the reservation until the peer has read the response.
    pub fn attach_to(self, response: &mut Response) {
        response.extensions_mut().insert(HeldReservation(Arc::new(self)));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_is_an_ipv4_address_or_an_ipv6_64() {
        let peers = PeerLimit::new(2);
        let take = |address: &str| peers.acquire(address.parse().unwrap());
        let first = take("2001:db8::1");
        let second = take("2001:db8::ffff:1");
        assert!(first.is_some() && second.is_some() && take("2001:db8::2").is_none());
        assert!(take("2001:db8:0:1::1").is_some());
        let v4 = (take("192.0.2.1"), take("::ffff:192.0.2.1"));
        assert!(
            v4.0.is_some() && v4.1.is_some() && take("192.0.2.1").is_none() && take("192.0.2.2").is_some()
        );
        drop(first);
        assert!(take("2001:db8::3").is_some());
        drop((second, v4));
        assert!(peers.open.lock().is_empty());
    }

    #[test]
    fn bulk_leaves_a_quarter_and_dropped_reservations_return() {
        let budget = MemoryBudget::new(100);
        let mut bulk = budget.reservation(RequestClass::Bulk);
        assert!(bulk.grow(70) && !bulk.grow(6) && bulk.grow(5));
        let mut single = budget.reservation(RequestClass::Single);
        assert!(!bulk.grow(1) && single.grow(25) && !single.grow(1));
        drop((bulk, single));
        assert_eq!(budget.left.load(Ordering::Relaxed), 100);
    }
}
