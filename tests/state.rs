//! The state directory: what a restart finds, and the two digests of a snapshot.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::expected::acme;
use crate::harness::{DaemonProcess, HttpClient, wait_until};

const GERMAN: &str = "channel=whatsapp&ou=emea&country=DE";
const STANDING: &str = "/v1/standings/acme/wa-emea-gb-1";

/// A registry and a state directory that does not exist yet.
struct Place {
    registry: TempDir,
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let registry = acme();
        // The tests rename an account that the expected selections name.
        fs::remove_file(registry.path().join("acme/tests.toml")).unwrap();
        Place { registry, folder: tempfile::tempdir().unwrap() }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state().join(name)
    }

    fn serve(&self, source: &[&str]) -> DaemonProcess {
        DaemonProcess::start(&[source, &["--state", self.state().to_str().unwrap()]].concat())
    }

    fn serve_registry(&self) -> DaemonProcess {
        self.serve(&["--registry", self.registry.path().to_str().unwrap()])
    }

    /// Compiles the registry to a file with this generation.
    fn compile(&self, generation: u64, accounts: &str) -> PathBuf {
        fs::write(self.registry.path().join("acme/accounts.csv"), accounts).unwrap();
        let file = self.folder.path().join(format!("{generation}.swb"));
        let output = Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .arg("compile")
            .arg(self.registry.path())
            .arg("-o")
            .arg(&file)
            .args(["--generation", &generation.to_string()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        file
    }

    fn accounts(&self) -> String {
        fs::read_to_string(self.registry.path().join("acme/accounts.csv")).unwrap()
    }
}

fn generation(daemon: &DaemonProcess) -> u64 {
    daemon.status()["snapshot"]["generation"].as_u64().unwrap()
}

/// Waits until the snapshot in service is kept.
fn wait_until_kept(place: &Place, daemon: &DaemonProcess) {
    let floor = format!("{}\n", generation(daemon));
    wait_until("the floor is written", || {
        fs::read_to_string(place.file("floor")).is_ok_and(|text| text == floor)
    });
    let current = daemon.status()["snapshot"]["digest"].as_str().unwrap().to_owned();
    wait_until("the snapshot is kept", || sha256(&place.file("current.swb")) == current);
}

fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn restart_without_a_source_serves_the_last_snapshot_until_the_source_returns() {
    let place = Place::new();
    let mut daemon = place.serve_registry();
    let answer = daemon.select(GERMAN);
    assert_eq!(daemon.status()["snapshot"]["from_state"], false);
    wait_until_kept(&place, &daemon);
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    let (registry, away) = (place.registry.path(), place.folder.path().join("away"));
    fs::rename(registry, &away).unwrap();

    let daemon = place.serve_registry();
    assert_eq!(daemon.select(GERMAN), answer, "the same account and generation");
    let status = daemon.status();
    assert_eq!(status["snapshot"]["from_state"], true);
    assert_eq!(status["last_reload"]["outcome"], "unreadable");
    let path = place.state();
    assert_eq!(status["state"], json!({"path": path, "writable": true, "lock": true, "error": null}));
    assert_eq!(daemon.admin("GET", "/readyz", "").0, 200);
    assert_eq!(daemon.metric("switchboard_snapshot_from_state"), 1.0);
    assert!(daemon.metric("switchboard_snapshot_content_hash") > 0.0);
    let warning = daemon.logged_at_start("serving the last snapshot from the state directory");
    assert_eq!((&warning["level"], &warning["file"]), (&json!("WARN"), &json!("current.swb")));
    assert!(warning["reason"].as_str().unwrap().contains("No such file"), "{warning}");
    daemon.logged_at_start("source unreadable; the snapshot in service stays");

    // The content is that of the snapshot in service, so its generation stays.
    fs::rename(&away, registry).unwrap();
    wait_until("the source is read", || daemon.metric("switchboard_snapshot_from_state") == 0.0);
    assert_eq!(daemon.status()["last_reload"]["outcome"], "unchanged");
    assert_eq!(daemon.select(GERMAN), answer);
    // A change is published.
    fs::write(registry.join("acme/accounts.csv"), place.accounts().replace("wa-emea-de-1", "wa-emea-de-9"))
        .unwrap();
    wait_until("the change is published", || daemon.select(GERMAN)["account"] == "wa-emea-de-9");
    assert!(generation(&daemon) > answer["generation"].as_u64().unwrap());
}

#[test]
fn restart_with_a_broken_registry_serves_the_last_snapshot_whole() {
    let place = Place::new();
    let mut daemon = place.serve_registry();
    let answer = daemon.select(GERMAN);
    wait_until_kept(&place, &daemon);
    daemon.kill();
    let accounts = place.registry.path().join("acme/accounts.csv");
    let sound = place.accounts();
    fs::write(&accounts, sound.replace("wa-emea-de-1,", "wa-emea-de-1,no-such-channel,")).unwrap();
    let daemon = place.serve_registry();
    assert_eq!(daemon.select(GERMAN), answer);
    wait_until("the source is rejected", || daemon.status()["last_reload"]["outcome"] == "rejected");
    assert_eq!(daemon.status()["snapshot"]["from_state"], true);
    fs::write(&accounts, sound).unwrap();
    wait_until("the source is read", || daemon.status()["snapshot"]["from_state"] == false);
}

/// The warnings of a compiled registry are found again from the snapshot. A number that is too short is one.
#[test]
fn warnings_of_a_snapshot_file_and_of_a_restored_snapshot_are_shown() {
    let place = Place::new();
    let file = place.compile(5, &place.accounts().replace("+447400123451,", "+44740012345,"));
    let warnings = |daemon: &DaemonProcess| daemon.status()["snapshot"]["warnings"].clone();
    let mut daemon = place.serve(&["--snapshot", file.to_str().unwrap()]);
    let of_file = warnings(&daemon);
    assert_eq!(of_file["count"], 1, "{of_file}");
    let first = of_file["first"][0].as_str().unwrap();
    assert!(first.contains("account[company=acme,id=sms-gb-1].address"), "{first}");
    wait_until_kept(&place, &daemon);
    daemon.kill();
    fs::remove_file(&file).unwrap();
    let mut daemon = place.serve(&["--snapshot", file.to_str().unwrap()]);
    assert_eq!((warnings(&daemon), generation(&daemon)), (of_file.clone(), 5));
    daemon.kill();
    // The registry has the same number of warnings, with their lines.
    let daemon = place.serve_registry();
    let of_registry = warnings(&daemon);
    assert_eq!(of_registry["count"], of_file["count"]);
    assert!(of_registry["first"][0].as_str().unwrap().contains("acme/accounts.csv:"), "{of_registry}");
}

#[test]
fn unchanged_registry_keeps_its_generation_over_restarts() {
    let place = Place::new();
    let mut daemon = place.serve_registry();
    let (first, digest) = (generation(&daemon), daemon.status()["snapshot"]["digest"].clone());
    wait_until_kept(&place, &daemon);
    daemon.kill();
    let mut daemon = place.serve_registry();
    assert_eq!((generation(&daemon), &daemon.status()["snapshot"]["digest"]), (first, &digest));
    assert_eq!(daemon.status()["snapshot"]["from_state"], false);
    daemon.kill();
    // Of a machine whose clock is ahead.
    fs::write(place.file("floor"), "9000000000000\n").unwrap();
    let changed = place.accounts().replace("wa-emea-de-1", "wa-emea-de-9");
    fs::write(place.registry.path().join("acme/accounts.csv"), changed).unwrap();
    let daemon = place.serve_registry();
    assert_eq!(generation(&daemon), 9_000_000_000_001);
}

#[test]
fn older_snapshot_is_rejected_after_a_restart_until_the_floor_is_removed() {
    let place = Place::new();
    let sound = place.accounts();
    let old = place.compile(5, &sound);
    let new = place.compile(10, &sound.replace("wa-emea-de-1", "wa-emea-de-9"));
    let source = place.folder.path().join("served.swb");
    fs::copy(&new, &source).unwrap();
    let serve = || place.serve(&["--snapshot", source.to_str().unwrap()]);
    let mut daemon = serve();
    wait_until_kept(&place, &daemon);
    daemon.kill();
    fs::copy(&old, &source).unwrap();

    let mut daemon = serve();
    assert_eq!(generation(&daemon), 10, "from the state directory");
    let status = daemon.status();
    assert_eq!(status["snapshot"]["from_state"], true);
    let error = status["last_reload"]["error"].as_str().unwrap();
    for part in [
        "generation 5 is older than generation 10",
        "compile OLD.swb -o FILE",
        "--generation",
        "stop the daemon and remove",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(error.contains(place.file("floor").to_str().unwrap()), "{error}");
    assert_eq!(daemon.metric("switchboard_snapshot_rejections_total{stage=\"generation\"}"), 1.0);
    daemon.kill();

    fs::remove_file(place.file("floor")).unwrap();
    let mut daemon = serve();
    assert_eq!((generation(&daemon), &daemon.status()["snapshot"]["from_state"]), (5, &json!(false)));
    wait_until_kept(&place, &daemon);
    daemon.kill();
    assert_eq!(sha256(&place.file("previous.swb")), sha256(&new));

    // A floor that cannot be read is that of the kept snapshot.
    fs::write(place.file("floor"), "five").unwrap();
    let older = place.compile(4, &sound);
    fs::copy(&older, &source).unwrap();
    let daemon = serve();
    assert_eq!(generation(&daemon), 5);
    daemon.logged_at_start("cannot read the floor");
}

#[test]
fn damaged_current_snapshot_is_replaced_by_the_previous_one() {
    let place = Place::new();
    let sound = place.accounts();
    let files = [place.compile(5, &sound), place.compile(6, &sound.replace("wa-emea-de-1", "wa-emea-de-9"))];
    let source = place.folder.path().join("served.swb");
    for file in &files {
        fs::copy(file, &source).unwrap();
        let mut daemon = place.serve(&["--snapshot", source.to_str().unwrap()]);
        wait_until_kept(&place, &daemon);
        daemon.kill();
    }
    let mut bytes = fs::read(place.file("current.swb")).unwrap();
    bytes[500] ^= 1;
    fs::write(place.file("current.swb"), &bytes).unwrap();
    fs::remove_file(&source).unwrap();
    let mut daemon = place.serve(&["--snapshot", source.to_str().unwrap()]);
    assert_eq!(generation(&daemon), 5);
    assert_eq!(daemon.logged_at_start("serving the last snapshot")["file"], "previous.swb");
    // The next snapshot does not replace the intact file by the damaged one.
    let newest = place.compile(7, &sound);
    fs::rename(&newest, &source).unwrap();
    wait_until("the snapshot is published", || generation(&daemon) == 7);
    wait_until_kept(&place, &daemon);
    assert_eq!(sha256(&place.file("previous.swb")), sha256(&files[0]));
    daemon.kill();

    // Without any kept snapshot, the daemon waits as before, and exits if one is required.
    fs::write(place.file("current.swb"), &bytes).unwrap();
    fs::write(place.file("previous.swb"), b"no snapshot").unwrap();
    fs::remove_file(&source).unwrap();
    let daemon = place.serve(&["--snapshot", source.to_str().unwrap()]);
    assert_eq!(daemon.admin("GET", "/readyz", "").0, 503);
    let problem = daemon.logged_at_start("the state directory has no snapshot to serve either");
    assert!(problem["reason"].as_str().unwrap().contains("served.swb: No such file"), "{problem}");
    assert!(problem["problem"].as_str().unwrap().contains("current.swb: the checksum does not match"));
    drop(daemon);
    let required = Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--require-snapshot"])
        .args(["--snapshot", source.to_str().unwrap(), "--state", place.state().to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(required.status.code(), Some(3), "{required:?}");
}

#[test]
fn required_snapshot_may_come_from_the_state_directory() {
    let place = Place::new();
    let mut daemon = place.serve_registry();
    wait_until_kept(&place, &daemon);
    daemon.kill();
    let daemon = place.serve(&["--registry", "/no/such/registry", "--require-snapshot"]);
    assert_eq!(daemon.status()["snapshot"]["from_state"], true);
}

/// Every source is read after a quiet period of 50 ms at the earliest, so that 1 ms is always too short.
#[test]
fn source_that_does_not_answer_in_time_is_served_when_it_does() {
    let place = Place::new();
    let mut daemon = place.serve_registry();
    let answer = daemon.select(GERMAN);
    wait_until_kept(&place, &daemon);
    daemon.kill();
    let changed = place.accounts().replace("wa-emea-de-1", "wa-emea-de-9");
    fs::write(place.registry.path().join("acme/accounts.csv"), changed).unwrap();
    let registry = place.registry.path().to_str().unwrap();
    let daemon = place.serve(&["--registry", registry, "--start-timeout", "1ms"]);
    let warning = daemon.logged_at_start("serving the last snapshot from the state directory");
    assert_eq!(warning["generation"], answer["generation"]);
    assert!(warning["reason"].as_str().unwrap().contains("has not answered within 1ms"), "{warning}");
    wait_until("the source is served", || daemon.select(GERMAN)["account"] == "wa-emea-de-9");
    wait_until("the gauge is reset", || daemon.metric("switchboard_snapshot_from_state") == 0.0);
}

#[test]
fn directory_that_cannot_be_written_refuses_and_delays_no_snapshot() {
    let place = Place::new();
    // A file where the folder should be stops every user, also root.
    fs::write(place.state(), "").unwrap();
    let daemon = place.serve_registry();
    assert_eq!(daemon.select(GERMAN)["account"], "wa-emea-de-1");
    let state = &daemon.status()["state"];
    assert_eq!((&state["writable"], &state["lock"]), (&json!(false), &json!(false)));
    assert!(state["error"].as_str().unwrap().contains(place.state().to_str().unwrap()), "{state}");
    assert_eq!(daemon.metric("switchboard_state_writable"), 0.0);
    daemon.logged_at_start("cannot write the state directory");
    let put = daemon.admin("PUT", STANDING, r#"{"standing":"draining","reason":"x"}"#);
    assert_eq!(put.0, 500, "{}", put.1);
    let changed = place.accounts().replace("wa-emea-de-1", "wa-emea-de-9");
    fs::write(place.registry.path().join("acme/accounts.csv"), changed).unwrap();
    wait_until("the change is published", || daemon.select(GERMAN)["account"] == "wa-emea-de-9");

    // After the repair, the directory is used without a restart.
    fs::remove_file(place.state()).unwrap();
    wait_until("the directory is used", || daemon.metric("switchboard_state_writable") == 1.0);
    wait_until_kept(&place, &daemon);
    wait_until("standings can be changed", || {
        daemon.admin("PUT", STANDING, r#"{"standing":"draining","reason":"x"}"#).0 == 200
    });
}

#[test]
fn failed_write_is_reported_and_repeated() {
    let place = Place::new();
    fs::create_dir_all(place.file("current.swb")).unwrap();
    let daemon = place.serve_registry();
    wait_until("the failure is reported", || daemon.metric("switchboard_state_writable") == 0.0);
    let error = daemon.status()["state"]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("current.swb"), "{error}");
    fs::remove_dir(place.file("current.swb")).unwrap();
    wait_until("the write is repeated", || daemon.metric("switchboard_state_writable") == 1.0);
    wait_until_kept(&place, &daemon);
}

#[test]
fn demo_is_never_kept() {
    let place = Place::new();
    fs::create_dir(place.state()).unwrap();
    fs::write(place.file("floor"), "9000000000000\n").unwrap();
    let mut daemon = place.serve(&[]);
    assert_eq!((generation(&daemon), &daemon.status()["state"]["lock"]), (1, &json!(true)));
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    assert!(!place.file("current.swb").exists());
    assert_eq!(fs::read_to_string(place.file("floor")).unwrap(), "9000000000000\n");
}

#[test]
fn second_process_reads_and_takes_over_when_the_first_drains() {
    let place = Place::new();
    let mut first = place.serve_registry();
    let body = json!({"standing": "suspended", "reason": "x"});
    assert_eq!(first.admin("PUT", STANDING, &body.to_string()).0, 200);
    assert!(place.file("standings.journal").exists());
    wait_until_kept(&place, &first);

    let second = place.serve_registry();
    assert_eq!(
        second.status()["state"],
        json!({"path": place.state(), "writable": true, "lock": false, "error": null})
    );
    assert_eq!(generation(&second), generation(&first), "the same content");
    assert_eq!(second.admin("GET", STANDING, "").0, 200, "it follows the journal");
    let mut client = HttpClient::connect(&second.admin);
    client.send(format!("DELETE {STANDING} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    let refused = client.answer();
    refused.refuses(503, "overloaded");
    assert!(refused.header("retry-after").is_some());
    // What it publishes meanwhile, it does not write.
    let before = fs::read(place.file("current.swb")).unwrap();
    first.signal(Signal::STOP);
    let changed = place.accounts().replace("wa-emea-de-1", "wa-emea-de-9");
    fs::write(place.registry.path().join("acme/accounts.csv"), changed).unwrap();
    wait_until("the change is published", || second.select(GERMAN)["account"] == "wa-emea-de-9");
    assert_eq!(fs::read(place.file("current.swb")).unwrap(), before);
    first.kill();
    wait_until("the lock is taken over", || second.status()["state"]["lock"] == true);
    wait_until_kept(&place, &second);
    wait_until("standings can be changed", || second.admin("DELETE", STANDING, "").0 == 204);
}

#[test]
fn equal_registries_have_equal_contents_and_their_own_digests() {
    let place = Place::new();
    let daemons =
        [0, 1].map(|_| DaemonProcess::start(&["--registry", place.registry.path().to_str().unwrap()]));
    let snapshots = daemons.each_ref().map(|daemon| daemon.status()["snapshot"].clone());
    assert_ne!(snapshots[0]["generation"], snapshots[1]["generation"]);
    assert_ne!(snapshots[0]["digest"], snapshots[1]["digest"]);
    assert_eq!(snapshots[0]["content"], snapshots[1]["content"]);
    let content = snapshots[0]["content"].as_str().unwrap();
    let hash = u64::from_str_radix(&content[..12], 16).unwrap();
    for daemon in &daemons {
        assert_eq!(daemon.metric("switchboard_snapshot_content_hash"), hash as f64);
        assert_eq!(daemon.logged_at_start("snapshot published")["content"], content);
    }
    // A file has the same content, and the digest that other programs compute.
    let file = place.compile(7, &place.accounts());
    let inspect = |format: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .arg("inspect")
            .arg(&file)
            .args(["--format", format])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let inspected: Value = serde_json::from_str(&inspect("json")).unwrap();
    assert_eq!((&inspected["digest"], &inspected["content"]), (&json!(sha256(&file)), &json!(content)));
    let text = inspect("text");
    assert!(text.contains(&format!("digest          {}\n", sha256(&file))), "{text}");
    assert!(text.contains(&format!("content         {content}\n")), "{text}");
}
