//! Batches the standings that arrive while many arrive, because the wake-ups of three threads for each of them would
//! take more processor time than the standings.

use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The time over which arrivals are counted.
const WINDOW: Duration = Duration::from_millis(100);
/// The number of arrivals in a window beyond which later ones are batched: 200 a second.
const FREQUENT: u32 = 20;
/// The time for which the thread of the replica sleeps while standings are batched.
const PAUSE: Duration = Duration::from_millis(20);

/// Decides when the thread of the replica sleeps before it waits for the broker.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    window: Option<Instant>,
    /// The arrivals of this window and of the window before.
    arrivals: [u32; 2],
    /// Whether a standing arrived since the last pause.
    has_arrived: bool,
    is_fetching: bool,
}

impl Pace {
    /// Notes that a standing arrived.
    pub(super) fn arrived(&self, at: Instant) {
        let mut state = self.0.lock();
        let age = state.window.map_or(2 * WINDOW, |window| at.saturating_duration_since(window));
        if age >= WINDOW {
            let [last, _] = state.arrivals;
            state.arrivals = [0, if age < 2 * WINDOW { last } else { 0 }];
            state.window = Some(at);
        }
        let [current, _] = &mut state.arrivals;
        *current = current.saturating_add(1);
        state.has_arrived = true;
    }

    /// Sets whether a snapshot is being fetched, which must not wait.
    pub(super) fn set_fetching(&self, is_fetching: bool) {
        self.0.lock().is_fetching = is_fetching;
    }

    /// Returns the time to sleep before the thread waits for the broker.
    fn pause(&self) -> Option<Duration> {
        let mut state = self.0.lock();
        let is_frequent = state.arrivals.iter().any(|arrivals| *arrivals > FREQUENT);
        let has_arrived = std::mem::take(&mut state.has_arrived);
        (has_arrived && is_frequent && !state.is_fetching).then_some(PAUSE)
    }

    /// Sleeps if standings are batched. What arrives meanwhile is processed at once afterwards.
    pub(super) fn park(&self) {
        if let Some(pause) = self.pause() {
            thread::sleep(pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_frequent_standings_are_batched_and_never_beside_a_fetch() {
        let (pace, start) = (Pace::default(), Instant::now());
        for arrival in 0..FREQUENT {
            pace.arrived(start + Duration::from_millis(u64::from(arrival)));
            assert_eq!(pace.pause(), None, "{arrival}");
        }
        pace.arrived(start + Duration::from_millis(50));
        assert_eq!(pace.pause(), Some(PAUSE));
        // Without a further arrival, nothing waits.
        assert_eq!(pace.pause(), None);
        // The next window begins with the batches of the one before.
        pace.arrived(start + WINDOW);
        assert_eq!(pace.pause(), Some(PAUSE));
        pace.arrived(start + WINDOW);
        pace.set_fetching(true);
        assert_eq!(pace.pause(), None);
        pace.set_fetching(false);
        // Two quiet windows end the batches.
        pace.arrived(start + 3 * WINDOW);
        assert_eq!(pace.pause(), None);
    }
}
