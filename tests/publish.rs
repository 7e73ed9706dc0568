//! `switchboard fleet`: the commands as processes, with a real broker.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use switchboard_fleet::bus::{Bucket, Bus, BusSettings, CALL_TIMEOUT, DEFAULT_PREFIX, Unreachable};
use switchboard_fleet::release::{CURRENT_KEY, Current, wave_position};
use switchboard_snapshot::header;
use tempfile::TempDir;

use crate::cli::{stderr, stdout};
use crate::database::demo_database;
use crate::database::server::sql;
use crate::expected::{acme, demo, edit};
use crate::harness::fleet_site::{Behavior, Web};
use crate::harness::{wait_until, wait_within};
use fleet_testbed::broker::{Broker, programs};

/// A broker with its buckets, and a folder for files.
struct Fleet {
    broker: Broker,
    folder: TempDir,
}

impl Fleet {
    fn new() -> Fleet {
        let fleet = Fleet::without_buckets();
        fleet.succeed(&["fleet", "init"]);
        fleet
    }

    fn without_buckets() -> Fleet {
        Fleet { broker: Broker::start(&programs()[0]).unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    fn url(&self) -> String {
        self.broker.settings().urls
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        command.args(arguments).env("SWITCHBOARD_FLEET", self.url()).current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    #[track_caller]
    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        stdout(&output) + &stderr(&output)
    }

    /// Runs a command that fails with a code. Returns its messages.
    #[track_caller]
    fn fail(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
        stderr(&output)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Copies the demo registry to `registry`.
    fn registry(&self) -> PathBuf {
        let registry = self.path("registry");
        for company in fs::read_dir(demo()).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_dir()) {
            let to = registry.join(company.file_name().unwrap());
            fs::create_dir_all(&to).unwrap();
            for file in fs::read_dir(&company).unwrap().map(|file| file.unwrap()) {
                fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        }
        registry
    }

    /// Copies the small company to `registry`.
    fn small_registry(&self) -> PathBuf {
        let registry = self.path("registry");
        fs::rename(acme().keep(), &registry).unwrap();
        registry
    }

    /// Returns what `fleet status --format json` prints, whatever the replicas serve.
    fn status(&self) -> Value {
        serde_json::from_slice(&self.run(&["fleet", "status", "--format", "json"]).stdout).unwrap()
    }

    fn generation(&self) -> u64 {
        self.status()["release"]["generation"].as_u64().unwrap_or(0)
    }

    fn content(&self) -> String {
        self.status()["release"]["variants"][0]["content"].as_str().unwrap_or_default().to_owned()
    }

    fn bus(&self) -> (tokio::runtime::Runtime, Bus) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let settings = BusSettings {
            urls: self.url(),
            prefix: DEFAULT_PREFIX.to_owned(),
            name: "a test".to_owned(),
            ..BusSettings::default()
        };
        let bus = runtime.block_on(Bus::connect(&settings, Unreachable::Fail)).unwrap();
        (runtime, bus)
    }
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn release_is_published_shown_and_taken_back() {
    let fleet = Fleet::without_buckets();
    let registry = fleet.small_registry();
    for command in [&["fleet", "status"][..], &["fleet", "publish", "registry"], &["fleet", "rollback"]] {
        let text = fleet.fail(3, command);
        assert!(text.contains("create the buckets with `switchboard fleet init`"), "{text}");
    }
    assert_eq!(fleet.succeed(&["fleet", "init"]).matches("created ").count(), 4);
    assert_eq!(fleet.succeed(&["fleet", "init"]).matches("is there, as expected").count(), 4);
    let text = fleet.fail(1, &["fleet", "init", "--replicas", "3"]);
    assert!(text.contains("never changes") && text.contains("nats stream edit"), "{text}");
    let differing = stdout(&fleet.run(&["fleet", "init", "--replicas", "3"]));
    assert_eq!(differing.matches("  num_replicas: expected 3, found 1").count(), 4, "{differing}");
    // A single server has no place for a second copy.
    let text = fleet.fail(3, &["fleet", "init", "--replicas", "2", "--fleet-prefix", "other"]);
    assert!(
        text.contains("a cluster of at least 2 servers") && text.contains("leave --replicas out"),
        "{text}"
    );
    assert_eq!(fleet.status().to_string(), r#"{"release":null,"rollout":null,"replicas":[]}"#);
    assert!(fleet.fail(1, &["fleet", "rollback"]).contains("no release is known"));

    let text = fleet.succeed(&["fleet", "publish", "registry", "--comment", "first", "--publisher", "ci"]);
    assert!(text.contains("1 company, 39 accounts, not signed") && text.contains("at 100 %"), "{text}");
    assert!(text.contains("warning: the release is not signed"), "{text}");
    let first = fleet.status();
    let release = &first["release"];
    assert_eq!((&release["comment"], &release["publisher"]), (&"first".into(), &"ci".into()));
    assert_eq!(first["rollout"]["percent"], 100);
    // No replica serves the release.
    assert_eq!(fleet.run(&["fleet", "status"]).status.code(), Some(1));

    edit(&registry, "acme/accounts.csv", "wa-emea-gb-1,", "wa-emea-gb-one,");
    let tests = registry.join("acme/tests.toml");
    fs::remove_file(tests).unwrap();
    let diff = fleet.succeed(&["fleet", "publish", "registry", "--dry-run"]);
    assert!(
        diff.contains("guard: no company disappears or shrinks") && diff.contains("change accounts"),
        "{diff}"
    );
    assert_eq!(fleet.status(), first, "a dry run changes nothing");
    fleet.succeed(&["fleet", "publish", "registry"]);
    let (second, second_content) = (fleet.generation(), fleet.content());
    let first_generation = first["release"]["generation"].as_u64().unwrap();
    assert!(second > first_generation);
    let text = fleet.succeed(&["fleet", "rollback"]);
    assert!(text.contains(&format!("content of generation {first_generation}")), "{text}");
    let back = fleet.status();
    assert!(back["release"]["generation"].as_u64().unwrap() > second);
    assert_eq!(fleet.content(), first["release"]["variants"][0]["content"]);
    assert_ne!(back["release"]["variants"][0]["digest"], first["release"]["variants"][0]["digest"]);
    assert_eq!(back["release"]["counts"], first["release"]["counts"]);
    fleet.succeed(&["fleet", "rollback", "--to", &second.to_string()]);
    assert_eq!(fleet.content(), second_content);
    let generation = fleet.generation();
    let text = fleet.succeed(&["fleet", "rollback", "--to", &second.to_string()]);
    assert!(text.contains("has this content already: nothing was published"), "{text}");
    assert_eq!(fleet.generation(), generation);
    // Each content is listed once, with its generations.
    let text = fleet.fail(1, &["fleet", "rollback", "--to", "5"]);
    let third = back["release"]["generation"].as_u64().unwrap();
    let known = format!(
        "the known generations are {generation} (with the content of {second}), {third} (with the content of \
         {first_generation})"
    );
    assert!(text.contains(&known), "{text}");
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn same_file_again_repairs_the_place_of_its_snapshot() {
    let fleet = Fleet::new();
    fleet.small_registry();
    fleet.succeed(&["compile", "registry", "-o", "r.swb"]);
    fleet.succeed(&["fleet", "publish", "r.swb"]);
    let (runtime, bus) = fleet.bus();
    let current = || {
        let entry = runtime.block_on(bus.get(Bucket::Release, CURRENT_KEY)).unwrap().unwrap();
        (entry.revision, Current::parse(&entry.value.unwrap()).unwrap())
    };
    let (revision, first) = current();
    let text = fleet.succeed(&["fleet", "publish", &fleet.url()]);
    assert!(text.contains("has this snapshot already"), "the release is its own source: {text}");
    let name = first.sources[0].urls[0].strip_prefix("nats:").unwrap().to_owned();
    let again = ["fleet", "publish", "r.swb"];
    fleet.succeed(&again);
    assert_eq!(current().0, revision, "nothing is to be repaired");
    // The object is gone.
    let store = runtime.block_on(bus.snapshots()).unwrap();
    runtime.block_on(store.delete(&name)).unwrap();
    fleet.succeed(&again);
    fleet.succeed(&["check", &fleet.url()]);
    assert_eq!(current().0, revision, "the release names the place already");
    // A replica that rejected the bytes fetches them again after another value of the release.
    let rejected = br#"{"id":"r","state":"rejected","reason":"digest"}"#.to_vec();
    runtime.block_on(bus.put(Bucket::Status, "r", rejected)).unwrap();
    assert!(fleet.succeed(&again).contains("fetch them again"));
    let (renewed, now) = current();
    assert!(renewed > revision && now.identity() == first.identity() && now.sources == first.sources);
    // Another place.
    let web = Web::start();
    let snapshot = fs::read(fleet.path("r.swb")).unwrap();
    web.set(&format!("/{name}"), vec![Behavior::File(zstd::bulk::compress(&snapshot, 3).unwrap())]);
    fs::create_dir(fleet.path("blobs")).unwrap();
    let url = web.url("/");
    let moved = [&again[..], &["--blobs", "blobs", "--url", &url]].concat();
    assert!(fleet.succeed(&moved).contains("the release names the new place"));
    let (_, now) = current();
    assert_eq!(now.sources[0].urls, [format!("{url}{name}")]);
    assert_eq!((now.sources.len(), now.identity()), (1, first.identity()));
    assert!(fleet.path("blobs").join(&name).is_file());
    // Without the folder, the place stays, and cannot be repaired.
    let (moved_at, _) = current();
    fs::remove_file(fleet.path("blobs").join(&name)).unwrap();
    runtime.block_on(bus.put(Bucket::Status, "r", b"{}".to_vec())).unwrap();
    fleet.succeed(&again);
    assert_eq!(current().0, moved_at);
    web.set(&format!("/{name}"), vec![Behavior::Status(404, "")]);
    let text = fleet.fail(3, &again);
    assert!(text.contains("answered 404") && text.contains("with --blobs and --url"), "{text}");

    // Options that would be without an effect.
    for (option, value) in [("--comment", "x"), ("--publisher", "x"), ("--expires", "30d")] {
        let text = fleet.fail(2, &[&again[..], &[option, value]].concat());
        assert!(
            text.contains("has this snapshot already") && text.contains("leave the options out"),
            "{text}"
        );
    }
    let mut other = snapshot;
    other[header::SCHEMA_AT] ^= 0xff;
    let sum = header::checksum(&other[..header::LEN], &other[header::LEN..]);
    other[header::CHECKSUM_AT..header::LEN].copy_from_slice(&sum.to_le_bytes());
    fs::write(fleet.path("other.swb"), &other).unwrap();
    let text = fleet.fail(2, &[&again[..], &["--with", "other.swb"]].concat());
    assert!(text.contains("--with: the fleet has this snapshot already"), "{text}");
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn publisher_that_is_overtaken_by_a_rollback_says_so() {
    let fleet = Fleet::new();
    let registry = fleet.small_registry();
    fleet.succeed(&["fleet", "publish", "registry"]);
    let first = fleet.generation();
    fs::remove_file(registry.join("acme/tests.toml")).unwrap();
    edit(&registry, "acme/accounts.csv", "wa-emea-gb-1,", "wa-emea-gb-one,");
    let waves = ["fleet", "publish", "registry", "--waves", "1,100", "--hold", "90m"];
    let child = spawn(&mut fleet.command(&waves));
    wait_until("the release", || fleet.generation() > first);
    fleet.succeed(&["fleet", "rollback"]);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "generation {} (a rollback to the content of generation {first}) was published meanwhile",
        fleet.generation()
    );
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn company_that_disappears_or_shrinks_must_be_confirmed() {
    let fleet = Fleet::new();
    let registry = fleet.registry();
    fleet.succeed(&["fleet", "publish", "registry"]);
    let before = fleet.status();
    fs::remove_dir_all(registry.join("meridian")).unwrap();
    for dry in [&[][..], &["--dry-run"]] {
        let text = fleet.fail(1, &[&["fleet", "publish", "registry"], dry].concat());
        assert!(
            text.contains("meridian: the company disappeared, whose 4713 accounts are in service"),
            "{text}"
        );
        assert!(text.contains("--confirm") && !text.contains("SIGHUP"), "{text}");
        assert_eq!(fleet.status(), before);
    }
    // As a snapshot file, which has no files of the company either.
    fleet.succeed(&["compile", "registry", "-o", "next.swb"]);
    assert!(fleet.fail(1, &["fleet", "publish", "next.swb"]).contains("the guard refuses 1 company"));
    fleet.succeed(&["fleet", "publish", "next.swb", "--confirm"]);
    assert_eq!(fleet.status()["release"]["counts"]["companies"], 1);
    // 39 accounts, of which 19 stay.
    let sheet = registry.join("acme/accounts.csv");
    let text = fs::read_to_string(&sheet).unwrap();
    let _ = fs::remove_file(registry.join("acme/tests.toml"));
    let (mut kept, mut lines) = (0, Vec::new());
    for line in text.lines() {
        let is_account = !line.starts_with('#') && !line.starts_with("id,");
        kept += usize::from(is_account);
        if is_account && kept > 19 {
            lines.push(line.replacen(line.split(',').next().unwrap(), &format!("new-{kept}"), 1));
        } else {
            lines.push(line.to_owned());
        }
    }
    fs::write(&sheet, lines.join("\n") + "\n").unwrap();
    let text = fleet.fail(1, &["fleet", "publish", "registry"]);
    assert!(text.contains("acme: 20 of its 39 accounts in service disappeared"), "{text}");
    fleet.succeed(&["fleet", "publish", "registry", "--confirm"]);
    // A registry with errors is never published.
    fs::write(&sheet, "id,channel\n").unwrap();
    let before = fleet.status();
    let text = fleet.fail(1, &["fleet", "publish", "registry", "--confirm"]);
    assert!(text.contains("accounts.csv:1: error[") && text.contains("nothing was published"), "{text}");
    assert_eq!(fleet.status(), before);
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn release_that_cannot_be_compared_must_be_confirmed() {
    let fleet = Fleet::new();
    let registry = fleet.small_registry();
    let (runtime, bus) = fleet.bus();
    // The bucket forgot a release that a replica serves.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let ahead = u64::try_from(now).unwrap() + 3_600_000;
    let serving = format!(r#"{{"id":"r","state":"serving","generation":{ahead}}}"#);
    runtime.block_on(bus.put(Bucket::Status, "r", serving.into_bytes())).unwrap();
    fleet.succeed(&["fleet", "publish", "registry"]);
    assert_eq!(fleet.generation(), ahead + 1);
    let digest = fleet.status()["release"]["variants"][0]["digest"].as_str().unwrap().to_owned();
    runtime.block_on(async {
        bus.snapshots().await.unwrap().delete(format!("{digest}.swb.zst")).await.unwrap();
    });
    fs::remove_file(registry.join("acme/tests.toml")).unwrap();
    edit(&registry, "acme/accounts.csv", "wa-emea-gb-1,", "wa-emea-gb-one,");
    let text = fleet.fail(3, &["fleet", "publish", "registry"]);
    assert!(text.contains("--confirm publishes without a comparison"), "{text}");
    fleet.succeed(&["fleet", "publish", "registry", "--confirm"]);
    // A value that no replica can read.
    runtime.block_on(bus.put(Bucket::Release, "current", b"{}".to_vec())).unwrap();
    let text = fleet.fail(3, &["fleet", "publish", "registry"]);
    assert!(text.contains("--confirm publishes without a comparison"), "{text}");
    // The replicas are shown all the same.
    runtime.block_on(bus.put(Bucket::Status, "r", br#"{"id":"r","state":"rejected"}"#.to_vec())).unwrap();
    let output = fleet.run(&["fleet", "status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("release   cannot be read\n"), "{}", stdout(&output));
    assert!(stdout(&output).contains("\nr        rejected"), "{}", stdout(&output));
    assert!(stderr(&output).contains("publish the release again"), "{}", stderr(&output));
    assert_eq!(fleet.status()["replicas"][0]["id"], "r");
    fleet.succeed(&["fleet", "publish", "registry", "--confirm"]);
    assert_ne!(fleet.generation(), 0);
    // A rollout that no replica can read: the one before counts.
    runtime.block_on(bus.put(Bucket::Release, "rollout", b"{}".to_vec())).unwrap();
    let output = fleet.run(&["fleet", "status"]);
    assert!(stdout(&output).contains("\nrollout   100 %\n"), "{}", stdout(&output));
    let text = stderr(&output);
    assert!(text.contains("the key rollout of the release cannot be used"), "{text}");
    assert!(text.contains("Until then, the rollout before it counts"), "{text}");
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn release_of_a_fleet_is_a_source_of_every_command() {
    let fleet = Fleet::new();
    fleet.small_registry();
    let url = &*fleet.url();
    let shown = format!("the fleet {url}");
    let secret = url.replace("nats://", "nats://user:secret@");
    for source in [url, &secret] {
        let text = fleet.fail(3, &["check", source]);
        assert!(
            text.contains(&shown) && text.contains("has no release yet") && !text.contains("secret"),
            "{text}"
        );
    }
    fleet.succeed(&["fleet", "publish", "registry"]);
    let generation = fleet.generation();
    fleet.succeed(&["compile", url, "-o", "copy.swb"]);
    let inspected: Value =
        serde_json::from_str(&fleet.succeed(&["inspect", url, "--format", "json"])).unwrap();
    assert_eq!(inspected["generation"], generation);
    assert_eq!(inspected["content"].as_str().unwrap(), fleet.content());
    assert!(fleet.succeed(&["check", url]).contains("0 errors"));
    let query = ["channel=whatsapp", "ou=emea", "country=GB"];
    for command in ["select", "explain"] {
        for option in ["--snapshot", "--registry"] {
            let text = fleet.succeed(&[&[command, option, url], &query[..]].concat());
            assert!(text.contains("wa-emea-gb-") && text.contains(&shown), "{text}");
        }
    }
    assert!(fleet.succeed(&["coverage", url]).contains("whatsapp"));
    for pair in [[url, "registry"], ["copy.swb", url], [url, url]] {
        assert!(fleet.succeed(&[&["diff"], &pair[..]].concat()).contains("no decision changes"));
    }
    // Another fleet takes the release over, with its generation.
    let other = Fleet::new();
    other.succeed(&["fleet", "publish", url]);
    assert_eq!(other.generation(), generation);
    // The access comes from options and variables.
    let prefixed = fleet.fail(3, &["check", url, "--fleet-prefix", "other"]);
    assert!(prefixed.contains("KV_other_release"), "{prefixed}");
    let output = fleet.command(&["check", url]).env("SWITCHBOARD_FLEET_PREFIX", "other").output().unwrap();
    assert!(stderr(&output).contains("KV_other_release"));
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn signatures_come_from_keys_or_from_the_file() {
    let fleet = Fleet::new();
    fleet.small_registry();
    for name in ["a", "b"] {
        fleet.succeed(&["keygen", "-o", name]);
    }
    let signatures = || {
        let text = fleet.succeed(&["inspect", &fleet.url(), "--format", "json"]);
        serde_json::from_str::<Value>(&text).unwrap()["release"]["signatures"].as_u64().unwrap()
    };
    fleet.succeed(&["fleet", "publish", "registry", "--key", "a.key", "--key", "b.key", "--expires", "30d"]);
    assert_eq!(signatures(), 2);
    assert!(!fleet.status()["release"]["expires"].is_null());
    // `fleet status` has the ids of the keys, as the files of `keygen` have them.
    let keys = fleet.status()["release"]["signed_by"].clone();
    let text = stdout(&fleet.run(&["fleet", "status"]));
    assert_eq!(keys.as_array().unwrap().len(), 2);
    for key in keys.as_array().unwrap() {
        assert!(text.contains(key.as_str().unwrap()), "{text}");
    }
    // An unsigned release after a signed one is worth a word.
    let text = fleet.succeed(&["fleet", "publish", "registry"]);
    assert!(text.contains("and the one before was"), "{text}");
    assert_eq!(fleet.status()["release"]["signed_by"], serde_json::json!([]));
    assert!(stdout(&fleet.run(&["fleet", "status"])).contains("\nsigned    no\n"));

    fleet.succeed(&["compile", "registry", "-o", "r.swb"]);
    fleet.succeed(&["sign", "r.swb", "--key", "a.key", "--comment", "signed elsewhere"]);
    let file = header::generation(&fs::read(fleet.path("r.swb")).unwrap()).unwrap();
    let text = fleet.fail(2, &["fleet", "publish", "r.swb", "--comment", "other"]);
    assert!(text.contains("leave the options out"), "{text}");
    fleet.succeed(&["fleet", "publish", "r.swb"]);
    assert_eq!((fleet.generation(), signatures()), (file, 1));
    assert_eq!(fleet.status()["release"]["comment"], "signed elsewhere");
    // The same snapshot again: nothing changes, or a signature is added.
    let text = fleet.succeed(&["fleet", "publish", "r.swb"]);
    assert!(text.contains("has this snapshot already") && !text.contains("signed:"), "{text}");
    fleet.succeed(&["fleet", "publish", "r.swb", "--key", "b.key"]);
    assert_eq!((fleet.generation(), signatures()), (file, 2));
    // A signed snapshot keeps its generation, so that an older one cannot be published.
    fleet.succeed(&["fleet", "publish", "registry", "--key", "a.key"]);
    let text = fleet.fail(1, &["fleet", "publish", "r.swb"]);
    assert!(text.contains(&file.to_string()) && text.contains("sign the new file"), "{text}");
    // Without its manifest, the file gets a generation.
    fs::rename(fleet.path("r.swb.release"), fleet.path("old.release")).unwrap();
    let before = fleet.generation();
    fleet.succeed(&["fleet", "publish", "r.swb", "--key", "a.key"]);
    assert!(fleet.generation() > before);
    // The manifest of another snapshot.
    fleet.succeed(&["compile", "registry", "-o", "r.swb"]);
    fs::rename(fleet.path("old.release"), fleet.path("r.swb.release")).unwrap();
    let text = fleet.fail(1, &["fleet", "publish", "r.swb"]);
    assert!(text.contains("signed manifest of another snapshot"), "{text}");
    fleet.succeed(&["fleet", "publish", "r.swb", "--key", "a.key"]);
    assert_eq!(signatures(), 1);
    // A rollback is signed as well.
    edit(&fleet.path("registry"), "acme/company.toml", "name = \"Acme", "name = \"New Acme");
    let _ = fs::remove_file(fleet.path("registry/acme/tests.toml"));
    edit(&fleet.path("registry"), "acme/accounts.csv", "wa-emea-gb-1,", "wa-emea-gb-one,");
    fleet.succeed(&["fleet", "publish", "registry", "--key", "a.key"]);
    fleet.succeed(&["fleet", "rollback", "--key", "b.key", "--key", "a.key", "--comment", "incident 7"]);
    assert_eq!(signatures(), 2);
    assert_eq!(fleet.status()["release"]["comment"], "incident 7");
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn snapshot_of_another_version_is_a_further_variant() {
    let fleet = Fleet::new();
    fleet.small_registry();
    fleet.succeed(&["compile", "registry", "-o", "r.swb"]);
    // The records of another version, as far as a publisher can know them.
    let mut other = fs::read(fleet.path("r.swb")).unwrap();
    other[header::SCHEMA_AT] ^= 0xff;
    let sum = header::checksum(&other[..header::LEN], &other[header::LEN..]);
    other[header::CHECKSUM_AT..header::LEN].copy_from_slice(&sum.to_le_bytes());
    fs::write(fleet.path("other.swb"), &other).unwrap();
    let text = fleet.fail(2, &["fleet", "publish", "registry", "--with", "r.swb"]);
    assert!(text.contains("leave it out"), "{text}");
    fs::write(fleet.path("broken.swb"), &other[..other.len() - 1]).unwrap();
    assert!(
        fleet
            .fail(3, &["fleet", "publish", "registry", "--with", "broken.swb"])
            .contains("not an intact snapshot")
    );
    fleet.succeed(&["fleet", "publish", "registry", "--with", "other.swb"]);
    let status = fleet.status();
    let variants = status["release"]["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 2);
    assert_ne!(variants[0]["schema"], variants[1]["schema"]);
    // Another fleet gets both.
    let second = Fleet::new();
    second.succeed(&["fleet", "publish", &fleet.url()]);
    assert_eq!(second.status()["release"]["variants"].as_array().unwrap().len(), 2);
    // A rollback gives both the new generation.
    let _ = fs::remove_file(fleet.path("registry/acme/tests.toml"));
    edit(&fleet.path("registry"), "acme/accounts.csv", "wa-emea-gb-1,", "wa-emea-gb-one,");
    fleet.succeed(&["fleet", "publish", "registry"]);
    fleet.succeed(&["fleet", "rollback"]);
    let back = fleet.status();
    for at in 0..2 {
        assert_eq!(back["release"]["variants"][at]["content"], variants[at]["content"]);
    }
    // A release without this version cannot be a source.
    fleet.succeed(&["compile", "registry", "-o", "r.swb"]);
    let text = fleet.fail(1, &["fleet", "rollback", "--to", "1"]);
    assert!(text.contains("the known generations are"), "{text}");
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn wrong_usage_says_what_to_write() {
    let fleet = Fleet::new();
    fleet.small_registry();
    fs::create_dir(fleet.path("blobs")).unwrap();
    let publish = |more: &[&'static str]| [&["fleet", "publish", "registry"], more].concat();
    for (code, arguments, words) in [
        (2, publish(&["--waves", "10,5,100"]), "percentages that grow and end with 100"),
        (2, publish(&["--waves", "1,10"]), "percentages that grow and end with 100"),
        (2, publish(&["--waves", "0,100"]), "1..=100"),
        (2, publish(&["--hold", "5m"]), "--waves"),
        (2, publish(&["--blobs", "blobs"]), "--url"),
        (2, publish(&["--url", "https://x/"]), "--blobs"),
        (2, publish(&["--blobs", "blobs", "--url", "ftp://x/"]), "--url: expected the URL"),
        (2, publish(&["--blobs", "blobs", "--url", "https://user:secret@x/"]), "--url: expected the URL"),
        (3, publish(&["--blobs", "absent", "--url", "https://x/"]), "create the folder"),
        (2, publish(&["--dry-run", "--follow"]), "--follow"),
        (3, publish(&["--key", "absent.key"]), "absent.key"),
        (2, publish(&["--fleet-cert", "x.pem"]), "belong together"),
        (2, publish(&["--fleet-creds", "absent.creds"]), "absent.creds: cannot be read"),
        (2, publish(&["--fleet", "http://user:secret@x"]), "expected nats://HOST:PORT"),
        (3, publish(&["--fleet", "nats://user:secret@127.0.0.1:9"]), "cannot connect to the broker"),
        (2, publish(&["--fleet-prefix", "a.b"]), "1 to 64 letters"),
        (2, vec!["fleet", "publish", "nats://127.0.0.1:9", "--follow"], "is the folder of a registry"),
        (3, vec!["fleet", "publish", "postgres://u:secret@127.0.0.1:9/r"], "postgres://127.0.0.1:9/r: "),
        (2, vec!["fleet", "publish", "postgres://u:secret@db/r", "--follow"], "the URL has a password"),
        (3, vec!["fleet", "publish", "absent"], "absent"),
        (2, vec!["fleet", "init", "--replicas", "0"], "1..=5"),
        (2, vec!["fleet"], "Usage"),
    ] {
        let text = fleet.fail(code, &arguments);
        assert!(text.contains(words) && !text.contains("secret"), "{arguments:?}: {text}");
    }
    let output = fleet.command(&["fleet", "status"]).env_remove("SWITCHBOARD_FLEET").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--fleet nats://HOST:PORT, or in the variable SWITCHBOARD_FLEET"));
    assert_eq!(fleet.generation(), 0);
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn of_two_publishers_at_once_one_wins() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.small_registry(), fleet.path("other"));
    Command::new("cp").arg("-r").args([&a, &b]).status().unwrap();
    let mut lost = 0;
    for _ in 0..20 {
        let before = fleet.generation();
        let publish = |source: &Path| {
            spawn(&mut fleet.command(&["fleet", "publish", source.to_str().unwrap(), "--confirm"]))
        };
        let outputs = [publish(&a), publish(&b)].map(|child| child.wait_with_output().unwrap());
        let generation = fleet.generation();
        assert!(generation > before);
        let published: Vec<_> = outputs.iter().filter(|output| output.status.success()).collect();
        assert!(!published.is_empty());
        assert!(
            published.iter().any(|it| stdout(it).contains(&format!("published generation {generation}:"))
                || stdout(it).contains(&format!("generation {generation}")))
        );
        for output in outputs.iter().filter(|output| !output.status.success()) {
            let text = stderr(output);
            assert_eq!(output.status.code(), Some(1), "{text}");
            assert!(
                text.contains("another publisher changed the release")
                    || text.contains("is not greater than"),
                "{text}"
            );
            lost += 1;
        }
        assert_eq!(fleet.status()["rollout"]["generation"], generation);
    }
    assert!(lost > 0, "the publishers never met");
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn publisher_that_is_killed_leaves_a_whole_release() {
    let fleet = Fleet::new();
    fleet.registry();
    let source = "registry";
    let publish = || fleet.command(&["fleet", "publish", source, "--confirm", "--waves", "100"]);
    fleet.succeed(&["fleet", "publish", source]);
    let started = Instant::now();
    fleet.succeed(&["fleet", "publish", source]);
    let whole = started.elapsed();
    const ROUNDS: u32 = 30;
    let (mut before, mut old, mut new) = (fleet.generation(), 0, 0);
    for round in 0..=ROUNDS {
        let mut child = spawn(&mut publish());
        // The time itself is under test: each round ends the process a step later.
        thread::sleep(whole * round / (ROUNDS * 9 / 10));
        child.kill().unwrap();
        child.wait().unwrap();
        let status = fleet.status();
        let generation = status["release"]["generation"].as_u64().unwrap();
        assert!(generation >= before, "{status}");
        if generation == before {
            old += 1
        } else {
            new += 1
        }
        before = generation;
        // The release in force can be fetched and read.
        fleet.succeed(&["compile", &fleet.url(), "-o", "served.swb"]);
    }
    assert!(old > 0 && new > 0, "{old} times before, {new} times after the release");
    fleet.succeed(&["fleet", "publish", source]);
    assert!(fleet.generation() > before);
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn waves_of_the_command_follow_the_replicas() {
    let fleet = Fleet::new();
    fleet.small_registry();
    fleet.succeed(&["fleet", "publish", "registry"]);
    let (runtime, bus) = fleet.bus();
    let report = |generation: u64, state: &str, reason: Option<&str>| {
        let status = fleet.status();
        let value = serde_json::json!({
            "id": "r1", "version": "0.2.0", "schema": "s", "generation": generation,
            "digest": status["release"]["variants"][0]["digest"], "state": state, "reason": reason,
            "since": format!("2026-11-29T00:00:00.{:03}Z", generation % 1000), "standings_revision": 0,
            "clock": "2026-11-29T00:00:00.000Z", "started": "2026-11-29T00:00:00.000Z", "signed": false,
        });
        runtime.block_on(bus.put(Bucket::Status, "r1", value.to_string().into_bytes())).unwrap();
    };
    report(fleet.generation(), "serving", None);
    fleet.succeed(&["fleet", "status"]);
    let text = fleet.succeed(&["fleet", "status"]);
    assert!(text.contains("1 of 1 serve the release") && text.contains("r1"), "{text}");

    let start = || {
        let before = fleet.generation();
        let child = spawn(&mut fleet.command(&["fleet", "publish", "registry", "--waves", "1,50,100"]));
        wait_until("the release", || fleet.generation() > before);
        child
    };
    let child = start();
    assert_eq!(fleet.run(&["fleet", "status"]).status.code(), Some(1));
    let percent = fleet.status()["rollout"]["percent"].as_u64().unwrap();
    assert!((1..=100).contains(&percent));
    report(fleet.generation(), "serving", None);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("is at 100 %"), "{output:?}");
    assert_eq!(fleet.status()["rollout"]["percent"], 100);

    let before = fleet.generation();
    let child = start();
    report(before, "rejected", Some("invalid"));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("the replica r1 rejected the release (invalid): the release stays at"), "{text}");
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn first_wave_of_a_small_fleet_is_held_and_not_skipped() {
    let fleet = Fleet::new();
    fleet.small_registry();
    fleet.succeed(&["fleet", "publish", "registry"]);
    let (runtime, bus) = fleet.bus();
    let before = fleet.generation();
    let ids = ["r1", "r2", "r3"];
    let report = |id: &str, generation: u64| {
        let status = serde_json::json!({
            "id": id, "version": "0.2.0", "schema": "s", "generation": generation,
            "digest": fleet.status()["release"]["variants"][0]["digest"], "state": "serving", "reason": null,
            "since": "2026-11-29T00:00:00.000Z", "standings_revision": 0,
            "clock": "2026-11-29T00:00:00.000Z", "started": "2026-11-29T00:00:00.000Z", "signed": false,
        });
        runtime.block_on(bus.put(Bucket::Status, id, status.to_string().into_bytes())).unwrap();
    };
    ids.iter().for_each(|id| report(id, before));
    let log = fs::File::create(fleet.path("log")).unwrap();
    let arguments = ["fleet", "publish", "registry", "--waves", "1,100", "--hold", "1h"];
    let mut child = fleet.command(&arguments).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    wait_until("the release", || fleet.generation() > before);
    let generation = fleet.generation();
    // One percent selects no replica of three, so that the wave is raised until it selects the first one.
    let first = ids.iter().map(|id| wave_position(id, generation) + 1).min().unwrap();
    let percent = || fleet.status()["rollout"]["percent"].as_u64().unwrap();
    assert_eq!(percent(), u64::from(first));
    let members = ids.iter().filter(|id| wave_position(id, generation) < first);
    members.for_each(|id| report(id, generation));
    let logged = |text: &str| fs::read_to_string(fleet.path("log")).unwrap().contains(text);
    wait_until("the wave is held", || logged("the next wave begins in 1h\n"));
    assert_eq!(percent(), u64::from(first));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn follower_holds_back_companies_until_it_is_confirmed() {
    let fleet = Fleet::new();
    let registry = fleet.registry();
    fleet.succeed(&["fleet", "publish", "registry"]);
    let before = fleet.generation();
    fs::remove_dir_all(registry.join("meridian")).unwrap();
    let log = fs::File::create(fleet.path("log")).unwrap();
    let mut child = fleet
        .command(&["fleet", "publish", "registry", "--follow"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let logged = |text: &str| fs::read_to_string(fleet.path("log")).unwrap().contains(text);
    wait_until("the refusal", || logged("meridian is held back: the company disappeared"));
    assert_eq!(fleet.generation(), before);
    kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), Signal::HUP).unwrap();
    wait_until("the confirmed release", || fleet.generation() > before);
    assert_eq!(fleet.status()["release"]["counts"]["companies"], 1);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn follower_waits_for_a_release_that_it_can_compare() {
    let fleet = Fleet::new();
    let registry = fleet.registry();
    fleet.succeed(&["fleet", "publish", "registry"]);
    fs::remove_dir_all(registry.join("meridian")).unwrap();
    let (runtime, bus) = fleet.bus();
    let set = |value: &[u8]| {
        runtime.block_on(async {
            let before = bus.get(Bucket::Release, CURRENT_KEY).await.unwrap().unwrap();
            let value = value.to_vec();
            bus.update(Bucket::Release, CURRENT_KEY, value, before.revision, CALL_TIMEOUT).await.unwrap();
            before.value.unwrap()
        })
    };
    let release = set(b"{}");
    let log = fs::File::create(fleet.path("log")).unwrap();
    let mut child = fleet
        .command(&["fleet", "publish", "registry", "--follow"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let logged = |text: &str| fs::read_to_string(fleet.path("log")).unwrap().contains(text);
    wait_until("the refusal", || logged("the source cannot be compared with the release"));
    assert_eq!(set(&release), "{}");
    // It looks again by itself, and compares.
    wait_until("the company is held back", || logged("meridian is held back: the company disappeared"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
#[cfg_attr(not(all(has_nats_server, has_postgres)), ignore = "needs nats-server and postgres")]
fn database_is_published_once_and_followed() {
    let (fleet, url) = (Fleet::new(), demo_database());
    let text = fleet.succeed(&["fleet", "publish", &url]);
    assert!(text.contains(": 2 companies, "), "{text}");
    let before = fleet.generation();
    let log = fs::File::create(fleet.path("log")).unwrap();
    let mut follow = fleet.command(&["fleet", "publish", &url, "--follow"]);
    let mut child = follow.stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let connections = "select count(*) from pg_stat_activity where application_name = 'switchboard' \
                       and datname = current_database() and query = 'commit'";
    wait_until("the first read", || sql(&url, connections) == "1");
    let logged = |text: &str| fs::read_to_string(fleet.path("log")).unwrap().contains(text);
    let set = |address: &str| {
        let set = format!("set address = '{address}' where company = 'acme' and id = 'wa-spare-1'");
        sql(&url, &format!("update switchboard.account {set}"));
    };
    set("nobody");
    wait_until("the company is held back", || logged("acme is held back: 1 error"));
    assert!(logged("account[company=acme,id=wa-spare-1].address: error[invalid_address]: "));
    assert_eq!(fleet.generation(), before);
    sql(&url, "alter schema switchboard rename to away");
    wait_until("the schema is missed", || logged("run `switchboard db migrate` first"));
    sql(&url, "alter schema away rename to switchboard");
    set("+447400123999");
    wait_until("the second release", || fleet.generation() > before);
    assert!(!logged("user=postgres"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
#[ignore = "takes more than 30 s"]
fn follower_publishes_a_change_after_30_s_long() {
    let fleet = Fleet::new();
    let registry = fleet.small_registry();
    let _ = fs::remove_file(registry.join("acme/tests.toml"));
    let mut child = spawn(&mut fleet.command(&["fleet", "publish", "registry", "--follow"]));
    wait_until("the first release", || fleet.generation() > 0);
    let (first, at) = (fleet.generation(), Instant::now());
    edit(&registry, "acme/accounts.csv", "wa-emea-gb-1,", "wa-emea-gb-one,");
    wait_within(Duration::from_secs(60), || "the second release".to_owned(), || fleet.generation() > first);
    assert!(at.elapsed() > Duration::from_secs(25));
    child.kill().unwrap();
    child.wait().unwrap();
}
