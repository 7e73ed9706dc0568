//! The end of a listener.

use std::net::TcpStream;
use std::time::Duration;

use super::daemon::Daemon;

const LONG: Duration = Duration::from_secs(20);
const QUERY: &str = r#"{"channel":"whatsapp","ou":"uk","country":"GB"}"#;

#[test]
fn the_request_in_hand_is_finished_and_says_that_it_is_the_last() {
    let mut daemon = Daemon::start();
    let mut idle = daemon.client();
    idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(idle.answer().status, 404);
    // The server has the head, and says so; the body is yet to come.
    let mut busy = daemon.client();
    let length = QUERY.len();
    busy.send(format!(
        "POST /v1/select HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    ));
    assert_eq!(busy.answer().status, 100);
    assert_eq!(daemon.admin("/readyz").status, 200);
    daemon.drain.send_replace(true);
    let ready = daemon.admin("/readyz");
    assert_eq!(
        (ready.status, ready.text().as_str()),
        (503, "the data listener is closed: starting or draining\n")
    );
    // The idle one is closed at once: the drain has reached the worker.
    assert!(idle.is_closed());
    busy.send(QUERY);
    let answer = busy.answer();
    assert_eq!(answer.account(), "wa-gb-1");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(busy.is_closed());
    drop(busy);
    assert!(daemon.drain(LONG));
    assert!(TcpStream::connect(daemon.data).is_err());
    assert_eq!(daemon.metric("switchboard_http_connections"), 0.0);
    assert_eq!(daemon.admin("/livez").status, 200);
}

#[test]
fn what_does_not_end_in_time_is_cut() {
    let mut daemon = Daemon::start();
    let mut stuck = daemon.client();
    stuck.send("POST /v1/select HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
    assert_eq!(stuck.answer().status, 100);
    assert!(!daemon.drain(Duration::from_millis(20)));
    assert!(stuck.is_closed());
    assert_eq!(daemon.metric("switchboard_http_connections"), 0.0);
}

#[test]
fn whatever_was_sent_before_is_answered() {
    for _ in 0..50 {
        let mut daemon = Daemon::start();
        // Some of these are with the worker by now, some in the kernel's queue.
        let mut clients: Vec<_> = (0..8).map(|_| daemon.client()).collect();
        for client in &mut clients {
            client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        daemon.drain.send_replace(true);
        for client in &mut clients {
            assert_eq!(client.answer().status, 404);
            assert!(client.is_closed());
        }
        assert!(daemon.drain(LONG));
    }
}
