//! The sender against servers that misbehave: what a client suffers must be in the figures.
#![cfg(test)]

mod failures;
mod stall;
mod stub;
mod throughput;
mod validity;

use loadtest::{
    engine::{Pace, Plan, Received, Source},
    traffic::{Outcomes, Wrong},
};
use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// One request again and again; a right answer is `yes`.
struct Yes;

impl Source for Yes {
    fn next(&mut self) -> usize {
        0
    }

    fn bytes(&self, _: usize) -> &[u8] {
        b"GET / HTTP/1.1\r\nhost: stub\r\n\r\n"
    }

    fn check(&mut self, _: usize, answer: &Received<'_>, outcomes: &mut Outcomes) -> Result<(), Wrong> {
        let Received { status, body, .. } = *answer;
        if status != 200 {
            return Err(Wrong { kind: "unexpected_status", why: format!("{status} for 200").into() });
        }
        if body != b"yes" {
            return Err(Wrong {
                kind: "wrong_answer",
                why: String::from_utf8_lossy(body).into_owned().into(),
            });
        }
        outcomes.count("yes");
        Ok(())
    }
}

/// For tests that take a core, or need one: one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn plan(target: SocketAddr, rate: f64, measure: Duration) -> Plan {
    Plan {
        target,
        connections: 4,
        pace: Pace::Rate(rate),
        warm_up: Duration::from_millis(100),
        measure,
        timeout: Duration::from_secs(1),
        latest: Some(Duration::from_millis(50)),
    }
}
