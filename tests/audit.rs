//! The audit log of running daemons: its records, its chain over kills and hand-overs, and its verification.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use switchboard::access::Token;
use switchboard::access::audit::verify;
use tempfile::TempDir;

use crate::cli::{stderr, stdout, switchboard};
use crate::expected::acme;
use crate::harness::{DaemonProcess, HttpClient, request, wait_until};
use crate::tls::certificates::Certificates;

const ACCOUNTS: [&str; 4] = ["wa-emea-de-1", "wa-emea-gb-1", "wa-emea-gb-2", "wa-emea-gb-3"];
/// The members of a record in their order.
const MEMBERS: [&str; 16] = [
    "seq",
    "time",
    "event",
    "principal",
    "peer",
    "company",
    "account",
    "before",
    "after",
    "reason",
    "generation",
    "digest",
    "permission",
    "count",
    "previous",
    "hash",
];

/// A registry and a state directory.
struct Place {
    registry: TempDir,
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        Place { registry: acme(), folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let (registry, state) = (self.registry.path().to_str().unwrap(), self.path("state"));
        let own = ["--registry", registry, "--state", state.to_str().unwrap()];
        own.iter().chain(more).map(|it| (*it).to_owned()).collect()
    }

    fn serve(&self, more: &[&str]) -> DaemonProcess {
        DaemonProcess::start(&self.arguments(more).iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn log(&self) -> PathBuf {
        self.path("state/audit.ndjson")
    }

    /// Returns the files of the log.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("state")).unwrap().map(|entry| entry.unwrap().path());
        let is_log = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("audit");
        entries.filter(is_log).collect()
    }

    /// Returns the whole records of the log, in the order of their numbers.
    fn records(&self) -> Vec<Value> {
        let mut records = Vec::new();
        for file in self.files() {
            let text = fs::read_to_string(file).unwrap();
            let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            records.extend(whole.map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
        records.sort_by_key(|record| record["seq"].as_u64());
        records
    }

    /// Returns the records of an event.
    fn of(&self, event: &str) -> Vec<Value> {
        self.records().into_iter().filter(|record| record["event"] == event).collect()
    }

    /// Waits for the first record of an event.
    fn wait_for(&self, event: &str) -> Value {
        wait_until(event, || self.log().exists() && !self.of(event).is_empty());
        self.of(event).remove(0)
    }
}

fn path(account: &str) -> String {
    format!("/v1/standings/acme/{account}")
}

fn draining(reason: &str) -> String {
    json!({"standing": "draining", "reason": reason}).to_string()
}

/// Sends a request with a token. Returns the status.
fn ask(address: &str, token: &Token, method: &str, target: &str, body: &str) -> u16 {
    let mut client = HttpClient::connect(address);
    client.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
        token.as_str(),
        body.len()
    ));
    client.answer().status
}

fn principal(name: &str, token: &Token, allow: &str) -> String {
    let hash = token.sha256();
    format!(
        "[[principal]]\nname = \"{name}\"\ntoken_sha256 = [\"{hash}\"]\ncompanies = [\"*\"]\nallow = {allow}\n"
    )
}

#[test]
fn every_event_has_a_record_with_its_members_in_order() {
    let place = Place::new();
    let [ops, reader, wrong] = [(); 3].map(|()| Token::random().unwrap());
    let principals = place.path("principals.toml");
    let file = principal("ops", &ops, r#"["standings"]"#) + &principal("reader", &reader, r#"["read"]"#);
    fs::write(&principals, &file).unwrap();
    let mut daemon = place.serve(&["--principals", principals.to_str().unwrap()]);
    let account = path(ACCOUNTS[0]);
    assert_eq!(ask(&daemon.admin, &ops, "PUT", &account, &draining("number \"7\" under review")), 200);
    assert_eq!(daemon.log("standing set")["principal"], "ops");
    assert_eq!(ask(&daemon.admin, &ops, "PUT", &account, &draining("again")), 200);
    assert_eq!(ask(&daemon.admin, &ops, "DELETE", &account, ""), 204);
    assert_eq!(daemon.log("standing removed")["principal"], "ops");
    // These change nothing, and have no record.
    assert_eq!(ask(&daemon.admin, &ops, "DELETE", &account, ""), 204);
    assert_eq!(ask(&daemon.admin, &ops, "PUT", "/v1/standings/447400123456/one", &draining("x")), 404);
    assert_eq!(ask(&daemon.admin, &ops, "PUT", &path("447400123456"), &draining("x")), 404);
    assert_eq!(ask(&daemon.admin, &ops, "PUT", &account, "{}"), 400);
    assert_eq!(ask(&daemon.admin, &reader, "PUT", &account, &draining("x")), 403);
    assert_eq!(ask(&daemon.data, &wrong, "GET", "/v1/select?phone=447400123456", ""), 401);
    let mut page = HttpClient::connect(&daemon.admin);
    page.send("GET /livez HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n");
    assert_eq!(page.answer().status, 403);
    let replaced = file.replace("name = \"reader\"", "name = \"other\"");
    fs::write(&principals, &replaced).unwrap();
    place.wait_for("principals_replaced");
    fs::write(place.registry.path().join("acme/company.toml"), "broken").unwrap();
    place.wait_for("snapshot_rejected");
    wait_until("denied requests are recorded", || place.of("request_denied").len() == 3);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(0));

    let records = place.records();
    assert_eq!(verify(&place.files()).unwrap().end.seq, records.len() as u64);
    for record in &records {
        let names: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
        let known = MEMBERS.iter().filter(|member| names.contains(member)).copied();
        assert_eq!(names, known.collect::<Vec<_>>(), "{record}");
        assert!(record["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }
    let mut changes = records.clone();
    let time = |record: &Value| record["event"].as_str().unwrap().to_owned();
    let events: Vec<String> = records.iter().map(time).filter(|event| event != "request_denied").collect();
    assert_eq!(
        events[..5],
        ["start", "snapshot_published", "standing_set", "standing_set", "standing_cleared"]
    );
    assert_eq!(events[events.len() - 1], "stop");
    assert_eq!(events.len(), 8, "{events:?}");
    changes.retain(|record| record["event"].as_str().unwrap().starts_with("standing"));
    let first = json!({"standing": "draining", "reason": "number \"7\" under review"});
    let again = json!({"standing": "draining", "reason": "again"});
    let expected = [
        (Value::Null, first.clone(), json!("number \"7\" under review")),
        (first, again.clone(), json!("again")),
        (again, Value::Null, Value::Null),
    ];
    let published = place.wait_for("snapshot_published");
    for (record, (before, after, reason)) in changes.iter().zip(expected) {
        assert_eq!((&record["before"], &record["after"], &record["reason"]), (&before, &after, &reason));
        assert_eq!((&record["company"], &record["account"]), (&json!("acme"), &json!(ACCOUNTS[0])));
        assert_eq!((&record["principal"], &record["generation"]), (&json!("ops"), &published["generation"]));
        assert!(record["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{record}");
    }
    let digest = published["digest"].as_str().unwrap();
    assert!(digest.len() == 64 && place.wait_for("stop")["digest"] == digest);
    let rejected = place.wait_for("snapshot_rejected");
    assert!(rejected["reason"].as_str().unwrap().starts_with("registry: "), "{rejected}");
    fs::write(place.path("replaced"), replaced).unwrap();
    let sum = Command::new("sha256sum").arg(place.path("replaced")).output().unwrap();
    let sum = stdout(&sum)[..64].to_owned();
    assert_eq!(place.wait_for("principals_replaced")["digest"], sum);
    let denied: BTreeSet<String> = place.of("request_denied").iter().map(denial).collect();
    let expected = [
        "null null other_origin 1",
        "\"reader\" \"standings\" no_permission 1",
        "null \"select\" unknown_credential 1",
    ];
    assert_eq!(denied, expected.map(str::to_owned).into());
    let text = fs::read_to_string(place.log()).unwrap();
    for secret in [ops.as_str(), &ops.sha256(), wrong.as_str(), &wrong.sha256(), "447400123456"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

/// Returns the members of a record of denied requests that differ between requests.
fn denial(record: &Value) -> String {
    let Value::String(reason) = &record["reason"] else { panic!("{record}") };
    format!("{} {} {reason} {}", record["principal"], record["permission"], record["count"])
}

#[test]
fn many_denied_requests_share_a_record_and_none_is_lost() {
    let place = Place::new();
    let mut daemon = place.serve(&["--access-log", "0"]);
    let started = Instant::now();
    let mut client = HttpClient::connect(&daemon.admin);
    for _ in 0..400 {
        client.send("GET /status HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        assert_eq!(client.answer().status, 403);
    }
    let took = started.elapsed();
    // The stop writes what no record has yet.
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(0));
    let denied = place.of("request_denied");
    let count: u64 = denied.iter().map(|record| record["count"].as_u64().unwrap()).sum();
    assert_eq!(count, 400);
    assert!(denied.len() as u64 <= took.as_secs() + 3, "{} records in {took:?}", denied.len());
    assert!(denied.iter().all(|record| record["reason"] == "unknown_host"), "{denied:?}");
    assert_eq!(place.records().last().unwrap()["event"], "stop");
    assert_eq!(verify(&place.files()).unwrap().first, 1);
}

#[test]
fn chain_holds_every_answered_change_over_kills() {
    kill_during_changes(20);
}

#[test]
#[ignore = "long: 200 kills"]
fn chain_holds_every_answered_change_over_kills_long() {
    kill_during_changes(200);
}

/// Kills daemons that change standings. The files are so small that many a kill meets a rotation.
fn kill_during_changes(kills: u64) {
    let place = Place::new();
    let answered: Mutex<BTreeSet<String>> = Mutex::default();
    let (changes, mut torn) = (AtomicU64::new(0), 0);
    for kill in 0..kills {
        let mut daemon = place.serve(&["--audit-max-bytes", "8KiB", "--audit-keep", "0"]);
        let admin = &daemon.admin.clone();
        std::thread::scope(|scope| {
            for account in ACCOUNTS {
                let (answered, changes) = (&answered, &changes);
                scope.spawn(move || {
                    for round in 0.. {
                        let reason = format!("{account} {kill} {round}");
                        match request(admin, "PUT", &path(account), &draining(&reason)) {
                            Ok((200, _)) => drop(answered.lock().unwrap().insert(reason)),
                            Ok(other) => panic!("{other:?}"),
                            Err(_) => return,
                        }
                        changes.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            let until = changes.load(Ordering::SeqCst) + 10 + kill * 37 % 41;
            wait_until("changes are answered", || changes.load(Ordering::SeqCst) >= until);
            daemon.kill();
        });
        let chain = verify(&place.files()).unwrap_or_else(|error| panic!("after kill {kill}: {error}"));
        assert_eq!(chain.first, 1);
        torn += u64::from(chain.torn > 0);
        let records = place.records();
        let recorded: BTreeSet<&str> =
            records.iter().filter_map(|record| record["reason"].as_str()).collect();
        let answered = answered.lock().unwrap();
        let lost: Vec<&String> =
            answered.iter().filter(|reason| !recorded.contains(reason.as_str())).collect();
        assert!(lost.is_empty(), "after kill {kill}: {lost:?}");
    }
    let files = place.files().len();
    println!(
        "{kills} kills, {} changes answered, {files} files, {torn} torn: none lost",
        changes.into_inner()
    );
    assert!(files as u64 > kills / 10);
}

#[test]
fn chain_goes_on_from_process_to_process() {
    let place = Place::new();
    let mut first = place.serve(&[]);
    assert_eq!(first.admin("PUT", &path(ACCOUNTS[0]), &draining("by the first")).0, 200);
    let second = place.serve(&[]);
    let (status, problem) = second.admin("PUT", &path(ACCOUNTS[0]), &draining("refused"));
    assert!(status == 503 && problem.contains("\"code\":\"overloaded\""), "{status} {problem}");
    assert_eq!(
        (&second.status()["audit"]["seq"], second.metric("switchboard_audit_writable")),
        (&Value::Null, 1.0)
    );
    // Happens before the second process may write, and is recorded when it may.
    let mut page = HttpClient::connect(&second.admin);
    page.send("GET /status HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_eq!(page.answer().status, 403);
    assert_eq!(place.of("start").len(), 1);
    first.signal(Signal::TERM);
    assert_eq!(first.wait().code(), Some(0));
    second.log("audit log opened");
    wait_until("the second process takes over", || {
        second.admin("PUT", &path(ACCOUNTS[0]), &draining("by the second")).0 == 200
    });
    let events: Vec<Value> = place.records().into_iter().map(|record| record["event"].clone()).collect();
    assert_eq!(
        events,
        [
            "start",
            "snapshot_published",
            "standing_set",
            "stop",
            "start",
            "snapshot_published",
            "request_denied",
            "standing_set"
        ]
    );
    let audit = second.status()["audit"].clone();
    assert_eq!(second.metric("switchboard_audit_records_total"), 4.0);
    let chain = verify(&[place.log()]).unwrap();
    assert_eq!((&audit["seq"], &audit["hash"]), (&json!(chain.end.seq), &json!(chain.end.hash)));
    drop(second);
    let _third = place.serve(&[]);
    wait_until("the third process writes", || verify(&[place.log()]).unwrap().end.seq == 10);
}

#[test]
fn log_that_cannot_be_written_refuses_changes_and_nothing_else() {
    let place = Place::new();
    fs::create_dir_all(place.log()).unwrap();
    let daemon = place.serve(&[]);
    let (status, problem) = daemon.admin("PUT", &path(ACCOUNTS[0]), &draining("refused"));
    assert_eq!(status, 500, "{problem}");
    let problem: Value = serde_json::from_str(&problem).unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("The audit log cannot be written, so nothing was changed: "), "{detail}");
    assert!(
        detail.contains("audit.ndjson: ") && detail.ends_with("then send the request again."),
        "{detail}"
    );
    assert_eq!(daemon.admin("GET", &path(ACCOUNTS[0]), "").0, 404);
    assert_eq!(daemon.metric("switchboard_audit_writable"), 0.0);
    let audit = &daemon.status()["audit"];
    assert!(
        audit["writable"] == false && audit["error"].as_str().unwrap().contains("audit.ndjson"),
        "{audit}"
    );
    assert!(daemon.select("channel=whatsapp&ou=emea&country=DE")["account"].is_string());

    // The daemon tries again by itself.
    fs::remove_dir(place.log()).unwrap();
    wait_until("the log is written", || daemon.metric("switchboard_audit_writable") == 1.0);
    assert_eq!(daemon.status()["audit"]["error"], Value::Null);
    assert_eq!(daemon.admin("PUT", &path(ACCOUNTS[0]), &draining("made")).0, 200);
    let events: Vec<Value> = place.records().into_iter().map(|record| record["event"].clone()).collect();
    assert_eq!(events, ["start", "snapshot_published", "standing_failed", "standing_set"]);
    let failed = &place.records()[2];
    assert!(failed["reason"].as_str().unwrap().contains("audit.ndjson: "), "{failed}");
    assert_eq!(failed["after"]["reason"], "refused");
    verify(&[place.log()]).unwrap();
}

/// A limit on the size of files simulates a full disk: a write fails halfway.
#[test]
fn full_disk_leaves_a_chain_that_goes_on_when_it_has_room() {
    let place = Place::new();
    let arguments = place.arguments(&[]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut daemon = DaemonProcess::start_under("ulimit -S -f 8", &arguments);
    let mut answered = 0;
    let refused = (0..100).find_map(|round| {
        let (status, problem) = daemon.admin("PUT", &path(ACCOUNTS[round % 4]), &draining(&"x".repeat(300)));
        answered += u64::from(status == 200);
        (status != 200).then_some((status, problem))
    });
    let (status, problem) = refused.unwrap();
    assert!(status == 500 && problem.contains("The audit log cannot be written"), "{status} {problem}");
    assert_eq!(daemon.metric("switchboard_audit_writable"), 0.0);
    let pid = daemon.pid().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status().unwrap().success());
    assert_eq!(daemon.admin("PUT", &path(ACCOUNTS[0]), &draining("room")).0, 200);
    assert_eq!(daemon.metric("switchboard_audit_writable"), 1.0);
    daemon.kill();
    assert_eq!(place.of("standing_set").len() as u64, answered + 1);
    let chain = verify(&[place.log()]).unwrap();
    assert_eq!((chain.first, chain.torn), (1, 0));
}

#[test]
fn change_that_the_journal_refuses_has_a_second_record() {
    let place = Place::new();
    fs::create_dir_all(place.path("state")).unwrap();
    let journal = place.path("journal");
    let arguments = place.arguments(&["--standings", journal.to_str().unwrap()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let daemon = DaemonProcess::start(&arguments);
    assert_eq!(daemon.admin("PUT", &path(ACCOUNTS[0]), &draining("made")).0, 200);
    // The journal cannot be put back in place.
    fs::remove_file(&journal).unwrap();
    fs::create_dir(&journal).unwrap();
    let (status, problem) = daemon.admin("PUT", &path(ACCOUNTS[1]), &draining("failed"));
    assert!(status == 500 && problem.contains("The journal cannot be written"), "{status} {problem}");
    let failed = place.wait_for("standing_failed");
    assert_eq!((&failed["account"], &failed["after"]["reason"]), (&json!(ACCOUNTS[1]), &json!("failed")));
    let events: Vec<Value> = place.records().into_iter().map(|record| record["event"].clone()).collect();
    assert_eq!(events[2..], ["standing_set", "standing_set", "standing_failed"]);
}

#[test]
fn certificate_that_is_replaced_has_a_record() {
    let place = Place::new();
    let certificates = Certificates::new();
    let options = certificates.options();
    let client_ca =
        certificates.write("clients.pem", &fs::read_to_string(certificates.path("ca.pem")).unwrap());
    let daemon = place.serve(
        &options
            .iter()
            .map(String::as_str)
            .chain(["--poll-interval", "50ms", "--admin-tls", "off", "--tls-client-ca", &client_ca])
            .collect::<Vec<_>>(),
    );
    certificates.install(&certificates.server());
    daemon.log("certificate replaced");
    let sum = Command::new("sha256sum").arg(certificates.path("server.pem")).output().unwrap();
    assert_eq!(place.wait_for("certificate_replaced")["digest"], stdout(&sum)[..64].to_owned());
    // The client CA alone: its own digest.
    let other = Certificates::new();
    certificates.write("clients.pem", &fs::read_to_string(other.path("ca.pem")).unwrap());
    daemon.log("certificate replaced");
    let sum = Command::new("sha256sum").arg(&client_ca).output().unwrap();
    let digest = stdout(&sum)[..64].to_owned();
    wait_until("the record of the client CA", || {
        let log = fs::read_to_string(place.log()).unwrap();
        log.lines().any(|line| line.contains(&digest) && line.contains("client CA"))
    });
    assert_eq!(fs::read_to_string(place.log()).unwrap().matches("certificate_replaced").count(), 2);
}

#[test]
fn keys_that_are_replaced_have_a_record() {
    let place = Place::new();
    let keys = place.path("keys.toml");
    let section = |name: &str| {
        let made = switchboard(&["keygen", "-o", place.path(name).to_str().unwrap()]);
        assert!(made.status.success(), "{}", stderr(&made));
        fs::read_to_string(place.path(&format!("{name}.pub"))).unwrap()
    };
    fs::write(&keys, section("first")).unwrap();
    let _daemon = place.serve(&[
        "--trusted-keys",
        keys.to_str().unwrap(),
        "--watch",
        "poll",
        "--poll-interval",
        "50ms",
    ]);
    let other = section("other");
    fs::write(place.path("new"), &other).unwrap();
    fs::rename(place.path("new"), &keys).unwrap();
    let sum = Command::new("sha256sum").arg(&keys).output().unwrap();
    assert_eq!(place.wait_for("keys_replaced")["digest"], stdout(&sum)[..64].to_owned());
    assert!(!fs::read_to_string(place.log()).unwrap().contains(other.lines().last().unwrap()));
}

#[test]
fn without_a_state_directory_there_is_no_audit_log() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let principals = folder.path().join("principals.toml");
    fs::write(
        &principals,
        "[[principal]]\nname = \"anonymous\"\ncompanies = [\"*\"]\nallow = [\"read\", \"metrics\"]\n",
    )
    .unwrap();
    let registry = ["--registry", registry.path().to_str().unwrap()];
    let daemon =
        DaemonProcess::start(&[&registry[..], &["--principals", principals.to_str().unwrap()]].concat());
    daemon.logged_at_start("there are principals and no audit log");
    assert_eq!(daemon.status().get("audit"), None);
    assert!(!daemon.admin("GET", "/metrics", "").1.contains("switchboard_audit"));
}

#[test]
fn verify_names_the_record_that_breaks_the_chain() {
    let place = Place::new();
    let mut daemon = place.serve(&["--audit-max-bytes", "1KiB"]);
    for account in ACCOUNTS {
        assert_eq!(daemon.admin("PUT", &path(account), &draining("x")).0, 200);
    }
    daemon.signal(Signal::TERM);
    daemon.wait();
    let files = place.files();
    assert!(files.len() > 2);
    let run = |files: &[PathBuf], format: &str| {
        let files = files.iter().map(|file| file.to_str().unwrap());
        switchboard(&["audit", "verify", "--format", format].into_iter().chain(files).collect::<Vec<_>>())
    };
    let sound = run(&files, "text");
    let text = stdout(&sound);
    assert!(sound.status.success() && text.starts_with("7 records verified: 1 to 7\n"), "{text}");
    let last = &place.records()[6];
    assert!(text.contains(&format!("hash of record 7: {}\n", last["hash"].as_str().unwrap())), "{text}");
    let json: Value = serde_json::from_str(&stdout(&run(&files, "json"))).unwrap();
    assert_eq!(json, json!({"verified": true, "first": 1, "last": 7, "hash": last["hash"], "torn_bytes": 0}));
    let newest = run(&[place.log()], "text");
    let text = stdout(&newest);
    assert!(newest.status.success() && text.contains("the chain begins at record "), "{text}");

    let sound = fs::read(place.log()).unwrap();
    let mut changed = sound.clone();
    changed[40] ^= 1;
    fs::write(place.log(), &changed).unwrap();
    let failed = run(&files, "text");
    let (text, log) = (stderr(&failed), place.log().display().to_string());
    assert_eq!(failed.status.code(), Some(1));
    assert!(text.contains(&format!("{log}:1: record ")) && text.contains("hash is not that of"), "{text}");
    let failed = run(&files, "json");
    let json: Value = serde_json::from_str(&stdout(&failed)).unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!((&json["verified"], &json["file"], &json["line"]), (&json!(false), &json!(log), &json!(1)));

    fs::write(place.log(), &sound[..sound.len() - 9]).unwrap();
    assert!(stdout(&run(&files, "text")).contains("bytes are the beginning of a record"));
    fs::write(place.log(), "").unwrap();
    assert_eq!(run(&[place.log()], "text").status.code(), Some(1));
    for unreadable in [Path::new("/no/such/file"), place.folder.path(), Path::new("/dev/null")] {
        let failed = run(&[unreadable.to_owned()], "text");
        assert_eq!(failed.status.code(), Some(3), "{}", unreadable.display());
        assert!(stderr(&failed).contains(unreadable.to_str().unwrap()), "{}", stderr(&failed));
    }
    assert_eq!(switchboard(&["audit", "verify"]).status.code(), Some(2));
    assert_eq!(switchboard(&["audit"]).status.code(), Some(2));
}

/// Measures changes a second over many connections, with and without an audit log.
#[test]
#[ignore = "long: measures changes a second"]
fn changes_a_second_long() {
    let registry = acme();
    for (name, has_audit) in [("without", false), ("with", true), ("without", false), ("with", true)] {
        let folder = tempfile::tempdir().unwrap();
        let (state, journal) = (folder.path().join("state"), folder.path().join("journal"));
        let mut arguments = vec!["--registry", registry.path().to_str().unwrap()];
        arguments.extend([
            "--standings",
            journal.to_str().unwrap(),
            "--log-level",
            "warn,switchboard::app=info",
        ]);
        if has_audit {
            arguments.extend(["--state", state.to_str().unwrap()]);
        }
        let daemon = DaemonProcess::start(&arguments);
        let count = AtomicU64::new(0);
        let end = Instant::now() + Duration::from_secs(5);
        std::thread::scope(|scope| {
            for writer in 0..32 {
                let (admin, count) = (&daemon.admin, &count);
                scope.spawn(move || {
                    let mut client = HttpClient::connect(admin);
                    let (target, body) = (path(ACCOUNTS[writer % 4]), draining("measured"));
                    while Instant::now() < end {
                        client.send(format!(
                            "PUT {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
                            body.len()
                        ));
                        assert_eq!(client.answer().status, 200);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        println!("{name} an audit log: {} changes a second", count.into_inner() / 5);
    }
}
