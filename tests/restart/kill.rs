//! The process is killed under load and started again.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::load::{Habit, Load};
use super::{LONG_RESTARTS, RESTARTS, free_address, serve};
use crate::harness::DaemonProcess;

#[test]
fn kill_under_load_loses_only_requests_in_flight() {
    kill_under_load(RESTARTS);
}

#[test]
#[ignore = "long: 200 restarts"]
fn kill_under_load_loses_only_requests_in_flight_long() {
    kill_under_load(LONG_RESTARTS);
}

fn kill_under_load(restarts: usize) {
    let (data, admin) = (free_address(), free_address());
    let habits = [Habit::Fresh, Habit::Busy, Habit::Busy, Habit::Idle(Duration::from_millis(20))];
    let mut lost = 0;
    let mut slowest = Duration::ZERO;
    for _ in 0..restarts {
        let since = Instant::now();
        let mut daemon = DaemonProcess::launch(serve(&data, &admin));
        slowest = slowest.max(since.elapsed());
        let load = Load::with(&data, &habits);
        load.wait_for_answers(50);
        daemon.signal(Signal::KILL);
        assert_eq!(daemon.wait().code(), None);
        let counted = load.stop();
        assert!(counted.answered > 10, "{counted:?}");
        // A client checks every answer and stops at its first lost request.
        assert_eq!(counted.sent - counted.answered, counted.lost.len() as u64);
        for error in &counted.lost {
            let in_flight = ["closed after", "reset", "Broken pipe", "refused"];
            assert!(in_flight.iter().any(|how| error.contains(how)), "{error}");
        }
        lost += counted.lost.len();
    }
    println!(
        "{} kills: {lost} requests in flight lost; slowest start until it is ready {slowest:?}",
        restarts
    );
    assert!(slowest < Duration::from_secs(10));
}
