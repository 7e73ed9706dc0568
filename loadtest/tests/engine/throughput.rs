//! The closed loop, and the null server.

use crate::{ExpectYes, lock_cores, plan};
use loadtest::{
    engine::{OutcomeCounts, Pace, Plan, Received, Source, WrongAnswer, measure},
    null,
};
use std::{net::TcpListener, thread, time::Duration};

#[test]
fn closed_loop_sends_as_fast_as_answers_come() {
    let _lock = lock_cores();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = socket.local_addr().unwrap();
    thread::spawn(move || null::serve(socket, 3));
    let plan = Plan { pace: Pace::AsAnswered, ..plan(target, 1.0, Duration::from_millis(500)) };
    let measured = measure(&plan, &mut ExpectYes, &mut |_| ()).unwrap();
    let step = measured.step;
    assert_eq!(measured.body_bytes, 3);
    // The null server answers `xxx`, so every answer is checked.
    assert_eq!(step.errors["wrong_answer"].first, "in the warm-up: xxx");
    // Including those of the warm-up.
    assert!(step.errors["wrong_answer"].count > step.due);
    assert!(step.achieved > 1_000.0 && step.due as f64 / step.seconds > 1_000.0, "{}", step.achieved);
    assert!((step.rate - step.achieved).abs() < f64::EPSILON);
}

/// A source of a request that is longer than a server reads at once.
struct Large(Vec<u8>);

impl Source for Large {
    fn next(&mut self) -> usize {
        0
    }

    fn bytes(&self, _: usize) -> &[u8] {
        &self.0
    }

    fn add_header(&mut self, _: &str) {}

    fn check(&mut self, _: usize, _: &Received<'_>, _: &mut OutcomeCounts) -> Result<(), WrongAnswer> {
        Ok(())
    }
}

#[test]
fn null_server_keeps_its_connections_after_large_requests() {
    const LENGTH: usize = 1 << 20;
    let _lock = lock_cores();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = socket.local_addr().unwrap();
    thread::spawn(move || null::serve(socket, 3));
    let plan = Plan { pace: Pace::AsAnswered, ..plan(target, 1.0, Duration::from_millis(300)) };
    let head = format!("POST / HTTP/1.1\r\nhost: null\r\ncontent-length: {LENGTH}\r\n\r\n");
    let mut source = Large([head.into_bytes(), vec![b'x'; LENGTH]].concat());
    let measured = measure(&plan, &mut source, &mut |_| ()).unwrap();
    assert!(measured.step.errors.is_empty() && measured.step.due > 10, "{:?}", measured.step.errors);
    assert_eq!(measured.reopened, 0);
}
