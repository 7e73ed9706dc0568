//! Kept connections, pipelining, and several workers.

use switchboard::config::Settings;
use switchboard_server::{Listener, ServerSettings};

use crate::harness::{InProcessDaemon, one_worker};

const GET: &str = "/v1/select?channel=whatsapp&ou=uk&country=";

#[test]
fn connection_is_kept_between_requests() {
    let daemon = InProcessDaemon::start();
    let mut client = daemon.client();
    for country in ["GB", "DE", "JP", "US"] {
        client.send(format!("GET {GET}{country} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let answer = client.answer();
        assert_eq!(answer.status, if country == "JP" { 422 } else { 200 });
        assert_eq!(answer.header("connection"), None);
    }
    client.send(format!("GET {GET}GB HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    assert_eq!(client.answer().header("connection"), Some("close"));
    assert!(client.is_closed());
}

#[test]
fn http_1_0_connection_closes_after_one_answer() {
    let daemon = InProcessDaemon::start();
    let mut client = daemon.client();
    client.send(format!("GET {GET}GB HTTP/1.0\r\n\r\n"));
    assert_eq!(client.answer().account(), "wa-gb-1");
    assert!(client.is_closed());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let daemon = InProcessDaemon::start();
    let mut client = daemon.client();
    let body = r#"{"channel":"whatsapp","ou":"uk","country":"US"}"#;
    let mut requests = String::new();
    for _ in 0..100 {
        for country in ["GB", "DE"] {
            requests += &format!("GET {GET}{country} HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        requests +=
            &format!("POST /v1/select HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    }
    client.send(requests);
    for _ in 0..100 {
        for account in ["wa-gb-1", "wa-de-1", "wa-us-001"] {
            assert_eq!(client.answer().account(), account);
        }
    }
}

#[test]
fn connections_are_spread_over_the_workers() {
    let daemon = InProcessDaemon::with(Settings { workers: 3, ..one_worker() });
    let mut clients: Vec<_> = (0..30).map(|_| daemon.client()).collect();
    for client in &mut clients {
        client.send(format!("GET {GET}GB HTTP/1.1\r\nHost: x\r\n\r\n"));
    }
    for client in &mut clients {
        assert_eq!(client.answer().account(), "wa-gb-1");
    }
    assert_eq!(daemon.metric("switchboard_http_connections"), 30.0);
}

#[test]
fn second_listener_binds_the_same_address_only_if_both_share_it() {
    for [first, second] in [[false, false], [false, true], [true, false], [true, true]] {
        let daemon = InProcessDaemon::with(Settings { reuse_port: first, ..one_worker() });
        let listen = vec![daemon.data.into()];
        let settings = ServerSettings { listen, reuse_port: second, ..ServerSettings::default() };
        assert_eq!(Listener::bind(&settings).is_ok(), first && second, "{first} {second}");
    }
}

#[test]
fn large_batch_yields_to_other_connections() {
    let daemon = InProcessDaemon::start();
    let mut batch = daemon.client();
    let line = "{\"channel\":\"whatsapp\",\"ou\":\"uk\",\"country\":\"GB\"}\n";
    batch.post("/v1/select/batch", "", line.repeat(10_000));
    assert_eq!(daemon.get(&format!("{GET}DE")).account(), "wa-de-1");
    assert_eq!(batch.answer().lines().len(), 10_000);
}
