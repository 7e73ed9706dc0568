//! One process takes over from another: the journal has one writer, and nothing is lost between them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::*;
use crate::expected::acme;

#[test]
fn a_second_process_follows_and_then_takes_over() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let mut first = serve(registry.path(), Some(&journal));
    put(&first, GERMAN_ACCOUNT, &standing("suspended"));
    let second = serve(registry.path(), Some(&journal));
    second.logged_at_start("another process holds the journal");
    assert_ne!(second.select(GERMAN)["account"], "wa-emea-de-1");

    // It sees what the first one is told, and makes no changes of its own.
    let (status, problem) = second.admin("PUT", GERMAN_ACCOUNT, &standing("draining").to_string());
    assert!(status == 503 && problem.contains("\"code\":\"overloaded\""), "{status} {problem}");
    assert_eq!(stored(&second, GERMAN_ACCOUNT), Some(standing("suspended")));
    lift(&first, GERMAN_ACCOUNT);
    until(|| second.select(GERMAN)["account"] == "wa-emea-de-1");
    put(&first, "/v1/standings/acme/wa-emea-gb-1", &standing("draining"));
    until(|| stored(&second, "/v1/standings/acme/wa-emea-gb-1").is_some());

    first.signal("-TERM");
    assert_eq!(first.wait().code(), Some(0));
    second.log("journal of standings read");
    put(&second, GERMAN_ACCOUNT, &standing("draining"));
    drop(second);
    let third = serve(registry.path(), Some(&journal));
    assert_eq!(stored(&third, GERMAN_ACCOUNT), Some(standing("draining")));
    assert_eq!(stored(&third, "/v1/standings/acme/wa-emea-gb-1"), Some(standing("draining")));
}

/// A drain can take half a minute, and standings must not wait for it.
#[test]
fn the_second_takes_over_while_the_first_finishes_a_request() {
    const QUERY: &str = r#"{"channel":"whatsapp","ou":"emea","country":"DE"}"#;
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let mut first = serve(registry.path(), Some(&journal));
    put(&first, "/v1/standings/acme/wa-emea-gb-1", &standing("suspended"));
    let second = serve(registry.path(), Some(&journal));
    second.logged_at_start("another process holds the journal");
    let mut slow = TcpStream::connect(&first.data).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (target, length) = ("POST /v1/select HTTP/1.1", QUERY.len());
    write!(slow, "{target}\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n").unwrap();
    slow.read_exact(&mut [0; "HTTP/1.1 100 Continue\r\n\r\n".len()]).unwrap();

    first.signal("-TERM");
    second.log("journal of standings read");
    put(&second, GERMAN_ACCOUNT, &standing("suspended"));
    let (status, problem) = first.admin("PUT", GERMAN_ACCOUNT, &standing("draining").to_string());
    assert!(status == 503 && problem.contains("\"code\":\"overloaded\""), "{status} {problem}");
    // What it still answers is answered with the standings that the other one sets.
    until(|| stored(&first, GERMAN_ACCOUNT) == Some(standing("suspended")));
    slow.write_all(QUERY.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("wa-emea-de-1"), "{answer}");
    drop(slow);
    assert_eq!(first.wait().code(), Some(0));
    assert_eq!(stored(&second, "/v1/standings/acme/wa-emea-gb-1"), Some(standing("suspended")));
}

/// Asks until it is so: what one process tells another has no event to wait for.
#[track_caller]
fn until(holds: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !holds() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
