//! The answers of the routes of standings.

use serde_json::{Value, json};

use super::*;
use crate::expected::acme;
use crate::harness::HttpClient;

fn problem(answer: (u16, String)) -> (u16, String) {
    let body: Value = serde_json::from_str(&answer.1).unwrap();
    assert_eq!(body["status"], answer.0);
    (answer.0, body["code"].as_str().unwrap().to_owned())
}

#[test]
fn standing_is_set_returned_listed_and_removed() {
    let registry = acme();
    let daemon = serve(registry.path(), None);
    assert_eq!(stored(&daemon, GERMAN_ACCOUNT), None);
    let until = from_now(3_600_000);
    let body = json!({"standing": "draining", "reason": "moves to \"B\"", "until": until});
    put(&daemon, GERMAN_ACCOUNT, &body);
    assert_eq!(stored(&daemon, GERMAN_ACCOUNT), Some(body.clone()));
    put(&daemon, "/v1/standings/acme/wa%2Demea%2dgb-1", &standing("suspended"));
    let listed = |query: &str| -> Value {
        let (status, body) = daemon.admin("GET", &format!("/v1/standings{query}"), "");
        assert_eq!(status, 200);
        let mut list: Value = serde_json::from_str(&body).unwrap();
        for standing in list["standings"].as_array_mut().unwrap() {
            *standing = without_since(standing.take());
        }
        list
    };
    let all = json!({"company": "acme", "standings": [
        {"account": "wa-emea-de-1", "standing": "draining", "reason": "moves to \"B\"", "until": until},
        {"account": "wa-emea-gb-1", "standing": "suspended", "reason": "under review"},
    ]});
    assert_eq!(listed("?company=acme"), all);
    let mut of_all = json!({"standings": all["standings"]});
    for standing in of_all["standings"].as_array_mut().unwrap() {
        standing["company"] = "acme".into();
    }
    assert_eq!(listed(""), of_all);
    assert_eq!(daemon.metric("switchboard_standings{standing=\"draining\"}"), 1.0);
    assert_eq!(daemon.metric("switchboard_standings{standing=\"suspended\"}"), 1.0);
    let status = &daemon.status()["standings"];
    assert_eq!((&status["draining"], &status["suspended"]), (&json!(1), &json!(1)));
    assert_eq!((&status["durable"], &status["journal"]), (&json!(false), &Value::Null));
    assert!(status["kept"].as_str().unwrap().contains("until the process ends"));

    remove(&daemon, GERMAN_ACCOUNT);
    remove(&daemon, GERMAN_ACCOUNT);
    assert_eq!(stored(&daemon, GERMAN_ACCOUNT), None);
    assert_eq!(daemon.metric("switchboard_standings{standing=\"draining\"}"), 0.0);
}

#[test]
fn unknown_account_and_invalid_body_change_nothing() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let daemon = serve(registry.path(), Some(&journal));
    let before = std::fs::read(&journal).unwrap();
    let good = standing("draining").to_string();
    for (method, path, body, status, code) in [
        ("PUT", "/v1/standings/acme/wa-emea-de-99", &*good, 404, "unknown_account"),
        ("GET", "/v1/standings/acme/wa-emea-de-99", "", 404, "unknown_account"),
        ("DELETE", "/v1/standings/acme/wa-emea-de-99", "", 404, "unknown_account"),
        ("GET", GERMAN_ACCOUNT, "", 404, "not_found"),
        ("PUT", "/v1/standings/nobody/wa-emea-de-1", &good, 404, "unknown_company"),
        ("GET", "/v1/standings/nobody/wa-emea-de-1", "", 404, "unknown_company"),
        ("GET", "/v1/standings?company=nobody", "", 404, "unknown_company"),
        ("GET", "/v1/standings?company=acme&company=acme", "", 400, "bad_request"),
        ("GET", "/v1/standings?ou=emea", "", 400, "bad_request"),
        ("GET", "/v1/standings?company=%zz", "", 400, "bad_request"),
        ("GET", "/v1/standings?company=", "", 400, "bad_request"),
        ("GET", "/v1/standings?company[]=acme", "", 400, "bad_request"),
        ("PUT", "/v1/standings/acme/wa-emea-de-1?x=1", &good, 400, "bad_request"),
        ("PUT", GERMAN_ACCOUNT, "", 400, "bad_request"),
        ("PUT", GERMAN_ACCOUNT, "draining", 400, "bad_request"),
        ("PUT", GERMAN_ACCOUNT, r#"{"standing":"active","reason":"x"}"#, 400, "bad_request"),
        ("PUT", GERMAN_ACCOUNT, r#"{"standing":"draining"}"#, 400, "bad_request"),
        ("PUT", GERMAN_ACCOUNT, r#"{"standing":"draining","reason":"x","since":"y"}"#, 400, "bad_request"),
        ("PUT", GERMAN_ACCOUNT, r#"{"standing":"draining","reason":"x","until":"soon"}"#, 400, "bad_request"),
        (
            "PUT",
            GERMAN_ACCOUNT,
            r#"{"standing":"draining","reason":"x","until":"2020-01-01T00:00:00Z"}"#,
            400,
            "bad_request",
        ),
        ("PUT", GERMAN_ACCOUNT, &"x".repeat(10_000), 413, "body_too_large"),
        ("POST", GERMAN_ACCOUNT, &good, 405, "method_not_allowed"),
        ("PUT", "/v1/standings", &good, 405, "method_not_allowed"),
        ("GET", "/v1/standings/", "", 404, "not_found"),
        ("GET", "/v1/standings/acme", "", 404, "not_found"),
        ("GET", "/v1/standings/acme/", "", 404, "not_found"),
        ("GET", "/v1/standings/acme/wa-emea-de-1/x", "", 404, "not_found"),
        ("GET", "/v1/standingsx", "", 404, "not_found"),
        ("GET", "/v1/standings/acme/%ff", "", 404, "not_found"),
    ] {
        let answer = problem(daemon.admin(method, path, body));
        assert_eq!(answer, (status, code.to_owned()), "{method} {path} {body:.80}");
    }
    assert_eq!(std::fs::read(&journal).unwrap(), before);
    let (_, listed) = daemon.admin("GET", "/v1/standings?company=acme", "");
    assert_eq!(listed, r#"{"company":"acme","standings":[]}"#);
}

#[test]
fn problem_of_a_path_below_standings_names_the_route() {
    let registry = acme();
    let daemon = serve(registry.path(), None);
    let of_one =
        "The admin listener has the route /v1/standings/{company}/{account}. Write each id as one segment,";
    for (path, expected) in [
        ("/v1/standings/", "The admin listener has the route /v1/standings. Write it"),
        ("/v1/standings/acme", of_one),
        ("/v1/standings/acme/", of_one),
        ("/v1/standings//wa-emea-de-1", of_one),
        ("/v1/standings/acme/wa-emea-de-1/", of_one),
        ("/v1/standings/acme/wa-emea-de-1/x", of_one),
        ("/v1/standings/%ff/wa-emea-de-1", of_one),
        ("/v1/standings/acme/%zz", of_one),
        (
            "/v1/Standings/acme/wa-emea-de-1",
            "The admin listener has the route /v1/standings/{company}/{account}.",
        ),
        ("/v1/standingsx", "The admin listener has no such route. GET /openapi.json describes its routes."),
        (GERMAN_ACCOUNT, "The account has no standing, so the registry alone decides its condition."),
    ] {
        for method in ["GET", "DELETE"] {
            if (method, path) == ("DELETE", GERMAN_ACCOUNT) {
                continue;
            }
            let (status, body) = daemon.admin(method, path, "");
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((status, &body["code"]), (404, &json!("not_found")), "{method} {path}");
            let detail = body["detail"].as_str().unwrap();
            assert!(detail.starts_with(expected), "{method} {path}: {detail}");
        }
    }
}

#[test]
fn list_without_a_company_has_the_standings_of_every_company() {
    let daemon = DaemonProcess::start(&[]);
    for account in ["meridian/sms-gb-0001", "acme/wa-emea-gb-1", "acme/wa-emea-de-1"] {
        put(&daemon, &format!("/v1/standings/{account}"), &standing("draining"));
    }
    let listed: Value = serde_json::from_str(&daemon.admin("GET", "/v1/standings", "").1).unwrap();
    assert_eq!(listed.get("company"), None);
    let keys: Vec<String> = listed["standings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{}/{}", it["company"].as_str().unwrap(), it["account"].as_str().unwrap()))
        .collect();
    assert_eq!(keys, ["acme/wa-emea-de-1", "acme/wa-emea-gb-1", "meridian/sms-gb-0001"]);
}

#[test]
fn removal_of_no_standing_writes_and_logs_nothing() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let daemon = serve(registry.path(), Some(&journal));
    let before = std::fs::read(&journal).unwrap();
    remove(&daemon, GERMAN_ACCOUNT);
    assert_eq!(std::fs::read(&journal).unwrap(), before);
    put(&daemon, GERMAN_ACCOUNT, &standing("draining"));
    remove(&daemon, GERMAN_ACCOUNT);
    let after = std::fs::read(&journal).unwrap();
    remove(&daemon, GERMAN_ACCOUNT);
    assert_eq!(std::fs::read(&journal).unwrap(), after);
    daemon.signal(rustix::process::Signal::TERM);
    // The log has the one removal that removed something.
    assert_eq!(daemon.log("standing ")["message"], "standing set");
    assert_eq!(daemon.log("standing ")["message"], "standing removed");
    daemon.log("draining");
}

#[test]
fn body_is_read_whatever_its_type_except_multipart_and_xml() {
    let registry = acme();
    let daemon = serve(registry.path(), None);
    let body = standing("draining").to_string();
    let put = |content_type: &str| {
        let mut client = HttpClient::connect(&daemon.admin);
        let length = body.len();
        client.send(format!(
            "PUT {GERMAN_ACCOUNT} HTTP/1.1\r\nHost: localhost\r\n{content_type}Content-Length: {length}\r\n\r\n{body}"
        ));
        client.answer()
    };
    for read in ["", "Content-Type: application/x-www-form-urlencoded\r\n", "Content-Type: text/plain\r\n"] {
        assert_eq!(put(read).status, 200, "{read}");
    }
    for refused in ["multipart/form-data; boundary=x", "application/xml", "application/soap+xml"] {
        let answer = put(&format!("Content-Type: {refused}\r\n"));
        answer.refuses(415, "unsupported_media_type");
        assert_eq!(answer.header("accept"), Some("application/json"));
    }
}

#[test]
fn no_account_is_known_before_the_first_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.swb");
    let daemon = DaemonProcess::start(&["--snapshot", file.to_str().unwrap()]);
    let put = daemon.admin("PUT", GERMAN_ACCOUNT, &standing("draining").to_string());
    assert_eq!(problem(put), (503, "no_snapshot".to_owned()));
    assert_eq!(problem(daemon.admin("GET", "/v1/standings", "")), (503, "no_snapshot".to_owned()));
    // A malformed request does not need a snapshot.
    let ended = r#"{"standing":"suspended","reason":"x","until":"2020-01-01T00:00:00Z"}"#;
    // The announced length suffices: the body is not asked for.
    let mut client = HttpClient::connect(&daemon.admin);
    client.send(format!(
        "PUT {GERMAN_ACCOUNT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
    ));
    assert_eq!(client.answer().status, 413);
    let with_query = format!("{GERMAN_ACCOUNT}?a=b");
    for (method, target, body, status, code) in [
        ("PUT", GERMAN_ACCOUNT, "{", 400, "bad_request"),
        ("PUT", GERMAN_ACCOUNT, ended, 400, "bad_request"),
        ("PUT", &with_query, "{}", 400, "bad_request"),
        ("PUT", &with_query, &*"x".repeat(20_000), 413, "body_too_large"),
        ("GET", &with_query, "", 400, "bad_request"),
        ("PATCH", &with_query, "", 405, "method_not_allowed"),
        ("GET", "/v1/standings?color=red", "", 400, "bad_request"),
        ("GET", "/v1/standings?company=acme&company=acme", "", 400, "bad_request"),
        ("GET", "/v1/standings?company=acme", "", 503, "no_snapshot"),
        ("DELETE", GERMAN_ACCOUNT, "", 503, "no_snapshot"),
        ("GET", GERMAN_ACCOUNT, "", 503, "no_snapshot"),
    ] {
        let answer = problem(daemon.admin(method, target, body));
        assert_eq!(answer, (status, code.to_owned()), "{method} {target} {body:.20}");
    }
}
