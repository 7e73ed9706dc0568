//! The page of the console over raw HTTP: its headers, its files, and the routes that it alone uses. `tests/console`
//! opens the page in a browser.

use std::collections::BTreeSet;

use crate::harness::{HttpClient, HttpResponse, InProcessDaemon};

fn get(daemon: &InProcessDaemon, target: &str, headers: &str) -> HttpResponse {
    let mut client = HttpClient::connect(daemon.admin);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
    client.answer()
}

/// Returns the paths of the files that the page names.
fn files(page: &str) -> BTreeSet<&str> {
    page.split(['"', '\'']).filter(|text| text.starts_with("/assets/")).collect()
}

#[test]
fn page_names_its_files_and_allows_nothing_else() {
    let daemon = InProcessDaemon::start();
    let page = get(&daemon, "/", "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self' 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(page.header(name), Some(value));
    }
    let text = page.text();
    for forbidden in [" style=", " onclick=", "http:", "https:"] {
        assert!(!text.contains(forbidden), "{forbidden}");
    }
    let names = files(&text);
    assert!(names.len() > 8, "{names:?}");
    let mut transferred = get(&daemon, "/", "Accept-Encoding: gzip\r\n").body.len();
    for name in names {
        let file = get(&daemon, name, "Accept-Encoding: gzip\r\n");
        assert_eq!((file.status, file.header("content-encoding")), (200, Some("gzip")), "{name}");
        assert_eq!(file.header("cache-control"), Some("public, max-age=31536000, immutable"), "{name}");
        transferred += file.body.len();
        let etag = file.header("etag").unwrap();
        assert!(name.contains(etag.trim_start_matches("W/").trim_matches('"')), "{name} has its digest");
        let mut client = HttpClient::connect(daemon.admin);
        client.heads = true; // 304 has no body, whatever its length
        client.send(format!("GET {name} HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {etag}\r\n\r\n"));
        assert_eq!(client.answer().status, 304, "{name}");
        let plain = get(&daemon, name, "");
        assert_eq!(plain.header("content-encoding"), None, "{name}");
        assert!(plain.body.len() >= file.body.len(), "{name}");
    }
    assert!(transferred < 300_000, "{transferred} bytes");
}

#[test]
fn admin_listener_explains_a_query_as_the_data_listener_does() {
    let daemon = InProcessDaemon::start();
    let fields = "channel=whatsapp&ou=uk&country=GB&client=c-1";
    let target = format!("/v1/explain?{fields}");
    let expected = daemon.get(&target).json();
    assert_eq!(daemon.admin(&target).json(), expected);
    let mut client = HttpClient::connect(daemon.admin);
    client.post("/v1/explain", "", r#"{"channel":"whatsapp","ou":"uk","country":"GB","client":"c-1"}"#);
    assert_eq!(client.answer().json(), expected);
    client.post("/v1/explain?ou=uk", "", r#"{"channel":"whatsapp","ou":"uk"}"#);
    client.answer().refuses(400, "bad_request");
    let mut client = HttpClient::connect(daemon.admin);
    client.post("/v1/explain", "", vec![b' '; 70_000]);
    client.answer().refuses(413, "body_too_large");
    daemon.admin("/v1/explain?channel=whatsapp&ou=nowhere&country=GB").refuses(404, "unknown_ou");
}
