//! Stands in for arc-swap, with the memory ordering that arc-swap promises and no stronger one.

use std::sync::{Arc, Mutex as Table, PoisonError};

use loom::sync::atomic::{AtomicUsize, Ordering};

/// Stands in for `parking_lot::Mutex`, which has no poisoning.
#[derive(Default)]
pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// Locks the mutex, even if it is poisoned.
    pub fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands in for `arc_swap::ArcSwapOption`: a pointer that may be empty.
pub struct ArcSwapOption<T> {
    /// Number of the current value, from 1; 0 if the pointer is empty. The lock of the values is not part of
    /// the model, because no operation of loom runs while it is held.
    at: AtomicUsize,
    values: Table<Vec<Arc<T>>>,
}

impl<T> Default for ArcSwapOption<T> {
    fn default() -> Self {
        ArcSwapOption { at: AtomicUsize::new(0), values: Table::default() }
    }
}

impl<T> ArcSwapOption<T> {
    /// Stores a value, and returns the previous value.
    pub fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
        let at = match value {
            None => 0,
            Some(value) => {
                let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
                values.push(value);
                values.len()
            }
        };
        self.value(self.at.swap(at, Ordering::AcqRel))
    }

    /// Returns the current value of the pointer.
    pub fn load_full(&self) -> Option<Arc<T>> {
        self.value(self.at.load(Ordering::Acquire))
    }

    fn value(&self, at: usize) -> Option<Arc<T>> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        at.checked_sub(1).and_then(|at| values.get(at)).map(Arc::clone)
    }
}

/// Stands in for `arc_swap::Cache`: keeps the value, and detects a change by a relaxed load.
pub struct Cache<C, V> {
    cell: C,
    at: usize,
    value: V,
}

impl<T> Cache<Arc<ArcSwapOption<T>>, Option<Arc<T>>> {
    /// Creates a cache of this cell.
    pub fn new(cell: Arc<ArcSwapOption<T>>) -> Self {
        let at = cell.at.load(Ordering::Acquire);
        let value = cell.value(at);
        Cache { cell, at, value }
    }

    /// Returns the current value, from the cache if it has not changed.
    pub fn load(&mut self) -> &Option<Arc<T>> {
        if self.cell.at.load(Ordering::Relaxed) != self.at {
            self.at = self.cell.at.load(Ordering::Acquire);
            self.value = self.cell.value(self.at);
        }
        &self.value
    }
}
