//! A new process takes over from the old one on a shared address.

use std::time::Instant;

use rustix::process::Signal;

use super::load::Load;
use super::{LONG_RESTARTS, RESTARTS, free_address, share};
use crate::harness::{DaemonProcess, HttpClient, get};

#[test]
fn restart_on_a_shared_address_loses_no_request() {
    hand_over_a_shared_address(RESTARTS);
}

#[test]
#[ignore = "long: 200 restarts"]
fn restart_on_a_shared_address_loses_no_request_long() {
    hand_over_a_shared_address(LONG_RESTARTS);
}

fn hand_over_a_shared_address(restarts: usize) {
    let (data, admin) = (free_address(), free_address());
    let mut old = DaemonProcess::launch(share(&data, &admin));
    let load = Load::on(&data);
    for _ in 0..restarts {
        let new = DaemonProcess::launch(share(&data, &admin));
        old.signal(Signal::TERM);
        let stopped = old.log("stopped");
        assert_eq!((old.wait().code(), &stopped["force_closed"]), (Some(0), &0.into()));
        old = new;
    }
    let counted = load.stop();
    assert!(counted.answered > 100 * restarts as u64, "{counted:?}");
    assert_eq!((counted.lost.as_slice(), counted.answered), ([].as_slice(), counted.sent));
}

#[test]
fn readiness_probes_reach_the_process_that_stays() {
    let (data, admin) = (free_address(), free_address());
    let mut old = DaemonProcess::launch(share(&data, &admin));
    // An open request keeps the old process draining.
    let mut stuck = HttpClient::connect(&data);
    stuck.post_head("/v1/select", 9);
    let new = DaemonProcess::launch(share(&data, &admin));
    old.signal(Signal::TERM);
    old.log("draining");
    for _ in 0..50 {
        // The old process answers 503.
        assert_eq!(get(&new.admin, "/readyz").0, 200);
    }
    old.signal(Signal::TERM);
    assert_eq!(old.log("stopped")["force_closed"], 1);
    assert_eq!(old.wait().code(), Some(0));
}

#[test]
fn idle_process_drains_at_once_and_closes_its_listener() {
    let mut daemon = DaemonProcess::start(&[]);
    let since = Instant::now();
    daemon.signal(Signal::INT);
    daemon.log("draining");
    assert_eq!(daemon.wait().code(), Some(0));
    // There is no connection to wait for.
    assert!(since.elapsed().as_secs() < 10);
    assert!(std::net::TcpStream::connect(&daemon.data).is_err());
}
