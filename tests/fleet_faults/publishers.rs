//! Publishers with wrong clocks, publishers that are killed, and two at once.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::SystemTime;

use serde_json::Value;
use switchboard_fleet::release::wave_position;
use switchboard_model::Condition::{Draining, Suspended};

use crate::harness::{DaemonProcess, wait_until};
use crate::load::{Fleet, GROUP, account_id};
use crate::{
    change, command, newest, publish, released, run, snapshot_file, standing_of, wait_for_release,
    wait_for_states,
};

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
