//! The routes of the data listener: methods, answers and problems.

use crate::harness::{HttpClient, InProcessDaemon, one_worker};

const QUERY: &str = r#"{"channel":"whatsapp","ou":"uk","country":"GB","client":"c-1"}"#;

#[test]
fn selection_is_as_documented() {
    let daemon = InProcessDaemon::start();
    let answer = daemon.get("/v1/select?channel=whatsapp&ou=uk&phone=%2B447400123456&client=c-1");
    assert_eq!(
        answer.text(),
        r#"{"account":"wa-gb-1","address":"+44740012347","channel":"whatsapp","role":"secondary","country":"GB","rule":"country","ou":"emea","pool":"emea-whatsapp","climbed":1,"client_country":"GB","generation":7}"#
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("date").is_some());
    assert_eq!(daemon.post("/v1/select", QUERY).text(), answer.text());
}

#[test]
fn head_request_is_answered_as_get_without_the_body() {
    let daemon = InProcessDaemon::start();
    for (target, status) in
        [("/v1/select?channel=whatsapp&ou=uk&country=GB", 200), ("/v1/select", 400), ("/v1", 404)]
    {
        let length = daemon.get(target).body.len().to_string();
        let mut client = daemon.client();
        client.heads = true;
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.header("content-length")), (status, Some(length.as_str())));
        assert!(client.is_closed());
    }
}

#[test]
fn explain_shows_the_steps_for_get_and_post() {
    let daemon = InProcessDaemon::start();
    let answer = daemon.get("/v1/explain?channel=whatsapp&ou=uk&country=GB&client=c-1").json();
    assert_eq!(answer["selection"]["account"], "wa-gb-1");
    assert_eq!(answer["steps"][0]["candidates"][0]["outcome"], "chosen");
    assert_eq!(answer["generation"], 7);
    assert_eq!(daemon.post("/v1/explain", QUERY).json(), answer);
    // A query without an account is explained too; a query without a chain is answered with its problem.
    let nothing = daemon.get("/v1/explain?channel=whatsapp&ou=uk&country=FR");
    assert_eq!(
        (nothing.status, nothing.json()["problem"]["code"].as_str()),
        (200, Some("no_account_available"))
    );
    daemon.get("/v1/explain?channel=sms&ou=uk&country=FR").refuses(422, "no_pool");
    daemon.get("/v1/explain?channel=whatsapp&ou=uk").refuses(400, "client_required");
}

#[test]
fn explain_answers_for_every_user_and_names_one_that_is_near() {
    let daemon = InProcessDaemon::start();
    let user = |fields: &str| {
        let answer = daemon.get(&format!("/v1/explain?channel=whatsapp&ou=uk&country=GB&{fields}")).json();
        answer.get("user").map(ToString::to_string).unwrap_or_default()
    };
    for (fields, expected) in [
        ("client=c", ""),
        ("user=anna", r#"{"account":"wa-anna-01","outcome":"chosen"}"#),
        ("user=anna&current=wa-gb-1", r#"{"account":"wa-anna-01","outcome":"available"}"#),
        ("user=anna&current=wa-anna-01", r#"{"account":"wa-anna-01","outcome":"chosen"}"#),
        ("user=anna&role=primary", r#"{"account":"wa-anna-01","outcome":"available"}"#),
        ("user=anna&exclude=wa-anna-01", r#"{"account":"wa-anna-01","outcome":"excluded"}"#),
        ("user=berta", r#"{"account":"wa-berta-01","outcome":"draining","by":"registry"}"#),
        ("user=Anna", r#"{"outcome":"none","near":"anna"}"#),
        ("user=ANNA", r#"{"outcome":"none","near":"anna"}"#),
        ("user=ana", r#"{"outcome":"none","near":"anna"}"#),
        ("user=annas", r#"{"outcome":"none","near":"anna"}"#),
        ("user=enna", r#"{"outcome":"none","near":"anna"}"#),
        ("user=anan", r#"{"outcome":"none"}"#),
        ("user=carla", r#"{"outcome":"none"}"#),
    ] {
        assert_eq!(user(fields), expected, "{fields}");
    }
    // An unavailable account of the user ends the selection, and is explained all the same.
    let refused = daemon.get("/v1/explain?channel=whatsapp&ou=uk&country=GB&user=berta").json();
    assert_eq!(refused["problem"]["code"], "dedicated_unavailable");
}

#[test]
fn explain_says_whether_the_registry_or_a_standing_restricts_an_account() {
    let daemon = InProcessDaemon::start();
    let candidate = |country: &str| {
        let answer = daemon.get(&format!("/v1/explain?channel=whatsapp&ou=uk&country={country}")).json();
        answer["steps"][0]["candidates"][0].to_string()
    };
    let put = |account: &str, standing: &str| {
        let body = format!(r#"{{"standing":"{standing}","reason":"r"}}"#);
        let mut client = HttpClient::connect(daemon.admin);
        let length = body.len();
        let path = format!("/v1/standings/acme/{account}");
        client.send(format!(
            "PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        assert_eq!(client.answer().status, 200);
    };
    assert_eq!(candidate("FR"), r#"{"account":"wa-fr-01","outcome":"suspended","by":"registry"}"#);
    put("wa-fr-01", "draining");
    assert_eq!(candidate("FR"), r#"{"account":"wa-fr-01","outcome":"suspended","by":"registry"}"#);
    put("wa-fr-01", "suspended");
    assert_eq!(candidate("FR"), r#"{"account":"wa-fr-01","outcome":"suspended","by":"registry"}"#);
    put("wa-gb-1", "draining");
    assert_eq!(candidate("GB"), r#"{"account":"wa-gb-1","outcome":"draining","by":"standing"}"#);
    put("wa-gb-1", "suspended");
    assert_eq!(candidate("GB"), r#"{"account":"wa-gb-1","outcome":"suspended","by":"standing"}"#);
    put("wa-berta-01", "suspended");
    let answer = daemon.get("/v1/explain?channel=whatsapp&ou=uk&country=GB&user=berta").json();
    assert_eq!(
        answer["user"].to_string(),
        r#"{"account":"wa-berta-01","outcome":"suspended","by":"standing"}"#
    );
}

#[test]
fn every_problem_of_a_selection_has_its_status_and_generation() {
    let daemon = InProcessDaemon::start();
    for (query, status, code) in [
        ("channel=whatsapp&ou=uk", 400, "client_required"),
        ("channel=whatsapp&ou=uk&phone=12x", 400, "invalid_phone"),
        ("channel=whatsapp&ou=uk&country=UK", 400, "invalid_country"),
        ("company=x&channel=whatsapp&ou=uk&country=GB", 404, "unknown_company"),
        ("channel=x&ou=uk&country=GB", 404, "unknown_channel"),
        ("channel=whatsapp&ou=x&country=GB", 404, "unknown_ou"),
        ("channel=sms&ou=uk&country=GB", 422, "no_pool"),
        ("channel=whatsapp&ou=uk&country=JP", 422, "no_account"),
        ("channel=whatsapp&ou=uk&country=FR", 422, "no_account_available"),
        ("channel=whatsapp&ou=uk&country=GB&user=berta", 422, "dedicated_unavailable"),
    ] {
        let answer = daemon.get(&format!("/v1/select?{query}"));
        answer.refuses(status, code);
        assert_eq!(answer.json()["generation"], 7, "{query}");
    }
    let malformed = daemon.get("/v1/select?channel=whatsapp");
    malformed.refuses(400, "bad_request");
    assert_eq!(malformed.json()["generation"], 7, "as a malformed line of a batch");
}

#[test]
fn company_is_required_where_there_are_several() {
    let daemon = InProcessDaemon::start();
    daemon.store.swap(crate::harness::small_registry::snapshot(8, &["acme", "beta"]));
    let answer = daemon.get("/v1/select?channel=whatsapp&ou=uk&country=GB");
    answer.refuses(400, "bad_request");
    assert!(answer.problem().1.contains("field `company`"));
    assert_eq!(daemon.get("/v1/select?company=beta&channel=whatsapp&ou=uk&country=GB").account(), "wa-gb-1");
}

#[test]
fn other_routes_and_methods_of_the_data_listener_are_refused() {
    let daemon = InProcessDaemon::start();
    for target in ["/v1/select/", "/v1/Select", "/metrics", "/v1/select/batch/x", "*"] {
        daemon.get(target).refuses(404, "not_found");
    }
    for (target, method, allow) in [
        ("/v1/select", "PUT", "GET, HEAD, POST"),
        ("/v1/explain", "DELETE", "GET, HEAD, POST"),
        ("/v1/select/batch", "GET", "POST"),
        ("/v1/select", "OPTIONS", "GET, HEAD, POST"),
        ("/", "POST", "GET, HEAD"),
        ("/v1/account", "POST", "GET, HEAD"),
    ] {
        let answer = daemon.ask(format!("{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        answer.refuses(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow));
    }
}

#[test]
fn queries_before_the_first_snapshot_are_answered_no_snapshot() {
    let daemon = InProcessDaemon::empty(one_worker());
    let query = "?channel=whatsapp&ou=uk&country=GB";
    for answer in [
        daemon.get(&format!("/v1/select{query}")),
        daemon.get(&format!("/v1/explain{query}")),
        daemon.post("/v1/select", QUERY),
        daemon.post("/v1/explain", QUERY),
        daemon.post("/v1/select/batch", QUERY),
    ] {
        answer.refuses(503, "no_snapshot");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    daemon.get("/v1").refuses(404, "not_found");
    let broken = r#"{"channel":"whatsapp"}"#;
    let mixed = format!("{broken}\n{QUERY}\n");
    daemon.post("/v1/select/batch", &mixed).refuses(503, "no_snapshot");
    for (answer, status, code) in [
        (daemon.get("/v1/select?channel=whatsapp&color=red"), 400, "bad_request"),
        (daemon.get("/v1/explain?channel=whatsapp&color=red"), 400, "bad_request"),
        (daemon.post("/v1/select", broken), 400, "bad_request"),
        (daemon.post("/v1/select", ""), 400, "bad_request"),
        (daemon.post("/v1/explain", broken), 400, "bad_request"),
        (daemon.post(&format!("/v1/select{query}"), QUERY), 400, "bad_request"),
        (daemon.post(&format!("/v1/select/batch{query}"), QUERY), 400, "bad_request"),
        (daemon.post(&format!("/v1/select{query}"), "x".repeat(70_000)), 413, "body_too_large"),
        (daemon.post("/v1/select", "x".repeat(70_000)), 413, "body_too_large"),
        (daemon.post("/v1/select/batch", "\n".repeat(10_001)), 413, "body_too_large"),
    ] {
        answer.refuses(status, code);
        assert!(answer.json()["generation"].is_null(), "{}", answer.text());
    }
    let answer = daemon.post("/v1/select/batch", format!("{broken}\n\n"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let lines: Vec<serde_json::Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for (number, line) in (1..).zip(&lines) {
        assert_eq!((line["status"].as_u64(), line["code"].as_str()), (Some(400), Some("bad_request")));
        let detail = line["detail"].as_str().unwrap();
        assert!(number == 1 || detail.contains("line 2"), "{detail}");
    }
    let answer = daemon.post("/v1/select/batch", "");
    assert_eq!((answer.status, answer.text()), (200, String::new()));
    // The same connection reads the first snapshot after it is published.
    let mut client = daemon.client();
    let request = format!("GET /v1/select{query} HTTP/1.1\r\nHost: x\r\n\r\n");
    client.send(&request);
    assert_eq!(client.answer().status, 503);
    daemon.store.swap(crate::harness::small_registry::snapshot(7, &["acme"]));
    client.send(&request);
    assert_eq!(client.answer().account(), "wa-gb-1");
}

#[test]
fn bodies_of_other_types_are_refused() {
    let daemon = InProcessDaemon::start();
    let post = |target: &str, headers: &str| {
        let mut client: HttpClient = daemon.client();
        client.post(target, headers, QUERY);
        client.answer()
    };
    for taken in
        ["", "Content-Type: application/json\r\n", "Content-Type: Application/JSON; charset=utf-8\r\n"]
    {
        assert_eq!(post("/v1/select", taken).account(), "wa-gb-1");
    }
    for kind in ["application/x-www-form-urlencoded", "text/plain", "application/x-ndjson", "x", ""] {
        let stated = format!("Content-Type: {kind}\r\n");
        assert_eq!(post("/v1/select", &stated).account(), "wa-gb-1", "{kind}");
        let answer = post("/v1/select/batch", &stated);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/x-ndjson")),
            "{kind}"
        );
        assert_eq!(answer.lines()[0]["account"], "wa-gb-1");
    }
    for (target, accept) in [
        ("/v1/select", "application/json"),
        ("/v1/explain", "application/json"),
        ("/v1/select/batch", "application/x-ndjson"),
    ] {
        for kind in [
            "multipart/form-data; boundary=x",
            "Application/XML",
            "text/xml;charset=utf-8",
            "application/soap+xml",
        ] {
            let answer = post(target, &format!("Content-Type: {kind}\r\n"));
            answer.refuses(415, "unsupported_media_type");
            assert_eq!(answer.header("accept"), Some(accept), "{kind}");
        }
    }
    let encoded = post("/v1/select", "Content-Encoding: gzip\r\n");
    encoded.refuses(415, "unsupported_media_type");
    assert_eq!(encoded.header("accept-encoding"), Some("identity"));
}

#[test]
fn routes_of_the_data_listener_are_listed_as_text() {
    let daemon = InProcessDaemon::start();
    let answer = daemon.get("/");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    let text = answer.text();
    assert!(text.contains("/v1/account ") && !text.contains("/metrics"), "{text}");
    for (detail, expected) in [
        (daemon.get("/metrics").problem().1, "/metrics is a route of the admin listener"),
        (daemon.admin("/v1/select").problem().1, "/v1/select is a route of the data listener"),
        (
            daemon.admin("/v2").problem().1,
            "The admin listener has no such route. GET /openapi.json describes",
        ),
        (daemon.admin("/assets/gone-0.js").problem().1, "This version of the console has no such file."),
    ] {
        assert!(detail.starts_with(expected), "{detail}");
    }
}
