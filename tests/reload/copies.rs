//! Copies in progress and broken files, which are reported once each.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::time::Duration;

use rustix::process::Signal;

use super::GERMAN;
use super::served::*;

/// Asserts that an in-place copy is served when it is complete, and rejected before as often as `refusals`
/// allows. Events report when a file is closed. With events, a pause of less than a second causes no
/// rejection.
fn arrives_slowly(settings: &str, pieces: usize, pause: u64, refusals: std::ops::RangeInclusive<u32>) {
    let served = Served::snapshot(settings);
    let file = served.path("inner/deep/acme.swb");
    for generation in 2..4 {
        let before = served.reloads("rejected");
        copy_slowly(&file, &snapshot(generation), pieces, Duration::from_millis(pause));
        served.serves(generation);
        let refused = served.reloads("rejected") - before;
        assert!(
            refusals.contains(&(refused as u32)),
            "{refused} of {refusals:?}: {}",
            served.daemon.status()
        );
        if pause > 1_000 {
            break;
        }
    }
}

#[test]
fn copy_with_pauses_of_30_ms_is_no_rejection() {
    arrives_slowly(EVENTS, 12, 30, 0..=0);
}

#[test]
fn copy_with_pauses_of_200_ms_is_no_rejection() {
    arrives_slowly(EVENTS, 8, 200, 0..=0);
}

#[test]
fn copy_with_pauses_of_1500_ms_is_one_rejection() {
    arrives_slowly(EVENTS, 4, 1_500, 1..=1);
}

#[test]
fn copy_without_events_is_at_most_one_rejection() {
    for pause in [30, 200] {
        arrives_slowly(POLL, 8, pause, 0..=1);
    }
    arrives_slowly(POLL, 3, 1_500, 1..=1);
}

/// A CSV file that is half written may be valid. It must not be served while the file is open for writing.
#[test]
fn half_written_registry_file_is_not_served() {
    let served = Served::registry(EVENTS);
    let file = served.path("inner/deep/acme/accounts.csv");
    let mut whole = fs::read_to_string(&file).unwrap();
    for spare in 0..40 {
        whole += &format!(
            "wa-more-{spare},whatsapp,secondary,+4915123458{spare:03},,emea-whatsapp,,,suspended,\n"
        );
    }
    copy_slowly(&file, whole.as_bytes(), 10, Duration::from_millis(200));
    served.counts("published", 2.0);
    assert_eq!(served.reloads("rejected"), 0.0);
    let accounts = || served.daemon.metric("switchboard_snapshot_entries{kind=\"accounts\"}");
    assert_eq!(accounts(), whole.lines().count() as f64 - 1.0);
}

/// Asserts that a complete broken file is rejected at once and only once, for each way of writing and
/// polling.
fn refuses_each_once(settings: &str, in_place: bool) {
    let served = Served::snapshot(settings);
    let file = served.path("inner/deep/acme.swb");
    let good = snapshot(2);
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let mut refused = 0.0;
    // Some are longer than the one before, like a copy in progress.
    for bad in [&good[..100], &good[..4096], &good[..5000], &good[..100], &flipped, &flipped, b"", b"text"] {
        if in_place {
            fs::write(&file, bad).unwrap()
        } else {
            rename_over(&file, bad)
        }
        refused += 1.0;
        served.counts("rejected", refused);
    }
    // After time for some polls, a requested reload reports the rejection again.
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(served.reloads("rejected"), refused);
    assert_eq!(served.daemon.select(GERMAN)["generation"], 1);
    served.reload_is("rejected", || served.daemon.signal(Signal::HUP));
    assert_eq!(served.reloads("rejected"), refused + 1.0);
    fs::write(&file, good).unwrap();
    served.serves(2);
}

#[test]
fn broken_file_is_rejected_once_and_another_one_again() {
    refuses_each_once(EVENTS, true);
    refuses_each_once(EVENTS, false);
    refuses_each_once(POLL, false);
}

/// The writer may never close the file.
#[test]
fn half_written_file_is_rejected_once_within_two_seconds_and_served_when_complete() {
    let served = Served::snapshot(EVENTS);
    let path = served.path("inner/deep/acme.swb");
    let whole = snapshot(2);
    let mut file = File::create(&path).unwrap();
    file.write_all(&whole[..4096]).unwrap();
    served.counts("rejected", 1.0);
    file.write_all(&whole[4096..5000]).unwrap();
    // Longer than the daemon waits for the end of a copy. No second rejection may follow.
    std::thread::sleep(Duration::from_millis(1_300));
    assert_eq!(served.reloads("rejected"), 1.0, "it is the same copy");
    file.write_all(&whole[5000..]).unwrap();
    served.serves(2);
    drop(file);
    assert_eq!(served.reloads("published"), 2.0);
}

/// The copy began before the daemon started.
#[test]
fn copy_in_progress_at_start_is_served_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.swb");
    let whole = snapshot(1);
    let mut file = File::create(&path).unwrap();
    file.write_all(&whole[..2000]).unwrap();
    let served = Served::start(EVENTS, folder, "--snapshot", "acme.swb");
    for piece in whole[2000..].chunks(2500) {
        file.write_all(piece).unwrap();
        // The pause between two parts of the copy.
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(file);
    served.serves(1);
    assert_eq!(served.reloads("rejected"), 1.0, "the incomplete file is rejected once, at the start");
}

#[test]
fn fifty_rejections_in_a_row_leak_nothing() {
    let served = Served::snapshot(EVENTS);
    let file = served.path("inner/deep/acme.swb");
    // Large enough to show a leak: a header with the right length, and 8 MiB of zeros.
    let mut bad = snapshot(2);
    let length = bad.len();
    bad.resize(8 << 20, 0);
    let tests_len = u64::from_le_bytes(bad[40..48].try_into().unwrap()) + (bad.len() - length) as u64;
    bad[40..48].copy_from_slice(&tests_len.to_le_bytes());
    let memory = || served.daemon.metric("process_resident_memory_bytes");
    let answer = served.daemon.select(GERMAN);
    let mut after_ten = 0.0;
    for round in 1..=50 {
        bad[1 << 20] = round;
        rename_over(&file, &bad);
        served.counts("rejected", f64::from(round));
        if round == 10 {
            after_ten = memory();
        }
    }
    assert_eq!(served.daemon.metric("switchboard_snapshot_rejections_total{stage=\"checksum\"}"), 50.0);
    let grown = memory() - after_ten;
    println!("memory after 10 rejections: {after_ten}, grown by {grown} after 50");
    assert!(grown < 8e6, "a rejected file stays in memory: {grown}");
    assert_eq!(served.daemon.metric("switchboard_snapshots_alive"), 1.0);
    let mut again = served.daemon.select(GERMAN);
    again["account"] = answer["account"].clone();
    again["address"] = answer["address"].clone();
    assert_eq!(again, answer);
    fs::write(&file, snapshot(2)).unwrap();
    served.serves(2);
}

/// Reads of a file cause events too.
#[test]
fn reading_the_file_is_no_change() {
    let served = Served::snapshot(EVENTS);
    let file = served.path("inner/deep/acme.swb");
    for _ in 0..20 {
        let mut bytes = Vec::new();
        File::open(&file).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(served.reloads("unchanged"), 0.0);
    }
    served.reload_is("unchanged", || File::open(&file).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap());
}
