//! Routes of the admin listener.

use crate::harness::{HttpClient, InProcessDaemon, one_worker};

#[test]
fn readiness_states_the_reason() {
    let daemon = InProcessDaemon::empty(one_worker());
    assert_eq!(daemon.admin("/livez").status, 200);
    let ready = daemon.admin("/readyz");
    assert_eq!(ready.status, 503);
    let text = ready.text();
    assert!(text.starts_with("no snapshot is in service: /no/such/snapshot: "), "{text}");
    daemon.store.swap(crate::harness::small_registry::snapshot(7, &["acme"]));
    assert_eq!(daemon.admin("/readyz").status, 200);
    daemon.running().begin_drain();
    let ready = daemon.admin("/readyz");
    assert_eq!(
        (ready.status, ready.text().as_str()),
        (503, "the data listener is closed: starting or draining\n")
    );
    assert_eq!(daemon.admin("/livez").status, 200);
}

#[test]
fn status_is_json_with_the_version() {
    let daemon = InProcessDaemon::start();
    let status = daemon.admin("/status");
    assert_eq!(status.header("content-type"), Some("application/json"));
    assert_eq!(status.json()["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn other_routes_and_methods_of_the_admin_listener_are_refused() {
    let daemon = InProcessDaemon::start();
    daemon.admin("/v1/select").refuses(404, "not_found");
    for route in ["/metrics", "/livez", "/readyz", "/status"] {
        let mut client = HttpClient::connect(daemon.admin);
        client.post(route, "", "{}");
        let answer = client.answer();
        answer.refuses(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
    let mut client = HttpClient::connect(daemon.admin);
    client.send(format!("GET /livez HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(40_000)));
    client.answer().refuses(431, "header_too_large");
}
