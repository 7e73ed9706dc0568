//! A new process takes over from the old one on the same address.

use std::time::Instant;

use rustix::process::Signal;

use super::load::Load;
use super::{LONG_RESTARTS, RESTARTS, free_address, serve};
use crate::harness::{DaemonProcess, HttpClient, get};

#[test]
fn no_request_is_lost_where_processes_share_an_address() {
    hand_over_a_shared_address(RESTARTS);
}

#[test]
#[ignore = "long: 200 restarts"]
fn no_request_is_lost_where_processes_share_an_address_long() {
    hand_over_a_shared_address(LONG_RESTARTS);
}

fn hand_over_a_shared_address(restarts: usize) {
    let (data, admin) = (free_address(), free_address());
    let mut old = DaemonProcess::launch(serve(&data, &admin));
    let load = Load::on(&data);
    for _ in 0..restarts {
        let new = DaemonProcess::launch(serve(&data, &admin));
        old.signal(Signal::TERM);
        let stopped = old.log("stopped");
        assert_eq!((old.wait().code(), &stopped["cut"]), (Some(0), &0.into()));
        old = new;
    }
    let counted = load.stop();
    assert!(counted.answered > 100 * restarts as u64, "{counted:?}");
    assert_eq!((counted.lost.as_slice(), counted.answered), ([].as_slice(), counted.sent));
}

#[test]
fn probes_go_to_the_process_that_stays() {
    let (data, admin) = (free_address(), free_address());
    let mut old = DaemonProcess::launch(serve(&data, &admin));
    // Kept busy, so that it drains for long.
    let mut stuck = HttpClient::connect(&data);
    stuck.post_head("/v1/select", 9);
    let new = DaemonProcess::launch(serve(&data, &admin));
    old.signal(Signal::TERM);
    old.log("draining");
    for _ in 0..50 {
        // The old one would say 503.
        assert_eq!(get(&new.admin, "/readyz").0, 200);
    }
    old.signal(Signal::TERM);
    assert_eq!(old.log("stopped")["cut"], 1);
    assert_eq!(old.wait().code(), Some(0));
}

#[test]
fn a_process_alone_says_that_it_drains_and_then_is_gone() {
    let mut daemon = DaemonProcess::start(&[]);
    let since = Instant::now();
    daemon.signal(Signal::INT);
    daemon.log("draining");
    assert_eq!(daemon.wait().code(), Some(0));
    // Nobody was connected: nobody is waited for.
    assert!(since.elapsed().as_secs() < 10);
    assert!(std::net::TcpStream::connect(&daemon.data).is_err());
}
