//! An honest client that measures how long it waits for answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{ask, connect};

const TARGET: &str = "/v1/select?channel=whatsapp&ou=emea&country=DE&client=honest";
/// Address of the connection that stays open.
const KEPT: u8 = 2;
/// Address of the new connections.
const FRESH: u8 = 3;

/// Waiting times of the honest client, in ascending order.
pub(super) struct Waits(Vec<Duration>);

impl Waits {
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Sends about a thousand queries a second until `stop` is set, every eighth on a new connection. Every
/// answer must have status 200.
pub(super) fn query_until_stopped(data: &str, stop: &AtomicBool) -> Waits {
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

/// Sends queries for this long without an attack.
pub(super) fn query_without_attack(data: &str, time: Duration) -> Waits {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| query_until_stopped(data, &stop));
        // The duration of the measurement.
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        waits.join().unwrap()
    })
}
