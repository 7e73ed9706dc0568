//! Clients that send or read a little at a time. The daemon may close them when their time is up;
//! they come back at once.

use crate::{
    http::{self, Failure},
    until::Until,
};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// More than the sockets' buffers are likely to hold: 400 kB of answers.
const LINES: usize = 2_000;

/// One of them, until the end. `seen` is told of each connection, or why there is none.
pub(crate) fn client(until: &Until, target: SocketAddr, n: u32, seen: &dyn Fn(Result<(), Failure>)) {
    let query = r#"{"channel":"telegram","ou":"zurich","country":"CH"}"#;
    let batch = format!("{query}\n").repeat(LINES);
    let body = http::request("POST", "/v1/select", "application/json", query);
    let head = http::request("GET", "/v1/select?channel=signal&ou=london&country=GB", "text/plain", "");
    let batch = http::request("POST", "/v1/select/batch", "application/x-ndjson", &batch);
    while until.goes_on() {
        match http::connect(target) {
            Ok(stream) => {
                seen(Ok(()));
                // How it ends is the daemon's choice; only a refused connection is a failure.
                let _ = match n % 3 {
                    0 => dribble(until, stream, &head, 0),
                    1 => dribble(until, stream, &body, body.len() - query.len()),
                    _ => sip(until, stream, &batch),
                };
            }
            Err(failure) => {
                seen(Err(failure));
                pause(until);
            }
        }
    }
}

/// Sends this much at once, the rest byte by byte, and reads what comes.
fn dribble(until: &Until, mut stream: TcpStream, request: &str, at_once: usize) -> io::Result<()> {
    let (first, rest) = request.as_bytes().split_at(at_once.min(request.len()));
    stream.write_all(first)?;
    for byte in rest.chunks(1) {
        pause(until);
        if !until.goes_on() {
            return Ok(());
        }
        stream.write_all(byte)?;
    }
    stream.read(&mut [0; 1024]).map(|_| ())
}

/// Asks for much and reads it in sips.
fn sip(until: &Until, mut stream: TcpStream, request: &str) -> io::Result<()> {
    stream.write_all(request.as_bytes())?;
    while until.goes_on() && stream.read(&mut [0; 1024])? > 0 {
        pause(until);
    }
    Ok(())
}

fn pause(until: &Until) {
    until.sleep_until(Instant::now() + Duration::from_millis(100));
}
