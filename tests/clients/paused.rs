//! The daemon is paused for longer than its time limits, as a virtual machine may be, while clients send.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::expected::acme;
use crate::harness::{DaemonProcess, HttpClient};

const LIMITS: &str = "header_timeout = \"1s\"\nbody_timeout = \"1s\"\nidle_timeout = \"2s\"\n";
/// Longer than each of the limits.
const PAUSE: Duration = Duration::from_millis(2500);
const FAST: &str = "GET /v1/select?channel=whatsapp&ou=emea&country=DE HTTP/1.1\r\nHost: x\r\n\r\n";
const SLOW: &str = "GET /v1/explain?channel=whatsapp&ou=emea&country=DE HTTP/1.1\r\nHost: x\r\n\r\n";
const LINE: &str = "{\"channel\":\"whatsapp\",\"ou\":\"emea\",\"country\":\"DE\"}\n";

/// A connection: what it sends before the pause, and during it. Each part is cut from these bytes.
struct Connection {
    name: &'static str,
    client: HttpClient,
    later: String,
    answers: usize,
}

fn post(target: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn requests_that_arrive_during_a_pause_are_answered() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("switchboard.toml");
    std::fs::write(&settings, LIMITS).unwrap();
    let daemon = DaemonProcess::start(&[
        "--config",
        settings.to_str().unwrap(),
        "--registry",
        registry.path().to_str().unwrap(),
    ]);
    let (single, batch) = (post("/v1/select", LINE), post("/v1/select/batch", &LINE.repeat(3)));
    // Larger than the buffers of the system, so that the rest arrives only after the pause.
    let padded = LINE.trim_end().to_owned() + &" ".repeat(400) + "\n";
    let large = post("/v1/select/batch", &padded.repeat(8000));
    let chunked = "POST /v1/select HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()
        + &format!("{:x}\r\n{LINE}\r\n0\r\n\r\n", LINE.len());
    let open = |name, all: &str, before: usize, answers| {
        let mut client = HttpClient::connect(&daemon.data);
        // A first answer shows that the daemon has accepted the connection.
        client.send(FAST);
        assert_eq!(client.answer().status, 200);
        client.send(&all[..before]);
        Connection { name, client, later: all[before..].to_owned(), answers }
    };
    let mut connections: Vec<Connection> = (0..40).map(|_| open("a request", FAST, 0, 1)).collect();
    connections.extend((0..10).map(|_| open("a request for hyper", SLOW, 0, 1)));
    connections.extend([
        open("a large body", &large, 0, 1),
        open("two requests", &FAST.repeat(2), 0, 2),
        open("two requests for hyper", &SLOW.repeat(2), 0, 2),
        open("an empty line", &format!("\r\n{FAST}"), 0, 1),
        open("a head in two parts", FAST, 20, 1),
        open("a head for hyper in two parts", SLOW, FAST.len() - 40, 1),
        open("a body in two parts", &single, single.len() - 20, 1),
        open("a batch in two parts", &batch, batch.len() - 90, 1),
        open("chunks in two parts", &chunked, chunked.len() - 9, 1),
    ]);
    let mut half_head = open("half a head", FAST, 20, 0);
    let mut half_body = open("half a body", &single, single.len() - 20, 0);
    let mut idle = open("nothing", "", 0, 0);

    daemon.signal(Signal::STOP);
    let paused = Instant::now();
    std::thread::scope(|scope| {
        for connection in &mut connections {
            // A large body waits for the daemon, so each connection has a thread.
            scope.spawn(|| connection.client.send(&connection.later));
        }
        let mut new = HttpClient::connect(&daemon.data);
        new.send(FAST);
        // The pause has a fixed length and ends with no event.
        std::thread::sleep(PAUSE.saturating_sub(paused.elapsed()));
        daemon.signal(Signal::CONT);
        assert_eq!(new.answer().status, 200, "a new connection");
    });
    for Connection { name, client, answers, .. } in &mut connections {
        for _ in 0..*answers {
            let answer = client.try_answer().unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(answer.status, 200, "{name}");
        }
    }
    for Connection { name, client, .. } in [&mut half_head, &mut half_body, &mut idle] {
        assert!(client.is_closed(), "{name}");
    }
    let timed_out = daemon.metric("switchboard_http_connections_total{outcome=\"timed_out\"}");
    assert!(timed_out >= 3.0, "{timed_out}");
    assert_eq!(daemon.metric("switchboard_http_connections_total{outcome=\"error\"}"), 0.0);
}
