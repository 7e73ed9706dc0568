//! Told to stop, with something in flight.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{free_address, serve};
use crate::process::{Daemon, get};

const QUERY: &str = r#"{"company":"acme","channel":"whatsapp","ou":"zurich","country":"FR"}"#;

/// A request whose head the daemon has, and whose body is to come.
fn half_a_request(daemon: &Daemon) -> TcpStream {
    let mut stream = TcpStream::connect(&daemon.data).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = QUERY.len();
    write!(
        stream,
        "POST /v1/select HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    stream.read_exact(&mut [0; "HTTP/1.1 100 Continue\r\n\r\n".len()]).unwrap();
    stream
}

#[test]
fn both_signals_let_a_slow_body_finish() {
    for signal in ["-TERM", "-INT"] {
        let mut daemon = Daemon::start(&[]);
        let mut slow = half_a_request(&daemon);
        daemon.signal(signal);
        daemon.log("draining");
        assert_eq!(get(&daemon.admin, "/readyz").0, 503);
        assert_eq!(get(&daemon.admin, "/livez").0, 200);
        for byte in QUERY.as_bytes() {
            slow.write_all(&[*byte]).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        let mut answer = String::new();
        slow.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
        drop(slow);
        assert_eq!(daemon.log("stopped")["cut"], 0);
        assert_eq!(daemon.wait().code(), Some(0));
    }
}

#[test]
fn what_does_not_finish_in_time_is_cut() {
    let mut daemon = Daemon::start(&["--drain-timeout", "300ms"]);
    let mut stuck = half_a_request(&daemon);
    daemon.signal("-TERM");
    let since = Instant::now();
    assert_eq!(daemon.log("cut")["connections"], 1);
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(since.elapsed() < Duration::from_secs(20));
    assert_eq!(stuck.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn a_second_signal_ends_the_drain_at_once() {
    for [first, second] in [["-TERM", "-INT"], ["-INT", "-TERM"]] {
        let mut daemon = Daemon::start(&["--drain-timeout", "10m"]);
        let _stuck = half_a_request(&daemon);
        daemon.signal(first);
        daemon.log("draining");
        daemon.signal(second);
        daemon.log("told to stop again");
        assert_eq!(daemon.log("stopped")["cut"], 1);
        assert_eq!(daemon.wait().code(), Some(0));
    }
}

/// A file that somebody still writes is awaited for ten seconds at the start; a stop is not.
#[test]
fn a_stop_does_not_wait_for_a_source_that_is_still_written() {
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
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let mut child = command.arg("--snapshot").arg(&path).spawn().unwrap();
        let began = Instant::now();
        while TcpStream::connect(&admin).is_err() && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let alive = get(&admin, "/livez").0;
        let told = Instant::now();
        std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        let status = child.wait().unwrap();
        written.store(true, Ordering::SeqCst);
        assert_eq!((alive, status.code()), (200, Some(0)));
        assert!(told.elapsed() < Duration::from_secs(5), "after {:?}", told.elapsed());
    });
}
