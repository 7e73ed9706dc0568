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

/// A request, and how slowly it goes.
#[derive(Clone)]
enum Way {
    /// So many bytes at once, the rest one by one.
    Dribbled(Vec<u8>, usize),
    /// Sent at once; its answer is read in sips.
    Sipped(Vec<u8>),
}

/// What slow clients ask, and how; each its own way, in turn.
#[derive(Default, Clone)]
pub(crate) struct Ways(Vec<Way>);

impl Ways {
    /// A request without a body: its head comes byte by byte.
    pub(crate) fn head(mut self, target: &str) -> Self {
        let head = format!("GET {target} HTTP/1.1\r\nhost: slow\r\n\r\n");
        self.0.push(Way::Dribbled(head.into_bytes(), 0));
        self
    }

    /// A query in JSON: its body comes byte by byte; and many of it, whose answers are read in sips.
    pub(crate) fn body(mut self, query: &str) -> Self {
        let one = http::request("POST", "/v1/select", "application/json", query);
        let at_once = one.len() - query.len();
        self.0.push(Way::Dribbled(one.into_bytes(), at_once));
        let lines = format!("{query}\n").repeat(LINES);
        let many = http::request("POST", "/v1/select/batch", "application/x-ndjson", &lines);
        self.0.push(Way::Sipped(many.into_bytes()));
        self
    }
}

/// One of them, until the end. `seen` is told of each connection, or why it was none: who is turned away is no slow client.
pub(crate) fn client(
    until: &Until,
    target: SocketAddr,
    ways: &Ways,
    n: u32,
    seen: &dyn Fn(Result<(), Failure>),
) {
    let Some(way) = ways.0.get(n as usize % ways.0.len().max(1)) else { return };
    while until.goes_on() {
        let connected = http::connect(target).and_then(|stream| {
            // Otherwise, how it ends is the daemon's choice.
            let answer = match way {
                Way::Dribbled(request, at_once) => dribble(until, stream, request, *at_once),
                Way::Sipped(request) => sip(until, stream, request),
            };
            match answer {
                Ok(answer) if answer.starts_with(b"HTTP/1.1 503 ") => Err(("turned away", "503".to_owned())),
                _ => Ok(()),
            }
        });
        let failed = connected.is_err();
        seen(connected);
        if failed {
            pause(until);
        }
    }
}

/// Sends this much at once, the rest byte by byte, and reads what comes.
fn dribble(until: &Until, mut stream: TcpStream, request: &[u8], at_once: usize) -> io::Result<Vec<u8>> {
    let (first, rest) = request.split_at(at_once.min(request.len()));
    stream.write_all(first)?;
    for byte in rest.chunks(1) {
        pause(until);
        if !until.goes_on() {
            return Ok(Vec::new());
        }
        if let Err(error) = stream.write_all(byte) {
            // Why may have been said before it was closed.
            return read(&mut stream).map_err(|_| error);
        }
    }
    read(&mut stream)
}

/// Asks for much and reads it in sips; the first of them.
fn sip(until: &Until, mut stream: TcpStream, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    let first = read(&mut stream)?;
    let mut more = !first.is_empty();
    while more && until.goes_on() {
        pause(until);
        more = !read(&mut stream)?.is_empty();
    }
    Ok(first)
}

fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut piece = [0; 1024];
    let length = stream.read(&mut piece)?;
    Ok(piece.get(..length).unwrap_or_default().to_vec())
}

fn pause(until: &Until) {
    until.sleep_until(Instant::now() + Duration::from_millis(100));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::TcpListener, sync::mpsc, thread};

    #[test]
    fn who_is_turned_away_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        // The pieces that the body comes in.
        let (tell, pieces) = mpsc::channel();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"{}") {
                request.extend(read(&mut stream).unwrap());
                tell.send(request.len()).unwrap();
            }
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").unwrap();
        });
        let (until, ways) = (Until::default(), Ways::default().body("{}").head("/"));
        let (seen, told) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| client(&until, target, &ways, 0, &|it| drop(seen.send(it))));
            assert_eq!(told.recv().unwrap(), Err(("turned away", "503".to_owned())));
            until.end();
        });
        let pieces: Vec<usize> = pieces.iter().collect();
        let whole = *pieces.last().unwrap();
        assert!(pieces.ends_with(&[whole - 1, whole]), "{pieces:?} of {whole}");
    }
}
