//! An honest client, which measures how long it waits for answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{ask, connect};

const TARGET: &str = "/v1/select?channel=whatsapp&ou=emea&country=DE&client=honest";
/// The addresses of the kept and of the new connections.
const KEPT: u8 = 2;
const FRESH: u8 = 3;

/// The waiting times, sorted.
pub(super) struct Waits(Vec<Duration>);

impl Waits {
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Asks about a thousand times a second until stopped: every eighth time on a new connection. Every
/// answer must be the one it asked for.
pub(super) fn asks(data: &str, stop: &AtomicBool) -> Waits {
    let mut waits = Vec::new();
    let mut kept = connect(data, KEPT, None);
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let status = if waits.len() % 8 == 7 {
            ask(&mut connect(data, FRESH, None), TARGET)
        } else {
            ask(&mut kept, TARGET)
        };
        waits.push(started.elapsed());
        assert_eq!(status, Some(200), "the honest client's answer number {}", waits.len());
        // The pace of the load.
        std::thread::sleep(Duration::from_millis(1));
    }
    waits.sort_unstable();
    Waits(waits)
}

/// Does the same for this long, without an attack.
pub(super) fn alone(data: &str, time: Duration) -> Waits {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| asks(data, &stop));
        // The duration of the measurement.
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        waits.join().unwrap()
    })
}
