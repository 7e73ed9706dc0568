//! The three modes of slowhttptest over raw sockets. `cargo test` therefore needs no installed tool.
//! `.ci/slowhttptest` runs the tool itself.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::connect;

/// The mode of an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Sends a header field every 50 ms and never ends the head: `slowhttptest -H`.
    Headers,
    /// Sends a byte of a body every 50 ms: `slowhttptest -B`.
    Body,
    /// Requests large answers and reads them slowly, through a small window: `slowhttptest -X`.
    Read,
}

/// The connections of an attack, by their end.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Connections that lasted until the daemon's limits, or the test, ended them.
    pub(super) held: usize,
    /// Connections that were answered 503, or closed at once because too many were being answered 503.
    pub(super) refused: usize,
}

/// Age from which a connection counts as held. A rejection takes less, every timeout of the daemon more.
const LASTED: Duration = Duration::from_secs(1);
const LINE: &str = "{\"channel\":\"whatsapp\",\"ou\":\"emea\",\"country\":\"DE\"}\n";

impl Mode {
    fn first_bytes(self) -> Vec<u8> {
        match self {
            Mode::Headers => b"GET /v1/select HTTP/1.1\r\nHost: x\r\n".to_vec(),
            Mode::Body => {
                b"POST /v1/select/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n{".to_vec()
            }
            Mode::Read => {
                let body = LINE.repeat(200);
                let length = body.len();
                let head = "POST /v1/select/batch HTTP/1.1\r\nHost: x\r\nContent-Length:";
                format!("{head} {length}\r\n\r\n{body}").repeat(16).into_bytes()
            }
        }
    }

    fn send_more(self, stream: &mut TcpStream) -> std::io::Result<()> {
        match self {
            Mode::Headers => stream.write_all(b"X-A: b\r\n"),
            Mode::Body => stream.write_all(b"a"),
            Mode::Read => Ok(()),
        }
    }
}

/// Keeps this many connections open from one address until `stop` is set. Replaces each one that ends.
pub(super) fn attack(data: &str, from: u8, mode: Mode, connections: usize, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut open: Vec<(TcpStream, Instant)> = Vec::new();
    let buffer = (mode == Mode::Read).then_some(2048);
    while !stop.load(Ordering::Relaxed) {
        while open.len() < connections && !stop.load(Ordering::Relaxed) {
            let mut stream = connect(data, from, buffer).stream;
            stream.set_nonblocking(true).unwrap();
            let _ = stream.write(&mode.first_bytes());
            open.push((stream, Instant::now()));
        }
        // The pace of the attack.
        std::thread::sleep(Duration::from_millis(50));
        open.retain_mut(|(stream, since)| {
            let mut few = [0; 16];
            let read = stream.read(&mut few);
            let refused = matches!(read, Ok(some) if few[..some].windows(3).any(|it| it == b"503"));
            let ended = match read {
                Ok(0) => true,
                Err(error) => error.kind() != ErrorKind::WouldBlock,
                Ok(_) => refused,
            };
            let ended =
                ended || mode.send_more(stream).is_err_and(|error| error.kind() != ErrorKind::WouldBlock);
            let lasted = since.elapsed() >= LASTED;
            tally.refused += usize::from(ended && !lasted);
            tally.held += usize::from(ended && lasted);
            !ended
        });
    }
    tally.held += open.iter().filter(|(_, since)| since.elapsed() >= LASTED).count();
    tally
}
