//! The signal that wakes the reload thread. The reasons are flags instead of a queue: no reason is lost, and
//! many file-system events count as one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// The reasons why the reload thread was woken. No reason is set if the wait timed out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WakeReasons {
    /// A file of the source may have changed.
    pub fs_event: bool,
    /// Time of the last request to read the source again, even if its stamp has not changed.
    pub reload: Option<Instant>,
    /// The process is stopping, and the thread must end.
    pub stop: bool,
}

#[derive(Debug, Default)]
struct SignalState {
    reasons: Mutex<WakeReasons>,
    woken: Condvar,
}

/// The sending end: wakes the reload thread from any thread.
#[derive(Debug, Clone)]
pub struct ReloadSignal(Arc<SignalState>);

/// The receiving end of a [`ReloadSignal`].
#[derive(Debug)]
pub struct ReloadSignalReceiver(Arc<SignalState>);

/// Creates a signal. Returns both ends.
pub fn reload_signal() -> (ReloadSignal, ReloadSignalReceiver) {
    let shared = Arc::<SignalState>::default();
    (ReloadSignal(Arc::clone(&shared)), ReloadSignalReceiver(shared))
}

impl ReloadSignal {
    /// Reports that a file of the source may have changed.
    pub fn fs_event(&self) {
        self.wake(|reasons| reasons.fs_event = true);
    }

    /// Requests a reload, even if the stamp of the source has not changed.
    pub fn reload(&self) {
        self.wake(|reasons| reasons.reload = Some(Instant::now()));
    }

    /// Ends the reload thread after its current poll.
    pub fn stop(&self) {
        self.wake(|reasons| reasons.stop = true);
    }

    fn wake(&self, set: impl FnOnce(&mut WakeReasons)) {
        set(&mut self.0.reasons.lock());
        self.0.woken.notify_all();
    }
}

impl ReloadSignalReceiver {
    /// Waits for a reason, at most `timeout`. Returns all reasons since the last call.
    pub fn wait(&self, timeout: Duration) -> WakeReasons {
        let mut reasons = self.0.reasons.lock();
        self.0.woken.wait_while_for(&mut reasons, |reasons| *reasons == WakeReasons::default(), timeout);
        std::mem::take(&mut reasons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn wait_returns_every_reason_since_the_last_call() {
        let (signal, receiver) = reload_signal();
        for _ in 0..10_000 {
            signal.fs_event();
        }
        signal.reload();
        for _ in 0..10_000 {
            signal.fs_event();
        }
        let reasons = receiver.wait(LONG);
        assert!(reasons.fs_event && reasons.reload.is_some() && !reasons.stop);
        assert_eq!(receiver.wait(Duration::ZERO), WakeReasons::default());
        signal.stop();
        assert!(receiver.wait(LONG).stop);
    }

    #[test]
    fn waiting_thread_is_woken() {
        let (signal, receiver) = reload_signal();
        let waiting = std::thread::spawn(move || receiver.wait(LONG));
        signal.reload();
        assert!(waiting.join().unwrap().reload.is_some());
    }
}
