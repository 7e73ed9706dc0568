//! Clients that send or read a little at a time. The daemon may close them when their time is up;
//! they come back at once.

use super::{Run, http};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

pub(super) const CLIENTS: u32 = 20;

/// More than the sockets' buffers are likely to hold: 400 kB of answers.
const LINES: usize = 2_000;

pub(super) fn client(run: &Run, n: u32) {
    let query = r#"{"channel":"telegram","ou":"zurich","country":"CH"}"#;
    let batch = format!("{query}\n").repeat(LINES);
    let body = http::request("POST", "/v1/select", "application/json", query);
    let head = http::request("GET", "/v1/select?channel=signal&ou=london&country=GB", "text/plain", "");
    let batch = http::request("POST", "/v1/select/batch", "application/x-ndjson", &batch);
    while run.goes_on() {
        match http::connect(run.data) {
            Ok(stream) => {
                run.tally.slow.one();
                // How it ends is the daemon's choice; only a refused connection is a failure.
                let _ = match n % 3 {
                    0 => dribble(run, stream, &head, 0),
                    1 => dribble(run, stream, &body, body.len() - query.len()),
                    _ => sip(run, stream, &batch),
                };
            }
            Err(failure) => {
                run.tally.failed(failure);
                pause(run);
            }
        }
    }
}

/// Sends this much at once, the rest byte by byte, and reads what comes.
fn dribble(run: &Run, mut stream: TcpStream, request: &str, at_once: usize) -> io::Result<()> {
    let (first, rest) = request.as_bytes().split_at(at_once.min(request.len()));
    stream.write_all(first)?;
    for byte in rest.chunks(1) {
        pause(run);
        if !run.goes_on() {
            return Ok(());
        }
        stream.write_all(byte)?;
    }
    stream.read(&mut [0; 1024]).map(|_| ())
}

/// Asks for much and reads it in sips.
fn sip(run: &Run, mut stream: TcpStream, request: &str) -> io::Result<()> {
    stream.write_all(request.as_bytes())?;
    while run.goes_on() && stream.read(&mut [0; 1024])? > 0 {
        pause(run);
    }
    Ok(())
}

fn pause(run: &Run) {
    run.sleep_until(Instant::now() + Duration::from_millis(100));
}
