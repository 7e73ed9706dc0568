//! Stands in for arc-swap: the orders of memory that it promises, and no others.

use std::sync::{Arc, Mutex as Table, PoisonError};

use loom::sync::atomic::{AtomicUsize, Ordering};

/// As `parking_lot::Mutex`, which has no poisoning.
#[derive(Default)]
pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// Locks the mutex.
    pub fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As `arc_swap::ArcSwapOption`: a pointer that may be none.
pub struct ArcSwapOption<T> {
    /// Which of the values is there now, from 1; 0: none. The values' own lock is no part of the model:
    /// nothing of loom's happens under it.
    at: AtomicUsize,
    values: Table<Vec<Arc<T>>>,
}

impl<T> Default for ArcSwapOption<T> {
    fn default() -> Self {
        ArcSwapOption { at: AtomicUsize::new(0), values: Table::default() }
    }
}

impl<T> ArcSwapOption<T> {
    /// Stores a value, and returns the one before it.
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

    /// The value that is there now.
    pub fn load_full(&self) -> Option<Arc<T>> {
        self.value(self.at.load(Ordering::Acquire))
    }

    fn value(&self, at: usize) -> Option<Arc<T>> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        at.checked_sub(1).and_then(|at| values.get(at)).map(Arc::clone)
    }
}

/// As `arc_swap::Cache`: keeps the value, and looks with a relaxed load whether it has changed.
pub struct Cache<C, V> {
    cell: C,
    at: usize,
    value: V,
}

impl<T> Cache<Arc<ArcSwapOption<T>>, Option<Arc<T>>> {
    /// Of this cell.
    pub fn new(cell: Arc<ArcSwapOption<T>>) -> Self {
        let at = cell.at.load(Ordering::Acquire);
        let value = cell.value(at);
        Cache { cell, at, value }
    }

    /// The value that is there now.
    pub fn load(&mut self) -> &Option<Arc<T>> {
        if self.cell.at.load(Ordering::Relaxed) != self.at {
            self.at = self.cell.at.load(Ordering::Acquire);
            self.value = self.cell.value(self.at);
        }
        &self.value
    }
}
