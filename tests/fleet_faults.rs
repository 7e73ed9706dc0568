//! The faults of a fleet: each one under load, with every answer compared. The faults of the broker and of the
//! network have simulated replicas besides the daemons. The bounded forms run where `CI` is set, in turn on the
//! newest server of `SWITCHBOARD_NATS_SERVERS` and on the oldest one. The long forms run on each server. They are
//! ignored tests whose names end in `_long`.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use fleet_testbed::broker::programs;
use fleet_testbed::proxy::{Disturbance, Proxy};
use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest, Sha256};
use switchboard_fleet::release::{Encoding, wave_position};
use switchboard_model::Condition::{self, Draining, Suspended};
use switchboard_release::SigningKey;
use switchboard_snapshot::header;

use crate::harness::fleet_load::{Fleet, GROUP, LONG_PATIENCE, account_id};
use crate::harness::fleet_site::{Behavior, Release, generation, is_connected, wait_for, wait_until_served};
use crate::harness::{DaemonProcess, PATIENCE, wait_until, wait_within, with_small_disk};

/// The size of a test.
struct Size {
    daemons: usize,
    simulated: usize,
    standings: usize,
    kills: usize,
    outage: Duration,
}

const BOUNDED: Size =
    Size { daemons: 5, simulated: 100, standings: 10_000, kills: 10, outage: Duration::from_secs(3) };
const LONG: Size =
    Size { daemons: 5, simulated: 100, standings: 100_000, kills: 100, outage: Duration::from_secs(30) };

impl Size {
    /// Runs a fault on each of these servers. It disturbs the connections of these daemons.
    fn run(&self, servers: &[PathBuf], disturbed: &[usize], fault: impl Fn(&Size, Fleet)) {
        for server in servers {
            let started = Instant::now();
            println!("on {}", server.display());
            let mut fleet = Fleet::start(server, self.standings + GROUP, self.daemons);
            fleet.simulate(self.simulated, disturbed);
            fault(self, fleet);
            println!("took {:?}", started.elapsed());
        }
    }

    fn all(&self) -> Vec<usize> {
        (0..self.daemons).collect()
    }
}

/// The time for a replica to fetch a release again after a failure: 60 s to 75 s, and the rest for a slow machine.
const DISK_PATIENCE: Duration = Duration::from_secs(120);

fn oldest() -> PathBuf {
    programs().swap_remove(0)
}

fn newest() -> PathBuf {
    programs().pop().unwrap()
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn broker_is_killed_under_load() {
    BOUNDED.run(&[newest()], &[], kill_the_broker);
}

#[test]
#[ignore = "long: 100 kills, 100,000 standings"]
fn broker_is_killed_under_load_long() {
    LONG.run(&programs(), &[], kill_the_broker);
}

/// The first outage is long, and the others as short as a restart. A release is published between them.
fn kill_the_broker(size: &Size, mut fleet: Fleet) {
    let (clients, writers) = (fleet.clients(), fleet.writers(&size.all()));
    fleet.wait_for_changes(size.standings / 4);
    for kill in 0..size.kills {
        fleet.site.broker.kill();
        if kill == 0 {
            thread::sleep(size.outage);
        }
        fleet.site.broker.restart().unwrap();
        fleet.wait_until_connected();
        fleet.publish();
        fleet.wait_until_served();
    }
    println!("{} changes", writers.end());
    fleet.assert_agreement();
    println!("{} selections", clients.end());
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn broker_loses_its_store_under_load() {
    BOUNDED.run(&[oldest()], &[], empty_the_broker);
}

#[test]
#[ignore = "long: 100,000 standings"]
fn broker_loses_its_store_under_load_long() {
    LONG.run(&programs(), &[], empty_the_broker);
}

/// The standings go on changing while the replicas put them back. A replica that joins then gets all of them.
fn empty_the_broker(size: &Size, mut fleet: Fleet) {
    let (clients, writers) = (fleet.clients(), fleet.writers(&size.all()));
    fleet.wait_for_changes(size.standings);
    fleet.let_writers_restrict_less(false);
    fleet.site.broker.kill();
    thread::sleep(size.outage);
    fleet.site.broker.lose_memory().unwrap();
    fleet.site.broker.restart().unwrap();
    fleet.wait_until_connected();
    // Where a busy broker does not answer in time, the command is repeated.
    let init = || fleet.site.runtime.block_on(fleet.site.broker.initialized()).is_ok();
    wait_within(LONG_PATIENCE, || "the buckets are created".to_owned(), init);
    fleet.publish();
    fleet.join(&[], &[]);
    fleet.wait_until_served();
    fleet.let_writers_restrict_less(true);
    fleet.wait_for_changes(1_000);
    println!("{} changes", writers.end());
    fleet.assert_agreement();
    println!("{} selections", clients.end());
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn broker_is_frozen_under_load() {
    BOUNDED.run(&[newest()], &[], freeze_the_broker);
}

#[test]
#[ignore = "long: 100,000 standings"]
fn broker_is_frozen_under_load_long() {
    LONG.run(&programs(), &[], freeze_the_broker);
}

/// The connections stay open without an answer.
fn freeze_the_broker(size: &Size, fleet: Fleet) {
    let (clients, writers) = (fleet.clients(), fleet.writers(&size.all()));
    fleet.wait_for_changes(size.standings);
    fleet.site.broker.freeze().unwrap();
    thread::sleep(size.outage);
    fleet.site.broker.thaw().unwrap();
    fleet.wait_for_changes(100);
    println!("{} changes", writers.end());
    fleet.assert_agreement();
    println!("{} selections", clients.end());
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn both_halves_write_during_a_partition() {
    BOUNDED.run(&[oldest()], &FAR, part_the_fleet);
}

#[test]
#[ignore = "long: 100,000 standings"]
fn both_halves_write_during_a_partition_long() {
    LONG.run(&programs(), &FAR, part_the_fleet);
}

/// Changes a standing through one replica. Returns the status.
fn change(daemon: &DaemonProcess, number: usize, to: Option<Condition>) -> u16 {
    let path = format!("/v1/standings/bank/{}", account_id(number));
    match to {
        None => daemon.admin("DELETE", &path, "").0,
        Some(to) => {
            let to = if to == Draining { "draining" } else { "suspended" };
            daemon.admin("PUT", &path, &format!(r#"{{"standing":"{to}","reason":"half"}}"#)).0
        }
    }
}

/// The daemons that lose the broker in a partition.
const FAR: [usize; 2] = [3, 4];

/// Two daemons and their share of the simulated replicas lose the broker: first nothing passes, then their connections
/// are cut. Both halves change their own accounts, and the same ones.
fn part_the_fleet(size: &Size, fleet: Fleet) {
    let (near, far) = (&fleet.daemons[0], &fleet.daemons[FAR[0]]);
    let half = FAR.map(|at| &fleet.proxies[at]);
    // What both halves do with an account that is draining before.
    let pairs: Vec<_> = [None, Some(Draining), Some(Suspended)]
        .into_iter()
        .flat_map(|near| [(near, Some(Draining)), (near, Some(Suspended))])
        .flat_map(|pair| [pair; GROUP / 6])
        .enumerate()
        .map(|(at, pair)| (size.standings + at, pair))
        .collect();
    for (number, _) in &pairs {
        assert_eq!(change(near, *number, Some(Draining)), 200);
    }
    let (clients, writers) = (fleet.clients(), fleet.writers(&size.all()));
    fleet.wait_for_changes(size.standings);
    let held = Disturbance { hold_to_server: true, hold_to_client: true, ..Disturbance::default() };
    half.iter().for_each(|proxy| proxy.set(held));
    for (number, (of_near, of_far)) in &pairs {
        assert_eq!(change(far, *number, *of_far), 202);
        assert_eq!(change(near, *number, *of_near), if of_near.is_some() { 200 } else { 204 });
        fleet.book.record(*number, *of_far.max(of_near), []);
    }
    half.iter().for_each(|proxy| proxy.set(Disturbance { cut: true, ..Disturbance::default() }));
    wait_until("the far half has lost the broker", || !is_connected(far));
    thread::sleep(size.outage);
    half.iter().for_each(|proxy| proxy.heal());
    fleet.wait_until_connected();
    fleet.wait_for_changes(100);
    println!("{} changes", writers.end());
    fleet.assert_agreement();
    let overruled: f64 = fleet.daemons.iter().map(|it| it.metric("switchboard_fleet_overruled_total")).sum();
    println!("{overruled} overruled, {} selections", clients.end());
    let differing = pairs.iter().filter(|(_, (near, far))| near != far).count();
    assert!(overruled >= differing as f64, "{overruled} overruled of {differing}");
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn replica_sleeps_while_standings_change() {
    BOUNDED.run(&[newest()], &[DEAF], put_replicas_to_sleep);
}

#[test]
#[ignore = "long: 100,000 standings"]
fn replica_sleeps_while_standings_change_long() {
    LONG.run(&programs(), &[DEAF], put_replicas_to_sleep);
}

/// The daemon that is stopped, and the one that nothing reaches.
const STOPPED: usize = 1;
const DEAF: usize = 2;

/// One daemon is stopped, and nothing reaches another one and its share of the simulated replicas, while every standing
/// changes.
fn put_replicas_to_sleep(size: &Size, fleet: Fleet) {
    let (stopped, deaf) = (&fleet.daemons[STOPPED], &fleet.proxies[DEAF]);
    let clients = fleet.clients();
    stopped.signal(Signal::STOP);
    deaf.set(Disturbance { hold_to_client: true, ..Disturbance::default() });
    let awake: Vec<usize> = size.all().into_iter().filter(|at| ![STOPPED, DEAF].contains(at)).collect();
    let writers = fleet.writers(&awake);
    fleet.wait_for_changes(size.standings + size.standings / 10);
    stopped.signal(Signal::CONT);
    deaf.heal();
    println!("{} changes", writers.end());
    fleet.assert_agreement();
    println!("{} selections", clients.end());
}

/// A release that is wrong: its name, its keys, what is changed, and the state and the reason that follow.
type Case<'a> = (&'a str, Vec<&'a SigningKey>, Box<dyn Fn(&Fleet, &mut Release) + 'a>, &'a str, &'a str);

/// Returns how often each replica rejected a release for this reason.
fn rejected(fleet: &Fleet, reason: &str) -> Vec<f64> {
    let series = format!("switchboard_fleet_rejected_total{{reason=\"{reason}\"}}");
    fleet.daemons.iter().map(|daemon| daemon.metric(&series)).collect()
}

/// Waits until every replica has a state and a reason.
#[track_caller]
fn wait_for_states(fleet: &Fleet, event: &str, is_expected: impl Fn(&str, &str) -> bool) {
    let is_reached = || {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        states(fleet).iter().all(|(state, reason)| is_expected(&text(state), &text(reason)))
    };
    wait_within(PATIENCE, || format!("{event}: {:?}", states(fleet)), is_reached);
}

fn states(fleet: &Fleet) -> Vec<(Value, Value)> {
    let state = |daemon: &DaemonProcess| {
        let status = daemon.status();
        (status["fleet"]["state"].clone(), status["fleet"]["reason"].clone())
    };
    fleet.daemons.iter().map(state).collect()
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

/// Returns the words that run a program with its clock changed by so many hours. Durations are not changed.
fn with_clock(hours: i32) -> Vec<String> {
    let libraries = fs::read_dir("/usr/lib").unwrap().flatten();
    let library = libraries.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let library = library.into_iter().find(|path| path.exists()).expect("the library of faketime");
    vec![
        "env".to_owned(),
        format!("LD_PRELOAD={}", library.display()),
        format!("FAKETIME={hours:+}h"),
        "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
        "FAKETIME_DONT_RESET=1".to_owned(),
    ]
}

/// Returns the command of `switchboard` with the fleet's broker. The first words run the program.
fn command(fleet: &Fleet, before: &[String], arguments: &[&str]) -> Command {
    let program = env!("CARGO_BIN_EXE_switchboard");
    let mut words = before.iter().map(String::as_str).chain([program]).chain(arguments.iter().copied());
    let mut command = Command::new(words.next().unwrap());
    command.args(words).env("SWITCHBOARD_FLEET", fleet.site.url()).env("SWITCHBOARD_FLEET_PREFIX", "test");
    command
}

fn run(fleet: &Fleet, before: &[String], arguments: &[&str]) -> Output {
    command(fleet, before, arguments).output().unwrap()
}

#[track_caller]
fn publish(fleet: &Fleet, before: &[String], arguments: &[&str]) {
    let output = run(fleet, before, &[&["fleet", "publish", "--confirm"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
}

/// Returns the generation of the release.
fn released(fleet: &Fleet) -> u64 {
    let output = run(fleet, &[], &["fleet", "status", "--format", "json"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    status["release"]["generation"].as_u64().unwrap()
}

/// Waits until all replicas serve the release of the broker. Returns its generation.
#[track_caller]
fn wait_for_release(fleet: &Fleet) -> u64 {
    let generation = released(fleet);
    fleet.daemons.iter().for_each(|daemon| wait_until_served(daemon, generation));
    generation
}

/// Writes a snapshot file whose generation is older than any of a publisher's clock.
fn snapshot_file(fleet: &Fleet, number: u64) -> String {
    let path = fleet.site.path(&format!("{number}.swb"));
    let mut bytes = fleet.snapshot(number).bytes().to_vec();
    assert!(header::restamp(&mut bytes, 1));
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
#[cfg_attr(not(has_faketime), ignore = "needs faketime: apt-get install faketime")]
fn clocks_are_an_hour_apart() {
    const HOUR: i64 = 3600;
    let mut fleet = Fleet::new(&newest(), 1_000 + GROUP);
    fleet.accept(u64::MAX);
    fleet.publish();
    let offsets = [0, 1, -1];
    for hours in offsets {
        let words = with_clock(hours);
        fleet.join(&words.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    }
    fleet.wait_until_served();
    let clients = fleet.clients();
    for (daemon, hours) in fleet.daemons.iter().zip(offsets) {
        let expected = f64::from(hours) * HOUR as f64;
        let offset = || daemon.metric("switchboard_fleet_clock_offset_seconds");
        wait_until(&format!("an offset of {hours} h is shown"), || (offset() - expected).abs() < 60.0);
    }

    // Publishers whose clocks differ. The second one has a clock behind the release.
    let mut before = 1;
    for (hours, number) in [(0, 2), (1, 3), (-1, 4), (0, 5)] {
        publish(&fleet, &with_clock(hours), &[&snapshot_file(&fleet, number)]);
        let generation = wait_for_release(&fleet);
        assert!(generation > before, "{generation} after {before}");
        before = generation;
    }
    // A publisher whose clock is two days ahead stops no other one.
    publish(&fleet, &with_clock(48), &[&snapshot_file(&fleet, 6)]);
    wait_for_states(&fleet, "the release is rejected", |_, reason| reason == "generation_ahead");
    publish(&fleet, &[], &[&snapshot_file(&fleet, 7)]);
    let generation = wait_for_release(&fleet);
    assert!(generation > before);
    // One whose clock is two days behind is refused, instead of a release below this one.
    let arguments = ["fleet", "publish", "--confirm", &snapshot_file(&fleet, 8)];
    let output = run(&fleet, &with_clock(-48), &arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("ahead of the clock of this machine"),
        "{output:?}"
    );
    assert_eq!(wait_for_release(&fleet), generation);

    // The last change counts, whatever the clocks say.
    let [exact, ahead, behind] = &fleet.daemons[..] else { panic!("three replicas") };
    let number = 1_000;
    for (daemon, to) in [(ahead, Suspended), (behind, Draining), (exact, Suspended), (behind, Draining)] {
        assert_eq!(change(daemon, number, Some(to)), 200);
        let name = if to == Draining { "draining" } else { "suspended" };
        let is_in_force = |daemon: &DaemonProcess| standing_of(daemon, number) == name;
        wait_until(&format!("{name} is in force"), || fleet.daemons.iter().all(is_in_force));
    }
    fleet.book.record(number, Some(Draining), 0..3);
    fleet.assert_agreement();

    // A standing ends by the clock of each replica.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let until = |seconds: i64| {
        let until = jiff::Timestamp::from_second(i64::try_from(now).unwrap() + seconds).unwrap();
        format!(r#"{{"standing":"suspended","reason":"half","until":"{until}"}}"#)
    };
    let path = |number: usize| format!("/v1/standings/bank/{}", account_id(number));
    let has_ended = |daemon: &DaemonProcess, number| standing_of(daemon, number).is_null();
    assert_eq!(exact.admin("PUT", &path(1_001), &until(HOUR / 2)).0, 200);
    wait_until("the standing is in force", || !has_ended(exact, 1_001) && !has_ended(behind, 1_001));
    assert!(has_ended(ahead, 1_001));
    assert_eq!(ahead.admin("PUT", &path(1_002), &until(HOUR / 2)).0, 400);
    assert_eq!(ahead.admin("PUT", &path(1_002), &until(HOUR + 5)).0, 200);
    wait_until("the standing has ended by one clock", || has_ended(ahead, 1_002));
    assert!(!has_ended(exact, 1_002) && !has_ended(behind, 1_002));
    assert_eq!((change(exact, 1_001, None), change(exact, 1_002, None)), (204, 204));
    fleet.assert_agreement();
    println!("{} selections", clients.end());
}

fn standing_of(daemon: &DaemonProcess, number: usize) -> Value {
    let (_, answer) = daemon.admin("GET", &format!("/v1/standings/bank/{}", account_id(number)), "");
    serde_json::from_str::<Value>(&answer).unwrap()["standing"].clone()
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

/// A connection of a publisher to the broker, which passes messages on until the publisher is at a step. Then nothing
/// passes.
struct Steps {
    port: u16,
    /// The subjects of the messages that were passed on.
    passed: Arc<Mutex<Vec<String>>>,
    reached: Receiver<()>,
}

impl Steps {
    fn new(broker: u16, is_at: IsAt) -> Steps {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let passed = Arc::<Mutex<Vec<String>>>::default();
        let (sender, reached) = channel();
        let subjects = Arc::clone(&passed);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(("127.0.0.1", broker)).unwrap();
                let (mut answers, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = io::copy(&mut answers, &mut to_client);
                    let _ = to_client.shutdown(Shutdown::Both);
                });
                let (subjects, sender, is_at) = (Arc::clone(&subjects), sender.clone(), Arc::clone(&is_at));
                thread::spawn(move || pass(BufReader::new(client), server, is_at, &subjects, &sender));
            }
        });
        Steps { port, passed, reached }
    }
}

/// Returns whether a publisher that has sent messages with these subjects is at the step where it is killed.
type IsAt = Arc<dyn Fn(&[String]) -> bool + Send + Sync>;

/// Passes the lines of the protocol on, each message with its payload.
fn pass(
    mut from: BufReader<TcpStream>,
    mut to: TcpStream,
    is_at: IsAt,
    subjects: &Mutex<Vec<String>>,
    reached: &Sender<()>,
) {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let words: Vec<String> =
            String::from_utf8_lossy(&line).split_whitespace().map(str::to_owned).collect();
        if words.first().is_some_and(|verb| ["PUB", "HPUB"].contains(&&**verb)) {
            if is_at(&subjects.lock().unwrap()) {
                let _ = reached.send(());
                return drop(io::copy(&mut from, &mut io::sink()));
            }
            subjects.lock().unwrap().push(words[1].clone());
            let payload: usize = words.last().unwrap().parse().unwrap();
            let start = line.len();
            line.resize(start + payload + 2, 0);
            from.read_exact(&mut line[start..]).unwrap();
        }
        if to.write_all(&line).is_err() {
            return;
        }
        line.clear();
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Returns whether a key of the release was written.
fn has_sent(sent: &[String], key: &str) -> bool {
    sent.iter().any(|subject| subject == &format!("$KV.test_release.{key}"))
}

/// Publishes a file, and kills the publisher at a step. Returns whether it had to be killed, and
/// what was sent.
fn publish_and_kill(fleet: &Fleet, file: &str, is_at: IsAt, more: &[&str]) -> (bool, Vec<String>) {
    let proxy = Steps::new(fleet.site.broker.port(), is_at);
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(["fleet", "publish", "--confirm", file, "--fleet-prefix", "test"]).args(more);
    command.args(["--fleet", &format!("nats://127.0.0.1:{}", proxy.port)]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut is_killed = false;
    wait_until("the publisher ends or is at the step", || {
        is_killed = proxy.reached.try_recv().is_ok();
        is_killed || child.try_wait().unwrap().is_some()
    });
    let _ = child.kill();
    assert!(is_killed || child.wait().unwrap().success(), "the publisher failed");
    let _ = child.wait();
    let passed = proxy.passed.lock().unwrap().clone();
    (is_killed, passed)
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn publisher_is_killed_at_every_step() {
    let mut fleet = Fleet::new(&newest(), 1_000);
    fleet.accept(u64::MAX);
    publish(&fleet, &[], &[&snapshot_file(&fleet, 1)]);
    (0..3).for_each(|_| fleet.join(&[], &[]));
    let mut serves = wait_for_release(&fleet);
    let clients = fleet.clients();
    let (mut step, mut killed_after) = (0, 0);
    // Behind the release, the publisher only removes what is old.
    while killed_after < 3 {
        let file = snapshot_file(&fleet, u64::try_from(step).unwrap() + 2);
        let is_at = Arc::new(move |sent: &[String]| sent.len() == step);
        let (is_killed, sent) = publish_and_kill(&fleet, &file, is_at, &[]);
        assert!(is_killed, "{sent:#?}");
        let generation = wait_for_release(&fleet);
        // The broker may not have read the message that sets the release when the publisher ends.
        let is_set = has_sent(&sent, "current");
        assert!(
            generation == serves || (is_set && generation > serves),
            "{generation} at step {step}: {sent:#?}"
        );
        killed_after += usize::from(is_set);
        serves = generation;
        step += 1;
        if has_sent(&sent, "rollout") {
            // Another publisher that finds a wave without its release waits for this one, and then goes on.
            publish(&fleet, &[], &[&file]);
            serves = wait_for_release(&fleet);
        }
    }
    assert!(step > 10, "{step} steps");

    // In the first wave: the release stays there until the same file is published again.
    let file = snapshot_file(&fleet, 1_000);
    let place = |generation| (0..3).map(|at| wave_position(&format!("r{at}"), generation)).min().unwrap();
    let waves = ["--waves", "1,100", "--hold", "1h"];
    let is_at = Arc::new(|sent: &[String]| has_sent(sent, "current"));
    let (is_killed, sent) = publish_and_kill(&fleet, &file, is_at, &waves);
    assert!(is_killed, "{sent:#?}");
    let current = released(&fleet);
    assert!(current > serves);
    let status = || fleet.daemons[0].status()["fleet"].clone();
    wait_until("the release arrives", || status()["release_generation"] == current);
    assert_eq!(status()["percent"], place(current) + 1);
    publish(&fleet, &[], &[&file]);
    wait_for_release(&fleet);
    println!("{step} steps, {} selections", clients.end());
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn two_publishers_at_once_leave_one_release() {
    let mut fleet = Fleet::new(&newest(), 1_000);
    fleet.accept(u64::MAX);
    publish(&fleet, &[], &[&snapshot_file(&fleet, 1)]);
    (0..3).for_each(|_| fleet.join(&[], &[]));
    let mut before = wait_for_release(&fleet);
    let clients = fleet.clients();
    let mut lost = 0;
    for round in 0..10 {
        let files = [2, 3].map(|number| snapshot_file(&fleet, 2 * round + number));
        let start = |file: &String| {
            let mut command = command(&fleet, &[], &["fleet", "publish", "--confirm", file]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let outputs = files.each_ref().map(start).map(|child| child.wait_with_output().unwrap());
        assert!(outputs.iter().any(|output| output.status.success()), "{outputs:?}");
        lost += outputs.iter().filter(|output| !output.status.success()).count();
        let generation = wait_for_release(&fleet);
        assert!(generation > before);
        before = generation;
        let digests: Vec<Value> =
            fleet.daemons.iter().map(|it| it.status()["snapshot"]["digest"].clone()).collect();
        assert!(digests.iter().all(|digest| *digest == digests[0] && digest.is_string()), "{digests:?}");
    }
    println!("{lost} of 20 publishers lost, {} selections", clients.end());
}

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
