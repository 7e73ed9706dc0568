//! The steps of `docs/security.md` that introduce principals and replace credentials. The commands are those of
//! the page. They run beside a daemon under load, and no request fails.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rcgen::SanType;
use serde_json::Value;
use switchboard::access::Token;

use crate::cli::switchboard;
use crate::harness::{DaemonProcess, HttpClient, HttpResponse, wait_until};
use crate::tls::certificates::{Certificates, TlsClient, connect_with};

const QUERY: &str = "/v1/select?company=acme&channel=whatsapp&ou=zurich&country=FR";
/// The start of 2999 as a Unix time.
const FAR_FUTURE: u64 = 32_472_144_000;

/// Returns the fenced blocks of a language in a section of the page, without their indentation.
fn blocks(heading: &str, language: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
    let page = fs::read_to_string(page).unwrap();
    let level = heading.split_once(' ').unwrap().0;
    let section = page.split_once(&format!("\n{heading}\n")).unwrap().1;
    let mut fenced = None;
    let mut blocks = Vec::new();
    for line in section.lines() {
        let text = line.trim_start();
        match &mut fenced {
            None if line.starts_with('#') && line.split_once(' ').unwrap().0.len() <= level.len() => break,
            None if text == format!("```{language}") => fenced = Some(String::new()),
            None => {}
            Some(block) if text == "```" => blocks.push(std::mem::take(block)),
            Some(block) => *block += &format!("{text}\n"),
        }
        if text == "```" {
            fenced = None;
        }
    }
    blocks
}

fn commands<const COUNT: usize>(heading: &str) -> [String; COUNT] {
    blocks(heading, "sh").try_into().unwrap()
}

/// Runs commands of the page in a folder.
fn run(folder: &Path, commands: &str) {
    let programs = Path::new(env!("CARGO_BIN_EXE_switchboard")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output =
        Command::new("bash").args(["-euc", commands]).current_dir(folder).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{commands}\n{output:?}");
}

/// Requests that are sent one after the other. Each must be answered 200.
struct Load {
    is_stopped: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Load {
    fn start(mut ask: impl FnMut() -> u16 + Send + 'static) -> Load {
        let (is_stopped, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stop, count) = (Arc::clone(&is_stopped), Arc::clone(&answered));
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                assert_eq!(ask(), 200);
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Load { is_stopped, answered, thread }
    }

    /// Waits until requests that began after this call were answered.
    fn goes_on(&self) {
        let before = self.answered.load(Ordering::SeqCst);
        wait_until("requests are answered", || {
            assert!(!self.thread.is_finished(), "a request failed");
            self.answered.load(Ordering::SeqCst) > before + 3
        });
    }

    /// Returns the number of answered requests.
    fn end(self) -> u64 {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        self.answered.load(Ordering::SeqCst)
    }
}

/// A folder with a principals file, whose principal `operator` may do everything.
struct Site {
    folder: tempfile::TempDir,
    operator: String,
}

impl Site {
    /// Creates the file with these further sections.
    fn new(sections: &str) -> Site {
        let token = Token::random().unwrap();
        let site = Site { folder: tempfile::tempdir().unwrap(), operator: bearer(token.as_str()) };
        site.write("principals.toml", &format!("{}{sections}", section("operator", &token.sha256())));
        site
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn serve(&self, more: &[&str]) -> DaemonProcess {
        let principals = format!("--principals={}", self.folder.path().join("principals.toml").display());
        DaemonProcess::start(&[&[&*principals, "--poll-interval=100ms"], more].concat())
    }

    /// Replaces the principals file as the page says.
    fn replace_principals(&self, text: &str) {
        let [_, install] = commands("### Replace a token");
        self.write("principals.new", text);
        run(self.folder.path(), &install);
    }

    fn status(&self, daemon: &DaemonProcess) -> Value {
        ask(&daemon.admin, "/status", &self.operator).json()
    }

    fn metric(&self, daemon: &DaemonProcess, series: &str) -> f64 {
        let text = ask(&daemon.admin, "/metrics", &self.operator).text();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {series}")).parse().unwrap()
    }
}

fn section(name: &str, sha256: &str) -> String {
    format!(
        "[[principal]]\nname = \"{name}\"\ntoken_sha256 = [\"{sha256}\"]\ncompanies = [\"*\"]\n\
         allow = [\"select\", \"explain\", \"read\", \"standings\", \"metrics\"]\n"
    )
}

/// Returns the header line for a token.
fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {}\r\n", token.trim())
}

/// Sends a request on a new connection.
fn ask(address: &str, target: &str, headers: &str) -> HttpResponse {
    ask_on(&mut HttpClient::connect(address), target, headers)
}

fn ask_on<S: std::io::Read + std::io::Write>(
    client: &mut HttpClient<S>,
    target: &str,
    headers: &str,
) -> HttpResponse {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
    client.answer()
}

/// Sends a query with the current header, on one open connection and on a new one in turn.
fn load_with(daemon: &DaemonProcess, header: &Arc<Mutex<String>>) -> Load {
    let (address, header) = (daemon.data.clone(), Arc::clone(header));
    let mut open = HttpClient::connect(&address);
    Load::start(move || {
        let header = header.lock().unwrap().clone();
        assert_eq!(ask(&address, QUERY, &header).status, 200);
        ask_on(&mut open, QUERY, &header).status
    })
}

#[test]
fn token_is_replaced_by_the_commands_of_the_page() {
    let old = Token::random().unwrap();
    let site = Site::new(&section("gateway-eu", &old.sha256()));
    let daemon = site.serve(&[]);
    let header = Arc::new(Mutex::new(bearer(old.as_str())));
    let load = load_with(&daemon, &header);
    let [make, _] = commands("### Replace a token");
    run(site.folder.path(), &make);
    let lines = site.read("gateway-eu.toml");
    let new = lines.split("token_sha256 = [\"").nth(1).unwrap().split('"').next().unwrap();
    let both = site.read("principals.new").replace(&old.sha256(), &format!("{}\", \"{new}", old.sha256()));
    let shown = || {
        let status = site.status(&daemon);
        let tokens = status["principals"]["list"][1]["tokens"].as_array().unwrap().clone();
        tokens
            .into_iter()
            .map(|token| (token["sha256"].clone(), token["last_use"].clone()))
            .collect::<Vec<_>>()
    };
    site.replace_principals(&both);
    wait_until("both hashes are shown", || shown().len() == 2);
    assert_eq!(
        shown().iter().map(|token| token.0.as_str().unwrap()).collect::<Vec<_>>(),
        [&old.sha256()[..8], &new[..8]]
    );
    load.goes_on();
    assert!(shown()[0].1.is_string() && shown()[1].1.is_null(), "{:?}", shown());
    *header.lock().unwrap() = bearer(&site.read("gateway-eu.new-token"));
    load.goes_on();
    let last_use = shown()[0].1.clone();
    load.goes_on();
    assert_eq!(shown()[0].1, last_use, "the old token is not used any more");
    assert!(shown()[1].1.is_string());

    let mut open = HttpClient::connect(&daemon.data);
    assert_eq!(ask_on(&mut open, QUERY, &bearer(old.as_str())).status, 200);
    site.replace_principals(&both.replace(&format!("{}\", \"", old.sha256()), ""));
    wait_until("the old token is refused", || ask(&daemon.data, QUERY, &bearer(old.as_str())).status == 401);
    assert_eq!(ask_on(&mut open, QUERY, &bearer(old.as_str())).status, 401);
    load.goes_on();
    assert!(load.end() > 10);
}

#[test]
fn principals_are_introduced_by_the_commands_of_the_page() {
    let [check, add, install] = commands("## Introduce principals");
    let [anonymous] = blocks("## Introduce principals", "toml").try_into().unwrap();
    let site = Site::new("");
    let operator = site.read("principals.toml");
    site.write("principals.toml", &anonymous);
    run(site.folder.path(), &check);
    let daemon = site.serve(&[]);
    let header = Arc::new(Mutex::new(String::new()));
    let load = load_with(&daemon, &header);
    site.replace_principals(&format!("{anonymous}{operator}"));
    wait_until("the operator may call", || ask(&daemon.admin, "/status", &site.operator).status == 200);
    run(site.folder.path(), &add);
    let added = site.read("principals.new");
    let (before, printed) = added.split_at(added.rfind("[[principal]]").unwrap());
    let restricted = printed.replace("companies = [\"*\"]", "companies = [\"acme\"]");
    assert_ne!(restricted, printed, "the page says that the lines allow all companies");
    site.write("principals.new", &format!("{before}{restricted}"));
    run(site.folder.path(), &install);
    let all = site.read("principals.toml");
    let token = bearer(&site.read("gateway-eu.token"));
    wait_until("the gateway may call", || ask(&daemon.data, QUERY, &token).status == 200);
    load.goes_on();

    let counter = "switchboard_auth_requests_total{listener=\"data\",outcome=\"anonymous\"}";
    let before = site.metric(&daemon, counter);
    load.goes_on();
    assert!(site.metric(&daemon, counter) > before, "the gateway has not got its token yet");
    *header.lock().unwrap() = token;
    load.goes_on();
    let after = site.metric(&daemon, counter);
    load.goes_on();
    assert_eq!(site.metric(&daemon, counter), after, "every caller has its token");

    let allowed = anonymous.lines().find(|line| line.starts_with("allow = ")).unwrap();
    site.replace_principals(&all.replace(allowed, "allow = []"));
    wait_until("anonymous may do nothing", || ask(&daemon.data, QUERY, "").status == 403);
    load.goes_on();
    site.replace_principals(&all.replace(&anonymous, ""));
    wait_until("there is no anonymous", || ask(&daemon.data, QUERY, "").status == 401);
    load.goes_on();
    assert!(load.end() > 10);
    let denied = "switchboard_auth_requests_total{listener=\"data\",outcome=\"unauthorized\"}";
    assert!(site.metric(&daemon, denied) >= 1.0);
}

/// Starts a daemon with TLS on the data listener.
fn serve_tls(certificates: &Certificates, more: &[&str]) -> DaemonProcess {
    let options = certificates.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    DaemonProcess::start(&[&options, &["--admin-tls=off", "--poll-interval=100ms"][..], more].concat())
}

#[test]
fn certificate_is_replaced_by_the_commands_of_the_page() {
    let certificates = Certificates::new();
    let folder = certificates.path("");
    let [replace, trust_both] = commands("### Replace a certificate");
    let daemon = serve_tls(&certificates, &[]);
    let (config, address) = (certificates.client_config(None), daemon.data.clone());
    let mut open = connect_with(&config, &address);
    let load = Load::start(move || {
        assert_eq!(open.get(QUERY).status, 200);
        connect_with(&config, &address).get(QUERY).status
    });
    let next = certificates.server();
    certificates.write("new.pem", &next.certificate);
    certificates.write("new.key", &next.key);
    run(&folder, &replace);
    daemon.log("certificate replaced");
    load.goes_on();
    load.end();

    // Another issuer: the commands of Switchboard are the clients.
    let other = Certificates::new();
    let copy = |from: &str, to: &str| assert!(fs::copy(other.path(from), certificates.path(to)).is_ok());
    copy("ca.pem", "new-ca.pem");
    run(&folder, &trust_both);
    let url = format!("https://localhost:{}", daemon.data.rsplit_once(':').unwrap().1);
    let select = move |ca: &Path| {
        let query = ["company=acme", "channel=whatsapp", "ou=zurich", "country=FR"];
        let options = ["select", "--url", &url, "--ca", ca.to_str().unwrap()];
        switchboard(&[&options[..], &query].concat()).status.code()
    };
    assert_eq!(select(&certificates.path("new-ca.pem")), Some(3));
    let (ask, both) = (select.clone(), certificates.path("both-ca.pem"));
    let load = Load::start(move || if ask(&both) == Some(0) { 200 } else { 0 });
    load.goes_on();
    copy("server.pem", "new.pem");
    copy("server.key", "new.key");
    run(&folder, &replace);
    daemon.log("certificate replaced");
    load.goes_on();
    load.end();
    assert_eq!(select(&certificates.path("new-ca.pem")), Some(0));
    assert_eq!(select(&certificates.path("ca.pem")), Some(3));
}

#[test]
fn client_ca_is_replaced_by_the_commands_of_the_page() {
    const NAME: &str = "spiffe://acme.example/gateway";
    let certificates = Certificates::new();
    let other = Certificates::new();
    let copy = |from: &Certificates, to: &str| {
        certificates.write(to, &fs::read_to_string(from.path("ca.pem")).unwrap())
    };
    copy(&certificates, "clients.pem");
    copy(&other, "new-clients-ca.pem");
    let gateway = format!(
        "[[principal]]\nname = \"gateway\"\ncertificate = \"{NAME}\"\ncompanies = [\"acme\"]\nallow = [\"select\"]\n"
    );
    let site = Site::new(&gateway);
    let principals = format!("--principals={}", site.folder.path().join("principals.toml").display());
    let client_ca = format!("--tls-client-ca={}", certificates.path("clients.pem").display());
    let daemon = serve_tls(&certificates, &[&principals, &client_ca]);
    let shown = |authority: &Certificates| {
        let names = [SanType::URI(NAME.try_into().unwrap())];
        certificates.client_config(Some(&authority.client_with(&names, FAR_FUTURE)))
    };
    let (old, new) = (shown(&certificates), shown(&other));
    let refuses = |config| {
        let mut client: TlsClient = connect_with(config, &daemon.data);
        let sent = client.try_send(format!("GET {QUERY} HTTP/1.1\r\nHost: x\r\n\r\n"));
        sent.and_then(|()| client.try_answer()).is_err()
    };
    assert!(refuses(&new));
    let current = Arc::new(Mutex::new(Arc::clone(&old)));
    let (config, address) = (Arc::clone(&current), daemon.data.clone());
    let mut open = connect_with(&old, &daemon.data);
    let mut kept = connect_with(&old, &daemon.data);
    // A handshake is done with the first request.
    assert_eq!((open.get(QUERY).status, kept.get(QUERY).status), (200, 200));
    let load = Load::start(move || {
        assert_eq!(kept.get(QUERY).status, 200);
        let config = Arc::clone(&config.lock().unwrap());
        connect_with(&config, &address).get(QUERY).status
    });
    let [add, remove] = commands("### Replace a client CA");
    run(&certificates.path(""), &add);
    daemon.log("certificate replaced");
    load.goes_on();
    *current.lock().unwrap() = Arc::clone(&new);
    load.goes_on();
    run(&certificates.path(""), &remove);
    daemon.log("certificate replaced");
    load.goes_on();
    assert!(refuses(&old));
    assert_eq!(open.get(QUERY).status, 200, "open connections stay");
    load.end();
    // The principal is removed.
    let all = site.read("principals.toml");
    site.replace_principals(&all.replace(&gateway, ""));
    daemon.log("principals replaced");
    assert_eq!(open.get(QUERY).status, 401);
}
