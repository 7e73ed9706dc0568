//! Every way to replace a file is noticed, with events by events alone, and without events by polling.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use notify::event::AccessKind;
use notify::{EventKind, RecursiveMode, Watcher};
use serde_json::Value;

use super::GERMAN;
use super::served::*;
use crate::harness::{DaemonProcess, request};

/// Replaces a snapshot in every way, twice. Each replacement starts from the result of the one before.
fn replaces_a_snapshot(settings: &str) {
    let served = Served::snapshot(settings);
    let (file, deep, inner) =
        (served.path("inner/deep/acme.swb"), served.path("inner/deep"), served.path("inner"));
    let mut generation = 1;
    let mut next = || {
        generation += 1;
        generation
    };
    for round in 0..2 {
        let away = |name: &str| served.path(&format!("{name}.{round}"));

        let renamed = next();
        rename_over(&file, &snapshot(renamed));
        served.serves(renamed);

        let in_place = next();
        fs::write(&file, snapshot(in_place)).unwrap();
        served.serves(in_place);

        let recreated = next();
        fs::remove_file(&file).unwrap();
        fs::write(&file, snapshot(recreated)).unwrap();
        served.serves(recreated);

        let missed = next();
        served.reload_is("unreadable", || fs::remove_file(&file).unwrap());
        fs::write(&file, snapshot(missed)).unwrap();
        served.serves(missed);

        let folder_replaced = next();
        let beside = served.path("inner/beside");
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("acme.swb"), snapshot(folder_replaced)).unwrap();
        fs::rename(&deep, away("deep")).unwrap();
        fs::rename(&beside, &deep).unwrap();
        served.serves(folder_replaced);

        let folder_recreated = next();
        served.reload_is("unreadable", || fs::remove_dir_all(&deep).unwrap());
        fs::create_dir(&deep).unwrap();
        fs::write(&file, snapshot(folder_recreated)).unwrap();
        served.serves(folder_recreated);

        let parent_replaced = next();
        fs::create_dir_all(served.path("other/deep")).unwrap();
        fs::write(served.path("other/deep/acme.swb"), snapshot(parent_replaced)).unwrap();
        served.reload_is("unreadable", || fs::rename(&inner, away("inner")).unwrap());
        fs::rename(served.path("other"), &inner).unwrap();
        served.serves(parent_replaced);

        // The new folders are watched.
        let after = next();
        rename_over(&file, &snapshot(after));
        served.serves(after);
    }
    assert_eq!(served.reloads("rejected"), 0.0);
    assert_eq!(served.reloads("published"), generation as f64);
}

#[test]
fn snapshot_is_served_however_it_is_replaced() {
    replaces_a_snapshot(EVENTS);
}

#[test]
fn snapshot_is_served_however_it_is_replaced_without_events() {
    replaces_a_snapshot(POLL);
}

fn replaces_a_registry(settings: &str) {
    let served = Served::registry(settings);
    let (deep, inner) = (served.path("inner/deep"), served.path("inner"));
    let accounts = deep.join("acme/accounts.csv");
    let with_number = |version| {
        let other = tempfile::tempdir().unwrap();
        registry(other.path(), version);
        fs::read(other.path().join("acme/accounts.csv")).unwrap()
    };
    rename_over(&accounts, &with_number(1));
    served.serves_number(1);
    fs::write(&accounts, with_number(2)).unwrap();
    served.serves_number(2);
    fs::remove_file(&accounts).unwrap();
    fs::write(&accounts, with_number(3)).unwrap();
    served.serves_number(3);

    registry(&served.path("beside"), 4);
    fs::rename(deep.join("acme"), served.path("acme.old")).unwrap();
    fs::rename(served.path("beside/acme"), deep.join("acme")).unwrap();
    served.serves_number(4);
    rename_over(&accounts, &with_number(5));
    served.serves_number(5);

    registry(&served.path("inner/root"), 6);
    fs::rename(&deep, served.path("root.old")).unwrap();
    fs::rename(served.path("inner/root"), &deep).unwrap();
    served.serves_number(6);
    rename_over(&accounts, &with_number(7));
    served.serves_number(7);

    served.reload_is("unreadable", || fs::remove_dir_all(&deep).unwrap());
    registry(&deep, 8);
    served.serves_number(8);

    registry(&served.path("parent/deep"), 9);
    fs::rename(&inner, served.path("inner.old")).unwrap();
    fs::rename(served.path("parent"), &inner).unwrap();
    served.serves_number(9);
    fs::write(&accounts, with_number(10)).unwrap();
    served.serves_number(10);

    // A company that is added later is watched like the others.
    served.reload_is("rejected", || {
        fs::create_dir(deep.join("zeta")).unwrap();
        fs::copy(deep.join("acme/company.toml"), deep.join("zeta/company.toml")).unwrap();
    });
    let before = served.reloads("published");
    fs::write(deep.join("zeta/accounts.csv"), with_number(11)).unwrap();
    served.counts("published", before + 1.0);
    let answer = served.daemon.select(&format!("company=zeta&{GERMAN}"));
    assert_eq!(answer["address"], "+4915123457011");
}

#[test]
fn registry_is_served_however_it_is_replaced() {
    replaces_a_registry(EVENTS);
}

#[test]
fn registry_is_served_however_it_is_replaced_without_events() {
    replaces_a_registry(POLL);
}

/// `acme.swb -> ..data/acme.swb`, and the link `..data` is swapped.
fn swaps_a_volume(settings: &str) {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("volume");
    let fill = |generation| move |to: &Path| fs::write(to.join("acme.swb"), snapshot(generation)).unwrap();
    project(&volume, 1, fill(1));
    let served = Served::start(settings, folder, "--snapshot", "volume/acme.swb");
    for generation in 2..6 {
        project(&volume, generation, fill(generation.into()));
        served.serves(generation.into());
    }
    assert_eq!(served.reloads("published"), 5.0);
    assert_eq!(served.reloads("rejected"), 0.0);

    // A registry in which the companies' folders, or the files in them, are links.
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("volume");
    project(&volume, 0, |to| registry(to, 0));
    let files = folder.path().join("files");
    project(&files.join("acme"), 0, |to| {
        registry(to, 0);
        for file in fs::read_dir(to.join("acme")).unwrap() {
            let file = file.unwrap();
            fs::rename(file.path(), to.join(file.file_name())).unwrap();
        }
        fs::remove_dir(to.join("acme")).unwrap();
    });
    let turn = |version| {
        project(&files.join("acme"), version, |to| {
            let whole = tempfile::tempdir().unwrap();
            registry(whole.path(), version);
            for file in fs::read_dir(whole.path().join("acme")).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        });
    };
    let served = Served::start(settings, folder, "--registry", "volume");
    let by_files =
        Served::start(settings, tempfile::tempdir().unwrap(), "--registry", files.to_str().unwrap());
    for version in 1..4 {
        project(&volume, version, |to| registry(to, version));
        turn(version);
        served.serves_number(version);
        by_files.serves_number(version);
    }
    for served in [served, by_files] {
        assert_eq!(served.reloads("rejected"), 0.0);
    }
}

#[test]
fn kubernetes_volume_is_served_after_its_link_is_swapped() {
    swaps_a_volume(EVENTS);
}

#[test]
fn kubernetes_volume_is_served_after_its_link_is_swapped_without_events() {
    swaps_a_volume(POLL);
}

#[test]
fn link_target_is_watched_in_its_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    for release in ["releases/1", "releases/2"] {
        fs::create_dir_all(folder.path().join(release)).unwrap();
    }
    let link = |to: &str, name: &str| {
        let turned = folder.path().join("turned");
        std::os::unix::fs::symlink(to, &turned).unwrap();
        fs::rename(turned, folder.path().join(name)).unwrap();
    };
    fs::write(folder.path().join("releases/1/acme.swb"), snapshot(1)).unwrap();
    link("releases/1", "current");
    link("current/acme.swb", "acme.swb");
    let path = folder.path().to_owned();
    let served = Served::start(
        EVENTS,
        tempfile::tempdir().unwrap(),
        "--snapshot",
        path.join("acme.swb").to_str().unwrap(),
    );
    fs::write(path.join("releases/1/acme.swb"), snapshot(2)).unwrap();
    served.serves(2);
    fs::write(path.join("releases/2/acme.swb"), snapshot(3)).unwrap();
    link("releases/2", "current");
    served.serves(3);
    rename_over(&path.join("releases/2/acme.swb"), &snapshot(4));
    served.serves(4);
    assert_eq!(served.reloads("published"), 4.0);
}

/// The accounts of two companies change between the reads of the first and the second company. The old state
/// of one company must never be served with the new state of the other.
#[test]
fn source_that_changes_while_it_is_read_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // A folder for each version, and a link to it that is swapped later.
    let prepare = |version: u32| {
        registry(&path(&version.to_string()), version);
        symlink(version.to_string(), path("turned")).unwrap();
    };
    let turn = || fs::rename(path("turned"), path("current")).unwrap();
    prepare(0);
    turn();
    let settings = fs::read_to_string(path("0/acme/company.toml")).unwrap();
    // The file is so large that the daemon is still reading it when the others change.
    let long = |round: u32| {
        format!("{settings}\n{}\n# {round}\n", format!("#{}\n", "x".repeat(1_000)).repeat(7_000))
    };
    for company in ["a", "z"] {
        fs::create_dir_all(path("registry").join(company)).unwrap();
        fs::write(path("registry").join(company).join("company.toml"), &settings).unwrap();
        symlink("../../current/acme/accounts.csv", path("registry").join(company).join("accounts.csv"))
            .unwrap();
    }
    let config = path("switchboard.toml");
    fs::write(&config, EVENTS).unwrap();
    let source = path("registry");
    let arguments = ["--registry", source.to_str().unwrap(), "--config", config.to_str().unwrap()];
    let daemon = DaemonProcess::start(&arguments);

    let (to, opened) = std::sync::mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let opens = |event: &notify::Event| matches!(event.kind, EventKind::Access(AccessKind::Open(_)));
        if event.is_ok_and(|event| opens(&event) && event.paths[0].ends_with("a/company.toml")) {
            let _ = to.send(());
        }
    })
    .unwrap();
    watcher.watch(&path("registry/a"), RecursiveMode::NonRecursive).unwrap();
    let line =
        |company| format!(r#"{{"company":"{company}","channel":"whatsapp","ou":"emea","country":"DE"}}"#);
    let both = format!("{}\n{}\n", line("a"), line("z"));
    for version in 1..6 {
        prepare(version);
        rename_over(&path("registry/a/company.toml"), long(version).as_bytes());
        opened.recv_timeout(Duration::from_secs(20)).unwrap();
        turn();
        let changed = Instant::now();
        loop {
            let (_, answers) = request(&daemon.data, "POST", "/v1/select/batch", &both).unwrap();
            let address = |line: &str| serde_json::from_str::<Value>(line).unwrap()["address"].clone();
            let addresses: Vec<Value> = answers.lines().map(address).collect();
            assert_eq!(addresses[0], addresses[1], "of one generation");
            if addresses[0] == number(version) {
                break;
            }
            assert!(changed.elapsed() < CHANGE_LIMIT, "not served: {}", daemon.status());
        }
        while opened.try_recv().is_ok() {}
    }
}
