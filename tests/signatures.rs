//! Signed snapshots: the commands that make keys and signatures, and a daemon that requires signatures.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{stderr, stdout, switchboard};
use crate::expected::{acme, edit};
use crate::harness::{DaemonProcess, get, wait_until};

const GERMAN: &str = "channel=whatsapp&ou=emea&country=DE";
const REJECTED: &str = "switchboard_snapshot_rejections_total{stage=\"signature\"}";
const KEYS_REJECTED: &str = "switchboard_trusted_keys_reloads_total{outcome=\"rejected\"}";
const KEYS_REPLACED: &str = "switchboard_trusted_keys_reloads_total{outcome=\"replaced\"}";

/// A folder with keys, a registry, and the snapshot file `served.swb` that a daemon watches.
struct Place {
    folder: TempDir,
    registry: TempDir,
}

impl Place {
    /// Makes the keys `a`, `b` and `c`.
    fn new() -> Place {
        let registry = acme();
        fs::remove_file(registry.path().join("acme/tests.toml")).unwrap();
        let place = Place { folder: tempfile::tempdir().unwrap(), registry };
        for name in ["a", "b", "c"] {
            run(&["keygen", "-o", &place.path(name)]);
        }
        place
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    /// Compiles `next.swb` with this generation, and signs it with these keys.
    fn compile(&self, generation: u64, keys: &[&str]) {
        let _ = fs::remove_file(self.file("next.swb.release"));
        let registry = self.registry.path().to_str().unwrap();
        run(&["compile", registry, "-o", &self.path("next.swb"), "--generation", &generation.to_string()]);
        for key in keys {
            run(&["sign", &self.path("next.swb"), "--key", &self.path(&format!("{key}.key"))]);
        }
    }

    /// Moves a file of `next.swb` to the place that the daemon watches.
    fn publish(&self, suffix: &str) {
        fs::rename(self.file(&format!("next.swb{suffix}")), self.file(&format!("served.swb{suffix}")))
            .unwrap();
    }

    /// Compiles, signs and publishes a snapshot, the signed manifest first.
    fn release(&self, generation: u64, keys: &[&str]) {
        self.compile(generation, keys);
        if keys.is_empty() {
            let _ = fs::remove_file(self.file("served.swb.release"));
        } else {
            self.publish(".release");
        }
        self.publish("");
    }

    /// Writes the file of the trusted keys: the .pub files of these keys, below a threshold.
    fn trust(&self, threshold: usize, keys: &[&str]) {
        let mut text = format!("threshold = {threshold}\n");
        for key in keys {
            text += &fs::read_to_string(self.file(&format!("{key}.pub"))).unwrap();
        }
        fs::write(self.file("new.toml"), text).unwrap();
        fs::rename(self.file("new.toml"), self.file("keys.toml")).unwrap();
    }

    fn serve(&self, more: &[&str]) -> DaemonProcess {
        let (snapshot, keys) = (self.path("served.swb"), self.path("keys.toml"));
        DaemonProcess::start(&[&["--snapshot", &snapshot, "--trusted-keys", &keys], more].concat())
    }

    /// Changes an address, so that the next snapshot has other content.
    fn change(&self, from: &str, to: &str) {
        edit(self.registry.path(), "acme/accounts.csv", from, to);
    }
}

fn run(arguments: &[&str]) -> Output {
    let output = switchboard(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output
}

fn generation(daemon: &DaemonProcess) -> u64 {
    daemon.status()["snapshot"]["generation"].as_u64().unwrap_or(0)
}

/// Returns the payload of a signed manifest, and its bytes.
fn payload(envelope: &[u8]) -> (Value, Vec<u8>) {
    let envelope: Value = serde_json::from_slice(envelope).unwrap();
    let bytes = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    (serde_json::from_slice(&bytes).unwrap(), bytes)
}

#[test]
fn keygen_writes_a_private_key_with_mode_0600_under_any_umask_and_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for umask in ["000", "022", "277", "777"] {
        let name = folder.path().join(format!("key-{umask}"));
        let (name, program) = (name.to_str().unwrap(), env!("CARGO_BIN_EXE_switchboard"));
        let script = format!("umask {umask}; exec {program} keygen -o {name}");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let key = format!("{name}.key");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o7777, 0o600, "umask {umask}");
        let text = stdout(&output);
        assert!(text.contains(&key) && text.contains(&format!("{name}.pub")), "{text}");
        assert!(!text.contains("PRIVATE KEY"));
    }
    let name = folder.path().join("key-022");
    let before = fs::read(name.with_extension("key")).unwrap();
    let public = fs::read_to_string(name.with_extension("pub")).unwrap();
    assert!(public.starts_with("[[key]]\nname = \"key-022\"\ned25519 = \""), "{public}");
    let again = switchboard(&["keygen", "-o", name.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(3));
    assert!(stderr(&again).contains("a key is never replaced"), "{again:?}");
    // A public key that is in the way leaves no private key behind.
    fs::remove_file(name.with_extension("key")).unwrap();
    assert_eq!(switchboard(&["keygen", "-o", name.to_str().unwrap()]).status.code(), Some(3));
    assert!(!name.with_extension("key").exists());
    assert_eq!(fs::read_to_string(name.with_extension("pub")).unwrap(), public);
    fs::write(name.with_extension("key"), before).unwrap();
    for (name, exit) in [("a b", 2), ("", 2), ("..", 2), ("missing/a", 3)] {
        let output = switchboard(&["keygen", "-o", folder.path().join(name).to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(exit), "{name:?}: {output:?}");
    }
}

#[test]
fn signed_manifest_describes_the_snapshot_and_gets_more_signatures() {
    let place = Place::new();
    place.compile(7, &["a"]);
    let (manifest, _) = payload(&place.read("next.swb.release"));
    let keys: Vec<&String> = manifest.as_object().unwrap().keys().collect();
    let expected =
        ["format", "generation", "created", "expires", "publisher", "comment", "counts", "variants"];
    assert_eq!(keys, expected);
    let inspect = |name: &str| -> Value {
        serde_json::from_slice(&run(&["inspect", &place.path(name), "--format", "json"]).stdout).unwrap()
    };
    let shown = inspect("next.swb");
    assert_eq!((&manifest["format"], &manifest["generation"]), (&json!(1), &json!(7)));
    let variant = &manifest["variants"][0];
    assert_eq!(manifest["variants"].as_array().unwrap().len(), 1);
    for (name, value) in
        [("digest", &shown["digest"]), ("content", &shown["content"]), ("size", &shown["bytes"]["file"])]
    {
        assert_eq!(&variant[name], value, "{name}");
    }
    assert_eq!(variant["schema"].as_str().unwrap().len(), 16);
    assert_eq!(manifest["counts"]["accounts"], shown["counts"]["accounts"]);
    assert_eq!((&shown["release"]["signatures"], &shown["release"]["expires"]), (&json!(1), &json!(null)));

    let sign = |key: &str, more: &[&str]| {
        let (file, key) = (place.path("next.swb"), place.path(key));
        switchboard(&[&["sign", &file, "--key", &key], more].concat())
    };
    let text = stdout(&sign("b.key", &[]));
    assert!(text.contains("added a signature to ") && text.contains("2 signatures"), "{text}");
    let text = stdout(&sign("b.key", &[]));
    assert!(text.contains("already signed with this key") && text.contains("2 signatures"), "{text}");
    assert_eq!(payload(&place.read("next.swb.release")).0, manifest);
    let changed = sign("c.key", &["--comment", "x"]);
    assert_eq!(changed.status.code(), Some(2));
    assert!(stderr(&changed).contains("remove the file to sign anew"), "{changed:?}");

    // Another snapshot: the old manifest does not block its signature.
    let registry = place.registry.path().to_str().unwrap();
    let compiled = run(&["compile", registry, "-o", &place.path("next.swb"), "--generation", "8"]);
    assert!(
        stderr(&compiled).contains("next.swb.release is the signed manifest of the file before"),
        "{compiled:?}"
    );
    assert!(inspect("next.swb")["release"]["error"].as_str().unwrap().contains("of generation 7"));
    let output = sign("a.key", &["--expires", "30d", "--publisher", "ci \u{7}", "--comment", "weekly"]);
    let text = stdout(&output);
    assert!(
        text.contains("replaced the manifest of another snapshot") && text.contains("1 signature,"),
        "{text}"
    );
    assert!(text.contains("\nexpires: 20") && text.contains("publisher: ci \\u{7}\n"), "{text}");
    let (manifest, _) = payload(&place.read("next.swb.release"));
    assert_eq!((&manifest["comment"], &manifest["generation"]), (&json!("weekly"), &json!(8)));
    assert!(stdout(&run(&["inspect", &place.path("next.swb")])).contains(", expires 20"));

    // A manifest that names this snapshot but describes it otherwise is not signed.
    let mut envelope: Value = serde_json::from_slice(&place.read("next.swb.release")).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = manifest.clone();
        change(&mut changed);
        changed
    };
    let unseen = json!({"schema": "x", "size": 1, "digest": "0".repeat(64), "content": ""});
    for (stated, words) in [
        (with(&|it| it["generation"] = json!(9)), "another generation"),
        (with(&|it| it["counts"]["accounts"] = json!(1_000)), "other counts"),
        (
            with(&|it| it["variants"].as_array_mut().unwrap().push(unseen.clone())),
            "names other snapshots too",
        ),
        (with(&|it| it["more"] = json!(1)), "what this version does not know"),
        (with(&|it| it["variants"][0]["more"] = json!(1)), "what this version does not know"),
    ] {
        envelope["payload"] = STANDARD.encode(stated.to_string()).into();
        fs::write(place.file("next.swb.release"), envelope.to_string()).unwrap();
        let refused = sign("b.key", &[]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains(words), "{words}: {refused:?}");
        assert_eq!(place.read("next.swb.release"), envelope.to_string().as_bytes());
    }
}

#[test]
fn faults_of_sign_name_the_file_and_the_remedy_and_write_nothing() {
    let place = Place::new();
    place.compile(7, &[]);
    fs::write(place.file("broken.swb"), "x").unwrap();
    fs::write(place.file("broken.key"), "secret").unwrap();
    let sign = |file: &str, key: &str, more: &[&str]| {
        let (file, key) = (place.path(file), place.path(key));
        switchboard(&[&["sign", &file, "--key", &key], more].concat())
    };
    for (file, key, more, exit, words) in [
        ("broken.swb", "a.key", [].as_slice(), 3, "nothing was signed"),
        ("missing.swb", "a.key", &[], 3, "cannot read"),
        ("next.swb", "missing.key", &[], 3, "switchboard keygen"),
        ("next.swb", "broken.key", &[], 3, "not an Ed25519 private key"),
        ("next.swb", "a.pub", &[], 3, "this is the public key"),
        ("next.swb", "a.key", &["--expires", "2020-01-01"], 2, "the time has passed"),
        ("next.swb", "a.key", &["--expires", "soon"], 2, "expected a date"),
        ("next.swb", "a.key", &["--expires", "9999-12-31"], 2, "the time is too late"),
        ("next.swb", "a.key", &["--comment", &"x".repeat(60_000)], 2, "shorten --comment"),
    ] {
        let output = sign(file, key, more);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(exit), "{text}");
        assert!(text.contains(words) && !text.contains("secret"), "{text}");
        assert!(!place.file(&format!("{file}.release")).exists(), "{file} {key} {more:?}");
    }
    for content in ["", "{}", "{\"payload\":\"e30=\",\"payloadType\":\"x\",\"signatures\":[]}"] {
        fs::write(place.file("next.swb.release"), content).unwrap();
        let output = sign("next.swb", "a.key", &[]);
        assert!(output.status.code() == Some(3) && stderr(&output).contains("remove the file"), "{output:?}");
        assert_eq!(place.read("next.swb.release"), content.as_bytes());
    }
}

#[test]
#[cfg_attr(not(has_openssl), ignore = "needs openssl: apt-get install openssl")]
fn openssl_verifies_signatures_and_makes_keys() {
    let place = Place::new();
    let openssl = |arguments: &[&str]| {
        let output =
            Command::new("openssl").args(arguments).current_dir(place.folder.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    };
    place.compile(7, &["a"]);
    let envelope = place.read("next.swb.release");
    let signature = serde_json::from_slice::<Value>(&envelope).unwrap()["signatures"][0]["sig"].clone();
    fs::write(place.file("sig"), STANDARD.decode(signature.as_str().unwrap()).unwrap()).unwrap();
    let (_, payload) = payload(&envelope);
    let kind = "application/vnd.switchboard.release+json";
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    fs::write(place.file("pae"), [head.as_bytes(), &payload].concat()).unwrap();
    openssl(&["pkey", "-in", "a.key", "-pubout", "-out", "a.pem"]);
    openssl(&["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "a.pem", "-in", "pae", "-sigfile", "sig"]);
    // The public key of the .pub file is the end of OpenSSL's.
    openssl(&["pkey", "-pubin", "-in", "a.pem", "-outform", "DER", "-out", "a.der"]);
    let der = place.read("a.der");
    let public = STANDARD.encode(&der[der.len() - 32..]);
    let section = fs::read_to_string(place.file("a.pub")).unwrap();
    assert!(section.contains(&public), "{section}");

    openssl(&["genpkey", "-algorithm", "ed25519", "-out", "d.key"]);
    run(&["sign", &place.path("next.swb"), "--key", &place.path("d.key")]);
    openssl(&["genpkey", "-algorithm", "RSA", "-out", "rsa.key"]);
    let output = switchboard(&["sign", &place.path("next.swb"), "--key", &place.path("rsa.key")]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("not an Ed25519 private key"), "{output:?}");
}

#[test]
fn snapshot_is_served_only_with_enough_signatures_of_different_trusted_keys() {
    let place = Place::new();
    place.trust(2, &["a", "b"]);
    place.release(1, &["a", "b"]);
    let daemon = place.serve(&[]);
    assert_eq!(generation(&daemon), 1);
    assert_eq!(daemon.logged_at_start("signatures verified")["keys"], "a, b");
    let mut rejected = 0.0;
    let mut refuse = |what: &str, words: &str| {
        let line = daemon.log("snapshot rejected");
        rejected += 1.0;
        assert_eq!(line["stage"], "signature", "{what}");
        let reason = line["reason"].as_str().unwrap();
        assert!(reason.contains("served.swb.release: ") && reason.contains(words), "{what}: {reason}");
        wait_until("the rejection is counted", || daemon.metric(REJECTED) == rejected);
        assert_eq!(generation(&daemon), 1, "{what}");
        assert_eq!(daemon.status()["last_reload"]["error"], reason);
    };
    place.release(2, &[]);
    refuse("no manifest", "does not exist");
    place.release(3, &["a"]);
    refuse("one key", "valid signatures of 1 different trusted keys, and 2 are required");
    place.release(4, &["a", "c"]);
    refuse("a key that is not trusted", "of 1 different");

    // One signature twice, and each with the hint to the other key.
    place.compile(5, &["a"]);
    let mut envelope: Value = serde_json::from_slice(&place.read("next.swb.release")).unwrap();
    let mut twice = envelope["signatures"][0].clone();
    twice["keyid"] = json!("another");
    envelope["signatures"].as_array_mut().unwrap().push(twice);
    fs::write(place.file("next.swb.release"), envelope.to_string()).unwrap();
    place.publish(".release");
    place.publish("");
    refuse("one key twice", "of 1 different");

    // The second signature arrives later: the manifest alone is replaced.
    run(&["sign", &place.path("served.swb"), "--key", &place.path("b.key")]);
    daemon.log("snapshot published");
    assert_eq!(generation(&daemon), 5);
    let status = &daemon.status()["trusted_keys"];
    assert_eq!((&status["threshold"], &status["error"]), (&json!(2), &json!(null)));
    let digest = daemon.status()["snapshot"]["digest"].clone();
    for key in status["list"].as_array().unwrap() {
        let last = &key["last_manifest"];
        assert_eq!(
            (&last["generation"], &last["digest"], &last["expired"]),
            (&json!(5), &digest, &json!(false))
        );
    }
    // An older release of the same keys is still refused, at its own stage.
    place.release(4, &["a", "b"]);
    assert_eq!(daemon.log("snapshot rejected")["stage"], "generation");
    // The removal of the manifest changes nothing for the snapshot in service.
    place.release(5, &["a", "b"]);
    daemon.log("source unchanged");
    fs::remove_file(place.file("served.swb.release")).unwrap();
    daemon.log("source unchanged");
    assert_eq!(generation(&daemon), 5);
}

/// Every part of the envelope and of the snapshot is covered by the signature.
#[test]
fn flipped_bytes_of_each_part_and_cut_envelopes_are_rejected() {
    use switchboard_release::{Envelope, TrustedKeys};
    let place = Place::new();
    place.compile(2, &["a"]);
    let keys = TrustedKeys::parse("keys", &place.read("a.pub")).unwrap();
    let whole = place.read("next.swb.release");
    let digest = payload(&whole).0["variants"][0]["digest"].as_str().unwrap().to_owned();
    let judge = |envelope: &[u8]| {
        let verified = Envelope::from_json(envelope).and_then(|envelope| envelope.verify(&keys));
        verified.is_ok_and(|verified| verified.manifest.names(&digest))
    };
    assert!(judge(&whole));
    for end in 0..whole.len() - 2 {
        assert!(!judge(&whole[..end]), "cut at {end}");
    }
    let text = String::from_utf8(whole.clone()).unwrap();
    let keyid = text.find("\"keyid\":\"").unwrap();
    let hint = keyid..keyid + "\"keyid\":\"0123456789abcdef\",".len();
    for at in (0..whole.len() - 1).filter(|at| !hint.contains(at)) {
        for bit in [0x01, 0x20] {
            let mut changed = whole.clone();
            changed[at] ^= bit;
            assert!(!judge(&changed), "byte {at} of {text}");
        }
    }
    let mut long = whole;
    long.resize(64 * 1024, b' ');
    assert!(judge(&long));
    long.push(b' ');
    assert!(!judge(&long));

    // A daemon: the snapshot, then the manifest with one byte changed each.
    place.trust(1, &["a"]);
    place.release(2, &["a"]);
    let daemon = place.serve(&[]);
    place.compile(3, &["a"]);
    let (snapshot, release) = (place.read("next.swb"), place.read("next.swb.release"));
    let replace = |name: &str, content: &[u8]| {
        fs::write(place.file("new"), content).unwrap();
        fs::rename(place.file("new"), place.file(name)).unwrap();
    };
    for at in [0, 30, 70, snapshot.len() / 2, snapshot.len() - 1] {
        let mut changed = snapshot.clone();
        changed[at] ^= 1;
        replace("served.swb.release", &release);
        replace("served.swb", &changed);
        let line = daemon.log("snapshot rejected");
        assert_eq!(line["stage"], "signature", "byte {at}");
        assert!(
            line["reason"].as_str().unwrap().contains("names another snapshot, of generation 3"),
            "{line}"
        );
    }
    replace("served.swb", &snapshot);
    daemon.log("snapshot published");
    assert_eq!(generation(&daemon), 3);
}

#[test]
fn manifest_and_snapshot_may_arrive_in_any_order() {
    let place = Place::new();
    place.trust(1, &["a"]);
    place.release(1, &["a"]);
    let daemon = place.serve(&[]);
    // Long before its snapshot: the snapshot in service needs no manifest.
    place.compile(2, &["a"]);
    place.publish(".release");
    daemon.log("source unchanged");
    place.publish("");
    daemon.log("snapshot published");
    // The snapshot comes first, and its manifest within the second.
    place.compile(3, &["a"]);
    place.publish("");
    thread::sleep(Duration::from_millis(300));
    place.publish(".release");
    let (before, _) = daemon.logs_until("snapshot published");
    assert!(before.iter().all(|line| line["message"] != "snapshot rejected"), "{before:?}");
    assert_eq!((generation(&daemon), daemon.metric(REJECTED)), (3, 0.0));
    // Later than that, the snapshot is rejected, and judged again when the manifest is there.
    place.compile(4, &["a"]);
    place.publish("");
    assert_eq!(daemon.log("snapshot rejected")["stage"], "signature");
    place.publish(".release");
    daemon.log("snapshot published");
    assert_eq!(generation(&daemon), 4);
}

#[test]
fn daemon_without_a_signed_snapshot_waits_and_serves_nothing() {
    let place = Place::new();
    place.trust(1, &["a"]);
    place.release(1, &["b"]);
    let daemon = place.serve(&[]);
    assert_eq!(daemon.logged_at_start("snapshot rejected")["stage"], "signature");
    assert_eq!(daemon.get(&format!("/v1/select?{GERMAN}")).0, 503);
    // The keys were wrong: the file is judged again with the new ones.
    place.trust(1, &["a", "b"]);
    daemon.log("snapshot published");
    assert_eq!(generation(&daemon), 1);
    let settings = ["--require-snapshot", "--snapshot", &place.path("served.swb")].map(str::to_owned);
    place.trust(1, &["c"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]).args(settings);
    let output = command.args(["--trusted-keys", &place.path("keys.toml")]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("served.swb.release: "), "{output:?}");
}

#[test]
fn restart_serves_the_state_directory_whatever_the_keys_are() {
    let place = Place::new();
    place.trust(1, &["a"]);
    place.release(1, &["a"]);
    let state = place.path("state");
    let mut daemon = place.serve(&["--state", &state]);
    let answer = daemon.select(GERMAN);
    let digest = daemon.status()["snapshot"]["digest"].as_str().unwrap().to_owned();
    let current = place.file("state/current.swb");
    wait_until("the snapshot is kept", || current.exists() && sha256(&current) == digest);
    daemon.kill();
    place.trust(1, &["b"]);
    place.change("+4915123456701", "+4915123456702");
    place.release(2, &["a"]);
    let daemon = place.serve(&["--state", &state]);
    assert_eq!(daemon.logged_at_start("snapshot rejected")["stage"], "signature");
    assert_eq!(daemon.metric("switchboard_snapshot_from_state"), 1.0);
    assert_eq!(daemon.select(GERMAN), answer);
    place.release(3, &["b"]);
    daemon.log("snapshot published");
    assert_eq!(daemon.select(GERMAN)["address"], "+4915123456702");

    // A signed release that is rejected is not the last manifest of its key.
    let last = |daemon: &DaemonProcess| {
        daemon.status()["trusted_keys"]["list"][0]["last_manifest"]["generation"].clone()
    };
    assert_eq!(last(&daemon), 3);
    place.release(2, &["b"]);
    assert_eq!(daemon.log("snapshot rejected")["stage"], "generation");
    assert_eq!(last(&daemon), 3);
    place.release(4, &["b"]);
    daemon.log("snapshot published");

    // The snapshot that the state directory has needs no signatures, also if its file is the source.
    let digest = sha256(&place.file("served.swb"));
    wait_until("the snapshot is kept", || sha256(&current) == digest);
    let mut daemon = daemon;
    daemon.kill();
    fs::remove_file(place.file("served.swb.release")).unwrap();
    let daemon = place.serve(&["--state", &state]);
    wait_until("the file is that in service", || daemon.status()["last_reload"]["outcome"] == "unchanged");
    assert_eq!(daemon.metric("switchboard_snapshot_from_state"), 0.0);
    assert_eq!(generation(&daemon), 4);
}

#[test]
fn release_that_has_expired_is_served_and_reported() {
    let place = Place::new();
    place.trust(1, &["a"]);
    place.compile(1, &[]);
    run(&["sign", &place.path("next.swb"), "--key", &place.path("a.key"), "--expires", "1s"]);
    let (manifest, _) = payload(&place.read("next.swb.release"));
    let expires: jiff::Timestamp = manifest["expires"].as_str().unwrap().parse().unwrap();
    wait_until("the release expires", || jiff::Timestamp::now() > expires);
    place.publish(".release");
    place.publish("");
    let daemon = place.serve(&[]);
    daemon.logged_at_start("signatures verified, but the release has expired");
    let series = "switchboard_release_expires_timestamp_seconds";
    assert_eq!(daemon.metric(series), expires.as_second() as f64);
    assert_eq!(daemon.status()["trusted_keys"]["list"][0]["last_manifest"]["expired"], true);
    // A manifest without a time replaces it for the same snapshot.
    fs::remove_file(place.file("served.swb.release")).unwrap();
    run(&["sign", &place.path("served.swb"), "--key", &place.path("a.key")]);
    wait_until("the new manifest is read", || daemon.metric(series) == 0.0);
    assert_eq!(generation(&daemon), 1);
}

#[test]
fn faults_of_the_keys_file_stop_the_start_and_check_config() {
    let place = Place::new();
    place.release(1, &["a"]);
    let (snapshot, keys) = (place.path("served.swb"), place.path("keys.toml"));
    let start = |command: &str| {
        switchboard(&[
            command,
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--snapshot",
            &snapshot,
            "--trusted-keys",
            &keys,
        ])
    };
    let section = fs::read_to_string(place.file("a.pub")).unwrap();
    for (text, line, words) in [
        (String::new(), 1, "has no key"),
        (format!("threshold = 2\n{section}"), 1, "lower `threshold`, or add keys"),
        (format!("{section}{section}"), 4, "is also"),
        (format!("threshold = 0\n{section}"), 1, "at least 1"),
        (section.replace("ed25519 = \"", "ed25519 = \"!"), 3, "is not base64"),
        (
            "[[key]]\nname = \"a\"\ned25519 = \"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n".to_owned(),
            3,
            "weak key",
        ),
    ] {
        fs::write(&keys, &text).unwrap();
        for command in ["serve", "check-config"] {
            let output = start(command);
            let message = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{command}: {message}");
            assert!(message.contains(&format!("{keys}:{line}: ")) && message.contains(words), "{message}");
        }
    }
    fs::remove_file(&keys).unwrap();
    for command in ["serve", "check-config"] {
        let output = start(command);
        assert_eq!(output.status.code(), Some(3));
        assert!(stderr(&output).contains("see --trusted-keys"), "{output:?}");
    }
    place.trust(1, &["a"]);
    assert!(start("check-config").status.success());
    fs::set_permissions(&keys, Permissions::from_mode(0o444)).unwrap();
    assert!(start("check-config").status.success());
}

/// Replaces the keys in good and bad turns while requests are sent, and publishes snapshots with each good one:
/// the rotation of `docs/security.md`.
fn rotate_keys_under_load(turns: usize) {
    let place = Place::new();
    place.trust(1, &["a"]);
    place.release(1, &["a"]);
    let daemon = place.serve(&["--state", &place.path("state")]);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let (address, stop) = (daemon.data.clone(), Arc::clone(&stop));
            thread::spawn(move || {
                let mut answered = 0;
                while !stop.load(Ordering::SeqCst) {
                    let (status, body) = get(&address, &format!("/v1/select?{GERMAN}"));
                    assert_eq!(status, 200, "{body}");
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    let mut next = 1;
    for turn in 0..turns {
        // Bad: refused once and named, and the keys in force stay.
        fs::write(place.file("new.toml"), format!("threshold = {}\n", turn + 2)).unwrap();
        fs::rename(place.file("new.toml"), place.file("keys.toml")).unwrap();
        let line = daemon.log("file of the trusted keys rejected");
        assert!(line["reason"].as_str().unwrap().contains("keys.toml:1: the file has no key"), "{line}");
        // Good: both keys, then the new one alone; the snapshot of the removed key stays in service.
        let (old, new) = if turn % 2 == 0 { ("a", "b") } else { ("b", "a") };
        place.trust(1, &[old, new]);
        daemon.log("trusted keys replaced");
        assert_eq!(generation(&daemon), next);
        next += 1;
        place.release(next, &[new]);
        daemon.log("snapshot published");
        place.trust(1, &[new]);
        daemon.log("trusted keys replaced");
    }
    // A replacement is logged before it is counted.
    wait_until("every replacement is counted", || daemon.metric(KEYS_REPLACED) == 2.0 * turns as f64);
    assert_eq!(daemon.metric(KEYS_REJECTED), turns as f64);
    assert_eq!((generation(&daemon), daemon.metric(REJECTED)), (next, 0.0));
    let recorded = || {
        let log = fs::read_to_string(place.file("state/audit.ndjson")).unwrap_or_default();
        log.lines().filter(|line| line.contains("\"event\":\"keys_replaced\"")).count()
    };
    wait_until("each replacement is in the audit log", || recorded() == 2 * turns);
    stop.store(true, Ordering::SeqCst);
    let answered: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    println!("{turns} rotations, {answered} answers, 0 failed");
}

#[test]
fn keys_are_replaced_under_load_without_a_failed_request() {
    rotate_keys_under_load(5);
}

#[test]
#[ignore = "long: 100 rotations, in each of which a bad file and two good ones arrive"]
fn keys_are_replaced_a_hundred_times_under_load_long() {
    rotate_keys_under_load(100);
}

#[test]
fn registry_that_the_daemon_compiles_needs_no_signatures() {
    let place = Place::new();
    place.trust(1, &["a"]);
    let registry = place.registry.path().to_str().unwrap();
    let daemon = DaemonProcess::start(&["--registry", registry, "--trusted-keys", &place.path("keys.toml")]);
    daemon.logged_at_start("trusted keys are not used");
    place.change("+4915123456701", "+4915123456702");
    daemon.log("snapshot published");
    assert_eq!(daemon.select(GERMAN)["address"], "+4915123456702");
}

/// A manifest that another program made: with more members, several variants, and a schema of its own.
#[test]
fn manifest_of_another_program_is_accepted_if_it_names_the_digest_and_the_generation() {
    use switchboard_release::{Envelope, Manifest, SigningKey, Variant};
    let place = Place::new();
    place.trust(1, &["a"]);
    place.release(1, &["a"]);
    let daemon = place.serve(&[]);
    let key = SigningKey::from_pem(&String::from_utf8(place.read("a.key")).unwrap()).unwrap();
    for (generation, stated, accepted) in [(2, 2, true), (3, 4, false)] {
        place.compile(generation, &[]);
        let digest = sha256(&place.file("next.swb"));
        let variant =
            |digest: String| Variant { schema: "x".into(), size: 1, digest, content: String::new() };
        let mut manifest = Manifest::new(stated, jiff::Timestamp::now());
        manifest.variants = vec![variant("0".repeat(64)), variant(digest)];
        let mut envelope = Envelope::new(&manifest);
        envelope.sign(&key);
        fs::write(place.file("next.swb.release"), envelope.to_json()).unwrap();
        place.publish(".release");
        place.publish("");
        if accepted {
            daemon.log("snapshot published");
        } else {
            let line = daemon.log("snapshot rejected");
            assert_eq!(line["stage"], "signature");
            assert!(line["reason"].as_str().unwrap().contains("states generation 4"), "{line}");
        }
    }
    assert_eq!(generation(&daemon), 2);
}

fn sha256(file: &Path) -> String {
    switchboard_snapshot::header::Digests::of(&fs::read(file).unwrap()).file.to_string()
}
