//! A daemon that has given every kind of answer and gone through every kind of reload.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::expected::{acme, of};
use crate::harness::{DaemonProcess, request, wait_until};

pub(super) struct Served {
    pub(super) daemon: DaemonProcess,
    _folder: TempDir,
}

/// Starts a daemon and sends every kind of query: before the first snapshot, and after a snapshot was
/// published, unchanged, rejected and corrected.
pub(super) fn everything() -> Served {
    let folder = tempfile::tempdir().unwrap();
    let registry = folder.path().join("registry");
    let daemon = DaemonProcess::start(&["--registry", registry.to_str().unwrap()]);
    daemon.get("/v1/select?channel=whatsapp&ou=emea&country=GB");
    let prepared = acme();
    fs::rename(prepared.path(), &registry).unwrap();
    outcome(&daemon, "published", 1.0);
    let company = registry.join("acme/company.toml");
    let good = fs::read_to_string(&company).unwrap();
    daemon.signal(Signal::HUP);
    outcome(&daemon, "unchanged", 1.0);
    fs::write(&company, "nonsense").unwrap();
    outcome(&daemon, "rejected", 1.0);
    fs::write(&company, format!("{good}\n[[ou]]\nid = \"new\"\n")).unwrap();
    outcome(&daemon, "published", 2.0);
    for (account, standing) in [("wa-apac-sg-1", "draining"), ("wa-apac-us-1", "suspended")] {
        let body = format!(r#"{{"standing":"{standing}","reason":"test"}}"#);
        assert_eq!(daemon.admin("PUT", &format!("/v1/standings/acme/{account}"), &body).0, 200);
    }
    ask(&daemon);
    Served { daemon, _folder: folder }
}

fn outcome(daemon: &DaemonProcess, outcome: &str, least: f64) {
    let series = format!("switchboard_snapshot_reloads_total{{outcome=\"{outcome}\"}}");
    wait_until(&format!("{least} reloads {outcome}"), || daemon.metric(&series) >= least);
}

/// Sends queries that end in each rule, code and route.
pub(super) fn ask(daemon: &DaemonProcess) {
    for expected in of("acme") {
        let fields = expected.query.iter().map(|(field, value)| format!("&{field}={}", encoded(value)));
        daemon.get(&format!("/v1/select?company=acme{}", fields.collect::<String>()));
    }
    for target in [
        "/v1/select?company=nobody&channel=whatsapp&ou=emea&country=GB",
        "/v1/select?company=acme&channel=smoke&ou=emea&country=GB",
        "/v1/select?nonsense",
        "/v1/explain?company=acme&channel=whatsapp&ou=emea&country=GB",
        "/v1/account?company=acme&channel=whatsapp&address=%2B447400123401",
        "/nowhere",
    ] {
        daemon.get(target);
    }
    let line = "{\"channel\":\"whatsapp\",\"ou\":\"emea\",\"country\":\"GB\"}\n".repeat(20);
    assert_eq!(request(&daemon.data, "POST", "/v1/select/batch", &line).unwrap().0, 200);
    for head in [
        "DELETE /v1/select HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "POST /v1/select HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 2\r\n\r\n{}"
            .to_owned(),
        "POST /v1/select HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n\r\n".to_owned(),
        format!("GET /v1/select HTTP/1.1\r\nHost: x\r\nLong: {}\r\n\r\n", "x".repeat(100_000)),
    ] {
        let mut stream = TcpStream::connect(&daemon.data).unwrap();
        // The daemon may reject the request before it has read all of it.
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

fn encoded(value: &str) -> String {
    value.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
