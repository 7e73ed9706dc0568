//! Limits over all connections of a server: the number of connections of each peer, and the memory of bodies.
//!
//! A limit on the size of a body bounds one request only. 10,000 slow connections with 4 MiB each would take
//! 40 GB. For this reason the bytes that stay in memory while a connection waits are counted over all
//! connections: bodies that are being received, and large answers that their peers have not read completely.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::Response;

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
