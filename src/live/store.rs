//! The cell that the snapshot in service is published through: one pointer store to publish, one
//! atomic load to read.

use std::sync::Arc;

use arc_swap::{ArcSwapOption, Cache};

use crate::snapshot::Snapshot;

/// The snapshot in service; none before the first.
#[derive(Clone, Default)]
pub struct Store {
    cell: Arc<ArcSwapOption<Snapshot>>,
}

impl Store {
    /// Puts a snapshot in service and returns the one it replaces, for the caller to let go of: freeing
    /// a large one takes milliseconds, which no worker should spend.
    pub fn publish(&self, snapshot: Arc<Snapshot>) -> Option<Arc<Snapshot>> {
        self.cell.swap(Some(snapshot))
    }

    /// A way to it for one worker.
    pub fn reader(&self) -> Reader {
        Reader { cache: Cache::new(Arc::clone(&self.cell)) }
    }

    /// The snapshot in service, held until the returned pointer is dropped.
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        self.cell.load_full()
    }
}

/// One worker's way to the snapshot in service: looks whether it has changed with one relaxed load, and
/// touches no shared counter where it has not.
pub struct Reader {
    cache: Cache<Arc<ArcSwapOption<Snapshot>>, Option<Arc<Snapshot>>>,
}

impl Reader {
    /// The snapshot to answer one request from, from its first byte to its last.
    pub fn pin(&mut self) -> Option<&Arc<Snapshot>> {
        self.cache.load().as_ref()
    }
}
