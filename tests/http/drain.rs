//! The drain of the data listener.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use switchboard::config::Settings;

use crate::harness::{InProcessDaemon, one_worker};

const LONG: Duration = Duration::from_secs(20);
const QUERY: &str = r#"{"channel":"whatsapp","ou":"uk","country":"GB"}"#;
const NOWHERE: &str = "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn request_in_hand_is_answered_as_the_last() {
    let mut daemon = InProcessDaemon::start();
    let mut idle = daemon.client();
    idle.send(NOWHERE);
    assert_eq!(idle.answer().status, 404);
    let mut busy = daemon.client();
    busy.post_head("/v1/select", QUERY.len());
    assert_eq!(daemon.admin("/readyz").status, 200);
    daemon.running().begin_drain();
    let ready = daemon.admin("/readyz");
    assert_eq!(
        (ready.status, ready.text().as_str()),
        (503, "the data listener is closed: starting or draining\n")
    );
    // The idle connection gets one more answer.
    idle.send(NOWHERE);
    let answer = idle.answer();
    assert_eq!((answer.status, answer.header("connection")), (404, Some("close")));
    assert!(idle.is_closed());
    busy.send(QUERY);
    let answer = busy.answer();
    assert_eq!(answer.account(), "wa-gb-1");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(busy.is_closed());
    drop((busy, idle));
    assert_eq!(daemon.admin("/livez").status, 200);
    assert_eq!(daemon.drain(LONG), 0);
    assert!(TcpStream::connect(daemon.data).is_err());
    assert_eq!(daemon.metric("switchboard_http_connections"), 0.0);
    assert_eq!(daemon.metric("switchboard_http_connections_total{outcome=\"cut\"}"), 0.0);
}

#[test]
fn connections_open_after_the_drain_timeout_are_closed_and_counted() {
    let mut daemon = InProcessDaemon::start();
    let mut stuck = daemon.client();
    stuck.post_head("/v1/select", 9);
    assert_eq!(daemon.drain(Duration::from_millis(20)), 1);
    assert!(stuck.is_closed());
    assert_eq!(daemon.metric("switchboard_http_connections"), 0.0);
    assert_eq!(daemon.metric("switchboard_http_connections_total{outcome=\"cut\"}"), 1.0);
}

#[test]
fn idle_connections_close_after_the_drain_grace() {
    let grace = Duration::from_millis(300);
    let mut daemon = InProcessDaemon::with(Settings { drain_timeout: 2 * grace, ..one_worker() });
    let mut idle = daemon.client();
    idle.send(NOWHERE);
    assert_eq!(idle.answer().status, 404);
    // A connection that never sent a request.
    let mut unused = daemon.client();
    let since = Instant::now();
    assert_eq!(daemon.drain(LONG), 0);
    assert!(since.elapsed() >= grace, "{:?}", since.elapsed());
    assert!(idle.is_closed());
    assert!(unused.is_closed());
    assert_eq!(daemon.metric("switchboard_http_connections_total{outcome=\"timed_out\"}"), 0.0);
}

#[test]
fn drain_waits_for_a_slow_head_and_a_slow_body() {
    let grace = Duration::from_millis(50);
    let mut daemon = InProcessDaemon::with(Settings { drain_timeout: 2 * grace, ..one_worker() });
    let mut head = daemon.client();
    let (first, rest) = NOWHERE.split_at(9);
    head.send(first);
    let mut body = daemon.client();
    let length = QUERY.len();
    body.send(format!("POST /v1/select HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"));
    // The worker answers this request after it has read the other two.
    assert_eq!(daemon.ask(NOWHERE).status, 404);
    daemon.running().begin_drain();
    let (start, end) = QUERY.split_at(9);
    body.send(start);
    // The time under test exceeds the time that an idle connection has.
    std::thread::sleep(4 * grace);
    head.send(rest);
    body.send(end);
    let answer = head.answer();
    assert_eq!((answer.status, answer.header("connection")), (404, Some("close")));
    assert_eq!(body.answer().account(), "wa-gb-1");
    drop((head, body));
    assert_eq!(daemon.drain(LONG), 0);
}

#[test]
fn slowly_read_answer_does_not_end_its_connection() {
    let grace = Duration::from_millis(300);
    // The buffers hold only a part of the answer.
    let mut daemon =
        InProcessDaemon::with_small_send_buffers(Settings { drain_timeout: 2 * grace, ..one_worker() });
    let mut slow = daemon.slow_client();
    let lines = 10_000;
    slow.post("/v1/select/batch", "", format!("{QUERY}\n").repeat(lines));
    // The answer has begun.
    slow.stream.peek(&mut [0]).unwrap();
    daemon.running().begin_drain();
    // The time under test exceeds the time that an idle connection has.
    std::thread::sleep(2 * grace);
    let answer = slow.answer();
    assert_eq!((answer.lines().len(), answer.header("connection")), (lines, None));
    slow.send(NOWHERE);
    assert_eq!(slow.answer().header("connection"), Some("close"));
    drop(slow);
    assert_eq!(daemon.drain(LONG), 0);
}

#[test]
fn force_close_ends_a_drain() {
    let mut daemon = InProcessDaemon::start();
    let mut stuck = daemon.client();
    stuck.post_head("/v1/select", 9);
    let force_close = daemon.running().force_close();
    let since = Instant::now();
    daemon.running().begin_drain();
    std::thread::spawn(move || {
        force_close.trigger();
        force_close.trigger();
    });
    assert_eq!(daemon.drain(LONG), 1);
    assert!(since.elapsed() < LONG / 2);
    assert!(stuck.is_closed());
}

#[test]
fn requests_sent_before_the_drain_are_answered() {
    for _ in 0..10 {
        let mut daemon = InProcessDaemon::start();
        // Some of these connections have reached the worker, others are in the kernel's queue.
        let mut clients: Vec<_> = (0..8).map(|_| daemon.client()).collect();
        for client in &mut clients {
            client.send(NOWHERE);
        }
        daemon.running().begin_drain();
        for client in &mut clients {
            assert_eq!(client.answer().status, 404);
        }
        drop(clients);
        assert_eq!(daemon.drain(LONG), 0);
    }
}
