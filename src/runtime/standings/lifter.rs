//! Lifts what has ended. A thread of its own: the keeper may be waiting for a slow disk, and an account
//! is promised back within a second of its standing's end.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::keeper::{Event, Observer};
use crate::runtime::source::now_ms;
use crate::runtime::store::Store;

/// How often to look.
const TICK: Duration = Duration::from_millis(200);

/// The thread, before it runs.
pub struct Lifter {
    pub(super) store: Store,
    pub(super) observer: Observer,
    /// Closed when the keeper has ended.
    pub(super) over: Receiver<Infallible>,
}

impl Lifter {
    /// Lifts until the keeper has ended.
    pub fn run(self) {
        while self.over.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            for key in self.store.lift_ended(now_ms()) {
                (self.observer)(&Event::Lifted { key: &key, ended: true });
            }
        }
    }
}
