//! Changes that are hard to notice, and many changes in a short time: the last one is served.

use std::fs::{self, File, FileTimes};
use std::io::{Seek, Write};
use std::time::Duration;

use notify::event::AccessKind;
use notify::{EventKind, RecursiveMode, Watcher};

use super::GERMAN;
use super::served::*;

/// The new file has the size and the modification time of the old one.
fn keeps_size_and_time(settings: &str) {
    let served = Served::snapshot(settings);
    let file = served.path("inner/deep/acme.swb");
    let before = fs::metadata(&file).unwrap();
    for generation in 2..8 {
        // Written in place without truncation, so that the length never changes.
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
fn change_of_same_size_and_time_is_served() {
    keeps_size_and_time(EVENTS);
}

#[test]
fn change_of_same_size_and_time_is_served_without_events() {
    keeps_size_and_time(POLL);
}

/// Makes fifty valid and broken changes in a second, in every way. The last content is served.
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
        // The pause between two changes.
        std::thread::sleep(Duration::from_millis(20));
    }
    served.serves(51);

    // If the last change is broken, the snapshot in service stays.
    for bytes in &good {
        fs::write(&file, bytes).unwrap();
        // The pause between two changes.
        std::thread::sleep(Duration::from_millis(20));
    }
    fs::write(&file, b"no snapshot").unwrap();
    let status = || served.daemon.status()["last_reload"].clone();
    let refused = || status()["error"].as_str().is_some_and(|error| error.contains("11 bytes"));
    served.within("the last file is refused", refused);
    assert_eq!(served.daemon.select(GERMAN)["generation"], 51);
}

#[test]
fn last_of_fifty_changes_in_a_second_wins() {
    storms(EVENTS);
}

#[test]
fn last_of_fifty_changes_in_a_second_wins_without_events() {
    storms(POLL);
}

#[test]
fn last_of_fifty_changes_of_a_registry_wins() {
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
        // The pause between two changes.
        std::thread::sleep(Duration::from_millis(15));
    }
    served.serves_number(50);
}

/// A change during the compilation of another change is noticed by its event, because the next poll is an
/// hour away.
#[test]
fn change_during_a_compile_is_served() {
    let served = Served::registry(EVENTS);
    let folder = served.path("inner/deep/acme");
    // Large enough that the next change happens during the compilation.
    let mut accounts = fs::read_to_string(folder.join("accounts.csv")).unwrap();
    for number in 0..5_000 {
        accounts += &format!("wa-more-{number},whatsapp,secondary,+4474{number:08},GB,emea-whatsapp,,,,\n");
    }
    fs::remove_file(folder.join("tests.toml")).unwrap();
    let version = |version| accounts.replace(&number(0), &number(version));
    let file = folder.join("accounts.csv");
    let (to, opened) = std::sync::mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let opens = |event: &notify::Event| matches!(event.kind, EventKind::Access(AccessKind::Open(_)));
        if event.is_ok_and(|event| opens(&event) && event.paths[0].ends_with("accounts.csv")) {
            let _ = to.send(());
        }
    })
    .unwrap();
    watcher.watch(&folder, RecursiveMode::NonRecursive).unwrap();
    let next = served.path("next");
    for round in 0..8 {
        rename_over(&file, version(2 * round + 1).as_bytes());
        fs::write(&next, version(2 * round + 2)).unwrap();
        // Only the daemon opens the file. The rest of the read takes less than 1 ms, the compilation much
        // longer.
        opened.recv_timeout(Duration::from_secs(20)).unwrap();
        std::thread::sleep(Duration::from_millis(round.into()));
        fs::rename(&next, &file).unwrap();
        served.serves_number(2 * round + 2);
        while opened.try_recv().is_ok() {}
    }
}
