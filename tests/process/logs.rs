//! Logs: a reader of standard error that stalls, the access log, and the greeting on a terminal.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, PipeReader, PipeWriter, Write, pipe};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

use super::{free_address, refused, serve};
use crate::expected::{acme, edit};
use crate::harness::{DaemonProcess, HttpClient, PATIENCE, get, request, wait_until};

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

/// Returns the next line of the access log, without the fields that differ with each run.
fn next_request(daemon: &DaemonProcess) -> serde_json::Value {
    let mut line = daemon.log("request");
    let fields = line.as_object_mut().unwrap();
    assert!(fields.remove("timestamp").is_some_and(|time| time.is_string()));
    assert!(fields.remove("peer").unwrap().as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(
        (fields.remove("level").unwrap(), fields.remove("message").unwrap()),
        ("INFO".into(), "request".into())
    );
    let duration = fields.remove("duration").map(|seconds| seconds.as_f64().unwrap());
    assert_eq!(duration.is_some(), fields.contains_key("method"));
    assert!(duration.is_none_or(|seconds| seconds > 0.0 && seconds < 20.0), "{duration:?}");
    line
}

#[test]
fn access_log_has_one_line_for_each_request_and_no_data_of_it() {
    // The lines are logged although the level hides other events of the same level.
    let daemon = DaemonProcess::start(&["--access-log=1"]);
    let mut client = HttpClient::connect(&daemon.data);
    let found = client.get(&format!("{GERMAN}&client=secret"));
    let expected = |method: &str, route: &str, status: u16, bytes: usize| serde_json::json!({"listener": "data", "method": method, "route": route, "status": status, "bytes": bytes});
    assert_eq!(next_request(&daemon), expected("GET", "/v1/select", 200, found.body.len()));

    let lost = client.get("/v1/select?company=acme&channel=whatsapp&ou=secret&phone=%2B33612345678");
    let mut line = expected("GET", "/v1/select", 404, lost.body.len());
    line["code"] = "unknown_ou".into();
    assert_eq!(next_request(&daemon), line);

    client.post("/v1/select/batch", "", "{}\n{}\n");
    assert_eq!(next_request(&daemon), expected("POST", "/v1/select/batch", 200, client.answer().body.len()));
    client.heads = true;
    client.send(format!("HEAD {GERMAN} HTTP/1.1\r\nHost: x\r\nX-Phone: 33612345678\r\n\r\n"));
    client.answer();
    assert_eq!(next_request(&daemon), expected("HEAD", "/v1/select", 200, 0));
    client.heads = false;
    client.send("SECRET33612345678 /secret HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut line = expected("other", "other", 404, client.answer().body.len());
    line["code"] = "not_found".into();
    assert_eq!(next_request(&daemon), line);
    client.send("GET /secret\0 HTTP/1.1\r\n\r\n");
    let mut line = expected("", "other", 400, client.answer().body.len());
    line["code"] = "bad_request".into();
    line.as_object_mut().unwrap().remove("method");
    assert_eq!(next_request(&daemon), line);

    let standing = r#"{"standing":"suspended","reason":"secret"}"#;
    let (status, stored) = daemon.admin("PUT", GERMAN_ACCOUNT, standing);
    let mut line = expected("PUT", "/v1/standings/{company}/{account}", status, stored.len());
    line["listener"] = "admin".into();
    assert_eq!(next_request(&daemon), line);
    daemon.admin("GET", "/readyz", "");
    assert_eq!(next_request(&daemon)["route"], "/readyz");
}

#[test]
fn access_log_ignores_the_log_level_and_is_off_by_default() {
    let logged = |arguments: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let daemon = Unread::start(fs::File::create(&path).unwrap(), arguments);
        assert_eq!(get(&daemon.data, GERMAN).0, 200);
        assert_eq!(daemon.stop().0, Some(0));
        let text = fs::read_to_string(&path).unwrap();
        text.contains(" request ") && text.contains("/v1/select")
    };
    assert!(!logged(&[]));
    assert!(!logged(&["--access-log=0"]));
    assert!(logged(&["--access-log=1"]));
    assert!(logged(&["--access-log=1", "--log-level=error"]));
}

#[test]
fn access_log_writes_durations_in_fixed_decimals() {
    for format in ["text", "json"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let format_option = format!("--log-format={format}");
        let daemon = Unread::start(fs::File::create(&path).unwrap(), &["--access-log=1", &format_option]);
        // The fast path answers in microseconds, which a float shows with an exponent.
        for _ in 0..20 {
            assert_eq!(get(&daemon.data, GERMAN).0, 200);
        }
        assert_eq!(daemon.stop().0, Some(0));
        let text = fs::read_to_string(&path).unwrap();
        let mark = if format == "json" { "\"duration\":" } else { "duration=" };
        let durations: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("/v1/select"))
            .filter_map(|line| line.split_once(mark))
            .map(|(_, rest)| &rest[..rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap()])
            .collect();
        assert_eq!(durations.len(), 20, "{text}");
        for duration in durations {
            let (seconds, decimals) = duration.split_once('.').unwrap();
            assert_eq!((seconds, decimals.len()), ("0", 9), "{duration}");
        }
    }
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
    // Wrong usage and wrong settings as well.
    for wrong in [
        &["serve", "--listen", "nonsense"][..],
        &["serve", "--nonsense"],
        &["serve", "--config", "/no/such/file"],
        &["serve", "--listen", "127.0.0.1:0", "--admin-listen", "nonsense", "--workers=x"],
        &["nonsense"],
        &["check"],
        &["standing"],
    ] {
        let (_reader, stderr) = full_pipe();
        let since = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        let code = command.args(wrong).stderr(stderr).status().unwrap().code();
        assert!(matches!(code, Some(2 | 3)), "{wrong:?}: {code:?}");
        assert!(since.elapsed() < Duration::from_secs(10), "{wrong:?}: {:?}", since.elapsed());
    }
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
    for mistake in ["no such=level", "loud", "info,loud", "hyper"] {
        assert_eq!(levels(&[], mistake), [true, true, true], "{mistake}");
    }
    assert_eq!(levels(&[], " error "), [false, false, true]);
    assert_eq!(levels(&["--log-level=error"], "loud"), [false, false, true]);
    let (code, text) = refused(serve(&["--log-level", "verbose"]));
    assert!(code == 2 && text.contains("expected error, warn, info"), "{text}");
}

/// A daemon whose standard error is a terminal.
struct OnTerminal {
    child: Child,
    lines: Receiver<String>,
}

impl OnTerminal {
    fn start(arguments: &[&str]) -> OnTerminal {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        unlockpt(&terminal).unwrap();
        let path = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let stderr = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        let mut command = serve(&["--admin-listen", "127.0.0.1:0"]);
        let child = command.args(arguments).env("NO_COLOR", "1").stderr(stderr).spawn().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(fs::File::from(terminal)).lines().map_while(Result::ok) {
                let _ = sender.send(line.trim_end().to_owned());
            }
        });
        OnTerminal { child, lines }
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the URL in the line of the greeting that begins with `Try`.
fn url_to_try(line: &str) -> (&str, &str) {
    let url = line.strip_prefix("Try      curl 'http://").unwrap_or_else(|| panic!("{line}"));
    url.trim_end_matches('\'').split_at(url.find('/').unwrap())
}

#[test]
fn first_run_on_a_terminal_greets_with_five_lines() {
    let daemon = OnTerminal::start(&["--listen", "127.0.0.1:0"]);
    let greeting: Vec<String> = (0..5).map(|_| daemon.line()).collect();
    assert_eq!(greeting[0], format!("Switchboard {}", env!("CARGO_PKG_VERSION")));
    assert!(greeting[1].starts_with("Serves   the demo registry"), "{greeting:#?}");
    assert_eq!(greeting[2].matches("http://127.0.0.1:").count(), 2, "{greeting:#?}");
    let (address, target) = url_to_try(&greeting[3]);
    let (status, answer) = get(address, target);
    assert!(status == 200 && answer.starts_with("{\"account\":"), "{answer}");
    assert!(greeting[4].starts_with("Read     ") && greeting[4].contains("docs/"), "{greeting:#?}");
    // Later events are logged as elsewhere.
    kill_process(Pid::from_child(&daemon.child), Signal::HUP).unwrap();
    let line = daemon.line();
    assert!(line.contains(" INFO ") && line.contains("source unchanged"), "{line}");
}

#[test]
fn command_of_the_greeting_works_on_every_source_and_address() {
    let registry = acme();
    let root = registry.path().to_str().unwrap();
    let daemon = OnTerminal::start(&["--listen", ":0", "--anonymous", "--registry", root]);
    let greeting: Vec<String> = (0..5).map(|_| daemon.line()).collect();
    assert!(
        greeting[1].starts_with(&format!("Serves   the registry {root} (companies: 1,")),
        "{greeting:#?}"
    );
    let (address, target) = url_to_try(&greeting[3]);
    assert_eq!(get(address, target).0, 200, "{greeting:#?}");
}

#[test]
fn missing_source_says_that_there_is_no_snapshot_and_what_the_daemon_waits_for() {
    let daemon = OnTerminal::start(&["--listen", "127.0.0.1:0", "--registry", "nosuch"]);
    let folder = std::env::current_dir().unwrap().join("nosuch");
    let error = daemon.line();
    let expected =
        [" ERROR ", "there is no snapshot", "waits until the source is valid", folder.to_str().unwrap()];
    assert!(expected.iter().all(|part| error.contains(part)), "{error}");
    assert!(!error.contains("in service stays"), "{error}");
    let greeting: Vec<String> = (0..5).map(|_| daemon.line()).collect();
    let waits = format!("Serves   nothing yet: the daemon waits for the registry {}", folder.display());
    assert!(greeting[1].starts_with(&waits), "{greeting:#?}");
    let (address, target) = url_to_try(&greeting[3]);
    let (status, reason) = get(address, target);
    assert!(status == 503 && reason.contains(folder.to_str().unwrap()), "{reason}");
}
