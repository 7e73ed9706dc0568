//! Which generations there are: an answer of any other is wrong.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The first generation and the last; whoever publishes another announces it before.
#[derive(Debug, Clone)]
pub struct Published {
    first: u64,
    last: Arc<AtomicU64>,
}

impl Published {
    /// Any: of a daemon that is not ours.
    pub fn any() -> Published {
        Published { first: 0, last: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// This one, until more are announced.
    pub fn only(generation: u64) -> Published {
        Published { first: generation, last: Arc::new(AtomicU64::new(generation)) }
    }

    /// From now on answers may be of this generation as well.
    pub fn announce(&self, generation: u64) {
        self.last.fetch_max(generation, Ordering::Relaxed);
    }

    /// Whether there is such a generation.
    pub fn has(&self, generation: u64) -> bool {
        (self.first..=self.last.load(Ordering::Relaxed)).contains(&generation)
    }
}
