//! Memory for bodies: those being received, and large answers that their peers have not taken yet.
//!
//! Limits of size bound one request; 10,000 slow connections with 4 MiB each would still take 40 GB. So
//! what lies in memory between two looks at a connection is counted, in all, and has a limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may lie in memory at a time.
#[derive(Debug)]
pub(super) struct Budget {
    left: AtomicUsize,
    /// Batches and explanations leave this much to single queries.
    kept: usize,
}

/// Whose bytes they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// A single query: it may take the last byte.
    Query,
    /// A batch or an explanation.
    Many,
}

/// Bytes taken from a budget until this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    whose: For,
    bytes: usize,
}

/// The share of an answer, on its way with the response to the connection that keeps it.
#[derive(Debug, Clone)]
pub(super) struct Kept(#[allow(dead_code, reason = "held, not read")] Arc<Share>);

impl Budget {
    pub(super) fn new(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget { left: AtomicUsize::new(bytes), kept: bytes / 4 })
    }

    /// A share of nothing yet.
    pub(super) fn share(self: &Arc<Budget>, whose: For) -> Share {
        Share { budget: Arc::clone(self), whose, bytes: 0 }
    }
}

impl Share {
    /// Takes more, if there is as much.
    pub(super) fn grow(&mut self, more: usize) -> bool {
        let kept = if self.whose == For::Many { self.budget.kept } else { 0 };
        let take = |left: usize| left.checked_sub(more).filter(|left| *left >= kept);
        let taken = self.budget.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        if taken {
            self.bytes += more;
        }
        taken
    }

    /// Goes along with a response.
    pub(super) fn go_with(self, response: &mut super::Response) {
        response.extensions_mut().insert(Kept(Arc::new(self)));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_leave_a_quarter_to_single_queries_and_all_comes_back() {
        let budget = Budget::new(100);
        let mut many = budget.share(For::Many);
        assert!(many.grow(70) && !many.grow(6) && many.grow(5));
        let mut query = budget.share(For::Query);
        assert!(!many.grow(1) && query.grow(25) && !query.grow(1));
        drop((many, query));
        assert_eq!(budget.left.load(Ordering::Relaxed), 100);
    }
}
