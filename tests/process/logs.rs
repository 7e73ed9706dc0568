//! Logs: a reader of standard error that stalls, the access log, and the greeting on a terminal.

use std::fs;
use std::io::{ErrorKind, PipeReader, PipeWriter, Write, pipe};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{free_address, refused, serve};
use crate::expected::{acme, edit};
use crate::harness::{DaemonProcess, HttpClient, get, request, wait_until};

const GERMAN: &str = "/v1/select?company=acme&channel=whatsapp&ou=emea&country=DE";
const GERMAN_ACCOUNT: &str = "/v1/standings/acme/wa-emea-de-1";

/// A pipe that nothing is read from, and whose buffer is full.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    loop {
        match writer.write(&[b'x'; 4096]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

/// A daemon whose log is not read. It is killed when it is dropped.
struct Unread {
    child: Child,
    data: String,
    admin: String,
}

impl Unread {
    fn start(stderr: impl Into<Stdio>, arguments: &[&str]) -> Unread {
        let (data, admin) = (free_address(), free_address());
        let mut command = serve(&["--listen", &data, "--admin-listen", &admin]);
        let child = command.args(arguments).stderr(stderr).spawn().unwrap();
        wait_until("the daemon is ready", || {
            request(&admin, "GET", "/readyz", "").is_ok_and(|(status, _)| status == 200)
        });
        Unread { child, data, admin }
    }

    fn select(&self) -> String {
        get(&self.data, GERMAN).1
    }

    fn dropped(&self) -> u64 {
        let text = get(&self.admin, "/metrics").1;
        let line = text.lines().find_map(|line| line.strip_prefix("switchboard_log_lines_dropped_total "));
        line.unwrap().parse().unwrap()
    }

    /// Stops the daemon, and returns its exit code and the time that the stop took.
    fn stop(mut self) -> (Option<i32>, Duration) {
        let since = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        (self.child.wait().unwrap().code(), since.elapsed())
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn stalled_reader_of_the_log_holds_up_no_work() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let (_reader, stderr) = full_pipe();
    let journal = folder.path().join("standings");
    let daemon = Unread::start(
        stderr,
        &[
            "--registry",
            registry.path().to_str().unwrap(),
            "--standings",
            journal.to_str().unwrap(),
            "--access-log=1",
        ],
    );
    assert_eq!(daemon.dropped(), 0);

    // A reload is published.
    assert!(daemon.select().contains("\"account\":\"wa-emea-de-1\""));
    edit(registry.path(), "acme/accounts.csv", "wa-emea-de-1,", "wa-emea-de-9,");
    let tests = registry.path().join("acme/tests.toml");
    fs::write(&tests, "").unwrap();
    wait_until("the change is served", || daemon.select().contains("\"account\":\"wa-emea-de-9\""));

    // More lines than the queue takes.
    let mut client = HttpClient::connect(&daemon.data);
    let requests = format!("GET {GERMAN} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(50);
    for _ in 0..100 {
        client.send(&requests);
        for _ in 0..50 {
            assert_eq!(client.answer().status, 200);
        }
    }
    drop(client);
    assert!(daemon.dropped() >= 5_000 - 4_096, "{}", daemon.dropped());

    // Standings are set and removed, and logged twice.
    let path = GERMAN_ACCOUNT.replace("de-1", "de-9");
    let standing = r#"{"standing":"suspended","reason":"under review"}"#;
    assert_eq!(request(&daemon.admin, "PUT", &path, standing).unwrap().0, 200);
    assert!(!daemon.select().contains("wa-emea-de-9"));
    assert_eq!(request(&daemon.admin, "DELETE", &path, "").unwrap().0, 204);

    let (code, took) = daemon.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[test]
fn refused_start_ends_although_the_log_is_not_read() {
    let (_reader, stderr) = full_pipe();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command =
        serve(&["--listen", &held.local_addr().unwrap().to_string(), "--admin-listen", "127.0.0.1:0"]);
    let since = Instant::now();
    assert_eq!(command.stderr(stderr).status().unwrap().code(), Some(3));
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}

#[test]
fn daemon_serves_without_a_reader_of_the_log() {
    let (reader, stderr) = pipe().unwrap();
    drop(reader);
    let daemon = Unread::start(stderr, &["--access-log=1"]);
    assert_eq!(get(&daemon.data, GERMAN).0, 200);
    assert_eq!(daemon.stop().0, Some(0));

    let (data, admin) = (free_address(), free_address());
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"exec "$0" "$@" 2>&-"#, env!("CARGO_BIN_EXE_switchboard"), "serve"]);
    let child = shell.args(["--listen", &data, "--admin-listen", &admin]).spawn().unwrap();
    let daemon = Unread { child, data, admin };
    wait_until("the daemon is ready", || {
        request(&daemon.admin, "GET", "/readyz", "").is_ok_and(|(status, _)| status == 200)
    });
    assert_eq!(daemon.stop().0, Some(0));
}

/// The log of a stopped daemon is complete: the queue is written before the process ends.
#[test]
fn last_line_of_the_log_is_written_before_the_exit() {
    let mut daemon = DaemonProcess::start(&[]);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(0));
    assert_eq!(daemon.log("stopped")["level"], "INFO");
}

#[test]
fn log_level_of_the_settings_overrides_rust_log() {
    let levels = |option: &[&str], variable: &str| {
        let mut command =
            serve(&["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--registry", "/no/such"]);
        command.args(["--require-snapshot", "--log-format=json"]).args(option).env("RUST_LOG", variable);
        let (code, text) = refused(command);
        assert_eq!(code, 3, "{text}");
        ["INFO", "WARN", "ERROR"].map(|level| text.contains(&format!("\"level\":\"{level}\"")))
    };
    assert_eq!(levels(&[], ""), [true, false, true]);
    assert_eq!(levels(&[], "error"), [false, false, true]);
    assert_eq!(levels(&["--log-level=off"], "info"), [false, false, false]);
    assert_eq!(levels(&["--log-level", "info"], "off"), [true, false, true]);
    assert_eq!(levels(&[], "no such=level"), [true, true, true]);
    let (code, text) = refused(serve(&["--log-level", "verbose"]));
    assert!(code == 2 && text.contains("expected error, warn, info"), "{text}");
}
