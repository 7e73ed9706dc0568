//! The daemon before its first snapshot.

use std::fs;
use std::process::Command;

use super::GERMAN;
use super::served::*;
use crate::expected::{acme, edit};
use crate::harness::{HttpClient, get};

/// Asserts the answer of every route before the first snapshot.
fn waits(served: &Served, reasons: &[&str]) {
    assert_eq!(get(&served.daemon.admin, "/livez").0, 200);
    let (status, text) = get(&served.daemon.admin, "/readyz");
    assert_eq!(status, 503);
    for reason in reasons {
        assert!(text.contains(reason), "{reason} not in {text}");
    }
    assert!(text.starts_with("no snapshot is in service: "), "{text}");
    for target in [format!("/v1/select?{GERMAN}"), format!("/v1/explain?{GERMAN}")] {
        let (status, text) = served.daemon.get(&target);
        assert_eq!(status, 503);
        assert!(text.contains("\"code\":\"no_snapshot\""), "{text}");
    }
    let answer = HttpClient::connect(&served.daemon.data).get(&format!("/v1/select?{GERMAN}"));
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

#[test]
fn snapshot_fault_is_reported_until_a_valid_snapshot_arrives() {
    let good = snapshot(1);
    let mut flipped = good.clone();
    flipped[good.len() - 1] ^= 1;
    for (bad, reason) in [
        (None, "No such file"),
        (Some(&b""[..]), "the file has 0 bytes"),
        (Some(&good[..4000]), "wait until the copy is complete"),
        (Some(&flipped), "checksum"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        if let Some(bad) = bad {
            fs::write(folder.path().join("acme.swb"), bad).unwrap();
        }
        let served = Served::start(EVENTS, folder, "--snapshot", "acme.swb");
        waits(&served, &[reason, "acme.swb"]);
        fs::write(served.path("acme.swb"), &good).unwrap();
        served.serves(1);
        assert_eq!(get(&served.daemon.admin, "/readyz"), (200, "ready\n".to_owned()));
    }
}

#[test]
fn registry_fault_is_reported_until_it_is_fixed() {
    let folder = tempfile::tempdir().unwrap();
    registry(&folder.path().join("registry"), 1);
    edit(folder.path(), "registry/acme/company.toml", "parent = \"dach\"", "parent = \"dech\"");
    let served = Served::start(EVENTS, folder, "--registry", "registry");
    waits(&served, &["error", "acme/company.toml:", "`dech`"]);
    edit(served.folder.path(), "registry/acme/company.toml", "parent = \"dech\"", "parent = \"dach\"");
    served.serves_number(1);
}

fn required(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn missing_required_snapshot_exits_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.swb");
    let config = folder.path().join("switchboard.toml");
    fs::write(&config, "require_snapshot = true").unwrap();
    let broken = acme();
    edit(broken.path(), "acme/company.toml", "parent = \"dach\"", "parent = \"dech\"");
    let missing = missing.to_str().unwrap();
    for (arguments, reason) in [
        (["--snapshot", missing, "--require-snapshot"].as_slice(), "No such file"),
        (&["--snapshot", missing, "--config", config.to_str().unwrap()], "No such file"),
        (&["--registry", broken.path().to_str().unwrap(), "--require-snapshot"], "1 error"),
    ] {
        let output = required(arguments);
        assert_eq!(output.status.code(), Some(3));
        let text = String::from_utf8(output.stderr).unwrap();
        let last = text.lines().last().unwrap();
        for part in [reason, "--require-snapshot", "repair the source"] {
            assert!(text.contains(part), "{part} not in {last}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("acme.swb"), snapshot(1)).unwrap();
    let served =
        Served::start("require_snapshot = true\npoll_interval = \"1h\"", folder, "--snapshot", "acme.swb");
    served.serves(1);
    // Only the first poll is required to succeed.
    served.reload_is("unreadable", || fs::remove_file(served.path("acme.swb")).unwrap());
    served.serves(1);
}
