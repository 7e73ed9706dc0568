//! Queries in URLs and in JSON.

use crate::harness::InProcessDaemon;

#[test]
fn phone_is_read_in_every_encoding() {
    let daemon = InProcessDaemon::start();
    for phone in ["+447400123456", "%2B447400123456", "%20447400123456", "447400123456"] {
        let answer = daemon.get(&format!("/v1/select?channel=whatsapp&ou=uk&phone={phone}"));
        assert_eq!(answer.account(), "wa-gb-1", "{phone}");
    }
    for phone in ["+447400123456", "447400123456"] {
        let body = format!(r#"{{"channel":"whatsapp","ou":"uk","phone":"{phone}"}}"#);
        assert_eq!(daemon.post("/v1/select", body).account(), "wa-gb-1");
    }
    // In JSON a space does not stand for a plus. In a URL only the first space does.
    daemon
        .post("/v1/select", r#"{"channel":"whatsapp","ou":"uk","phone":" 447400123456"}"#)
        .refuses(400, "invalid_phone");
    daemon.get("/v1/select?channel=whatsapp&ou=uk&phone=%20+447400123456").refuses(400, "invalid_phone");
}

#[test]
fn malformed_query_is_a_bad_request() {
    let daemon = InProcessDaemon::start();
    for query in [
        "",
        "channel=whatsapp",
        "ou=uk&country=GB",
        "channel=whatsapp&ou=uk&country=GB&country=GB",
        "channel=whatsapp&ou=uk&country=GB&colour=red",
        "channel=whatsapp&ou=uk&country=GB&role=third",
        "channel=whatsapp&ou=uk&country=GB&fallback=some",
        "channel=whatsapp&ou=uk&country=GB&client=",
        "channel=whatsapp&ou=uk&country=G%4",
        "channel=whatsapp&ou=uk&country=%FF",
        "channel=whatsapp&ou=uk&country",
    ] {
        let answer = daemon.get(&format!("/v1/select?{query}"));
        let expected = if query.ends_with("country") { "invalid_country" } else { "bad_request" };
        answer.refuses(400, expected);
        daemon.get(&format!("/v1/explain?{query}")).refuses(400, expected);
    }
    for body in [
        "",
        "null",
        "[]",
        "{",
        r#"{"channel":"whatsapp","ou":"uk","country":"GB"} x"#,
        r#"{"channel":"whatsapp","ou":"uk","country":"GB","ou":"uk"}"#,
        r#"{"channel":"whatsapp","ou":"uk","country":44}"#,
        r#"{"channel":"whatsapp","ou":"uk","country":"GB","exclude":"a","colour":1}"#,
        "{\"channel\":\"whatsapp\",\"ou\":\"\u{fffd}\",\"country\":\"\x01\"}",
    ] {
        daemon.post("/v1/select", body).refuses(400, "bad_request");
    }
    daemon
        .post("/v1/select", b"{\"channel\":\"\xff\",\"ou\":\"uk\",\"country\":\"GB\"}")
        .refuses(400, "bad_request");
    daemon.post("/v1/select?ou=uk", r#"{"channel":"whatsapp","country":"GB"}"#).refuses(400, "bad_request");
    daemon.post("/v1/select/batch?ou=uk", "").refuses(400, "bad_request");
}

#[test]
fn json_escapes_are_read() {
    let daemon = InProcessDaemon::start();
    let body = r#"{"\u0063hannel":"whats\u0061pp","ou":"uk","country":"\u0047B","client":"\ud83d\ude00\n"}"#;
    assert_eq!(daemon.post("/v1/select", body).account(), "wa-gb-1");
}

#[test]
fn excluded_accounts_are_not_selected() {
    let daemon = InProcessDaemon::start();
    let url = "/v1/select?channel=whatsapp&ou=uk&country=GB&exclude=wa-de-1%2Cwa-gb-1";
    daemon.get(url).refuses(422, "no_account_available");
    let body = r#"{"channel":"whatsapp","ou":"uk","country":"GB","exclude":["wa-gb-1"]}"#;
    daemon.post("/v1/select", body).refuses(422, "no_account_available");
}

#[test]
fn problems_do_not_repeat_what_a_caller_sent() {
    let daemon = InProcessDaemon::start();
    let phone = "447400123456";
    let fields = [
        "company", "channel", "ou", "country", "client", "user", "role", "current", "exclude", "fallback",
        "x",
    ];
    let mut bodies = Vec::new();
    for field in fields {
        bodies.push(daemon.get(&format!("/v1/select?{field}=%2B{phone}")).text());
        bodies
            .push(daemon.get(&format!("/v1/select?channel=sms&ou=uk&phone={phone}&{field}={phone}")).text());
        bodies
            .push(daemon.get(&format!("/v1/explain?channel=sms&ou=uk&phone={phone}&{field}={phone}")).text());
        bodies.push(daemon.post("/v1/select", format!(r#"{{"{field}":"{phone}"#)).text());
        bodies.push(
            daemon.post("/v1/select/batch", format!("{{\"{field}\":{phone}}}\n{{\"{phone}\":1}}")).text(),
        );
    }
    bodies.push(daemon.get(&format!("/v1/select?{phone}")).text());
    bodies.push(daemon.get(&format!("/v1/select?{phone}=%")).text());
    bodies.push(daemon.get(&format!("/{phone}")).text());
    bodies.push(daemon.ask(format!("GET /v1/select?phone=+{phone} HTTP/9\r\n\r\n")).text());
    for body in bodies {
        assert!(body.contains("urn:switchboard:problem:"), "{body}");
        assert!(!body.contains("447400"), "{body}");
    }
}

#[test]
fn queries_without_a_client_are_spread() {
    let daemon = InProcessDaemon::start();
    let with =
        |client: &str| daemon.get(&format!("/v1/select?channel=whatsapp&ou=uk&country=GB{client}")).account();
    assert_eq!(with("&client=c-1"), with("&client=c-1"));
    assert_eq!(with(""), "wa-gb-1");
}
