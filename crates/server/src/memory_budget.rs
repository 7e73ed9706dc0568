//! A limit on the memory of bodies: those that are being received, and large answers that their peers have
//! not read completely.
//!
//! A limit on the size of a body bounds one request only. 10,000 slow connections with 4 MiB each would take
//! 40 GB. For this reason the bytes that stay in memory while a connection waits are counted over all
//! connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Response;

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
