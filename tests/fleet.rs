//! Replicas of a fleet: real daemons, a real broker, and a web server of the test.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::SystemTime;

use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use switchboard_fleet::bus::encode_token;
use switchboard_fleet::release::{CURRENT_KEY, Encoding};
use switchboard_release::SigningKey;
use switchboard_snapshot::{Header, Snapshot, header};

use fleet_testbed::broker::{Broker, programs};

use crate::cli::{stderr, stdout, switchboard};
use crate::harness::fleet_site::{
    Behavior, Release, Site, clear, generation, is_connected, set, standing, wait_for, wait_until_served,
};
use crate::harness::{DaemonProcess, wait_until};

fn fetched_bytes(daemon: &DaemonProcess) -> f64 {
    daemon.metric("switchboard_fleet_fetch_bytes_total")
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

const QUERY: &str = "/v1/select?company=acme&channel=whatsapp&ou=emea&country=DE";

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn replica_serves_the_release_and_starts_from_its_state_without_a_broker() {
    let mut site = Site::new();
    site.broker.kill();
    let daemon = site.replica("r", &[]);
    assert_eq!(daemon.get(QUERY).0, 503);
    let (status, ready) = daemon.admin("GET", "/readyz", "");
    assert!(status == 503 && ready.contains("has no release for this replica yet"), "{ready}");
    let status = daemon.status();
    assert_eq!(
        (&status["fleet"]["connected"], &status["fleet"]["state"]),
        (&json!(false), &json!("waiting"))
    );
    assert_eq!(status["source"], format!("the fleet {}", site.url()));
    assert_eq!(status["last_reload"], Value::Null, "a fleet without a release is no fault");

    // The broker comes, and a release later.
    site.broker.restart().unwrap();
    wait_until("the replica is connected", || is_connected(&daemon));
    let first = site.release(7, &["acme"]);
    site.publish(&first, &[]);
    wait_until_served(&daemon, 7);
    assert_eq!(daemon.get(QUERY).0, 200);
    wait_until("the status is reported", || site.reported("r")["state"] == "serving");
    let reported = site.reported("r");
    let (version, schema) = (env!("CARGO_PKG_VERSION"), format!("{:016x}", header::schema_digest()));
    for (member, value) in [
        ("id", json!("r")),
        ("version", json!(version)),
        ("schema", json!(schema)),
        ("generation", json!(7)),
        ("digest", json!(sha256(&first.bytes))),
        ("reason", Value::Null),
        ("signed", json!(false)),
    ] {
        assert_eq!(reported[member], value, "{member} of {reported}");
    }
    assert_eq!(fetched_bytes(&daemon), first.bytes.len() as f64);
    for (series, value) in [("connected", 1.0), ("release_generation", 7.0)] {
        assert_eq!(daemon.metric(&format!("switchboard_fleet_{series}")), value, "{series}");
    }
    assert_eq!(daemon.metric("switchboard_fleet_release_expires_timestamp_seconds"), 0.0);
    assert!(daemon.metric("switchboard_fleet_stale_seconds") < 20.0);
    drop(daemon);

    // Without a broker, a restart serves the last release.
    site.broker.kill();
    let daemon = site.replica("r", &[]);
    assert_eq!(daemon.get(QUERY).0, 200);
    let status = daemon.status();
    assert_eq!(
        (&status["snapshot"]["generation"], &status["snapshot"]["from_state"]),
        (&json!(7), &json!(false))
    );
    assert_eq!(status["fleet"]["state"], "waiting");
    drop(daemon);
    // Also if only the state directory's own snapshot is left.
    fs::remove_dir_all(site.state("r").join("fleet")).unwrap();
    let daemon = site.replica("r", &["--require-snapshot"]);
    assert_eq!((daemon.get(QUERY).0, &daemon.status()["snapshot"]["from_state"]), (200, &json!(true)));
    // The broker confirms the snapshot, which needs no transfer.
    site.broker.restart().unwrap();
    wait_until_served(&daemon, 7);
    wait_until("the release is confirmed", || daemon.status()["snapshot"]["from_state"] == false);
    assert_eq!(fetched_bytes(&daemon), 0.0);
    assert_eq!(fs::read(site.state("r").join("fleet/release.swb")).unwrap(), first.bytes);
    drop(daemon);

    // Without both, --require-snapshot ends the start.
    let options = site
        .options("new", &["--require-snapshot", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let arguments: Vec<&str> = ["serve"].into_iter().chain(options.iter().map(String::as_str)).collect();
    let output = switchboard(&arguments);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(stderr(&output).contains("has no release for this replica yet"), "{output:?}");
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn waves_hold_back_replicas_that_serve_except_canaries() {
    let site = Site::new();
    site.roll_out(7, 0);
    site.publish(&site.release(7, &["acme"]), &[]);
    // A replica without a snapshot is in every wave.
    let (waits, canary) = (site.replica("r", &[]), site.replica("c", &["--canary"]));
    wait_until_served(&waits, 7);
    wait_until_served(&canary, 7);
    site.roll_out(8, 0);
    site.publish(&site.release(8, &["acme", "zeta"]), &[]);
    wait_for(&waits, 8, "waiting", Value::Null);
    wait_until_served(&canary, 8);
    assert_eq!((generation(&waits), &waits.status()["fleet"]["percent"]), (7, &json!(0)));
    // The rollout of the next release comes first. It does not open the present one.
    site.roll_out(9, 0);
    site.publish(&site.release(9, &["acme", "beta"]), &[]);
    wait_for(&waits, 9, "waiting", Value::Null);
    wait_until_served(&canary, 9);
    assert_eq!(
        (generation(&waits), waits.metric("switchboard_snapshot_reloads_total{outcome=\"published\"}")),
        (7, 1.0)
    );
    let place = switchboard_fleet::release::wave_position("r", 9);
    site.roll_out(9, place);
    wait_until("the rollout arrives", || waits.status()["fleet"]["percent"] == place);
    assert_eq!(generation(&waits), 7);
    site.roll_out(9, place + 1);
    wait_until_served(&waits, 9);
    // A publisher ends before it sets its release: the waves of the present one stay as they are, also for a replica
    // that starts.
    site.roll_out(10, 0);
    site.publish(&site.release(10, &["acme", "gamma"]), &[]);
    wait_for(&waits, 10, "waiting", Value::Null);
    site.roll_out(11, 99);
    drop(waits);
    let waits = site.replica("r", &[]);
    wait_for(&waits, 10, "waiting", Value::Null);
    assert_eq!((generation(&waits), &waits.status()["fleet"]["percent"]), (9, &json!(0)));
    // A rollout of a generation below means every replica.
    site.roll_out(9, 0);
    wait_until_served(&waits, 10);
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn manifests_and_bytes_that_are_wrong_are_rejected_once_and_change_nothing() {
    let site = Site::new();
    let [trusted, other] = [(); 2].map(|()| SigningKey::generate().unwrap());
    fs::write(site.state("keys.toml"), trusted.public().to_toml("release")).unwrap();
    let daemon = site.replica("r", &["--trusted-keys", &site.path("keys.toml")]);
    site.publish(&site.release(70, &["acme"]), &[&trusted]);
    wait_until_served(&daemon, 70);
    assert_eq!(daemon.status()["fleet"]["signed"], true);

    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64;
    let (hour, mut generation_of) = (3_600_000, 100);
    let mut next = || {
        generation_of += 1;
        generation_of
    };
    type Change = Box<dyn Fn(&Site, &mut Release)>;
    // The generation, the keys and the change of a release, with the state and the reason that follow.
    let unchanged = || Box::new(|_: &Site, _: &mut Release| {}) as Change;
    type Case<'a> = (&'a str, u64, Vec<&'a SigningKey>, Change, &'a str, &'a str);
    let cases: Vec<Case<'_>> = vec![
        ("unsigned", next(), vec![], unchanged(), "rejected", "signature"),
        ("wrong key", next(), vec![&other], unchanged(), "rejected", "signature"),
        ("older", 69, vec![&trusted], unchanged(), "rejected", "generation_old"),
        ("same generation", 70, vec![&trusted], unchanged(), "rejected", "generation_old"),
        ("ahead", now + 25 * hour, vec![&trusted], unchanged(), "rejected", "generation_ahead"),
        (
            "another schema",
            next(),
            vec![&trusted],
            Box::new(|_, release| release.manifest.variants[0].schema = "0".repeat(16)),
            "behind",
            "schema",
        ),
        (
            "other bytes",
            next(),
            vec![&trusted],
            Box::new(|site, release| {
                release.bytes[100] ^= 1;
                site.web.set(&release.path, vec![Behavior::File(release.bytes.clone())]);
            }),
            "rejected",
            "digest",
        ),
        (
            "truncated",
            next(),
            vec![&trusted],
            Box::new(|site, release| {
                release.bytes.pop();
                site.web.set(&release.path, vec![Behavior::File(release.bytes.clone())]);
            }),
            "rejected",
            "digest",
        ),
        (
            "bomb",
            next(),
            vec![&trusted],
            Box::new(|site, release| {
                let bomb = zstd::encode_all(&vec![0; 256 << 20][..], 3).unwrap();
                // Small enough for the size of a variant, so that only decoding finds the bomb.
                release.manifest.variants[0].size = bomb.len() as u64;
                (release.source.encoding, release.source.size) = (Encoding::Zstd, bomb.len() as u64);
                site.web.set(&release.path, vec![Behavior::File(bomb)]);
            }),
            "rejected",
            "digest",
        ),
        (
            "broken snapshot",
            next(),
            vec![&trusted],
            Box::new(|site, release| {
                let at = release.bytes.len() - 1;
                release.bytes[at] ^= 1;
                let digest = sha256(&release.bytes);
                (release.manifest.variants[0].digest, release.source.digest) = (digest.clone(), digest);
                site.web.set(&release.path, vec![Behavior::File(release.bytes.clone())]);
            }),
            "rejected",
            "invalid",
        ),
        (
            "another generation in the snapshot",
            next(),
            vec![&trusted],
            Box::new(|_, release| release.manifest.generation += 1000),
            "rejected",
            "signature",
        ),
    ];
    let mut last: Option<(String, usize)> = None;
    let mut believed = 70;
    for (name, number, keys, change, state, reason) in cases {
        let mut release = site.release(number, &["acme", "zeta"]);
        change(&site, &mut release);
        let before = daemon.metric(&format!("switchboard_fleet_rejected_total{{reason=\"{reason}\"}}"));
        site.publish(&release, &keys);
        if keys.len() == 1 && name != "wrong key" {
            believed = release.manifest.generation;
        }
        let counted = || daemon.metric(&format!("switchboard_fleet_rejected_total{{reason=\"{reason}\"}}"));
        wait_until(&format!("{name} is counted"), || counted() > before);
        wait_for(&daemon, believed, state, reason);
        assert_eq!((generation(&daemon), counted()), (70, before + 1.0), "{name}");
        assert_eq!(daemon.get(QUERY).0, 200, "{name}");
        // The release before was not asked for again.
        if let Some((path, requests)) = &last {
            assert_eq!(site.web.requests(path), *requests, "the release before {name}");
        }
        // A wake-up by a rollout makes the replica judge again, and ask for nothing.
        let requests = site.web.requests(&release.path);
        assert!(requests <= 1, "{name}: {requests}");
        site.roll_out(release.manifest.generation, 99);
        if reason != "signature" || name.starts_with("another") {
            wait_until("the rollout arrives", || daemon.status()["fleet"]["percent"] == 99);
        }
        assert_eq!(site.web.requests(&release.path), requests, "{name}");
        last = Some((release.path, requests));
    }
    // The same manifest again, because its source was repaired.
    let release = site.release(5000, &["acme", "eta"]);
    site.web.set(&release.path, vec![Behavior::File(vec![7; release.bytes.len()])]);
    site.publish(&release, &[&trusted]);
    wait_for(&daemon, 5000, "rejected", "digest");
    site.web.set(&release.path, vec![Behavior::File(release.bytes.clone())]);
    site.publish(&release, &[&trusted]);
    wait_until_served(&daemon, 5000);
    // A value that is no release.
    site.put(CURRENT_KEY, b"secret".to_vec());
    wait_for(&daemon, 5000, "rejected", "signature");
    assert!(!daemon.status()["fleet"].to_string().contains("secret"));
    assert_eq!(generation(&daemon), 5000);
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn web_servers_that_redirect_pause_stall_or_fail_change_nothing() {
    let site = Site::new();
    let daemon = site.replica("r", &[]);
    let behaviors = |bytes: &[u8]| {
        let file = Behavior::File(bytes.to_vec());
        [
            vec![Behavior::Status(429, "Retry-After: 1\r\n"), file.clone()],
            vec![Behavior::Cut(bytes.to_vec()), file.clone()],
            vec![Behavior::Stall(bytes.to_vec()), file.clone()],
            vec![Behavior::Status(500, ""), file],
        ]
    };
    for (number, at) in [(1, 0), (2, 1), (3, 2), (4, 3)] {
        // A new name, so that no kept snapshot has the content.
        let release = site.release(number, &["acme", &format!("company-{number}")]);
        site.web.set(&release.path, behaviors(&release.bytes)[at].clone());
        site.publish(&release, &[]);
        wait_until_served(&daemon, number);
    }
    // A redirection to another path.
    let mut release = site.release(5, &["acme", "five"]);
    site.web.set("/moved", vec![Behavior::Status(302, "Location: /found\r\n")]);
    site.web.set("/found", vec![Behavior::File(release.bytes.clone())]);
    release.source.urls = vec![site.web.url("/moved")];
    site.publish(&release, &[]);
    wait_until_served(&daemon, 5);

    // A server without the file: the replica waits, and takes another source of the same release at once.
    let mut release = site.release(6, &["acme", "six"]);
    release.source.urls = vec![site.web.url("/missing")];
    site.publish(&release, &[]);
    wait_for(&daemon, 6, "waiting", "fetch_failed");
    assert_eq!((generation(&daemon), site.web.requests("/missing")), (5, 3));
    wait_until("the failure is reported", || site.reported("r")["reason"] == "fetch_failed");
    let detail = daemon.status()["fleet"]["detail"].to_string();
    assert!(detail.contains("127.0.0.1:") && detail.contains(" answered 404"), "{detail}");
    let status = switchboard(&["status", "--url", &format!("http://{}", daemon.admin)]);
    let text = stdout(&status);
    assert_eq!(status.status.code(), Some(1), "{text}");
    assert!(text.contains("\nfleet      ") && text.contains("waiting (fetch_failed)"), "{text}");
    release.source.urls = vec![site.web.url(&release.path)];
    site.publish(&release, &[]);
    wait_until_served(&daemon, 6);

    // A server that asks for a long pause: the reason is seen meanwhile, and other sources do not wait for its end.
    let mut release = site.release(7, &["acme", "seven"]);
    site.web.set("/busy", vec![Behavior::Status(503, "Retry-After: 300\r\n")]);
    release.source.urls = vec![site.web.url("/busy")];
    site.publish(&release, &[]);
    wait_for(&daemon, 7, "fetching", "fetch_failed");
    let detail = daemon.status()["fleet"]["detail"].to_string();
    let server = site.web.url("").replace("http://", "");
    assert!(detail.contains(&format!("{server} answered 503, and asks for a pause of 300 s")), "{detail}");
    wait_until("the pause is reported", || site.reported("r")["reason"] == "fetch_failed");
    assert_eq!(site.reported("r")["state"], "fetching");
    release.source.urls = vec![site.web.url(&release.path)];
    site.publish(&release, &[]);
    wait_until_served(&daemon, 7);
    let status = switchboard(&["status", "--url", &format!("http://{}", daemon.admin)]);
    assert_eq!(status.status.code(), Some(0), "{}", stdout(&status));
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn broker_that_dies_freezes_or_loses_its_memory_changes_nothing() {
    let mut site = Site::new();
    let daemon = site.replica("r", &[]);
    site.publish(&site.release(7, &["acme"]), &[]);
    wait_until_served(&daemon, 7);
    site.broker.kill();
    wait_until("the loss is noticed", || !is_connected(&daemon));
    assert_eq!((daemon.get(QUERY).0, daemon.status()["fleet"]["state"].clone()), (200, json!("serving")));
    assert_eq!(daemon.metric("switchboard_fleet_connected"), 0.0);
    site.broker.restart().unwrap();
    site.publish(&site.release(8, &["acme", "zeta"]), &[]);
    wait_until_served(&daemon, 8);

    // A half-open connection: the broker does not answer.
    site.broker.freeze().unwrap();
    wait_until("the silence is noticed", || !is_connected(&daemon));
    assert_eq!(daemon.get(QUERY).0, 200);
    site.broker.thaw().unwrap();
    wait_until("the replica is connected again", || is_connected(&daemon));

    // Without a store, and then with empty buckets.
    site.broker.kill();
    site.broker.lose_memory().unwrap();
    site.broker.restart().unwrap();
    wait_until("the replica is connected to the empty broker", || is_connected(&daemon));
    daemon.log("the release of the fleet cannot be read");
    site.init();
    daemon.log("the broker has lost its memory");
    let fleet = daemon.status()["fleet"].clone();
    assert_eq!((&fleet["state"], &fleet["release_generation"]), (&json!("serving"), &json!(8)));
    assert_eq!((generation(&daemon), daemon.get(QUERY).0), (8, 200));
    // The status comes back by itself. An older release is refused, and a newer one is taken.
    wait_until("the status is reported", || site.reported("r")["generation"] == 8);
    site.publish(&site.release(6, &["acme"]), &[]);
    wait_for(&daemon, 6, "rejected", "generation_old");
    site.publish(&site.release(9, &["acme"]), &[]);
    wait_until_served(&daemon, 9);
}

/// The client of the broker logs each attempt, and at `trace` its password.
#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn lost_connection_logs_two_lines_at_most_and_never_the_password() {
    let users = "authorization { users = [{ user: replica, password: hidden-secret }] }";
    let mut broker = Broker::start_with(&programs()[0], users, &[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("nats://replica:hidden-secret@127.0.0.1:{}", broker.port());
    let state = folder.path().to_str().unwrap();
    for levels in ["info", "trace,async_nats=trace"] {
        let mut daemon = DaemonProcess::start(&["--fleet", &url, "--state", state, "--log-level", levels]);
        wait_until("the broker is connected", || is_connected(&daemon));
        broker.kill();
        // Attempts that fail, one after the other.
        let listener = TcpListener::bind(("127.0.0.1", broker.port())).unwrap();
        for _ in 0..4 {
            drop(listener.accept().unwrap());
        }
        drop(listener);
        broker.restart().unwrap();
        wait_until("the broker is connected again", || is_connected(&daemon));
        daemon.signal(Signal::TERM);
        let (mut lines, last) = daemon.logs_until("stopped");
        lines.push(last);
        assert!(daemon.wait().success());
        let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        assert!(!text.contains("hidden-secret"), "{text}");
        let of_broker =
            |line: &&Value| line["message"].as_str().unwrap_or_default().contains("broker of the fleet ");
        let of_broker: Vec<_> = lines.iter().filter(of_broker).map(|line| &line["level"]).collect();
        // The first line may be from before the daemon listened. The reason may be known at once, or a moment later.
        assert!(matches!(&of_broker[..], [.., last] if *last == "INFO"), "{text}");
        let lost = of_broker.iter().filter(|level| **level == "WARN").count();
        assert!((1..=2).contains(&lost), "{text}");
        if levels == "info" {
            assert!(!text.contains("event: "), "{text}");
        }
    }
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn rollback_to_a_kept_content_needs_no_transfer() {
    let site = Site::new();
    let daemon = site.replica("r", &[]);
    let first = site.release(7, &["acme"]);
    site.publish(&first, &[]);
    wait_until_served(&daemon, 7);
    site.publish(&site.release(8, &["acme", "zeta"]), &[]);
    wait_until_served(&daemon, 8);
    wait_until("both are kept", || site.state("r").join("previous.swb").exists());
    let before = fetched_bytes(&daemon);
    // The content before, and the content in service. No server has the files.
    for (number, companies) in [(9, vec!["acme"]), (10, vec!["acme", "zeta"]), (11, vec!["acme", "zeta"])] {
        let release = site.release(number, &companies);
        site.web.set(&release.path, vec![Behavior::Status(404, "")]);
        site.publish(&release, &[]);
        wait_until_served(&daemon, number);
        assert_eq!(site.web.requests(&release.path), 0);
        assert_eq!(fs::read(site.state("r").join("fleet/release.swb")).unwrap(), release.bytes);
    }
    assert_eq!(fetched_bytes(&daemon), before);
    // The restamped bytes are those of the publisher.
    let body = &first.bytes[header::LEN..];
    let head = Header { generation: 9, ..Header::read(&first.bytes).unwrap() }.seal(body);
    assert!(Snapshot::open(aligned(&[&head[..], body].concat())).is_ok());
}

fn aligned(bytes: &[u8]) -> switchboard_snapshot::Bytes {
    let mut aligned = rkyv::util::AlignedVec::new();
    aligned.extend_from_slice(bytes);
    aligned.into()
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn full_disk_is_reported_and_changes_nothing() {
    let site = Site::new();
    site.publish(&site.release(7, &["acme"]), &[]);
    let daemon = site.replica("r", &[]);
    wait_until_served(&daemon, 7);
    drop(daemon);
    // A file has at most 8 KiB, less than the next snapshot.
    let companies: Vec<String> = (0..20).map(|number| format!("company-{number:02}")).collect();
    let release = site.release(8, &companies.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(release.bytes.len() > 16 * 1024, "{}", release.bytes.len());
    let options = site.options("r", &[]);
    let daemon =
        DaemonProcess::start_under("ulimit -f 8", &options.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((daemon.get(QUERY).0, generation(&daemon)), (200, 7));
    site.publish(&release, &[]);
    wait_for(&daemon, 8, "rejected", "disk");
    wait_until("the disk is reported", || site.reported("r")["reason"] == "disk");
    assert_eq!((generation(&daemon), site.web.requests(&release.path)), (7, 1));
    let left = fs::read_dir(site.state("r").join("fleet")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| name.starts_with("release.swb")), "{left:?}");
    drop(daemon);
    let daemon = site.replica("r", &[]);
    wait_until_served(&daemon, 8);
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn default_replica_id_is_kept_and_two_processes_of_one_state_directory_fetch_once() {
    let site = Site::new();
    site.publish(&site.release(7, &["acme"]), &[]);
    let (url, state) = (site.url(), site.path("r"));
    let options = ["--fleet", &url, "--fleet-prefix", "test", "--state", &state, "--spread", "0"];
    let daemon = DaemonProcess::start(&options);
    wait_until_served(&daemon, 7);
    let id = daemon.status()["fleet"]["replica_id"].as_str().unwrap().to_owned();
    let suffix = fs::read_to_string(Path::new(&state).join("replica-id")).unwrap();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(id, format!("{}-{}", host.trim(), suffix.trim()));
    // The second process waits for the lock of the state directory, and follows the first.
    let second = DaemonProcess::start(&options);
    assert_eq!((generation(&second), second.status()["fleet"]["replica_id"].as_str().unwrap()), (7, &*id));
    let release = site.release(8, &["acme", "zeta"]);
    site.publish(&release, &[]);
    wait_until_served(&daemon, 8);
    wait_until_served(&second, 8);
    assert_eq!((site.web.requests(&release.path), fetched_bytes(&second)), (1, 0.0));
    // It takes over when the first one drains.
    daemon.signal(Signal::TERM);
    let release = site.release(9, &["acme", "beta"]);
    site.publish(&release, &[]);
    wait_until_served(&second, 9);
    wait_until("the second process reports", || {
        let status = site.reported(&encode_token(&id));
        status["id"] == *id && status["generation"] == 9
    });
}

#[test]
fn faults_of_the_settings_name_the_option_and_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("broken"), "secret").unwrap();
    let (state, broken) = (path("state"), path("broken"));
    let fleet = ["--fleet", "nats://user:secret@127.0.0.1:1", "--state", &state];
    for (options, words) in [
        (vec!["--fleet", "nats://u:secret@a"], "--fleet needs --state DIR"),
        (vec!["--fleet", "secret://a", "--state", &state], "--fleet: the URL is not valid"),
        ([&fleet[..], &["--registry", &state]].concat(), "--registry and --fleet exclude each other"),
        ([&fleet[..], &["--fleet-creds", &broken]].concat(), "this is not a file of NATS credentials"),
        ([&fleet[..], &["--fleet-ca", &broken]].concat(), "no CERTIFICATE in PEM"),
        ([&fleet[..], &["--fleet-cert", &broken, "--fleet-key", &broken]].concat(), "no CERTIFICATE in PEM"),
        ([&fleet[..], &["--fleet-cert", &broken]].concat(), "--fleet-cert needs --fleet-key FILE"),
    ] {
        for command in ["serve", "check-config"] {
            let output = switchboard(&[&[command], &options[..]].concat());
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{command} {options:?}: {text}");
            assert!(text.contains(words) && !text.contains("secret"), "{command} {options:?}: {text}");
        }
    }
    // A file that cannot be read is not a fault of the settings.
    for option in ["--fleet-creds", "--fleet-ca"] {
        for command in ["serve", "check-config"] {
            let output = switchboard(&[&[command], &fleet[..], &[option, "/missing"]].concat());
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(3), "{command} {option}: {text}");
            assert!(text.contains(option) && text.contains("cannot read /missing"), "{command}: {text}");
        }
    }
    let output = switchboard(&[&["check-config"], &fleet[..]].concat());
    assert!(output.status.success(), "{output:?}");
    let output = switchboard(&["serve", "--snapshot", "nats://user:secret@a"]);
    assert!(stderr(&output).contains("with --fleet nats://") && !stderr(&output).contains("secret"));
}

/// Accounts of the small registry.
const ACCOUNTS: [&str; 5] = ["wa-gb-1", "wa-de-1", "wa-us-001", "wa-anna-01", "wa-berta-01"];
const SUSPENDED: &str = r#"{"standing":"suspended","reason":"blocked"}"#;
const DRAINING: &str = r#"{"standing":"draining","reason":"busy"}"#;

#[track_caller]
fn wait_for_standing(daemon: &DaemonProcess, account: &str, expected: impl Into<Value>) {
    let expected = expected.into();
    wait_until(&format!("{account} is {expected}"), || standing(daemon, account) == expected);
}

/// Returns the events of an audit log that name an account.
fn audited(site: &Site, id: &str, account: &str) -> Vec<String> {
    let log = fs::read_to_string(site.state(id).join("audit.ndjson")).unwrap();
    let records = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let records = records.filter(|record| record["account"] == account);
    records.map(|record| record["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn standings_of_one_replica_are_in_force_on_all_through_cuts_restarts_and_losses_of_memory() {
    let mut site = Site::new();
    let release = site.release(1, &["acme"]);
    site.publish(&release, &[]);
    let start = |site: &Site, id: &str| {
        let daemon = site.replica(id, &[]);
        wait_until("the release is served", || generation(&daemon) == 1);
        daemon
    };
    let [mut a, b] = ["a", "b"].map(|id| start(&site, id));
    let account = ACCOUNTS;
    for daemon in [&a, &b] {
        wait_until("the replica is connected", || is_connected(daemon));
    }

    // With the broker, a change of one replica is one of all.
    assert_eq!(set(&a, account[0], SUSPENDED), (200, "fleet".to_owned()));
    wait_for_standing(&b, account[0], "suspended");
    assert_eq!(clear(&b, account[0]), (204, String::new()));
    wait_for_standing(&a, account[0], Value::Null);
    assert_eq!(clear(&b, account[0]), (204, String::new()), "nothing is cleared twice");
    assert_eq!(audited(&site, "a", account[0]), ["standing_set"]);
    assert_eq!(audited(&site, "b", account[0]), ["standing_cleared"]);
    assert_eq!(set(&a, account[1], SUSPENDED), (200, "fleet".to_owned()));
    assert_eq!(set(&a, account[2], DRAINING), (200, "fleet".to_owned()));
    wait_for_standing(&b, account[2], "draining");

    // Without it, restrictions are in force here, and nothing is taken away.
    site.broker.kill();
    for daemon in [&a, &b] {
        wait_until("the replica lost the broker", || !is_connected(daemon));
    }
    assert_eq!(set(&a, account[3], SUSPENDED), (202, "replica".to_owned()));
    assert_eq!(clear(&a, account[1]), (503, "no_broker".to_owned()));
    assert_eq!(standing(&a, account[1]), "suspended");
    assert_eq!(audited(&site, "a", account[1]), ["standing_set", "standing_cleared", "standing_failed"]);
    // A standing that only this replica has can be taken back.
    assert_eq!(set(&a, account[4], DRAINING), (202, "replica".to_owned()));
    assert_eq!(clear(&a, account[4]), (204, String::new()));
    // Both sides change the same account. The more restrictive wins.
    assert_eq!(set(&a, account[0], DRAINING), (202, "replica".to_owned()));
    assert_eq!(set(&b, account[0], SUSPENDED), (202, "replica".to_owned()));
    a.kill();
    let a = start(&site, "a");
    assert_eq!(standing(&a, account[3]), "suspended", "a pending standing survives a kill");
    // Others may have been acknowledged less than half a second before the kill.
    assert!(a.metric("switchboard_fleet_standings_pending") >= 2.0);
    site.broker.restart().unwrap();
    wait_for_standing(&b, account[3], "suspended");
    wait_for_standing(&a, account[0], "suspended");
    assert_eq!(standing(&b, account[0]), "suspended");
    assert_eq!(standing(&b, account[4]), Value::Null);
    wait_until("nothing is pending", || {
        [&a, &b].iter().all(|daemon| daemon.metric("switchboard_fleet_standings_pending") == 0.0)
    });
    let overruled: f64 = [&a, &b].iter().map(|it| it.metric("switchboard_fleet_overruled_total")).sum();
    assert_eq!(overruled, 1.0);

    // A broker that comes back empty clears nothing, and gets the restrictions back.
    assert_eq!(set(&a, account[4], SUSPENDED), (200, "fleet".to_owned()));
    wait_for_standing(&b, account[4], "suspended");
    site.broker.kill();
    site.broker.lose_memory().unwrap();
    site.broker.restart().unwrap();
    site.init();
    site.publish(&release, &[]);
    // One that is put back can be cleared at once, and stays cleared.
    wait_until("a restriction is cleared before it is put back", || clear(&a, account[4]).0 == 204);
    let late = start(&site, "late");
    for (at, expected) in [(0, "suspended"), (1, "suspended"), (2, "draining"), (3, "suspended")] {
        wait_for_standing(&late, account[at], expected);
        for daemon in [&a, &b] {
            assert_eq!(standing(daemon, account[at]), expected);
        }
    }
    wait_until("nothing is pending", || {
        [&a, &b].iter().all(|daemon| daemon.metric("switchboard_fleet_standings_pending") == 0.0)
    });
    for daemon in [&a, &b, &late] {
        assert_eq!(standing(daemon, account[4]), Value::Null);
    }
    assert_eq!(clear(&late, account[1]), (204, String::new()));
    wait_for_standing(&a, account[1], Value::Null);
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn standings_from_before_the_fleet_come_into_it_and_out_of_it() {
    let site = Site::new();
    let release = site.release(1, &["acme"]);
    site.publish(&release, &[]);
    let snapshot = site.path("alone.swb");
    fs::write(&snapshot, &release.bytes).unwrap();
    let account = ACCOUNTS;
    let state = site.path("a");
    let alone = || DaemonProcess::start(&["--snapshot", &snapshot, "--state", &state]);
    let mut daemon = alone();
    assert_eq!(set(&daemon, account[0], SUSPENDED).0, 200);
    daemon.kill();
    let [mut a, b] = ["a", "b"].map(|id| site.replica(id, &[]));
    wait_until("the release is served", || generation(&b) == 1);
    wait_for_standing(&b, account[0], "suspended");
    assert_eq!(set(&b, account[1], DRAINING), (200, "fleet".to_owned()));
    wait_for_standing(&a, account[1], "draining");
    let journal = site.state("a").join("standings.journal");
    let has_both = || fs::read_to_string(&journal).unwrap().contains(account[1]);
    wait_until("the journal has what arrived", has_both);
    a.kill();
    let mut daemon = alone();
    assert_eq!(
        (standing(&daemon, account[0]), standing(&daemon, account[1])),
        ("suspended".into(), "draining".into())
    );
    assert!(fs::read_to_string(&journal).unwrap().starts_with("switchboard standings 1\n"));

    // Back in the fleet, only what was set outside is new.
    assert_eq!(clear(&b, account[0]).0, 204);
    assert_eq!(set(&daemon, account[2], SUSPENDED).0, 200);
    daemon.kill();
    let a = site.replica("a", &[]);
    wait_for_standing(&b, account[2], "suspended");
    wait_for_standing(&a, account[0], Value::Null);
    wait_until("nothing is pending", || a.metric("switchboard_fleet_standings_pending") == 0.0);
    for daemon in [&a, &b] {
        assert_eq!(
            [0, 1, 2].map(|at| standing(daemon, account[at])),
            [Value::Null, "draining".into(), "suspended".into()]
        );
    }
    assert!(!site.state("a").join("standings.journal.fleet").exists());
}

/// The broker gets writes while it is stopped, and makes them when it goes on.
#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn answers_hold_although_the_broker_makes_changes_late() {
    let mut site = Site::new();
    let release = site.release(1, &["acme"]);
    site.publish(&release, &[]);
    let [a, b] = ["a", "b"].map(|id| site.replica(id, &[]));
    for daemon in [&a, &b] {
        wait_until("the release is served", || generation(daemon) == 1);
    }
    let [kept, cleared, lessened, last, ends] = ACCOUNTS;
    for account in [kept, lessened] {
        assert_eq!(set(&a, account, SUSPENDED), (200, "fleet".to_owned()));
        wait_for_standing(&b, account, "suspended");
    }
    site.broker.freeze().unwrap();
    assert_eq!(clear(&a, kept), (503, "no_broker".to_owned()));
    assert_eq!(set(&a, lessened, DRAINING), (503, "no_broker".to_owned()));
    assert_eq!(set(&a, cleared, SUSPENDED), (202, "replica".to_owned()));
    assert_eq!(clear(&a, cleared), (204, String::new()));
    site.broker.thaw().unwrap();
    wait_until("both changes are taken back", || a.metric("switchboard_fleet_overruled_total") == 2.0);
    wait_until("a later change reaches the fleet", || set(&a, last, SUSPENDED).0 == 200);
    wait_for_standing(&b, last, "suspended");
    wait_until("nothing is pending", || a.metric("switchboard_fleet_standings_pending") == 0.0);
    assert_eq!(
        audited(&site, "a", kept),
        ["standing_set", "standing_cleared", "standing_failed", "overruled"]
    );
    wait_for_standing(&b, cleared, Value::Null);
    for daemon in [&a, &b] {
        wait_for_standing(daemon, kept, "suspended");
        wait_for_standing(daemon, lessened, "suspended");
        assert_eq!(standing(daemon, cleared), Value::Null);
    }

    // What stands behind a standing is in force without a gap at its end.
    assert_eq!(set(&a, ends, DRAINING), (200, "fleet".to_owned()));
    site.broker.kill();
    wait_until("the replica lost the broker", || !is_connected(&a));
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(1_500);
    let body = json!({"standing": "suspended", "reason": "short", "until": until.to_string()});
    assert_eq!(set(&a, ends, &body.to_string()), (202, "replica".to_owned()));
    wait_until("the pending standing ends", || {
        let standing = standing(&a, ends);
        assert_ne!(standing, Value::Null, "the draining account is in service");
        standing == "draining"
    });
    site.broker.restart().unwrap();
    wait_until("nothing is pending", || a.metric("switchboard_fleet_standings_pending") == 0.0);
    assert_eq!(standing(&a, ends), "draining");
}

/// A journal that cannot be written must not keep the restrictions of others out of force.
#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn standings_arrive_although_the_journal_cannot_be_opened_or_is_damaged() {
    let site = Site::new();
    let release = site.release(1, &["acme"]);
    site.publish(&release, &[]);
    let [mut a, b] = ["a", "b"].map(|id| site.replica(id, &[]));
    for daemon in [&a, &b] {
        wait_until("the release is served", || generation(daemon) == 1);
    }
    for account in [ACCOUNTS[0], ACCOUNTS[1]] {
        assert_eq!(set(&b, account, SUSPENDED), (200, "fleet".to_owned()));
        wait_for_standing(&a, account, "suspended");
    }
    let journal = site.state("a").join("standings.journal");
    let text = || fs::read_to_string(&journal).unwrap();
    wait_until("the journal has both", || ACCOUNTS[..2].iter().all(|account| text().contains(account)));
    a.kill();
    // One bit of a record that the broker has.
    let damaged = text().replacen("\"revision\"", "\"rEvision\"", 1);
    fs::write(&journal, damaged).unwrap();
    let mut a = site.replica("a", &[]);
    for account in [ACCOUNTS[0], ACCOUNTS[1]] {
        wait_for_standing(&a, account, "suspended");
    }
    a.kill();
    fs::remove_file(&journal).unwrap();
    // The journal cannot be locked, so that it cannot be written.
    let lock = site.state("a").join("standings.journal.lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let a = site.replica("a", &[]);
    for account in [ACCOUNTS[0], ACCOUNTS[1]] {
        wait_for_standing(&a, account, "suspended");
    }
    assert_eq!(set(&a, ACCOUNTS[2], SUSPENDED).0, 500);
    fs::remove_dir(&lock).unwrap();
    wait_until("the journal is written again", || set(&a, ACCOUNTS[2], SUSPENDED).0 == 200);
    wait_for_standing(&b, ACCOUNTS[2], "suspended");
}
