//! The lines for load balancers in `docs/integrating.md`, run by HAProxy and nginx in front of a daemon.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use socket2::{Domain, Socket, Type};

use crate::harness::{DaemonProcess, PATIENCE, wait_within};

const QUERY: &str = r#"{"company":"acme","channel":"whatsapp","ou":"london","country":"GB"}"#;

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the only block of this language in the page.
fn block(language: &str) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/integrating.md")).unwrap();
    let fence = format!("```{language}\n");
    let mut blocks = page.split(&fence).skip(1);
    let block = blocks.next().unwrap().split_once("```").unwrap().0.to_owned();
    assert_eq!(blocks.next(), None, "one block of {language}");
    block
}

/// Replaces a text that occurs once.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replace(from, to)
}

/// Returns a port that refuses connections: its socket is bound, and does not listen. No other process gets it.
fn refusing_port() -> (Socket, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    (socket, port)
}

/// Returns the port of an address.
fn port(address: &str) -> &str {
    address.rsplit_once(':').unwrap().1
}

/// Sends a query through a proxy that listens on a Unix socket. Returns the answer, empty without a proxy.
fn ask(socket: &Path) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = UnixStream::connect(socket) {
        let length = QUERY.len();
        let head = format!(
            "POST /v1/select HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        let _ = stream.write_all((head + QUERY).as_bytes());
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

fn assert_answers(socket: &Path, proxy: &str) {
    wait_within(PATIENCE, || format!("{proxy} answers"), || ask(socket).starts_with("HTTP/1.1 200"));
    // Every query is answered, although one of the two replicas is down.
    for _ in 0..20 {
        let answer = ask(socket);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"account\":\"wa-"), "{answer}");
    }
}

#[test]
#[cfg_attr(not(has_haproxy), ignore = "needs haproxy: apt-get install haproxy")]
fn haproxy_marks_a_ready_replica_up_and_a_missing_one_down() {
    let daemon = DaemonProcess::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let [front, stats, file] = ["front", "stats", "haproxy.cfg"].map(|name| folder.path().join(name));
    let (_bound, dead) = refusing_port();
    let lines = replaced(&block("haproxy"), "bind :7400", &format!("bind unix@{}", front.display()));
    let (data, admin) = (&daemon.data, port(&daemon.admin));
    let lines = replaced(&lines, "10.0.0.1:7400 check port 7401", &format!("{data} check port {admin}"));
    let lines =
        replaced(&lines, "10.0.0.2:7400 check port 7401", &format!("127.0.0.1:{dead} check port {dead}"));
    // The time limits of the page are too short for a busy machine.
    let lines = replaced(&replaced(&lines, "server 250ms", "server 10s"), "connect 100ms", "connect 10s");
    let global = format!("global\n    stats socket {}\n    stats timeout 10s\n\n", stats.display());
    fs::write(&file, global + &lines).unwrap();
    let checked = Command::new("haproxy").args(["-c", "-f"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success() && !said.contains("WARNING"), "{said}");

    let mut haproxy = Command::new("haproxy");
    let _haproxy = Running(haproxy.args(["-db", "-f"]).arg(&file).stderr(Stdio::null()).spawn().unwrap());
    let state = || {
        let mut state = String::new();
        if let Ok(mut stream) = UnixStream::connect(&stats) {
            let _ = stream.write_all(b"show stat\n");
            let _ = stream.read_to_string(&mut state);
        }
        state
    };
    let status_of = |server: &str| {
        let state = state();
        let (header, rows) = state.split_once('\n').unwrap_or_default();
        let row = rows.lines().find(|row| row.starts_with(&format!("switchboard,{server},")))?;
        let cell = |name: &str| {
            let at = header.trim_start_matches("# ").split(',').position(|it| it == name)?;
            row.split(',').nth(at).map(str::to_owned)
        };
        Some((cell("status")?, cell("check_status")?, cell("check_code")?))
    };
    let is = |server: &str, status: &str, check: &str| {
        status_of(server).is_some_and(|(is, by, _)| is == status && by == check)
    };
    wait_within(
        PATIENCE,
        || format!("a is up, b is down: {}", state()),
        || is("a", "UP", "L7OK") && is("b", "DOWN", "L4CON"),
    );
    assert_eq!(status_of("a").unwrap().2, "200");
    assert_answers(&front, "HAProxy");
}

#[test]
#[cfg_attr(not(has_nginx), ignore = "needs nginx: apt-get install nginx")]
fn nginx_answers_from_the_replica_that_is_up() {
    let daemon = DaemonProcess::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let [front, file] = ["front", "nginx.conf"].map(|name| folder.path().join(name));
    let (_bound, dead) = refusing_port();
    let lines = replaced(&block("nginx"), "listen 7400", &format!("listen unix:{}", front.display()));
    let lines = replaced(&lines, "10.0.0.1:7400", &daemon.data);
    let lines = replaced(&lines, "10.0.0.2:7400", &format!("127.0.0.1:{dead}"));
    let lines = replaced(
        &replaced(&lines, "read_timeout 250ms", "read_timeout 10s"),
        "connect_timeout 100ms",
        "connect_timeout 10s",
    );
    let root = folder.path().display();
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {root}/{name};\n"))
        .concat();
    let whole = format!(
        "daemon off;\nmaster_process off;\npid {root}/pid;\nerror_log {root}/log;\nevents {{}}\nhttp {{\n{paths}{lines}}}\n"
    );
    fs::write(&file, whole).unwrap();
    let checked = Command::new("nginx").args(["-t", "-e", "stderr", "-c"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success() && !said.contains("[warn]"), "{said}");
    let mut nginx = Command::new("nginx");
    let _nginx =
        Running(nginx.args(["-e", "stderr", "-c"]).arg(&file).stderr(Stdio::null()).spawn().unwrap());
    assert_answers(&front, "nginx");
}
