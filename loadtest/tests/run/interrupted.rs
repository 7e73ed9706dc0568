//! A killed load test leaves no process. An interrupted one leaves no files.

use crate::daemon;
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Starts a load test with its files in the folder. Returns its process and the rest of its output when its
/// daemon runs.
fn start(folder: &Path) -> (Child, impl Read) {
    let scenario = folder.join("long.toml");
    fs::write(&scenario, "about = 'long'\nrate = 100\nduration = '10m'\nceiling = '20ms'\ntimeout = '60s'")
        .unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .arg("run")
        .arg(scenario)
        .args(["--size", "small", "--pin", "none", "--switchboard"])
        .arg(daemon())
        .env("TMPDIR", folder)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    assert!(said.by_ref().lines().map_while(Result::ok).any(|line| line.starts_with("snapshot")));
    await_processes(folder, |n| n >= 2);
    (child, said)
}

/// Waits until enough processes have the folder on their command line.
fn await_processes(folder: &Path, enough: impl Fn(usize) -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    let folder = folder.as_os_str().as_encoded_bytes();
    let has = |line: Vec<u8>| line.windows(folder.len()).any(|window| window == folder);
    loop {
        let lines = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
        let found = lines.filter(|line| has(line.clone())).count();
        if enough(found) {
            return;
        }
        assert!(Instant::now() < until, "{found} processes after a minute");
        // Polls, because the kernel reports no events of processes that are not children of this one.
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn killed_load_test_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, _said) = start(folder.path());
    child.kill().unwrap();
    child.wait().unwrap();
    await_processes(folder.path(), |n| n == 0);
}

#[test]
fn interrupted_load_test_leaves_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, mut said) = start(folder.path());
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut last = String::new();
    said.read_to_string(&mut last).unwrap();
    assert!(last.contains("interrupted: this scenario has no report"), "{last}");
    await_processes(folder.path(), |n| n == 0);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["long.toml"]);
}
