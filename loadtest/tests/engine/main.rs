//! The sender with servers that misbehave. The figures must be those of a client.
#![cfg(test)]

mod answers;
mod failures;
mod judgement;
mod recorder;
mod schedule;
mod stall;
mod stub;
mod throughput;
mod validity;

use loadtest::engine::{OutcomeCounts, Pace, Plan, Received, Source, WrongAnswer};
use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A source of one request, whose right answer is `yes`.
struct ExpectYes;

impl Source for ExpectYes {
    fn next(&mut self) -> usize {
        0
    }

    fn bytes(&self, _: usize) -> &[u8] {
        b"GET / HTTP/1.1\r\nhost: stub\r\n\r\n"
    }

    fn add_header(&mut self, _: &str) {}

    fn check(
        &mut self,
        _: usize,
        answer: &Received<'_>,
        outcomes: &mut OutcomeCounts,
    ) -> Result<(), WrongAnswer> {
        let Received { status, body, .. } = *answer;
        if status != 200 {
            return Err(WrongAnswer::Status(format!("{status} for 200")));
        }
        if body != b"yes" {
            return Err(WrongAnswer::Content(String::from_utf8_lossy(body).into_owned()));
        }
        *outcomes.entry("yes").or_default() += 1;
        Ok(())
    }
}

/// Serializes the tests that need a core.
fn lock_cores() -> MutexGuard<'static, ()> {
    static CORES: Mutex<()> = Mutex::new(());
    CORES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn plan(target: SocketAddr, rate: f64, measure: Duration) -> Plan {
    Plan {
        target: target.into(),
        connections: 4,
        pace: Pace::Rate(rate),
        warm_up: Duration::from_millis(100),
        measure,
        timeout: Duration::from_secs(1),
        max_lateness: Some(Duration::from_millis(50)),
    }
}
