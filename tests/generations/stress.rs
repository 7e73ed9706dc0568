//! Publishes generations as fast as possible while every worker answers.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard::runtime::Generation;
use switchboard_snapshot::file;

use super::encoded::snapshot;
use super::readers::Readers;
use crate::harness::{DaemonProcess, InProcessDaemon, one_worker, wait_until, wait_within};

const SHORT: Duration = Duration::from_secs(3);
const LONG: Duration = Duration::from_secs(30);
const WORKERS: usize = 4;
/// As many readers as workers, so that on two cores each thread is interrupted at every point of its work.
const READERS: usize = 4;

#[test]
fn answers_never_mix_generations_or_go_back() {
    publish_in_process(SHORT);
}

#[test]
#[ignore = "long: 30 s of publishing"]
fn answers_never_mix_generations_or_go_back_long() {
    publish_in_process(LONG);
}

fn publish_in_process(duration: Duration) {
    let mut settings = one_worker();
    settings.workers = WORKERS;
    let mut daemon = InProcessDaemon::empty(settings);
    daemon.store.swap(snapshot(1));

    let readers = Readers::start(daemon.data, READERS);
    let began = Instant::now();
    let mut generation = 1;
    let mut retired: Vec<Arc<Generation>> = Vec::new();
    let mut most = 0;
    while began.elapsed() < duration {
        generation += 1;
        retired.extend(daemon.store.swap(snapshot(generation)));
        retired.retain(|replaced| Arc::strong_count(replaced) > 1);
        most = most.max(retired.len());
    }
    let answers = readers.end();
    println!(
        "{generation} generations published, {answers} answers held, {most} replaced ones in memory at most"
    );
    assert!(generation > 100 && answers > 1_000);
    // Idle workers release a replaced generation within a second.
    wait_until("replaced generations are released", || {
        retired.iter().all(|replaced| Arc::strong_count(replaced) == 1)
    });
    assert_eq!(daemon.drain(Duration::from_secs(20)), 0);
}

/// The same with real files and a process that reloads them.
#[test]
fn answers_of_a_daemon_never_mix_generations_or_go_back() {
    publish_files(SHORT);
}

#[test]
#[ignore = "long: 30 s of publishing"]
fn answers_of_a_daemon_never_mix_generations_or_go_back_long() {
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
        // Changes without a pause are read only once a second. The pauses let the daemon read every fourth
        // file.
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
