//! Changes that are hard to see, and more of them than can be followed: the last one wins.

use std::fs::{self, File, FileTimes};
use std::io::{Seek, Write};
use std::time::Duration;

use super::GERMAN;
use super::served::*;

/// Same size, and the old time of modification put back.
fn keeps_size_and_time(settings: &str) {
    let served = Served::snapshot(settings);
    let file = served.path("inner/deep/acme.swb");
    let before = fs::metadata(&file).unwrap();
    for generation in 2..8 {
        // In place without truncation, so that not even the length changes for a moment.
        let mut open = File::options().write(true).open(&file).unwrap();
        open.write_all(&snapshot(generation)).unwrap();
        open.set_times(FileTimes::new().set_modified(before.modified().unwrap())).unwrap();
        drop(open);
        let after = fs::metadata(&file).unwrap();
        assert_eq!((after.len(), after.modified().unwrap()), (before.len(), before.modified().unwrap()));
        served.serves(generation);
    }
}

#[test]
fn a_change_of_same_size_and_time_is_served() {
    keeps_size_and_time(EVENTS);
}

#[test]
fn a_change_of_same_size_and_time_is_served_without_events() {
    keeps_size_and_time(POLL);
}

/// Fifty changes in a second, good and bad, by every way in turn; what is there in the end is served.
fn storms(settings: &str) {
    let served = Served::snapshot(settings);
    let file = served.path("inner/deep/acme.swb");
    let good: Vec<Vec<u8>> = (2..52).map(snapshot).collect();
    for (at, bytes) in good.iter().enumerate() {
        match at % 5 {
            0 => rename_over(&file, bytes),
            1 => fs::write(&file, bytes).unwrap(),
            2 => {
                fs::remove_file(&file).unwrap();
                fs::write(&file, bytes).unwrap();
            }
            3 => fs::write(&file, &bytes[..bytes.len() / 2]).unwrap(),
            _ => {
                let mut open = File::options().write(true).open(&file).unwrap();
                open.write_all(bytes).unwrap();
                open.rewind().unwrap();
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    served.serves(51);

    // And where the last is not good, the one before stays, whatever was in between.
    for bytes in &good {
        fs::write(&file, bytes).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    fs::write(&file, b"no snapshot").unwrap();
    let status = || served.daemon.status()["last_reload"].clone();
    let changed = std::time::Instant::now();
    while status()["error"].as_str().is_none_or(|error| !error.contains("11 bytes")) {
        assert!(changed.elapsed() < patience(), "{}", status());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(served.daemon.select(GERMAN)["generation"], 51);
}

#[test]
fn the_last_of_fifty_changes_in_a_second_wins() {
    storms(EVENTS);
}

#[test]
fn the_last_of_fifty_changes_in_a_second_wins_without_events() {
    storms(POLL);
}

#[test]
fn the_last_of_fifty_changes_of_a_registry_wins() {
    let served = Served::registry(EVENTS);
    for version in 1..51 {
        let other = tempfile::tempdir().unwrap();
        registry(other.path(), version);
        let bytes = fs::read(other.path().join("acme/accounts.csv")).unwrap();
        let file = served.path("inner/deep/acme/accounts.csv");
        if version % 2 == 0 {
            fs::write(&file, bytes).unwrap()
        } else {
            rename_over(&file, &bytes)
        }
        std::thread::sleep(Duration::from_millis(15));
    }
    served.serves_number(50);
}
