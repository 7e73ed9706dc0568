//! Limits the number of connections of each peer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

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
}
