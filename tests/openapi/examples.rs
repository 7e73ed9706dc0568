//! Every example in the OpenAPI description is an answer of a daemon.

use std::collections::HashSet;
use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use super::document::{Document, Example, members};
use super::request::Request;
use crate::cli::switchboard;
use crate::harness::{DaemonProcess, HttpClient, HttpResponse};

/// Members that differ between two starts or builds. Only their types are compared.
const VOLATILE: [&str; 8] = [
    "/uptime_seconds",
    "/snapshot/digest",
    "/snapshot/content",
    "/snapshot/warnings",
    "/snapshot/built_at",
    "/snapshot/activated_at",
    "/snapshot/bytes",
    "/last_reload/at",
];

#[test]
fn every_example_is_the_daemons_answer() {
    let demo = DaemonProcess::start(&[]);
    let without = DaemonProcess::start(&["--registry", "missing"]);
    let folder = tempfile::tempdir().unwrap();
    let principals = folder.path().join("principals.toml");
    // The SHA-256 of the token `example`.
    let hash = "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c";
    let text = format!("[[principal]]\nname = \"a\"\ntoken_sha256 = [\"{hash}\"]\nallow = []\n");
    fs::write(&principals, text).unwrap();
    let guarded = DaemonProcess::start(&["--principals", principals.to_str().unwrap()]);
    let document = Document::of(&demo);
    let examples = document.examples();
    let mut asked = HashSet::new();
    for example in &examples {
        let request = Request::of(&document, example);
        if !asked.insert(request.clone()) {
            continue;
        }
        let what = format!("{} of {} {}", example.name, request.method, request.target);
        let answer = match example.example["x-when"].as_str() {
            None => {
                remove_all_standings(&demo);
                if example.example["x-after"].is_object() {
                    let before = Request::stated(&example.example["x-after"]).ask(&document, &demo);
                    assert_eq!(before.status, 200, "{what}: {}", before.text());
                }
                request.ask(&document, &demo)
            }
            Some("no_snapshot") => request.ask(&document, &without),
            Some("principals") => request.ask(&document, &guarded),
            Some("overloaded") => overloaded(&document, &request),
            Some("no_broker") => no_broker(&document, &request, &example.example["x-after"]),
            Some("following") => following(&document, &request),
            Some("draining") => draining(&document, &request),
            Some("internal") => request.with_header("X-Switchboard-Panic: explain").ask(&document, &demo),
            Some(other) => panic!("{what}: when is {other}?"),
        };
        hold(&document, example, &answer, &what);
    }
    assert!(asked.len() > 60, "{}: most examples were passed over", asked.len());
}

fn remove_all_standings(daemon: &DaemonProcess) {
    for company in ["acme", "meridian"] {
        let (_, listed) = daemon.admin("GET", &format!("/v1/standings?company={company}"), "");
        let listed: Value = serde_json::from_str(&listed).unwrap();
        for standing in listed["standings"].as_array().unwrap() {
            let account = standing["account"].as_str().unwrap();
            daemon.admin("DELETE", &format!("/v1/standings/{company}/{account}"), "");
        }
    }
}

/// Queries a daemon whose journal another process writes.
fn following(document: &Document, request: &Request) -> HttpResponse {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let _first = DaemonProcess::start(&["--standings", journal.to_str().unwrap()]);
    let second = DaemonProcess::start(&["--standings", journal.to_str().unwrap()]);
    request.ask(document, &second)
}

/// Queries a replica of a fleet whose broker cannot be reached.
fn no_broker(document: &Document, request: &Request, before: &Value) -> HttpResponse {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let kept = folder.path().join("current.swb");
    switchboard(&["compile", "config/demo", "-o", kept.to_str().unwrap()]);
    let replica = DaemonProcess::start(&["--fleet", "nats://127.0.0.1:1", "--state", state]);
    if before.is_object() {
        assert_eq!(Request::stated(before).ask(document, &replica).status, 202);
    }
    request.ask(document, &replica)
}

/// Queries a daemon whose only connection is in use.
fn overloaded(document: &Document, request: &Request) -> HttpResponse {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("switchboard.toml");
    fs::write(&settings, "max_connections = 1\n").unwrap();
    let daemon = DaemonProcess::start(&["--config", settings.to_str().unwrap()]);
    let mut first = HttpClient::connect(&daemon.data);
    first.select("company=acme&channel=whatsapp&ou=emea&country=GB");
    request.ask(document, &daemon)
}

/// Queries a daemon that is draining, because a connection is still open.
fn draining(document: &Document, request: &Request) -> HttpResponse {
    let daemon = DaemonProcess::start(&[]);
    let mut open = HttpClient::connect(&daemon.data);
    open.send("GET /v1/select?");
    // After a later connection was answered, the first one has been accepted and is in the middle of a
    // request.
    HttpClient::connect(&daemon.data).select("company=acme&channel=whatsapp&ou=emea&country=GB");
    daemon.signal(Signal::TERM);
    daemon.log("draining");
    request.ask(document, &daemon)
}

fn hold(document: &Document, example: &Example<'_>, answer: &HttpResponse, what: &str) {
    let text = answer.text();
    assert_eq!(answer.status, example.status, "{what}: {text}");
    assert_eq!(answer.header("content-type"), example.content_type, "{what}");
    for (name, header) in members(example.headers) {
        let header = document.follow(header);
        let value = answer.header(&name.to_lowercase());
        assert!(value.is_some() || header["required"] != true, "{what}: no {name}");
        if let (Some(value), Some(stated)) = (value, header["schema"].get("const")) {
            assert_eq!(value, stated.as_str().map_or(stated.to_string(), str::to_owned), "{what}: {name}");
        }
    }
    if answer.header("content-length").is_some() && text.is_empty() {
        return; // The head alone was asked for.
    }
    let stated = &example.example["value"];
    let excerpt = example.example["x-excerpt"] == true;
    match (example.content_type, stated) {
        (None, _) => assert_eq!(text, "", "{what}"),
        (Some(_), Value::String(lines)) if excerpt => {
            assert!(text.contains(lines.as_str()), "{what}")
        }
        (Some(_), Value::String(stated)) => assert_eq!(&text, stated, "{what}"),
        (Some(_), Value::Array(lines)) => assert_eq!(&answer.lines(), lines, "{what}"),
        (Some(_), _) if excerpt => {
            for (name, value) in members(stated) {
                assert_eq!(&answer.json()[name], value, "{what}: {name}");
            }
        }
        // The numbers in a status differ each time. All other answers are compared byte for byte.
        (Some(_), _) if stated.get("uptime_seconds").is_some() => {
            assert_eq!(steady(&answer.json()), steady(stated), "{what}");
        }
        (Some(_), _) => assert_eq!(timeless(&text), timeless(&stated.to_string()), "{what}"),
    }
}

/// Removes the values of the members `since`, which differ each time.
fn timeless(json: &str) -> String {
    let mut parts = json.split(r#""since":""#);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += r#""since":"#;
        text += part.split_once('"').unwrap().1;
    }
    text
}

/// Replaces volatile values by their shape.
fn steady(value: &Value) -> Value {
    let mut value = value.clone();
    for pointer in VOLATILE {
        if let Some(volatile) = value.pointer_mut(pointer) {
            *volatile = match volatile.as_str() {
                None => volatile.is_u64().into(),
                Some(text) if ["/snapshot/digest", "/snapshot/content"].contains(&pointer) => {
                    assert!(text.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
                    text.len().into()
                }
                // Trailing zeroes of a time's fraction are not written.
                Some(text) => {
                    text.split('.').next().unwrap().replace(|c: char| c.is_ascii_digit(), "0").into()
                }
            };
        }
    }
    value
}
