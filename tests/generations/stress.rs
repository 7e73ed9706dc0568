//! Generations published as fast as they can be, while every worker answers.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard::api::data;
use switchboard::runtime::{Generation, Store};
use switchboard::telemetry::Telemetry;
use switchboard_snapshot::file;

use super::encoded::snapshot;
use super::readers::Readers;
use crate::harness::{DaemonProcess, wait_until, wait_within};

const SHORT: Duration = Duration::from_secs(3);
const LONG: Duration = Duration::from_secs(30);
const WORKERS: usize = 4;
/// As many threads that ask: on two cores, each is interrupted at every point of its work.
const READERS: usize = 4;

/// The only place that publishes.
fn publish(store: &Store, generation: u64) -> Option<Arc<Generation>> {
    store.swap(snapshot(generation))
}

#[test]
fn no_answer_mixes_generations_and_none_goes_back() {
    publish_in_process(SHORT);
}

#[test]
#[ignore = "long: 30 s of publishing"]
fn no_answer_mixes_generations_and_none_goes_back_long() {
    publish_in_process(LONG);
}

fn publish_in_process(duration: Duration) {
    let telemetry = Telemetry::new("0.1.0", "abcdef");
    let store = Store::default();
    publish(&store, 1);
    let settings =
        data::Settings { listen: ([127, 0, 0, 1], 0).into(), workers: WORKERS, ..data::Settings::default() };
    let listener = data::Listener::bind(&settings).unwrap();
    let data = listener.local_addr().unwrap();
    let drain = tokio::sync::watch::Sender::new(false);
    let serving = listener.serve(store.clone(), telemetry, drain.subscribe()).unwrap();

    let readers = Readers::start(data, READERS);
    let began = Instant::now();
    let mut generation = 1;
    let mut retired: Vec<Arc<Generation>> = Vec::new();
    let mut most = 0;
    while began.elapsed() < duration {
        generation += 1;
        retired.extend(publish(&store, generation));
        retired.retain(|replaced| Arc::strong_count(replaced) > 1);
        most = most.max(retired.len());
    }
    let answers = readers.end();
    println!(
        "{generation} generations published, {answers} answers held, {most} replaced ones in memory at most"
    );
    assert!(generation > 100 && answers > 1_000);
    // Idle workers let go within a second.
    wait_until("replaced generations are released", || {
        retired.iter().all(|replaced| Arc::strong_count(replaced) == 1)
    });
    drain.send_replace(true);
    assert_eq!(serving.drain(Duration::from_secs(20)), 0);
}

/// The same over real files: a process that notices, reads, proves and publishes.
#[test]
fn no_answer_of_a_daemon_mixes_generations_and_none_goes_back() {
    publish_files(SHORT);
}

#[test]
#[ignore = "long: 30 s of publishing"]
fn no_answer_of_a_daemon_mixes_generations_and_none_goes_back_long() {
    publish_files(LONG);
}

fn publish_files(duration: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("encoded.swb");
    file::write(&path, snapshot(1).bytes()).unwrap();
    let config = folder.path().join("switchboard.toml");
    fs::write(&config, format!("workers = {WORKERS}\npoll_interval = \"1h\"")).unwrap();
    let daemon =
        DaemonProcess::start(&["--snapshot", path.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    let readers = Readers::start(daemon.data.parse().unwrap(), READERS);
    let began = Instant::now();
    let mut generation = 1;
    while began.elapsed() < duration {
        generation += 1;
        file::write(&path, snapshot(generation).bytes()).unwrap();
        // Storms without a pause are read once a second; every fourth file is given the time to be read.
        std::thread::sleep(Duration::from_millis(if generation.is_multiple_of(4) { 120 } else { 1 }));
    }
    let last_is_served = || daemon.metric("switchboard_snapshot_generation") == generation as f64;
    wait_within(
        Duration::from_secs(2),
        || format!("the last file is served: {}", daemon.status()),
        last_is_served,
    );
    let answers = readers.end();
    let published = daemon.metric("switchboard_snapshot_reloads_total{outcome=\"published\"}");
    println!("{generation} files written, {published} of them published, {answers} answers held");
    assert!(published > 5.0 && answers > 1_000);
    assert_eq!(daemon.metric("switchboard_snapshot_reloads_total{outcome=\"rejected\"}"), 0.0);
    wait_until("replaced snapshots are released", || daemon.metric("switchboard_snapshots_alive") == 1.0);
}
