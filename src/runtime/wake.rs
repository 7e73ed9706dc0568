//! What wakes the reload thread: three flags and a bell. Flags are never full, so no request is lost,
//! and a thousand events are one "maybe".

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Why the reload thread was woken; none of it where its time was up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Woken {
    /// Something may have changed.
    pub maybe: bool,
    /// Somebody asked for a reload.
    pub asked: bool,
    /// The process ends.
    pub stop: bool,
}

#[derive(Debug, Default)]
struct Shared {
    woken: Mutex<Woken>,
    bell: Condvar,
}

/// Wakes the reload thread.
#[derive(Debug, Clone)]
pub struct Waker(Arc<Shared>);

/// Where the reload thread waits.
#[derive(Debug)]
pub struct Bell(Arc<Shared>);

/// Both ends.
pub fn bell() -> (Waker, Bell) {
    let shared = Arc::<Shared>::default();
    (Waker(Arc::clone(&shared)), Bell(shared))
}

impl Waker {
    /// Something may have changed.
    pub fn maybe(&self) {
        self.wake(|woken| woken.maybe = true);
    }

    /// The source is to be read again, changed or not.
    pub fn ask(&self) {
        self.wake(|woken| woken.asked = true);
    }

    /// The process ends.
    pub fn stop(&self) {
        self.wake(|woken| woken.stop = true);
    }

    fn wake(&self, set: impl FnOnce(&mut Woken)) {
        set(&mut self.0.woken.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.bell.notify_all();
    }
}

impl Bell {
    /// Everything that has come since the last time; waits for the first of it, at most so long.
    pub fn wait(&self, at_most: Duration) -> Woken {
        let woken = self.0.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.bell.wait_timeout_while(woken, at_most, |woken| *woken == Woken::default());
        let (mut woken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut woken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn no_request_is_lost_among_events_and_all_come_at_once() {
        let (waker, bell) = bell();
        for _ in 0..10_000 {
            waker.maybe();
        }
        waker.ask();
        for _ in 0..10_000 {
            waker.maybe();
        }
        assert_eq!(bell.wait(LONG), Woken { maybe: true, asked: true, stop: false });
        assert_eq!(bell.wait(Duration::ZERO), Woken::default());
        waker.stop();
        assert!(bell.wait(LONG).stop);
    }

    #[test]
    fn whoever_waits_is_woken() {
        let (waker, bell) = bell();
        let waiting = std::thread::spawn(move || bell.wait(LONG));
        waker.ask();
        assert!(waiting.join().unwrap().asked);
    }
}
