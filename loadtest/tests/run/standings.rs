//! Standings of a running daemon: a load test clears its own, and does not change others.

use crate::{
    daemon, output_text, run,
    target::{Running, registry},
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

fn scenario(folder: &Path, accounts: u32, more: &str) -> String {
    let file = folder.join("churn.toml");
    let text = format!(
        "about = 'churn'\nrate = 100\nwarm_up = '50ms'\nrepeat = 1\nceiling = '20ms'\nconnections = 2\n\
         latest_us = 60000000\ntimeout = '60s'\n{more}\naccounts = {accounts}"
    );
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Sends a request to the admin listener and returns the answer.
fn ask_admin(admin: &str, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(admin.strip_prefix("http://").unwrap()).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}"
    );
    write!(stream, "{head}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Returns the ids of the accounts that have a standing.
fn accounts_with_standing(admin: &str) -> BTreeSet<String> {
    let answer = ask_admin(admin, "GET", "/v1/standings", "");
    let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let listed = answer["standings"].as_array().unwrap();
    listed.iter().map(|entry| entry["account"].as_str().unwrap().to_owned()).collect()
}

/// Starts a run that suspends each account for a long time. Returns its process after the first suspension.
fn start_suspending(folder: &Path, running: &Running, registry: &Path) -> Child {
    let file = scenario(folder, 5, "duration = '10m'\n[standings]\nrate = 0.3");
    let child = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["run", &file, "--pin", "none", "--target", &running.data, "--admin", &running.admin])
        .arg("--registry")
        .arg(registry)
        .arg("--out")
        .arg(folder.join("out"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while accounts_with_standing(&running.admin).is_empty() {
        assert!(Instant::now() < until, "no standing after a minute");
        // Polls, because the daemon reports no event for a new standing.
        thread::sleep(Duration::from_millis(20));
    }
    child
}

#[test]
fn interrupt_and_hang_up_remove_the_standings() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(folder.path(), 1);
    let running = Running::serve(&registry);
    // Under nohup the signal is ignored, also by the programs that a test starts.
    let signals = if is_hang_up_ignored() { &["-INT"][..] } else { &["-INT", "-HUP"] };
    for signal in signals {
        let mut child = start_suspending(folder.path(), &running, &registry);
        let killed = Command::new("kill").args([*signal, &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
        assert_eq!(accounts_with_standing(&running.admin), BTreeSet::new(), "{signal}");
    }
}

fn is_hang_up_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    u64::from_str_radix(ignored, 16).unwrap() & 1 == 1
}

#[test]
fn hang_up_that_is_ignored_at_the_start_stays_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let file = scenario(folder.path(), 5, "duration = '1s'\n[standings]\nrate = 5");
    let mut child = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_loadtest"), "run", &file])
        .args(["--pin", "none", "--size", "small", "--switchboard", daemon().to_str().unwrap(), "--out"])
        .arg(folder.path().join("out"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    // The signals are set up before this line.
    assert!(lines.any(|line| line.starts_with("snapshot")));
    let sent = Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let said: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said:#?}");
}

#[test]
fn standings_of_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(folder.path(), 1);
    let running = Running::serve(&registry);
    let churned = loadtest::traffic::churnable(&registry, 1_000, 1).unwrap();
    let ask = || {
        let file = scenario(folder.path(), 1_000, "duration = '500ms'\n[standings]\nrate = 200");
        let registry = registry.to_str().unwrap();
        let out = folder.path().join("out");
        run(&out, &[&file, "--target", &running.data, "--admin", &running.admin, "--registry", registry])
    };
    // All accounts but one have a standing that the load test did not set.
    let (free, others) = churned.split_last().unwrap();
    for (company, account) in others {
        let body = r#"{"standing":"draining","reason":"another's","until":"2999-01-01T00:00:00Z"}"#;
        let answer = ask_admin(&running.admin, "PUT", &format!("/v1/standings/{company}/{account}"), body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let before = accounts_with_standing(&running.admin);
    let ran = ask();
    assert!(
        output_text(&ran).contains(&format!("{} accounts already have one", others.len())),
        "{}",
        output_text(&ran)
    );
    assert_eq!(accounts_with_standing(&running.admin), before);
    ask_admin(
        &running.admin,
        "PUT",
        &format!("/v1/standings/{}/{}", free.0, free.1),
        r#"{"standing":"draining","reason":"x"}"#,
    );
    let ran = ask();
    assert_eq!(ran.status.code(), Some(1), "{}", output_text(&ran));
    assert!(
        output_text(&ran).contains("finds no account whose standing it may change"),
        "{}",
        output_text(&ran)
    );
}
