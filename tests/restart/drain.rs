//! Stop signals while requests are in flight.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{free_address, serve};
use crate::harness::{DaemonProcess, HttpClient, get, wait_until};

const QUERY: &str = r#"{"company":"acme","channel":"whatsapp","ou":"zurich","country":"FR"}"#;

/// Sends a request without its body and waits until the daemon has read its head.
fn half_a_request(daemon: &DaemonProcess) -> HttpClient {
    let mut client = HttpClient::connect(&daemon.data);
    client.post_head("/v1/select", QUERY.len());
    client
}

#[test]
fn slow_body_is_answered_after_either_stop_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut daemon = DaemonProcess::start(&[]);
        let mut slow = half_a_request(&daemon);
        daemon.signal(signal);
        daemon.log("draining");
        assert_eq!(get(&daemon.admin, "/readyz").0, 503);
        assert_eq!(get(&daemon.admin, "/livez").0, 200);
        for byte in QUERY.as_bytes() {
            slow.send([*byte]);
            // The time under test: the body is slow.
            std::thread::sleep(Duration::from_millis(2));
        }
        let answer = slow.answer();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        assert!(slow.is_closed());
        assert_eq!(daemon.log("stopped")["force_closed"], 0);
        assert_eq!(daemon.wait().code(), Some(0));
    }
}

#[test]
fn request_still_open_after_the_drain_timeout_is_force_closed() {
    let mut daemon = DaemonProcess::start(&["--drain-timeout", "300ms"]);
    let mut stuck = half_a_request(&daemon);
    daemon.signal(Signal::TERM);
    let since = Instant::now();
    assert_eq!(daemon.log("force-closed connections")["connections"], 1);
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(since.elapsed() < Duration::from_secs(20));
    assert!(stuck.is_closed());
}

#[test]
fn second_stop_signal_ends_the_drain_at_once() {
    for [first, second] in [[Signal::TERM, Signal::INT], [Signal::INT, Signal::TERM]] {
        let mut daemon = DaemonProcess::start(&["--drain-timeout", "10m"]);
        let _stuck = half_a_request(&daemon);
        daemon.signal(first);
        daemon.log("draining");
        daemon.signal(second);
        daemon.log("second stop signal");
        assert_eq!(daemon.log("stopped")["force_closed"], 1);
        assert_eq!(daemon.wait().code(), Some(0));
    }
}

/// At its start the daemon waits up to ten seconds for a file that is still being written. A stop ends the
/// wait.
#[test]
fn stop_during_startup_does_not_wait_for_a_source_still_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow.swb");
    File::create(&path).unwrap();
    let admin = free_address();
    let mut command = serve("127.0.0.1:0", &admin);
    let written = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            while !written.load(Ordering::SeqCst) {
                file.write_all(b"more").unwrap();
                // More often than a source is polled.
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let mut child = command.arg("--snapshot").arg(&path).spawn().unwrap();
        wait_until("the admin listener is open", || TcpStream::connect(&admin).is_ok());
        let alive = get(&admin, "/livez").0;
        let signalled = Instant::now();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        written.store(true, Ordering::SeqCst);
        assert_eq!((alive, status.code()), (200, Some(0)));
        assert!(signalled.elapsed() < Duration::from_secs(5), "after {:?}", signalled.elapsed());
    });
}
