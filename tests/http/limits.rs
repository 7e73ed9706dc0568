//! Heads and bodies that are too large, malformed, slow, or too many.

use std::time::Duration;

use switchboard::config::Settings;

use crate::harness::{InProcessDaemon, one_worker};

const QUERY: &str = r#"{"channel":"whatsapp","ou":"uk","country":"GB"}"#;

#[test]
fn query_body_beyond_the_limit_is_refused() {
    let daemon = InProcessDaemon::start();
    let padded = |size: usize| format!("{QUERY}{}", " ".repeat(size - QUERY.len()));
    for target in ["/v1/select", "/v1/explain"] {
        assert_eq!(daemon.post(target, padded(64 * 1024)).status, 200);
        daemon.post(target, padded(64 * 1024 + 1)).refuses(413, "body_too_large");
    }
    // The announced length suffices to reject the body: there is no 100 Continue.
    let mut client = daemon.client();
    client.send(
        "POST /v1/select HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9000000\r\n\r\n",
    );
    client.answer().refuses(413, "body_too_large");
    assert!(client.is_closed());
}

#[test]
fn head_beyond_the_limit_is_refused() {
    let daemon = InProcessDaemon::start();
    let start = "GET /v1/select?channel=whatsapp&ou=uk&country=GB HTTP/1.1\r\nHost: x\r\nX-Pad: ";
    let padded = |size: usize| format!("{start}{}\r\n\r\n", "x".repeat(size - start.len() - 4));
    assert_eq!(daemon.ask(padded(32 * 1024)).account(), "wa-gb-1");
    for too_large in [
        padded(32 * 1024 + 1),
        padded(300 * 1024),
        format!("GET /v1/select?{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)),
        format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101)),
    ] {
        let mut client = daemon.client();
        client.send(too_large);
        let answer = client.answer();
        answer.refuses(431, "header_too_large");
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(client.is_closed());
    }
}

#[test]
fn bytes_that_are_not_http_are_answered_with_a_problem() {
    let daemon = InProcessDaemon::start();
    for bytes in [
        "nonsense\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        "GET / HTTP/7.0\r\n\r\n",
        "POST /v1/select HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "\x16\x03\x01\x02\r\n",
    ] {
        let mut client = daemon.client();
        client.send(bytes);
        let answer = client.answer();
        answer.refuses(400, "bad_request");
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(client.is_closed());
    }
    // The answer to a valid request before the malformed one arrives too.
    let mut client = daemon.client();
    client
        .send("GET /v1/select?channel=whatsapp&ou=uk&country=GB HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n");
    assert_eq!(client.answer().account(), "wa-gb-1");
    client.answer().refuses(400, "bad_request");
}

#[test]
fn chunked_body_is_read_and_a_broken_one_refused() {
    let daemon = InProcessDaemon::start();
    let (first, second) = QUERY.split_at(20);
    let head = "POST /v1/select HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = format!(
        "{:x}\r\n{first}\r\n{:x};note=1\r\n{second}\r\n0\r\nTrailer: 1\r\n\r\n",
        first.len(),
        second.len()
    );
    assert_eq!(daemon.ask(format!("{head}{chunks}")).account(), "wa-gb-1");
    daemon.ask(format!("{head}zz\r\n")).refuses(400, "bad_request");
}

#[test]
fn expect_continue_is_answered_before_the_body() {
    let daemon = InProcessDaemon::start();
    let mut client = daemon.client();
    let length = QUERY.len();
    client.send(format!(
        "POST /v1/select HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    ));
    assert_eq!(client.answer().status, 100);
    client.send(QUERY);
    assert_eq!(client.answer().account(), "wa-gb-1");
}

#[test]
fn unfinished_head_times_out() {
    let short = Duration::from_millis(50);
    let daemon = InProcessDaemon::with(Settings { header_timeout: short, ..one_worker() });
    let mut idle = daemon.client();
    let mut client = daemon.client();
    client.send("GET /v1/select");
    assert!(client.is_closed());
    // The idle timeout is longer than the timeout of a head.
    idle.send("GET /v1/select?channel=whatsapp&ou=uk&country=GB HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(idle.answer().account(), "wa-gb-1");
    assert_eq!(daemon.metric("switchboard_http_connections_total{outcome=\"timed_out\"}"), 1.0);
}

#[test]
fn unfinished_body_and_idle_connection_time_out() {
    let short = Duration::from_millis(50);
    let daemon = InProcessDaemon::with(Settings { body_timeout: short, idle_timeout: short, ..one_worker() });
    let mut body = daemon.client();
    body.send("POST /v1/select HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{");
    assert!(body.is_closed());
    let mut idle = daemon.client();
    assert!(idle.is_closed());
    let mut used = daemon.client();
    used.send("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(used.answer().status, 404);
    assert!(used.is_closed());
}

#[test]
fn connection_beyond_the_limit_is_answered_overloaded() {
    let daemon = InProcessDaemon::with(Settings { max_connections: 1, ..one_worker() });
    let mut first = daemon.client();
    first.send("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(first.answer().status, 404);
    let mut second = daemon.client();
    let answer = second.answer();
    answer.refuses(503, "overloaded");
    assert_eq!((answer.header("retry-after"), answer.header("connection")), (Some("1"), Some("close")));
    assert!(second.is_closed());
    assert_eq!(daemon.metric("switchboard_http_connections_total{outcome=\"rejected\"}"), 1.0);
    assert_eq!(daemon.metric("switchboard_http_connections"), 1.0);
    first.send("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(first.answer().status, 404);
}
