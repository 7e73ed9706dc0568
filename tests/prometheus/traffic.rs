//! A daemon that has given every kind of answer and gone through every kind of reload.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use rustix::process::Signal;
use switchboard_release::SigningKey;
use tempfile::TempDir;

use crate::cli::{stderr, switchboard};
use crate::expected::{acme, of};
use crate::harness::{DaemonProcess, HttpClient, request, wait_until};
use crate::tls::certificates::Certificates;
use fleet_testbed::broker::{Broker, programs};

/// A principal whose token is `swb_idle`, and callers without a token.
const PRINCIPALS: &str = r#"
[[principal]]
name = "idle"
token_sha256 = ["50a1725cad2a6207d6c6df03d0f83931f0d647b96344e3f77556ec381db58a65"]
companies = ["acme"]
allow = []
expires = 2999-01-01

[[principal]]
name = "anonymous"
companies = ["*"]
allow = ["select", "explain", "read", "standings", "metrics"]
"#;

pub(super) struct Served {
    pub(super) daemon: DaemonProcess,
    /// The address of the data listener without TLS.
    pub(super) data: String,
    /// The only replica of a fleet, which serves its release.
    pub(super) replica: DaemonProcess,
    _broker: Broker,
    _folder: TempDir,
    _certificates: Certificates,
}

/// Starts a daemon with everything that has series of its own, and sends every kind of query: before the first
/// snapshot, and after a snapshot was published, unchanged, rejected and corrected.
pub(super) fn everything() -> Served {
    let folder = tempfile::tempdir().unwrap();
    let registry = folder.path().join("registry");
    let principals = folder.path().join("principals.toml");
    fs::write(&principals, PRINCIPALS).unwrap();
    let keys = folder.path().join("keys.toml");
    fs::write(&keys, SigningKey::generate().unwrap().public().to_toml("release")).unwrap();
    let data = format!("unix:{}", folder.path().join("data.sock").display());
    let certificates = Certificates::new();
    let path = |name: &str| certificates.path(name).to_str().unwrap().to_owned();
    let daemon = DaemonProcess::start(&[
        &format!("--registry={}", registry.display()),
        &format!("--state={}", folder.path().join("state").display()),
        &format!("--listen={data}"),
        &format!("--principals={}", principals.display()),
        // They are not used for a registry, and have their series all the same.
        &format!("--trusted-keys={}", keys.display()),
        &format!("--tls-cert={}", path("server.pem")),
        &format!("--tls-key={}", path("server.key")),
        &format!("--tls-client-ca={}", path("ca.pem")),
        "--admin-tls=off",
    ]);
    request(&data, "GET", "/v1/select?channel=whatsapp&ou=emea&country=GB", "").unwrap();
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
    ask(&data);
    for token in ["unknown", "swb_idle"] {
        let head = format!("GET /v1/select HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
        send(&data, &head);
    }
    let (broker, replica) = fleet(&registry, folder.path());
    Served { daemon, data, replica, _broker: broker, _folder: folder, _certificates: certificates }
}

/// Publishes a registry to a fleet, and starts its replica.
fn fleet(registry: &Path, folder: &Path) -> (Broker, DaemonProcess) {
    let broker = Broker::start(&programs()[0]).unwrap();
    let (url, state) = (broker.settings().urls, folder.join("replica"));
    for command in [
        &["fleet", "init"][..],
        &["fleet", "publish", registry.to_str().unwrap(), "--expires", "2999-01-01T00:00:00Z"],
    ] {
        let output = switchboard(&[command, &["--fleet", &url]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let replica =
        DaemonProcess::start(&["--fleet", &url, "--state", state.to_str().unwrap(), "--spread", "0"]);
    wait_until("the replica serves the release", || replica.status()["fleet"]["state"] == "serving");
    (broker, replica)
}

fn outcome(daemon: &DaemonProcess, outcome: &str, least: f64) {
    let series = format!("switchboard_snapshot_reloads_total{{outcome=\"{outcome}\"}}");
    wait_until(&format!("{least} reloads {outcome}"), || daemon.metric(&series) >= least);
}

/// Sends queries that end in each rule, code and route.
pub(super) fn ask(data: &str) {
    let get = |target: &str| request(data, "GET", target, "").unwrap();
    for expected in of("acme") {
        let fields = expected.query.iter().map(|(field, value)| format!("&{field}={}", encoded(value)));
        get(&format!("/v1/select?company=acme{}", fields.collect::<String>()));
    }
    for target in [
        "/v1/select?company=nobody&channel=whatsapp&ou=emea&country=GB",
        "/v1/select?company=acme&channel=smoke&ou=emea&country=GB",
        "/v1/select?nonsense",
        "/v1/explain?company=acme&channel=whatsapp&ou=emea&country=GB",
        "/v1/account?company=acme&channel=whatsapp&address=%2B447400123401",
        "/nowhere",
    ] {
        get(target);
    }
    let line = "{\"channel\":\"whatsapp\",\"ou\":\"emea\",\"country\":\"GB\"}\n".repeat(20);
    assert_eq!(request(data, "POST", "/v1/select/batch", &line).unwrap().0, 200);
    for head in [
        "DELETE /v1/select HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /v1/select HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 2\r\n\r\n{}",
        "POST /v1/select HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n\r\n",
        &format!("GET /v1/select HTTP/1.1\r\nHost: x\r\nLong: {}\r\n\r\n", "x".repeat(100_000)),
    ] {
        send(data, head);
    }
}

/// Sends a request and reads its answer. The daemon may reject the request before it has read all of it.
fn send(data: &str, head: &str) {
    fn exchange<S: Read + Write>(mut client: HttpClient<S>, head: &str) {
        let _ = client.try_send(head);
        let _ = client.try_answer();
    }
    match data.strip_prefix("unix:") {
        Some(path) => exchange(HttpClient::try_connect_unix(path).unwrap(), head),
        None => exchange(HttpClient::connect(data), head),
    }
}

fn encoded(value: &str) -> String {
    value.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
