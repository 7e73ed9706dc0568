//! How many connections each peer has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The open connections by peer. Touched when one is accepted or ends, never while a query waits.
#[derive(Debug)]
pub(super) struct Peers {
    most: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One of a peer's connections.
#[derive(Debug)]
pub(super) struct PeerSeat {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Peers {
    /// With this many for each; 0: as many as there are.
    pub(super) fn new(most: usize) -> Arc<Peers> {
        Arc::new(Peers { most: if most == 0 { usize::MAX } else { most }, open: Mutex::default() })
    }

    /// A place for one more of this peer's, if there is one.
    pub(super) fn take(self: &Arc<Peers>, address: IpAddr) -> Option<PeerSeat> {
        let peer = peer(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(peer).or_default();
        // The entry of a peer without a connection has a place to give: `most` is at least 1.
        (*count < self.most).then(|| {
            *count += 1;
            PeerSeat { peers: Arc::clone(self), peer }
        })
    }
}

impl Drop for PeerSeat {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

/// Who counts as one: an IPv4 address, or the /64 that a host of IPv6 picks its addresses from (RFC 4291,
/// 2.5.1: anyone there has 2^64 of them).
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
    fn a_peer_is_an_address_or_a_64() {
        let peers = Peers::new(2);
        let take = |address: &str| peers.take(address.parse().unwrap());
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
        assert!(peers.open.lock().unwrap().is_empty());
    }
}
