//! Principals: who may request which route, for which company. Requests go over real sockets.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use rcgen::SanType;
use serde_json::{Value, json};
use switchboard::access::Token;
use switchboard::config::Settings;
use switchboard::runtime::WatchMode;
use switchboard_registry::Files;
use tempfile::TempDir;

use crate::cli::{stdout, switchboard};
use crate::expected::compiled;
use crate::harness::{DaemonProcess, HttpClient, HttpResponse, InProcessDaemon, one_worker, wait_until};
use crate::tls::certificates::{Certificates, Pair, connect_with};

const EVERYTHING: &str = r#"["select", "explain", "read", "standings", "metrics"]"#;

/// Returns a registry with these companies. Each has one account, `one`, with an address of its own; `acme`
/// and `globex` also have one in common.
fn registry(companies: &[&str]) -> Files {
    let mut files = Files::default();
    for (number, company) in companies.iter().enumerate() {
        files.insert(
            format!("{company}/company.toml"),
            "[[ou]]\nid = \"root\"\n[[pool]]\nid = \"p\"\nchannel = \"sms\"\nous = [\"root\"]\n\
             [[pool]]\nid = \"t\"\nchannel = \"telegram\"\nous = [\"root\"]\n",
        );
        files.insert(
            format!("{company}/accounts.csv"),
            format!(
                "id,channel,role,address,country,pool\none,sms,secondary,+4474001234{number:02},GB,p\n\
                 two,telegram,secondary,@shared,GB,t\n\
                 main,sms,primary,+4474009876{number:02},GB,p\n"
            ),
        );
    }
    files
}

/// A principals file in a folder of its own.
struct File {
    folder: TempDir,
    text: String,
}

impl File {
    fn new() -> File {
        File { folder: tempfile::tempdir().unwrap(), text: String::new() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("principals.toml")
    }

    /// Adds a principal. Returns its header `Authorization`.
    fn add(&mut self, name: &str, companies: &str, allow: &str, more: &str) -> String {
        let token = Token::random().unwrap();
        let hash = token.sha256();
        self.text += &format!(
            "[[principal]]\nname = \"{name}\"\ntoken_sha256 = [\"{hash}\"]\ncompanies = {companies}\nallow = {allow}\n\
             {more}\n"
        );
        format!("Authorization: Bearer {}\r\n", token.as_str())
    }

    fn add_anonymous(&mut self, companies: &str, allow: &str) {
        self.text +=
            &format!("[[principal]]\nname = \"anonymous\"\ncompanies = {companies}\nallow = {allow}\n");
    }

    /// Adds a principal of all companies that has a certificate and no token.
    fn add_certificate(&mut self, name: &str, certificate: &str, allow: &str, more: &str) {
        self.text += &format!(
            "[[principal]]\nname = \"{name}\"\ncertificate = \"{certificate}\"\ncompanies = [\"*\"]\n\
             allow = {allow}\n{more}\n"
        );
    }

    fn write(&self) -> PathBuf {
        fs::write(self.path(), &self.text).unwrap();
        self.path()
    }

    fn serve(&self, companies: &[&str]) -> InProcessDaemon {
        let daemon = InProcessDaemon::empty(Settings { principals: Some(self.write()), ..one_worker() });
        daemon.store.swap(compiled(&registry(companies), 9));
        daemon
    }

    /// Serves the company `acme` over TLS on both listeners.
    fn serve_tls(&self, certificates: &Certificates) -> InProcessDaemon {
        let daemon = InProcessDaemon::empty(Settings {
            principals: Some(self.write()),
            tls_cert: Some(certificates.path("server.pem")),
            tls_key: Some(certificates.path("server.key")),
            tls_client_ca: Some(certificates.path("ca.pem")),
            ..one_worker()
        });
        daemon.store.swap(compiled(&registry(&["acme"]), 9));
        daemon
    }
}

/// Sends a request with these header lines to the listener that has its path.
fn ask(daemon: &InProcessDaemon, method: &str, target: &str, headers: &str, body: &str) -> HttpResponse {
    ask_on(HttpClient::connect(address_of(daemon, target)), method, target, headers, body)
}

/// Returns the address of the listener that has the path.
fn address_of(daemon: &InProcessDaemon, target: &str) -> SocketAddr {
    let is_data = ["/v1/select", "/v1/account?", "/v1/explain"].iter().any(|path| target.starts_with(path));
    if is_data { daemon.data } else { daemon.admin }
}

fn ask_on<S: Read + Write>(
    mut client: HttpClient<S>,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> HttpResponse {
    client.heads = method == "HEAD";
    let length = body.len();
    client.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    ));
    client.answer()
}

/// Returns the status and the code of an answer.
fn outcome(answer: &HttpResponse) -> (u16, String) {
    let code = if answer.status >= 400 && answer.header("content-type") == Some("application/problem+json") {
        answer.problem().0
    } else {
        String::new()
    };
    (answer.status, code)
}

/// A route with a request for it: the method, the target, the body, the permission, and the answer to a
/// request for a company of the caller.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) target: &'static str,
    body: &'static str,
    pub(crate) permission: Option<&'static str>,
    status: u16,
    /// Whether the answer is for one company, `COMPANY` in target or body.
    of_company: bool,
}

const fn route(
    method: &'static str,
    target: &'static str,
    body: &'static str,
    permission: Option<&'static str>,
    status: u16,
) -> Route {
    Route { method, target, body, permission, status, of_company: true }
}

const fn whole(target: &'static str, permission: Option<&'static str>) -> Route {
    Route { method: "GET", target, body: "", permission, status: 200, of_company: false }
}

const QUERY: &str = r#"{"company":"COMPANY","channel":"sms","ou":"root","country":"GB"}"#;
const STANDING: &str = r#"{"standing":"draining","reason":"test"}"#;

/// Every route of both listeners.
pub(crate) const ROUTES: [Route; 21] = [
    route("GET", "/v1/select?company=COMPANY&channel=sms&ou=root&country=GB", "", Some("select"), 200),
    route("HEAD", "/v1/select?company=COMPANY&channel=sms&ou=root&country=GB", "", Some("select"), 200),
    route("POST", "/v1/select", QUERY, Some("select"), 200),
    route("POST", "/v1/select/batch", QUERY, Some("select"), 200),
    route("GET", "/v1/account?company=COMPANY&channel=telegram&address=@shared", "", Some("select"), 200),
    route("GET", "/v1/explain?company=COMPANY&channel=sms&ou=root&country=GB", "", Some("explain"), 200),
    route("POST", "/v1/explain", QUERY, Some("explain"), 200),
    route("PUT", "/v1/standings/COMPANY/one", STANDING, Some("standings"), 200),
    route("GET", "/v1/standings/COMPANY/one", "", Some("read"), 200),
    route("GET", "/v1/standings?company=COMPANY", "", Some("read"), 200),
    route("DELETE", "/v1/standings/COMPANY/one", "", Some("standings"), 204),
    whole("/v1/accounts", Some("read")),
    Route { method: "POST", body: "{}", ..whole("/v1/accounts", Some("read")) },
    whole("/v1/accounts/COMPANY/one", Some("read")),
    whole("/status", Some("read")),
    whole("/v1/coverage", Some("read")),
    // A body that is no form is refused after the caller was authorized.
    Route { method: "POST", status: 415, ..whole("/v1/compare", Some("read")) },
    whole("/metrics", Some("metrics")),
    whole("/livez", None),
    whole("/readyz", None),
    whole("/openapi.json", None),
];

/// Returns the answer to a request for a company.
fn request(daemon: &InProcessDaemon, route: &Route, company: &str, headers: &str) -> HttpResponse {
    let fill = |text: &str| text.replace("COMPANY", company);
    ask(daemon, route.method, &fill(route.target), headers, &fill(route.body))
}

/// Every cell of (credential) × (route) × (own, other and unknown company) has its status and code, and the
/// answers for another company and for an unknown one are equal to the byte.
#[test]
fn every_route_answers_every_credential_for_every_company() {
    let mut file = File::new();
    let right = file.add("right", "[\"acme\"]", EVERYTHING, "");
    let two = file.add("two", "[\"acme\", \"initech\"]", EVERYTHING, "");
    let all = file.add("all", "[\"*\"]", EVERYTHING, "");
    let none = file.add("none", "[\"*\"]", "[]", "");
    let expired = file.add("expired", "[\"*\"]", EVERYTHING, "expires = 2020-01-01");
    let future = file.add("future", "[\"acme\"]", EVERYTHING, "expires = 2999-01-01");
    let wrong = format!("Authorization: Bearer swb_{}\r\n", "A".repeat(43));
    let twice = format!("{right}{right}");
    let basic = right.replace("Bearer", "Basic");
    let daemon = file.serve(&["acme", "globex"]);

    let mut cells = 0;
    for route in &ROUTES {
        let what = format!("{} {}", route.method, route.target);
        for (name, headers) in [
            ("no credential", ""),
            ("wrong token", wrong.as_str()),
            ("expired token", &expired),
            ("two headers", &twice),
            ("another scheme", &basic),
            ("empty header", "Authorization: \r\n"),
        ] {
            for company in ["acme", "globex", "nosuch"] {
                let answer = request(&daemon, route, company, headers);
                let expected = match route.permission {
                    Some(_) if route.method == "HEAD" => (401, String::new()),
                    Some(_) => (401, "unauthorized".to_owned()),
                    None => (200, String::new()),
                };
                let status =
                    (answer.status, if answer.body.is_empty() { String::new() } else { outcome(&answer).1 });
                assert_eq!(status, expected, "{what}, {name}, {company}");
                if answer.status == 401 {
                    assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}, {name}");
                }
                cells += 1;
            }
        }
        for company in ["acme", "globex", "nosuch"] {
            let answer = request(&daemon, route, company, &none);
            let expected = if route.permission.is_some() { 403 } else { 200 };
            assert_eq!(answer.status, expected, "{what}, no permission, {company}");
            if answer.status == 403 && route.method != "HEAD" {
                assert_eq!(outcome(&answer).1, "forbidden", "{what}");
            }
            cells += 1;
        }
        for (name, headers) in [("one company", &right), ("two", &two), ("future", &future), ("all", &all)] {
            let may_all = name == "all";
            let own = request(&daemon, route, "acme", headers);
            let expected =
                if route.of_company || may_all || route.permission.is_none() { route.status } else { 403 };
            assert_eq!(own.status, expected, "{what}, {name}: {}", own.text());
            let other = request(&daemon, route, "globex", headers);
            let unknown = request(&daemon, route, "nosuch", headers);
            cells += 3;
            if !route.of_company {
                continue;
            }
            let is_batch = route.target.ends_with("/batch");
            assert_eq!(unknown.status, if is_batch { 200 } else { 404 }, "{what}, {name}");
            if may_all {
                assert_eq!(other.status, route.status, "{what}, {name}");
                continue;
            }
            assert_eq!(
                (other.status, other.header("content-type"), &other.body),
                (unknown.status, unknown.header("content-type"), &unknown.body),
                "{what}, {name}: another company and an unknown one differ"
            );
            if route.method != "HEAD" {
                assert!(other.text().contains(r#""code":"unknown_company""#), "{what}: {}", other.text());
            }
        }
        // The standing that a PUT has set is read and removed with all companies.
        if route.method == "DELETE" {
            request(&daemon, route, "globex", &all);
        }
        if route.method == "PUT" {
            request(&daemon, route, "acme", &all);
        }
    }
    assert!(cells > 500, "{cells}");
    assert!(daemon.store.standings().is_empty());
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn email(name: &str) -> SanType {
    SanType::Rfc822Name(name.try_into().unwrap())
}

/// 2999-01-01 as a Unix time.
const FAR_FUTURE: u64 = 32_472_144_000;

/// Every cell of (certificate and header) × (route) has its status, over TLS on both listeners.
#[test]
fn certificate_identifies_a_caller_without_authorization() {
    const GATEWAY: &str = "spiffe://acme.example/gateway";
    let certificates = Certificates::new();
    let mut file = File::new();
    file.add_certificate("gateway", GATEWAY, EVERYTHING, "");
    file.add_certificate("host", "Host.acme.example", EVERYTHING, "expires = 2999-01-01");
    file.add_certificate("ops", "Ops@acme.example", EVERYTHING, "");
    file.add_certificate("idle", "idle.acme.example", "[]", "");
    file.add_certificate("ended", "ended.acme.example", EVERYTHING, "expires = 2020-01-01");
    let right = file.add("token", "[\"*\"]", EVERYTHING, "");
    let powerless = file.add("powerless", "[\"*\"]", "[]", "");
    let old = file.add("old", "[\"*\"]", EVERYTHING, "expires = 2020-01-01");
    let wrong = format!("Authorization: Bearer swb_{}\r\n", "A".repeat(43));
    let twice = format!("{right}{right}");
    let with = |names: &[SanType]| Some(certificates.client_with(names, FAR_FUTURE));
    let gateway = with(&[uri(GATEWAY)]);
    let rows: [(&str, Option<Pair>, &str, u16); 22] = [
        ("no certificate", None, "", 401),
        ("URI", gateway.clone(), "", 200),
        ("DNS name", with(&[dns("hOST.ACME.example")]), "", 200),
        ("e-mail", with(&[email("Ops@ACME.example")]), "", 200),
        ("one of several names", with(&[dns("other.example"), email("x@y.example"), uri(GATEWAY)]), "", 200),
        ("another name", with(&[uri("spiffe://acme.example/other")]), "", 401),
        ("part of the name", with(&[uri("spiffe://acme.example/gateway/1"), dns("acme.example")]), "", 401),
        ("another user", with(&[email("ops@acme.example")]), "", 401),
        ("URI with the text of a DNS name", with(&[uri("host.acme.example")]), "", 401),
        ("DNS name with the text of an e-mail", with(&[uri("Ops@acme.example")]), "", 401),
        ("no name", with(&[]), "", 401),
        ("names of two principals", with(&[uri(GATEWAY), dns("host.acme.example")]), "", 401),
        ("expired principal", with(&[dns("ended.acme.example")]), "", 401),
        ("no permission", with(&[dns("idle.acme.example")]), "", 403),
        ("wrong token", gateway.clone(), &wrong, 401),
        ("expired token", gateway.clone(), &old, 401),
        ("two headers", gateway.clone(), &twice, 401),
        ("another scheme", gateway.clone(), "Authorization: Basic x\r\n", 401),
        ("empty header", gateway.clone(), "Authorization: \r\n", 401),
        ("token of another principal", gateway, &powerless, 403),
        ("token and unknown certificate", with(&[dns("other.example")]), &right, 200),
        ("token alone", None, &right, 200),
    ];
    let daemon = file.serve_tls(&certificates);
    for (name, certificate, headers, status) in &rows {
        // The connections of one configuration also resume sessions.
        let config = certificates.client_config(certificate.as_ref());
        for route in &ROUTES {
            let fill = |text: &str| text.replace("COMPANY", "acme");
            let (target, body) = (fill(route.target), fill(route.body));
            let client = connect_with(&config, &address_of(&daemon, &target).to_string());
            let answer = ask_on(client, route.method, &target, headers, &body);
            let is_answered = route.permission.is_none() || *status == 200;
            let expected = if is_answered { route.status } else { *status };
            assert_eq!(answer.status, expected, "{name}: {} {target}: {}", route.method, answer.text());
            if answer.status == 401 {
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{name}: {target}");
            }
        }
    }
    assert!(daemon.metric(r#"switchboard_tls_handshakes_total{listener="data",outcome="resumed"}"#) > 0.0);
}

#[test]
fn anonymous_does_not_stand_for_a_certificate_that_is_unknown() {
    let certificates = Certificates::new();
    let mut file = File::new();
    file.add_anonymous("[\"*\"]", EVERYTHING);
    let daemon = file.serve_tls(&certificates);
    let unknown = certificates.client();
    for (certificate, status) in [(None, 200), (Some(&unknown), 401)] {
        let config = certificates.client_config(certificate);
        for target in ["/v1/select?company=acme&channel=sms&ou=root&country=GB", "/status"] {
            let client = connect_with(&config, &address_of(&daemon, target).to_string());
            assert_eq!(ask_on(client, "GET", target, "", "").status, status, "{target}");
        }
    }
}

#[test]
fn certificate_that_expires_during_its_connection_is_refused() {
    let certificates = Certificates::new();
    let mut file = File::new();
    file.add_certificate("gateway", "gateway.example", EVERYTHING, "");
    let daemon = file.serve_tls(&certificates);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let brief = certificates.client_with(&[dns("gateway.example")], now + 3);
    let config = certificates.client_config(Some(&brief));
    // The fast path, hyper, and the admin listener.
    let targets = [
        "/v1/select?company=acme&channel=sms&ou=root&country=GB",
        "/v1/explain?company=acme&channel=sms&ou=root&country=GB",
        "/status",
    ];
    let mut clients =
        targets.map(|target| (connect_with(&config, &address_of(&daemon, target).to_string()), target));
    for (client, target) in &mut clients {
        assert_eq!(client.get(target).status, 200, "{target}");
    }
    for (client, target) in &mut clients {
        wait_until("the certificate is refused", || client.get(target).status == 401);
    }
}

#[test]
fn company_is_optional_for_a_principal_of_one_company_and_bad_requests_are_those_of_several() {
    let mut file = File::new();
    let one = file.add("one", "[\"globex\"]", EVERYTHING, "");
    let two = file.add("two", "[\"acme\", \"globex\"]", EVERYTHING, "");
    let gone = file.add("gone", "[\"nosuch\"]", EVERYTHING, "");
    let elsewhere = file.add("elsewhere", "[\"nosuch\", \"other\"]", EVERYTHING, "");
    let daemon = file.serve(&["acme", "globex"]);
    let query = "channel=sms&ou=root&country=GB";
    let json = r#"{"channel":"sms","ou":"root","country":"GB"}"#;
    let answers = |daemon: &InProcessDaemon, headers: &str| {
        [
            ("GET", format!("/v1/select?{query}"), ""),
            ("POST", "/v1/select".to_owned(), json),
            ("GET", format!("/v1/explain?{query}"), ""),
            ("POST", "/v1/explain".to_owned(), json),
            ("POST", "/v1/select/batch".to_owned(), json),
        ]
        .map(|(method, target, body)| {
            let answer = ask(daemon, method, &target, headers, body);
            (answer.status, answer.text())
        })
    };
    for (status, text) in answers(&daemon, &one) {
        assert!(status == 200 && text.contains("+447400123401"), "{status} {text}");
    }
    for (_, text) in answers(&daemon, &two) {
        assert!(
            text.contains(r#""code":"bad_request""#) && text.contains("Add the field `company`."),
            "{text}"
        );
    }
    for (_, text) in answers(&daemon, &gone) {
        assert!(text.contains(r#""code":"unknown_company""#), "{text}");
    }
    let account = |headers: &str, query: &str| {
        let answer = ask(&daemon, "GET", &format!("/v1/account?channel=telegram&{query}"), headers, "");
        (answer.status, answer.text())
    };
    let (status, text) = account(&one, "address=@shared");
    assert!(status == 200 && text.contains(r#""company":"globex""#), "{text}");
    let (status, text) = account(&two, "address=@shared");
    assert!(status == 400 && !text.contains("acme") && !text.contains("globex"), "{text}");
    assert!(account(&elsewhere, "address=@shared").1.contains("unknown_account"));
    assert!(account(&gone, "address=@shared").1.contains("unknown_company"));

    // A snapshot of one company: its name is no secret of those who may see it, and of others it is.
    daemon.store.swap(compiled(&registry(&["acme"]), 10));
    for (status, text) in answers(&daemon, &two) {
        assert!(status == 200 && text.contains("+447400123400"), "{status} {text}");
    }
    for (_, text) in answers(&daemon, &elsewhere) {
        assert!(text.contains(r#""code":"bad_request""#) && !text.contains("acme"), "{text}");
    }
}

#[test]
fn lines_of_a_batch_are_restricted_one_by_one() {
    let mut file = File::new();
    let right = file.add("right", "[\"acme\"]", EVERYTHING, "");
    let daemon = file.serve(&["acme", "globex"]);
    let line = |company: &str| QUERY.replace("COMPANY", company);
    let mut body: String = (0..20).map(|at| line(["acme", "globex", "nosuch"][at % 3]) + "\n").collect();
    body += "{\n";
    let answer = ask(&daemon, "POST", "/v1/select/batch", &right, &body);
    let lines = answer.lines();
    assert_eq!(lines.len(), 21);
    for (at, line) in lines.iter().take(20).enumerate() {
        match at % 3 {
            0 => assert_eq!(line["account"], "one", "{at}"),
            _ => assert_eq!((&line["code"], line), (&json!("unknown_company"), &lines[1]), "{at}"),
        }
    }
    assert!(lines[20]["detail"].as_str().unwrap().contains("line 21"), "{}", lines[20]);
}

#[test]
fn list_of_standings_has_the_companies_of_the_caller() {
    let mut file = File::new();
    let right = file.add("right", "[\"acme\"]", EVERYTHING, "");
    let all = file.add("all", "[\"*\"]", EVERYTHING, "");
    let daemon = file.serve(&["acme", "globex"]);
    for company in ["acme", "globex"] {
        let answer = ask(&daemon, "PUT", &format!("/v1/standings/{company}/one"), &all, STANDING);
        assert_eq!(answer.status, 200);
    }
    let stored = ask(&daemon, "GET", "/v1/standings/globex/one", &all, "").json();
    assert_eq!(stored["by"], "all");
    let listed = |headers: &str| {
        let json = ask(&daemon, "GET", "/v1/standings", headers, "").json();
        let of = |standing: &Value| standing["company"].as_str().unwrap().to_owned();
        json["standings"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(listed(&right), ["acme"]);
    assert_eq!(listed(&all), ["acme", "globex"]);
}

#[test]
fn checks_come_in_their_order() {
    let mut file = File::new();
    let right = file.add("right", "[\"acme\"]", "[\"select\"]", "");
    let daemon = file.serve(&["acme"]);
    for (method, target, headers, status) in [
        ("GET", "/v1/nosuch", "", 404),
        ("PATCH", "/v1/select", "", 405),
        ("POST", "/v1/standings", "", 405),
        ("POST", "/v1/standings/acme/one", "", 405),
        ("GET", "/v1/standings/acme", "", 404),
        ("POST", "/v1/select?x", "Content-Type: application/xml\r\n", 401),
        ("POST", "/v1/explain?x", &format!("{right}Content-Type: application/xml\r\n"), 403),
        ("POST", "/v1/select?x", &format!("{right}Content-Type: application/xml\r\n"), 415),
        ("PUT", "/v1/standings/acme/one?x", &format!("{right}Content-Type: application/xml\r\n"), 403),
    ] {
        assert_eq!(ask(&daemon, method, target, headers, "").status, status, "{method} {target} {headers}");
    }
    let mut client = HttpClient::connect(daemon.data);
    client.send("GET /v1/select HTTP/1.1\r\nHost: a b\r\n\r\n");
    client.answer().refuses(400, "bad_request");

    let empty = InProcessDaemon::empty(Settings { principals: Some(file.path()), ..one_worker() });
    assert_eq!(ask(&empty, "GET", "/v1/select", "", "").status, 401);
    assert_eq!(ask(&empty, "GET", "/v1/select", &right, "").status, 400);
    let query = "/v1/select?channel=sms&ou=root&country=GB";
    ask(&empty, "GET", query, &right, "").refuses(503, "no_snapshot");
    assert_eq!(ask(&empty, "GET", "/readyz", "", "").text(), "no snapshot\n");
}

#[test]
fn anonymous_callers_are_counted_apart_and_lose_their_permissions() {
    let mut file = File::new();
    let right = file.add("right", "[\"acme\"]", "[\"select\"]", "");
    file.add_anonymous("[\"*\"]", "[\"select\", \"metrics\"]");
    let daemon = file.serve(&["acme"]);
    let target = "/v1/select?channel=sms&ou=root&country=GB";
    assert_eq!(ask(&daemon, "GET", target, "", "").status, 200);
    assert_eq!(ask(&daemon, "HEAD", target, "", "").status, 200);
    assert_eq!(ask(&daemon, "GET", target, &right, "").status, 200);
    ask(&daemon, "GET", "/v1/explain?x", "", "").refuses(403, "forbidden");
    ask(&daemon, "GET", "/v1/explain?x", &right, "").refuses(403, "forbidden");
    ask(&daemon, "GET", target, "Authorization: Bearer x\r\n", "").refuses(401, "unauthorized");
    ask(&daemon, "GET", "/metrics", &right, "").refuses(403, "forbidden");
    assert_eq!(ask(&daemon, "GET", "/metrics", "", "").status, 200);
    for (listener, outcome, count) in [
        ("data", "anonymous", 2.0),
        ("data", "allowed", 1.0),
        ("data", "forbidden", 2.0),
        ("data", "unauthorized", 1.0),
        ("admin", "anonymous", 1.0),
        ("admin", "allowed", 0.0),
        ("admin", "forbidden", 1.0),
        ("admin", "unauthorized", 0.0),
    ] {
        let series =
            format!("switchboard_auth_requests_total{{listener=\"{listener}\",outcome=\"{outcome}\"}}");
        assert_eq!(daemon.metric(&series), count, "{series}");
    }
    let open = InProcessDaemon::start();
    assert!(!open.telemetry.render().contains("switchboard_auth"), "series without principals");
}

#[test]
fn open_daemon_ignores_credentials() {
    let daemon = InProcessDaemon::start();
    let target = "/v1/select?channel=whatsapp&ou=uk&country=GB";
    for headers in ["", "Authorization: Bearer x\r\n", "Authorization: a\r\nAuthorization: b\r\n"] {
        assert_eq!(ask(&daemon, "GET", target, headers, "").status, 200, "{headers}");
    }
    assert_eq!(ask(&daemon, "GET", "/status", "Authorization: Bearer x\r\n", "").status, 200);
}

fn serve_process(principals: &Path, more: &[&str]) -> DaemonProcess {
    let path = principals.to_str().unwrap();
    DaemonProcess::start(
        &[&["--principals", path, "--access-log", "1", "--poll-interval", "100ms"], more].concat(),
    )
}

fn send(address: &str, target: &str, headers: &str) -> HttpResponse {
    let mut client = HttpClient::connect(address);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
    client.answer()
}

#[test]
fn file_is_replaced_under_load_and_broken_ones_are_refused() {
    replace_file_under_load(10);
}

#[test]
#[ignore = "long: 100 replacements"]
fn file_is_replaced_under_load_long() {
    replace_file_under_load(100);
}

/// Puts good and broken files in place in turn: no request of the kept principal fails, each broken one is refused
/// once, and no secret is shown.
fn replace_file_under_load(rounds: u32) {
    let mut file = File::new();
    let kept = file.add("kept", "[\"*\"]", EVERYTHING, "");
    let secret = kept.trim_start_matches("Authorization: Bearer ").trim().to_owned();
    let path = file.write();
    let daemon = serve_process(&path, &[]);
    let base = file.text.clone();
    let rejected = "switchboard_principals_reloads_total{outcome=\"rejected\"}";
    let replaced = "switchboard_principals_reloads_total{outcome=\"replaced\"}";
    let in_force = "switchboard_access_file_in_force{file=\"principals\"}";
    let metric = |series: &str| -> f64 {
        let text = send(&daemon.admin, "/metrics", &kept).text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series}")).parse().unwrap()
    };
    let query = "/v1/select?company=acme&channel=whatsapp&ou=london&country=GB";
    let replace = |text: &str| {
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, &path).unwrap();
    };
    let is_running = AtomicBool::new(true);
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let (mut client, mut answers) = (HttpClient::connect(&daemon.data), 0_u64);
            while is_running.load(Ordering::SeqCst) {
                client.send(format!("GET {query} HTTP/1.1\r\nHost: localhost\r\n{kept}\r\n"));
                assert_eq!(client.answer().status, 200, "after {answers} answers");
                answers += 1;
            }
            answers
        });
        for round in 1..=rounds {
            let mut next = File { folder: tempfile::tempdir().unwrap(), text: base.clone() };
            let other = next.add("other", "[\"acme\"]", "[\"select\"]", "");
            replace(&next.text);
            wait_until("the new principal may call", || {
                assert_eq!(send(&daemon.data, query, &kept).status, 200, "round {round}");
                send(&daemon.data, query, &other).status == 200
            });
            wait_until("the new file is in force", || metric(in_force) == 1.0);
            let broken = format!("{}\n[[principal]]\nname = \"{secret}\"\ntoken = \"{secret}\"\n", next.text);
            replace(&broken);
            wait_until("the broken file is refused", || {
                assert_eq!(send(&daemon.data, query, &kept).status, 200, "round {round}");
                metric(rejected) == f64::from(round)
            });
            assert_eq!(send(&daemon.data, query, &other).status, 200, "the last good principals stay");
            assert_eq!(metric(in_force), 0.0);
            let status = send(&daemon.admin, "/status", &kept).json();
            let error = status["principals"]["error"].as_str().unwrap().to_owned();
            assert!(error.contains("principals.toml:") && error.contains("; "), "{error}");
            let logged = daemon.log("principals file rejected");
            for text in [error, logged.to_string(), status.to_string()] {
                assert!(!text.contains(&secret), "{text}");
            }
        }
        is_running.store(false, Ordering::SeqCst);
        assert!(client.join().unwrap() > u64::from(rounds));
    });
    assert_eq!(metric(rejected), f64::from(rounds));
    assert_eq!(metric(replaced), f64::from(rounds));
    replace(&base);
    let line = daemon.log("principals replaced");
    assert_eq!(line["principals"], 1);
    wait_until("the file is in force", || metric(in_force) == 1.0);
    assert_eq!(send(&daemon.data, query, &kept).status, 200);
    let log = daemon.log("request");
    assert!(!log.to_string().contains(&secret), "{log}");
}

/// A connection remembers its last token, but not beyond a change of the file, an expiry or another token.
#[test]
fn token_of_a_connection_is_judged_by_the_principals_in_force() {
    let mut file = File::new();
    let first = file.add("first", "[\"*\"]", EVERYTHING, "");
    let second = file.add("second", "[\"acme\"]", "[\"select\"]", "");
    let forbidden = file.add("third", "[\"acme\"]", "[\"explain\"]", "");
    let path = file.write();
    let daemon = serve_process(&path, &[]);
    let mut client = HttpClient::connect(&daemon.data);
    let query = "/v1/select?company=acme&channel=whatsapp&ou=london&country=GB";
    let mut ask = |header: &str| {
        client.send(format!("GET {query} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n"));
        client.answer().status
    };
    let wrong = first.replacen("swb_", "swb-", 1);
    for (header, status) in [
        (&*first, 200),
        (&*first, 200),
        (&*wrong, 401),
        (&*first, 200),
        (&*second, 200),
        (&*forbidden, 403),
        (&*forbidden, 403),
        (&*second, 200),
        ("", 401),
        (&*first, 200),
    ] {
        assert_eq!(ask(header), status, "{header}");
    }
    // The sections change places, so that a remembered place is that of another principal.
    let sections: Vec<&str> = file.text.split_inclusive("\n\n").collect();
    let [.., last] = &sections[..] else { panic!("{}", file.text) };
    let replaced =
        format!("{}{}", last, sections[1].replace("[[principal]]", "[[principal]]\nexpires = 2020-01-01"));
    fs::write(path.with_extension("new"), replaced).unwrap();
    fs::rename(path.with_extension("new"), &path).unwrap();
    daemon.log("principals replaced");
    for (header, status) in [(&first, 401), (&second, 401), (&forbidden, 403), (&first, 401)] {
        assert_eq!(ask(header), status, "{header}");
    }
}

#[test]
fn access_log_and_status_name_the_principal_and_no_secret() {
    let mut file = File::new();
    let right = file.add("gateway-eu", "[\"acme\", \"nosuch\"]", "[\"select\"]", "expires = 2999-12-31");
    let reader = file.add("reader", "[\"*\"]", "[\"read\"]", "");
    let secret = right.trim_start_matches("Authorization: Bearer ").trim().to_owned();
    let daemon = serve_process(&file.write(), &[]);
    let line = daemon.logged_at_start("principals have companies");
    assert_eq!(line["companies"], "gateway-eu: nosuch");
    let query = "/v1/select?company=acme&channel=whatsapp&ou=london&country=GB";
    assert_eq!(send(&daemon.data, query, &right).status, 200);
    assert_eq!(daemon.log("request")["principal"], "gateway-eu");
    assert_eq!(send(&daemon.data, "/v1/explain?x", &right).status, 403);
    assert_eq!(daemon.log("request")["principal"], "gateway-eu");
    assert_eq!(send(&daemon.data, query, "").status, 401);
    assert_eq!(daemon.log("request")["principal"], Value::Null);
    let text = send(&daemon.admin, "/status", &reader).text();
    assert!(!text.contains(&secret), "{text}");
    let status: Value = serde_json::from_str(&text).unwrap();
    let shown = &status["principals"]["list"][0];
    assert_eq!(shown["name"], "gateway-eu");
    assert_eq!(shown["unknown_companies"], json!(["nosuch"]));
    assert_eq!((&shown["expires"], &shown["expired"]), (&json!("2999-12-31"), &json!(false)));
    let token = &shown["tokens"][0];
    assert_eq!(token["sha256"].as_str().unwrap().len(), 8);
    assert!(token["last_use"].is_string(), "{token}");
    assert_eq!(send(&daemon.admin, "/readyz", "").text(), "ready\n");
    let command = fs::read(format!("/proc/{}/cmdline", daemon.pid())).unwrap();
    assert!(!String::from_utf8_lossy(&command).contains(&secret));
}

#[test]
fn status_command_shows_the_state_of_access() {
    let certificates = Certificates::new();
    let mut file = File::new();
    file.add_anonymous("[\"*\"]", EVERYTHING);
    let options = certificates.options();
    let client_ca = format!("--tls-client-ca={}", certificates.path("ca.pem").display());
    let state = format!("--state={}", file.folder.path().join("state").display());
    let options: Vec<&str> = options.iter().map(String::as_str).chain([&*client_ca, &*state]).collect();
    let daemon = serve_process(&file.write(), &options);
    let url = format!("https://localhost:{}", daemon.admin.rsplit_once(':').unwrap().1);
    let ca = certificates.path("ca.pem");
    let status = || {
        let output = switchboard(&["status", "--url", &url, "--ca", ca.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        stdout(&output)
    };
    let text = status();
    assert!(text.contains("\nprincipals 1 in force\n"), "{text}");
    assert!(text.contains("\ntls        certificate until 2999-12-31T00:00:00Z, client CA until "), "{text}");
    assert!(text.contains("\naudit log  record ") && text.contains(", hash "), "{text}");
    file.text += "[[principal]]\n";
    file.write();
    daemon.log("principals file rejected");
    certificates.write("server.key", "no key");
    daemon.log("certificate refused");
    wait_until("both are shown", || {
        let text = status();
        let principals = text.split("\nprincipals 1 in force; the newest file is rejected:\n").nth(1);
        let tls = text.split("; the newest files are rejected:\n").nth(1);
        principals.is_some_and(|rest| rest.lines().next().unwrap().contains("principals.toml:5: "))
            && tls.is_some_and(|rest| rest.lines().next().unwrap().contains("server.key: "))
    });
}

/// `by` and `since` come from the journal, also after it was written as a whole, and when the principal is gone.
#[test]
fn author_of_a_standing_outlives_restarts_and_a_rewritten_journal() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings.journal");
    let options = ["--standings", journal.to_str().unwrap()];
    let mut file = File::new();
    let authors = ["ops-1", "ops-2"].map(|name| file.add(name, "[\"*\"]", EVERYTHING, ""));
    file.add_anonymous("[\"*\"]", EVERYTHING);
    let path = file.write();
    let mut daemon = serve_process(&path, &options);
    let put = |daemon: &DaemonProcess, account: &str, headers: &str| {
        let target = format!("/v1/standings/acme/{account}");
        let answer = ask_on(HttpClient::connect(&daemon.admin), "PUT", &target, headers, STANDING);
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    put(&daemon, "wa-emea-gb-1", &authors[0]);
    put(&daemon, "wa-emea-gb-2", &authors[0]);
    put(&daemon, "wa-emea-gb-2", &authors[1]);
    put(&daemon, "wa-emea-gb-3", "");
    let listed = |daemon: &DaemonProcess, headers: &str| -> Vec<Value> {
        let list = send(&daemon.admin, "/v1/standings?company=acme", headers).json();
        list["standings"].as_array().unwrap().clone()
    };
    let standings = listed(&daemon, "");
    let by = |standings: &[Value]| standings.iter().map(|one| one["by"].clone()).collect::<Vec<_>>();
    assert_eq!(by(&standings), ["ops-1", "ops-2", "anonymous"]);

    daemon.kill();
    daemon = serve_process(&path, &options);
    assert_eq!(listed(&daemon, ""), standings);
    fs::write(&journal, "").unwrap();
    daemon.log("another program changed the journal of standings");
    daemon.kill();
    daemon = serve_process(&path, &options);
    assert_eq!(listed(&daemon, ""), standings);
    daemon.kill();

    // Without principals, the authors are still known, and a new standing has none.
    daemon = DaemonProcess::start(&options);
    put(&daemon, "wa-emea-gb-1", "");
    let after = listed(&daemon, "");
    assert_eq!(by(&after), [Value::Null, json!("ops-2"), json!("anonymous")]);
    assert_eq!(after[1..], standings[1..]);
}

#[test]
fn metrics_have_the_next_end_of_a_credential() {
    const SERIES: &str = "switchboard_principals_next_expiry_timestamp_seconds";
    let mut file = File::new();
    file.add_anonymous("[\"*\"]", EVERYTHING);
    let lasting = file.text.clone();
    for (name, expires) in [("later", "2999-01-01"), ("next", "2998-01-01"), ("ended", "2020-01-01")] {
        file.add(name, "[\"*\"]", "[\"select\"]", &format!("expires = {expires}"));
    }
    let daemon = serve_process(&file.write(), &[]);
    assert_eq!(daemon.metric(SERIES), 32_440_608_000.0);
    file.text = lasting;
    file.write();
    wait_until("no credential ends", || daemon.metric(SERIES) == 0.0);
    let without = DaemonProcess::start(&[]);
    let text = send(&without.admin, "/metrics", "").text();
    assert!(!text.contains(SERIES) && !text.contains("switchboard_access_file"), "{text}");
}

#[test]
fn mistakes_that_stop_no_start_are_warnings_of_check_config() {
    let mut file = File::new();
    file.add("gone", "[\"nosuch\"]", "[\"select\"]", "");
    file.add("past", "[\"*\"]", "[\"select\"]", "expires = 2020-01-01");
    file.add("metrics", "[\"demo\"]", "[\"metrics\"]", "");
    file.add_certificate("certificate", "gateway.example", "[]", "");
    let output =
        switchboard(&["check-config", "--anonymous", "--principals", file.write().to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for words in [
        "principals have companies that the source lacks: gone: nosuch",
        "principal `past` has expired on 2020-01-01",
        "principal `metrics` cannot read the metrics",
        "set --tls-client-ca",
        "--anonymous has no effect beside --principals",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn broken_file_at_the_start_is_exit_2_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("principals.toml");
    let text = path.to_str().unwrap();
    fs::write(&path, "[[principal]]\nname = \"a\"\ncompanies = [\"*\"]\nallow = [\"selct\"]\n").unwrap();
    for command in ["serve", "check-config"] {
        let output = switchboard(&[
            command,
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--principals",
            text,
        ]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{command}: {error}");
        assert!(error.contains(&format!("{text}:1: principal `a` has no credential")), "{command}: {error}");
        assert!(
            error.contains(&format!("{text}:4: ")) && error.contains("did you mean `select`?"),
            "{error}"
        );
    }
    let output = switchboard(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--principals",
        "/no/such",
    ]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn token_command_prints_a_token_whose_lines_serve() {
    let output = switchboard(&["token", "gateway-eu"]);
    let token = stdout(&output).trim().to_owned();
    assert!(token.len() == 47 && token.starts_with("swb_"), "{token}");
    let lines = String::from_utf8(output.stderr).unwrap();
    assert!(!lines.contains(&token), "{lines}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("principals.toml");
    fs::write(&path, &lines).unwrap();
    let daemon = serve_process(&path, &[]);
    let query = "/v1/select?company=acme&channel=whatsapp&ou=london&country=GB";
    let header = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(send(&daemon.data, query, &header).status, 200);
    for name in ["anonymous", "a b", "", &token] {
        let output = switchboard(&["token", name]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn client_commands_send_the_token_of_a_file_or_of_the_variable() {
    let mut file = File::new();
    let header = file.add("operator", "[\"*\"]", EVERYTHING, "");
    let token = header.trim_start_matches("Authorization: Bearer ").trim().to_owned();
    let daemon = serve_process(&file.write(), &[]);
    let stored = file.folder.path().join("token");
    fs::write(&stored, format!("{token}\n")).unwrap();
    let (data, admin) = (format!("http://{}", daemon.data), format!("http://{}", daemon.admin));
    let stored = stored.to_str().unwrap();
    let query = ["company=acme", "channel=whatsapp", "ou=london", "country=GB"];
    for arguments in [
        [&["select", "--url", &data][..], &query].concat(),
        [&["explain", "--url", &data][..], &query].concat(),
        vec!["status", "--url", &admin],
        vec!["standing", "list", "--url", &admin],
    ] {
        let with = switchboard(&[&arguments[..], &["--token-file", stored]].concat());
        assert_eq!(with.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&with.stderr));
        let without = switchboard(&arguments);
        let error = String::from_utf8_lossy(&[without.stdout, without.stderr].concat()).into_owned();
        assert!(without.status.code() == Some(3) && error.contains("unauthorized"), "{arguments:?}: {error}");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_switchboard"));
        let output = command.args(&arguments).env("SWITCHBOARD_TOKEN", &token).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
    fs::write(stored, "two words").unwrap();
    let output = switchboard(&["status", "--url", &admin, "--token-file", stored]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("two words"));
}

#[test]
fn principals_are_replaced_while_events_are_not_watched() {
    let mut file = File::new();
    let first = file.add("first", "[\"*\"]", EVERYTHING, "");
    let settings = Settings {
        principals: Some(file.write()),
        watch: WatchMode::Poll,
        poll_interval: Duration::from_millis(100),
        ..one_worker()
    };
    let daemon = InProcessDaemon::with(settings);
    assert_eq!(ask(&daemon, "GET", "/status", &first, "").status, 200);
    file.text.clear();
    let second = file.add("second", "[\"*\"]", EVERYTHING, "");
    file.write();
    wait_until("the file is replaced", || ask(&daemon, "GET", "/status", &second, "").status == 200);
    assert_eq!(ask(&daemon, "GET", "/status", &first, "").status, 401);
}

#[test]
fn open_listener_beyond_the_loopback_is_exit_2_with_the_remedy() {
    let mut file = File::new();
    file.add("a", "[\"*\"]", EVERYTHING, "");
    let principals = file.write();
    let principals = principals.to_str().unwrap();
    for address in ["0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:7499"] {
        for (option, other) in [("--listen", "--admin-listen"), ("--admin-listen", "--listen")] {
            for command in ["serve", "check-config"] {
                let output = switchboard(&[command, option, address, other, "127.0.0.1:0"]);
                let error = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.code(), Some(2), "{command} {option} {address}: {error}");
                for part in [option, address, "--principals", "--anonymous"] {
                    assert!(error.contains(part), "{command} {option} {address}: {error}");
                }
            }
            for allowed in [&["--principals", principals][..], &["--anonymous"]] {
                let arguments =
                    [&["check-config", option, address, other, "127.0.0.1:0"][..], allowed].concat();
                let output = switchboard(&arguments);
                assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
            }
        }
    }
    for address in ["127.0.0.2:0", "[::1]:0", "localhost:0", "[::ffff:127.0.0.1]:0"] {
        let output = switchboard(&["check-config", "--listen", address, "--admin-listen", "127.0.0.1:0"]);
        assert_eq!(output.status.code(), Some(0), "{address}: {output:?}");
    }
}

#[test]
fn pages_of_a_browser_do_not_reach_the_admin_listener() {
    let settings = Settings { admin_host: vec!["ops.example".to_owned()], ..one_worker() };
    let open = InProcessDaemon::with(settings);
    let mut file = File::new();
    let right = file.add("right", "[\"*\"]", EVERYTHING, "");
    let guarded = file.serve(&["acme"]);
    let get = |daemon: &InProcessDaemon, target: &str, headers: &str| {
        let mut client = HttpClient::connect(daemon.admin);
        client.send(format!("GET {target} HTTP/1.1\r\n{headers}\r\n"));
        client.answer()
    };
    let own = open.admin.to_string();
    for target in ["/status", "/livez", "/nosuch"] {
        let status = if target == "/nosuch" { 404 } else { 200 };
        for (host, origin, allowed) in [
            (own.as_str(), "", true),
            ("localhost", "", true),
            ("OPS.example:7401", "", true),
            ("[::1]:7401", "", true),
            ("evil.example", "", false),
            ("localhost.evil.example", "", false),
            ("localhost:1", "Origin: http://localhost:1\r\n", true),
            ("localhost:1", "Origin: http://localhost:2\r\n", false),
            ("localhost:1", "Origin: http://evil.example\r\n", false),
            ("localhost:1", "Origin: null\r\n", false),
        ] {
            let answer = get(&open, target, &format!("Host: {host}\r\n{origin}"));
            let expected = if allowed { status } else { 403 };
            assert_eq!(answer.status, expected, "{target} {host} {origin}");
            if !allowed {
                answer.refuses(403, "forbidden");
            }
        }
    }
    // With principals, a name is allowed, because a page has no token.
    assert_eq!(get(&guarded, "/status", &format!("Host: any.example\r\n{right}")).status, 200);
    let foreign = format!("Host: any.example\r\nOrigin: http://evil.example\r\n{right}");
    get(&guarded, "/status", &foreign).refuses(403, "forbidden");
    // The data listener changes nothing, and has no such check.
    let mut client = HttpClient::connect(open.data);
    client.send("GET / HTTP/1.1\r\nHost: any.example\r\nOrigin: http://evil.example\r\n\r\n");
    assert_eq!(client.answer().status, 200);
}

/// Returns an address of this machine that is not on the loopback, if it has one. Sends nothing.
fn outward_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

#[test]
fn standings_of_an_anonymous_daemon_are_changed_from_the_loopback_alone() {
    let Some(outward) = outward_address() else { return };
    let any = "0.0.0.0:0".parse().unwrap();
    let daemon = InProcessDaemon::with(Settings { admin_listen: vec![any], anonymous: true, ..one_worker() });
    let port = daemon.admin.port();
    let send = |host: &str, method: &str| {
        let mut client = HttpClient::connect(format!("{host}:{port}"));
        let length = STANDING.len();
        client.send(format!(
            "{method} /v1/standings/acme/wa-gb-1 HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{STANDING}"
        ));
        client.answer()
    };
    let outward = outward.to_string();
    for method in ["PUT", "DELETE"] {
        send(&outward, method).refuses(403, "forbidden");
    }
    assert_eq!(send("127.0.0.1", "PUT").status, 200);
    assert_eq!(send(&outward, "GET").status, 200);
    assert_eq!(send("127.0.0.1", "DELETE").status, 204);
}
