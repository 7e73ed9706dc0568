//! Releases that are wrong, of another version, or that a replica cannot fetch or write.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use fleet_testbed::proxy::{Disturbance, Proxy};
use serde_json::Value;
use sha2::{Digest, Sha256};
use switchboard_fleet::release::Encoding;
use switchboard_model::Condition::Suspended;
use switchboard_release::SigningKey;
use switchboard_snapshot::header;

use crate::harness::fleet_site::{Behavior, Release, generation, wait_for, wait_until_served};
use crate::harness::{wait_until, wait_within, with_small_disk};
use crate::load::{Fleet, GROUP};
use crate::{
    BOUNDED, change, newest, publish, released, run, snapshot_file, standing_of, wait_for_release,
    wait_for_states,
};

/// A release that is wrong: its name, its keys, what is changed, and the state and the reason that follow.
type Case<'a> = (&'a str, Vec<&'a SigningKey>, Box<dyn Fn(&Fleet, &mut Release) + 'a>, &'a str, &'a str);

/// Returns how often each replica rejected a release for this reason.
fn rejected(fleet: &Fleet, reason: &str) -> Vec<f64> {
    let series = format!("switchboard_fleet_rejected_total{{reason=\"{reason}\"}}");
    fleet.daemons.iter().map(|daemon| daemon.metric(&series)).collect()
}

/// Puts other bytes onto the web server, and changes the manifest to them except for what a case is about.
fn serve_bytes(fleet: &Fleet, release: &Release, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = release.bytes.clone();
    change(&mut bytes);
    fleet.site.web.set(&release.path, vec![Behavior::File(bytes)]);
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn wrong_releases_reach_no_replica() {
    let mut fleet = Fleet::new(&newest(), 1_000);
    let [key, other] = [(); 2].map(|()| SigningKey::generate().unwrap());
    fs::write(fleet.site.state("keys.toml"), key.public().to_toml("release")).unwrap();
    let keys = fleet.site.path("keys.toml");
    fleet.site.publish(&fleet.release(), &[&key]);
    (0..BOUNDED.daemons).for_each(|_| fleet.join(&[], &["--trusted-keys", &keys]));
    fleet.wait_until_served();
    let now =
        u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let (year, key) = (365 * 24 * 3_600_000, &key);
    let remake = |generation: u64| {
        move |fleet: &Fleet, release: &mut Release| {
            *release = fleet.site.release_of(&fleet.snapshot(generation))
        }
    };
    let cases: Vec<Case<'_>> = vec![
        ("unsigned", vec![], Box::new(|_, _| {}), "rejected", "signature"),
        ("of a wrong key", vec![&other], Box::new(|_, _| {}), "rejected", "signature"),
        ("older than the floor", vec![key], Box::new(remake(1)), "rejected", "generation_old"),
        ("a year ahead", vec![key], Box::new(remake(now + year)), "rejected", "generation_ahead"),
        (
            "of another schema",
            vec![key],
            Box::new(|_, release| release.manifest.variants[0].schema = "0".repeat(16)),
            "behind",
            "schema",
        ),
        (
            "truncated",
            vec![key],
            Box::new(|fleet, release| serve_bytes(fleet, release, |bytes| bytes.truncate(bytes.len() / 2))),
            "rejected",
            "digest",
        ),
        (
            "flipped",
            vec![key],
            Box::new(|fleet, release| serve_bytes(fleet, release, |bytes| bytes[5000] ^= 1)),
            "rejected",
            "digest",
        ),
        (
            "replaced during the transfer",
            vec![key],
            Box::new(|fleet, release| {
                let mut others = release.bytes.clone();
                others.reverse();
                let cut = vec![Behavior::Cut(release.bytes.clone()); BOUNDED.daemons];
                fleet.site.web.set(&release.path, [cut, vec![Behavior::File(others)]].concat());
            }),
            "rejected",
            "digest",
        ),
        (
            "a decompression bomb",
            vec![key],
            Box::new(|fleet, release| {
                let bomb = zstd::encode_all(&vec![0; 256 << 20][..], 3).unwrap();
                release.manifest.variants[0].size = bomb.len() as u64;
                (release.source.encoding, release.source.size) = (Encoding::Zstd, bomb.len() as u64);
                fleet.site.web.set(&release.path, vec![Behavior::File(bomb)]);
            }),
            "rejected",
            "digest",
        ),
        (
            "of a wrong digest",
            vec![key],
            Box::new(|_, release| {
                let digest = "0123456789abcdef".repeat(4);
                (release.manifest.variants[0].digest, release.source.digest) = (digest.clone(), digest);
            }),
            "rejected",
            "digest",
        ),
    ];
    let clients = fleet.clients();
    let mut good = fleet.generation();
    for (name, keys, spoil, state, reason) in cases {
        let before = rejected(&fleet, reason);
        let mut release = fleet.release();
        spoil(&fleet, &mut release);
        fleet.site.publish(&release, &keys);
        let is_counted = || rejected(&fleet, reason).iter().zip(&before).all(|(now, before)| now > before);
        wait_until(&format!("a release {name} is counted as {reason}"), is_counted);
        wait_for_states(&fleet, name, |its, why| (its, why) == (state, reason));
        let counted: Vec<f64> = before.iter().map(|before| before + 1.0).collect();
        assert_eq!(rejected(&fleet, reason), counted, "{name}");
        assert!(fleet.daemons.iter().all(|daemon| generation(daemon) == good), "{name}");
        // The replicas take the next good release.
        fleet.site.publish(&fleet.release(), &[key]);
        fleet.wait_until_served();
        good = fleet.generation();
    }
    // An object of the broker's store is replaced while it is read. The replicas must not wait for ever. The object is
    // so large that most of it has not left the broker.
    let mut release = fleet.release();
    let object = |bytes: &[u8]| {
        let put = async {
            let store = fleet.site.broker.bus().await.unwrap().snapshots().await.unwrap();
            store.put("replaced", &mut &*bytes).await.unwrap();
        };
        fleet.site.runtime.block_on(put);
    };
    let mut bytes = vec![7; 16 << 20];
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    object(&bytes);
    let (variant, source) = (&mut release.manifest.variants[0], &mut release.source);
    (variant.size, source.size) = (bytes.len() as u64, bytes.len() as u64);
    (variant.digest, source.digest) = (digest.clone(), digest);
    source.urls = vec!["nats:replaced".to_owned()];
    let slow = Disturbance { rate: Some(8 << 20), ..Disturbance::default() };
    fleet.proxies.iter().for_each(|proxy| proxy.set(slow));
    let fetched = || {
        fleet.daemons.iter().map(|it| it.metric("switchboard_fleet_fetch_bytes_total")).collect::<Vec<_>>()
    };
    let before = fetched();
    fleet.site.publish(&release, &[key]);
    let is_begun = || fetched().iter().zip(&before).all(|(now, before)| now > before);
    wait_until("each replica reads the object", is_begun);
    bytes.reverse();
    bytes[0] = 8;
    object(&bytes);
    fleet.proxies.iter().for_each(Proxy::heal);
    let is_refused = |_: &str, reason: &str| ["digest", "fetch_failed"].contains(&reason);
    wait_for_states(&fleet, "the replaced object is refused", is_refused);
    fleet.site.publish(&fleet.release(), &[key]);
    fleet.wait_until_served();
    println!("{} selections", clients.end());
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn web_server_that_fails_delays_a_release() {
    let fleet = Fleet::start(&newest(), 1_000, BOUNDED.daemons);
    let clients = fleet.clients();
    fleet.site.web.set("/loop", vec![Behavior::Status(302, "Location: /loop\r\n")]);
    for behavior in [
        Behavior::Status(404, ""),
        Behavior::Status(429, ""),
        Behavior::Status(429, "Retry-After: 1\r\n"),
        Behavior::Status(500, ""),
        Behavior::Status(302, "Location: /loop\r\n"),
        Behavior::Status(302, "Location: /missing\r\n"),
    ] {
        let before = fleet.generation();
        let release = fleet.release();
        fleet.site.web.set(&release.path, vec![behavior]);
        fleet.site.publish(&release, &[]);
        wait_until("each replica has asked", || fleet.site.web.requests(&release.path) >= BOUNDED.daemons);
        assert!(fleet.daemons.iter().all(|daemon| generation(daemon) == before));
        fleet.site.web.set(&release.path, vec![Behavior::File(release.bytes)]);
        fleet.wait_until_served();
    }
    for behavior in [Behavior::Stall, Behavior::Cut] {
        let release = fleet.release();
        let broken = vec![behavior(release.bytes.clone()); BOUNDED.daemons];
        fleet.site.web.set(&release.path, [broken, vec![Behavior::File(release.bytes.clone())]].concat());
        fleet.site.publish(&release, &[]);
        fleet.wait_until_served();
    }
    // A server that never has the file. The next release does not wait for it.
    let (before, release) = (fleet.generation(), fleet.release());
    fleet.site.web.set(&release.path, vec![Behavior::Status(404, "")]);
    fleet.site.publish(&release, &[]);
    let is_waiting = |state: &str, reason: &str| (state, reason) == ("waiting", "fetch_failed");
    wait_for_states(&fleet, "the failure is reported", is_waiting);
    assert!(fleet.daemons.iter().all(|daemon| generation(daemon) == before));
    fleet.publish();
    fleet.wait_until_served();
    println!("{} selections", clients.end());
}

/// Makes a program that reads and writes records of another version: the text of its records has another name.
fn program_of_another_version(fleet: &Fleet) -> String {
    let mut program = fs::read(env!("CARGO_BIN_EXE_switchboard")).unwrap();
    let (from, to) = (b"Span{start:u32,len:u32,}", b"Spun{start:u32,len:u32,}");
    let found: Vec<usize> = memchr::memmem::find_iter(&program, from).collect();
    assert!(!found.is_empty(), "the program has no text of its records");
    for at in found {
        program[at..at + to.len()].copy_from_slice(to);
    }
    let path = fleet.site.path("switchboard-of-another-version");
    fs::write(&path, program).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn two_schemas_share_a_fleet() {
    let mut fleet = Fleet::new(&newest(), 1_000 + GROUP);
    fleet.accept(u64::MAX);
    let program = program_of_another_version(&fleet);
    let other_schema = {
        let path = fleet.site.path("demo.swb");
        let output = Command::new(&program).args(["compile", "config/demo", "-o", &path]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        fs::read(&path).unwrap()[header::SCHEMA_AT..header::SCHEMA_AT + 8].to_vec()
    };
    assert_ne!(other_schema, header::schema_digest().to_le_bytes());
    // The files of a release for both versions.
    let files = |number: u64| {
        let own = snapshot_file(&fleet, number);
        let mut other = fs::read(&own).unwrap();
        other[header::SCHEMA_AT..header::SCHEMA_AT + 8].copy_from_slice(&other_schema);
        let sum = header::checksum(&other[..header::LEN], &other[header::LEN..]);
        other[header::CHECKSUM_AT..header::LEN].copy_from_slice(&sum.to_le_bytes());
        let path = fleet.site.path(&format!("{number}-other.swb"));
        fs::write(&path, other).unwrap();
        [own, path]
    };
    let releases: Vec<[String; 2]> = (2..=6).map(files).collect();
    let [own, other] = &releases[0];
    publish(&fleet, &[], &[own, "--with", other]);
    (0..2).for_each(|_| fleet.join(&[], &[]));
    (0..2).for_each(|_| fleet.join_as(&[&program], &[]));
    wait_for_release(&fleet);
    let schemas: Vec<Value> =
        (0..4).map(|at| fleet.site.reported(&format!("r{at}"))["schema"].clone()).collect();
    assert!(schemas[0] == schemas[1] && schemas[1] != schemas[2] && schemas[2] == schemas[3], "{schemas:?}");
    let (clients, writers) = (fleet.clients(), fleet.writers(&[0, 1, 2, 3]));
    fleet.wait_for_changes(1_000);

    // Without the other version's snapshot, its replicas go on with what they have.
    let both = released(&fleet);
    publish(&fleet, &[], &[&releases[1][0]]);
    let one = released(&fleet);
    for daemon in &fleet.daemons[..2] {
        wait_until_served(daemon, one);
    }
    for daemon in &fleet.daemons[2..] {
        wait_for(daemon, one, "behind", "schema");
        assert_eq!(generation(daemon), both);
    }
    // Either version publishes for both.
    publish(&fleet, &[], &[&releases[2][0], "--with", &releases[2][1]]);
    wait_for_release(&fleet);
    let [own, other] = &releases[3];
    let mut publisher = Command::new(&program);
    publisher.args(["fleet", "publish", "--confirm", other, "--with", own, "--fleet-prefix", "test"]);
    let output = publisher.args(["--fleet", &fleet.site.url()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    wait_for_release(&fleet);
    // A rollback, too.
    let output = run(&fleet, &[], &["fleet", "rollback"]);
    assert!(output.status.success(), "{output:?}");
    wait_for_release(&fleet);
    println!("{} changes", writers.end());
    fleet.assert_agreement();
    println!("{} selections", clients.end());
}

/// The time for a replica to fetch a release again after a failure: 60 s to 75 s, and the rest for a slow machine.
const DISK_PATIENCE: Duration = Duration::from_secs(120);

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn full_disk_of_a_replica_keeps_no_restriction_out_of_force() {
    let mut fleet = Fleet::start(&newest(), 1_000 + GROUP, 2);
    let state = fleet.site.state("r2");
    fs::create_dir(&state).unwrap();
    let Some(words) = with_small_disk(&state, 4 << 20) else { return };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    fleet.join(&words, &[]);
    fleet.wait_until_served();
    let (other, full) = (&fleet.daemons[0], &fleet.daemons[2]);
    let clients = fleet.clients();
    let numbers: Vec<usize> = (1_000..1_000 + GROUP).collect();
    assert_eq!(change(full, numbers[0], Some(Suspended)), 200);
    // The disk as that process sees it.
    let disk = PathBuf::from(format!("/proc/{}/root{}", full.pid(), state.display()));
    let filler = disk.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    // The last page of the journal has room for some changes.
    wait_until("the change fails", || change(full, numbers[0], Some(Suspended)) == 500);
    assert_eq!(change(full, numbers[1], Some(Suspended)), 500);
    assert!(standing_of(full, numbers[1]).is_null(), "a change that failed is in force");
    assert_eq!(change(full, numbers[0], None), 500);
    assert_eq!(standing_of(full, numbers[0]), "suspended");
    fleet.book.record(numbers[0], Some(Suspended), 0..3);
    for number in &numbers[2..] {
        assert_eq!(change(other, *number, Some(Suspended)), 200);
        fleet.book.record(*number, Some(Suspended), [0]);
    }
    wait_until("they are in force", || {
        numbers[2..].iter().all(|number| standing_of(full, *number) == "suspended")
    });
    let before = generation(full);
    fleet.publish();
    wait_for(full, fleet.generation(), "rejected", "disk");
    assert_eq!(generation(full), before);
    fleet.daemons[..2].iter().for_each(|daemon| wait_until_served(daemon, fleet.generation()));

    drop(file);
    fs::remove_file(&filler).unwrap();
    wait_until("standings can be changed again", || change(full, numbers[1], Some(Suspended)) == 200);
    fleet.book.record(numbers[1], Some(Suspended), [2]);
    // The replica takes the release by itself.
    let is_served = || generation(full) == fleet.generation();
    wait_within(DISK_PATIENCE, || "the release is served when there is room".to_owned(), is_served);
    fleet.publish();
    fleet.wait_until_served();
    fleet.assert_agreement();
    println!("{} selections", clients.end());
}
