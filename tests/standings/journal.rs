//! The journal on the disk: kept, compacted, torn, damaged, or on a full disk.

use std::fs;
use std::process::Command;

use switchboard::runtime::standings::JournalContents;

use super::*;
use crate::expected::acme;
use crate::harness::wait_until;

#[test]
fn standings_outlive_the_process_with_a_journal() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let mut daemon = serve(registry.path(), Some(&journal));
    let status = &daemon.status()["standings"];
    assert_eq!((&status["durable"], &status["journal"]), (&true.into(), &journal.to_str().unwrap().into()));
    put(&daemon, GERMAN_ACCOUNT, &standing("suspended"));
    put(&daemon, "/v1/standings/acme/wa-emea-gb-1", &standing("draining"));
    put(&daemon, "/v1/standings/acme/wa-emea-gb-2", &standing("draining"));
    remove(&daemon, "/v1/standings/acme/wa-emea-gb-1");
    let short = json!({"standing": "draining", "reason": "short", "until": from_now(400)});
    put(&daemon, "/v1/standings/acme/wa-emea-gb-1", &short);
    daemon.kill();
    wait_until("the draining ends", || {
        jiff::Timestamp::now() > short["until"].as_str().unwrap().parse().unwrap()
    });

    let daemon = serve(registry.path(), Some(&journal));
    // The standing is in force from the first answer on.
    assert_ne!(daemon.select(GERMAN)["account"], "wa-emea-de-1");
    assert_eq!(stored(&daemon, GERMAN_ACCOUNT), Some(standing("suspended")));
    assert_eq!(stored(&daemon, "/v1/standings/acme/wa-emea-gb-2"), Some(standing("draining")));
    assert_eq!(stored(&daemon, "/v1/standings/acme/wa-emea-gb-1"), None, "it has ended meanwhile");
}

#[test]
fn torn_end_is_cut_off_wherever_it_is_torn() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let mut daemon = serve(registry.path(), Some(&journal));
    put(&daemon, GERMAN_ACCOUNT, &standing("suspended"));
    let one = fs::read(&journal).unwrap();
    put(&daemon, "/v1/standings/acme/wa-emea-gb-1", &standing("draining"));
    let two = fs::read(&journal).unwrap();
    daemon.kill();
    assert!(two.starts_with(&one) && two.len() > one.len());
    // Read without the lock, because a process that another test starts inherits the locks of this process.
    let read = |bytes: &[u8]| {
        fs::write(&journal, bytes).unwrap();
        JournalContents::read(&journal).unwrap()
    };
    for end in one.len()..two.len() {
        let contents = read(&two[..end]);
        assert_eq!((contents.standings.len(), contents.torn), (1, end - one.len()));
        assert!(contents.damaged.is_empty());
    }
    // Unwritten blocks, and lines that are not records.
    for tail in [&[0; 700][..], b"\n\n", b"0123456789abcdef {}\n"] {
        let contents = read(&[&two[..], tail].concat());
        assert_eq!((contents.standings.len(), contents.torn), (2, tail.len()));
        assert!(contents.damaged.is_empty());
    }

    fs::write(&journal, &two[..two.len() - 9]).unwrap();
    let daemon = serve(registry.path(), Some(&journal));
    assert_eq!(fs::read(&journal).unwrap(), one);
    assert!(daemon.logged_at_start("removed an incomplete last record")["bytes"].as_u64() > Some(0));
    assert_eq!(stored(&daemon, GERMAN_ACCOUNT), Some(standing("suspended")));
    assert_eq!(stored(&daemon, "/v1/standings/acme/wa-emea-gb-1"), None);
    put(&daemon, "/v1/standings/acme/wa-emea-gb-1", &standing("draining"));
    drop(daemon);
    let records = |bytes: &[u8]| -> Vec<String> {
        let lines = str::from_utf8(bytes).unwrap().lines();
        lines.filter(|line| !line.starts_with("# since ")).map(str::to_owned).collect()
    };
    assert_eq!(records(&fs::read(&journal).unwrap()), records(&two));
}

/// Rotation of logs, operators and other programs change the file below the daemon.
#[test]
fn journal_that_another_program_changed_is_rewritten_from_memory() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let beside = |name: &str| folder.path().join(name);
    type Change<'c> = (&'c str, Box<dyn Fn() + 'c>, bool);
    let write = |bytes: &'static [u8]| {
        let journal = &journal;
        move || fs::write(journal, bytes).unwrap()
    };
    let changes: Vec<Change<'_>> = vec![
        ("truncated in place", Box::new(write(b"")), false),
        (
            "cut in a record",
            Box::new(|| {
                let file = fs::OpenOptions::new().write(true).open(&journal).unwrap();
                file.set_len(file.metadata().unwrap().len() - 9).unwrap();
            }),
            true,
        ),
        ("overwritten in place", Box::new(write(b"no journal at all\n")), true),
        ("removed", Box::new(|| fs::remove_file(&journal).unwrap()), false),
        (
            "renamed, and an empty file in its place",
            Box::new(|| {
                fs::rename(&journal, beside("standings.1")).unwrap();
                fs::write(&journal, "").unwrap();
            }),
            false,
        ),
        (
            "copied over by rename",
            Box::new(|| {
                fs::copy(&journal, beside("copy")).unwrap();
                fs::rename(beside("copy"), &journal).unwrap();
            }),
            true,
        ),
        (
            "appended to",
            Box::new(|| {
                let mut bytes = fs::read(&journal).unwrap();
                bytes.extend_from_slice(b"a line of another program\n");
                fs::write(&journal, bytes).unwrap();
            }),
            true,
        ),
    ];
    let mut daemon = serve(registry.path(), Some(&journal));
    put(&daemon, GERMAN_ACCOUNT, &standing("suspended"));
    for (round, (change, apply, has_copy)) in changes.iter().enumerate() {
        // With a later change of a standing, and without one.
        for puts in [true, false] {
            let _ = fs::remove_file(beside("standings.damaged"));
            apply();
            if puts {
                let kind = ["draining", "suspended"][round % 2];
                put(&daemon, "/v1/standings/acme/wa-emea-gb-1", &standing(kind));
            }
            let logged = daemon.log("another program changed the journal of standings");
            assert_eq!(logged["level"], "ERROR", "{change}");
            assert_eq!(beside("standings.damaged").exists(), *has_copy, "{change}");
            let contents = JournalContents::read(&journal).unwrap();
            assert_eq!((contents.torn, contents.damaged.len()), (0, 0), "{change}");
            assert_eq!(contents.standings.len(), 2, "{change}");
        }
    }
    assert_eq!(daemon.metric("switchboard_standings_writable"), 1.0);
    daemon.kill();
    let daemon = serve(registry.path(), Some(&journal));
    assert_eq!(stored(&daemon, GERMAN_ACCOUNT), Some(standing("suspended")));
    assert!(stored(&daemon, "/v1/standings/acme/wa-emea-gb-1").is_some());
}

#[test]
fn damaged_journal_is_copied_and_its_other_records_hold() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let mut daemon = serve(registry.path(), Some(&journal));
    for account in ["wa-emea-de-1", "wa-emea-gb-1", "wa-emea-gb-2"] {
        put(&daemon, &format!("/v1/standings/acme/{account}"), &standing("suspended"));
    }
    daemon.kill();
    let mut bytes = fs::read(&journal).unwrap();
    let at = bytes.windows(12).position(|twelve| twelve == b"wa-emea-gb-1").unwrap();
    bytes[at] ^= 1;
    fs::write(&journal, &bytes).unwrap();

    let daemon = serve(registry.path(), Some(&journal));
    let logged = daemon.logged_at_start("journal of standings was damaged");
    assert_eq!(logged["lines"], "[5]");
    assert_eq!(fs::read(logged["kept"].as_str().unwrap()).unwrap(), bytes);
    for (account, holds) in [("wa-emea-de-1", true), ("wa-emea-gb-1", false), ("wa-emea-gb-2", true)] {
        let path = format!("/v1/standings/acme/{account}");
        assert_eq!(stored(&daemon, &path).is_some(), holds, "{account}");
    }
}

#[test]
fn file_that_is_no_journal_is_not_overwritten() {
    let registry = acme();
    let accounts = registry.path().join("acme/accounts.csv");
    let before = fs::read(&accounts).unwrap();
    let missing = registry.path().join("no/such/folder/standings");
    for journal in [&accounts, &missing] {
        let output = Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--standings"])
            .arg(journal)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains(journal.to_str().unwrap()) && stderr.contains("--standings"), "{stderr}");
    }
    assert_eq!(fs::read(&accounts).unwrap(), before);
}

#[test]
fn journal_is_rewritten_before_it_grows_large() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let mut daemon = serve(registry.path(), Some(&journal));
    put(&daemon, "/v1/standings/acme/wa-emea-gb-1", &standing("suspended"));
    let mut largest = 0;
    for round in 0..1_500 {
        put(&daemon, GERMAN_ACCOUNT, &standing(["draining", "suspended"][round % 2]));
        largest = largest.max(fs::metadata(&journal).unwrap().len());
    }
    assert!(largest < 200_000, "{largest} bytes");
    daemon.kill();
    let daemon = serve(registry.path(), Some(&journal));
    assert_eq!(stored(&daemon, GERMAN_ACCOUNT), Some(standing("suspended")));
    assert_eq!(stored(&daemon, "/v1/standings/acme/wa-emea-gb-1"), Some(standing("suspended")));
}

/// A limit on the size of the file simulates a full disk: the write fails halfway.
#[test]
fn full_disk_rejects_changes_and_loses_none() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let mut daemon = DaemonProcess::start_under(
        "ulimit -f 4",
        &["--registry", registry.path().to_str().unwrap(), "--standings", journal.to_str().unwrap()],
    );
    let accounts = ["wa-emea-de-1", "wa-emea-gb-1", "wa-emea-gb-2"];
    let mut held = std::collections::BTreeMap::new();
    let mut refused = 0;
    for round in 0..60 {
        let path = format!("/v1/standings/acme/{}", accounts[round % 3]);
        let body = json!({"standing": "draining", "reason": format!("round {round} {}", "x".repeat(80))});
        match daemon.admin("PUT", &path, &body.to_string()) {
            (200, _) => drop(held.insert(path, body)),
            (status, problem) => {
                assert!(status == 500 && problem.contains("nothing was changed"), "{status} {problem}");
                assert!(daemon.status()["standings"]["error"].is_string());
                assert_eq!(daemon.metric("switchboard_standings_writable"), 0.0);
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && held.len() == 3, "{refused} refused");
    let holds = |daemon: &DaemonProcess| {
        for (path, body) in &held {
            assert_eq!(stored(daemon, path).as_ref(), Some(body));
        }
    };
    holds(&daemon);
    daemon.kill();
    // Without the limit on the size.
    holds(&serve(registry.path(), Some(&journal)));
}

/// The written part of a failed change must not corrupt the next change.
#[test]
fn changes_are_kept_again_once_the_disk_has_room() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let mut daemon = DaemonProcess::start_under(
        "ulimit -S -f 2",
        &["--registry", registry.path().to_str().unwrap(), "--standings", journal.to_str().unwrap()],
    );
    let body = json!({"standing": "draining", "reason": "x".repeat(200)});
    let refused = |daemon: &DaemonProcess| daemon.admin("PUT", GERMAN_ACCOUNT, &body.to_string()).0 == 500;
    assert_eq!(daemon.metric("switchboard_standings_writable"), 1.0);
    assert!((0..50).any(|_| refused(&daemon)));
    assert_eq!(daemon.metric("switchboard_standings_writable"), 0.0);
    let pid = daemon.pid().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status().unwrap().success());
    put(&daemon, "/v1/standings/acme/wa-emea-gb-1", &standing("suspended"));
    put(&daemon, "/v1/standings/acme/wa-emea-gb-2", &standing("draining"));
    assert_eq!(daemon.status()["standings"]["error"], Value::Null);
    assert_eq!(daemon.metric("switchboard_standings_writable"), 1.0);
    daemon.kill();
    let contents = JournalContents::read(&journal).unwrap();
    assert_eq!((contents.torn, contents.damaged.len()), (0, 0));
    let daemon = serve(registry.path(), Some(&journal));
    assert_eq!(stored(&daemon, GERMAN_ACCOUNT), Some(body));
    assert_eq!(stored(&daemon, "/v1/standings/acme/wa-emea-gb-1"), Some(standing("suspended")));
    assert_eq!(stored(&daemon, "/v1/standings/acme/wa-emea-gb-2"), Some(standing("draining")));
}

#[test]
fn deleted_journal_is_rewritten_with_the_next_change() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let mut daemon = serve(registry.path(), Some(&journal));
    put(&daemon, GERMAN_ACCOUNT, &standing("suspended"));
    fs::remove_file(&journal).unwrap();
    put(&daemon, "/v1/standings/acme/wa-emea-gb-1", &standing("draining"));
    daemon.kill();
    let daemon = serve(registry.path(), Some(&journal));
    assert_eq!(stored(&daemon, GERMAN_ACCOUNT), Some(standing("suspended")));
    assert_eq!(stored(&daemon, "/v1/standings/acme/wa-emea-gb-1"), Some(standing("draining")));
}
