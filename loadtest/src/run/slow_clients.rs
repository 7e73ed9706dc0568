//! Clients that send or read only a few bytes at a time. If the daemon closes a connection after its
//! time-out, the client connects again at once.

use super::{admin::TIMEOUT, context::StopFlag};
use crate::traffic::{add_header, get, post, post_batch};
use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};
use switchboard_client::{Connection, Endpoint};

/// Number of lines of a batch. Its 400 kB of answers exceed the sockets' buffers.
const BATCH_LINES: usize = 2_000;

const PAUSE: Duration = Duration::from_millis(100);

/// A request whose first bytes are sent at once and the others one by one. If all are sent at once, the
/// answer is read in small pieces.
#[derive(Clone)]
struct SlowRequest {
    bytes: Vec<u8>,
    sent_at_once: usize,
}

/// The requests of slow clients. Client `n` has the request at `n` modulo their number.
#[derive(Clone)]
pub struct SlowRequests(Vec<SlowRequest>);

impl SlowRequests {
    /// Returns a GET of the target whose head is sent byte by byte, a POST of the query whose body is sent
    /// byte by byte, and a batch of the query whose answer is read in small pieces.
    pub fn new(target: Option<&str>, query: Option<&str>) -> Self {
        let head = target.map(|target| SlowRequest { bytes: get(target), sent_at_once: 0 });
        let body = query.map(|query| {
            let bytes = post(query);
            SlowRequest { sent_at_once: bytes.len() - query.len(), bytes }
        });
        let batch = query.map(|query| {
            let bytes = post_batch(&format!("{query}\n").repeat(BATCH_LINES));
            SlowRequest { sent_at_once: bytes.len(), bytes }
        });
        Self([head, body, batch].into_iter().flatten().collect())
    }

    /// Adds a header to each request.
    pub(super) fn add_header(&mut self, header: &str) {
        for request in &mut self.0 {
            add_header(&mut request.bytes, header);
            request.sent_at_once += if request.sent_at_once > 0 { header.len() } else { 0 };
        }
    }

    /// Returns the query string of the first request, or an empty one.
    pub(super) fn query(&self) -> &str {
        let line = self.first().split(|byte| *byte == b'\r').next().unwrap_or_default();
        let target = str::from_utf8(line).unwrap_or_default().split(' ').nth(1);
        target.and_then(|target| target.split_once('?')).map_or("", |(_, query)| query)
    }

    /// Returns the bytes of the first request.
    pub(super) fn first(&self) -> &[u8] {
        self.0.first().map_or(&[], |request| &request.bytes)
    }
}

/// Runs the slow client of this number until the stop. Reports each connection, or the reason why it was
/// refused.
pub fn run_slow_client(
    stop: &StopFlag,
    target: &Endpoint,
    requests: &SlowRequests,
    number: u32,
    report: &dyn Fn(Result<(), String>),
) {
    let Some(request) = requests.0.get(number as usize % requests.0.len().max(1)) else { return };
    while !stop.is_set() {
        // The daemon may end the connection in any way but a 503.
        let reason = match target.connect(TIMEOUT).map(|stream| exchange(stop, stream, request)) {
            Err(error) => format!("cannot connect: {error}"),
            Ok(Ok(answer)) if answer.starts_with(b"HTTP/1.1 503 ") => "refused with 503".to_owned(),
            Ok(_) => {
                report(Ok(()));
                continue;
            }
        };
        report(Err(reason));
        pause(stop);
    }
}

fn exchange(stop: &StopFlag, mut stream: Connection, request: &SlowRequest) -> io::Result<Vec<u8>> {
    let (at_once, rest) = request.bytes.split_at(request.sent_at_once.min(request.bytes.len()));
    stream.write_all(at_once)?;
    for byte in rest.chunks(1) {
        pause(stop);
        if stop.is_set() {
            return Ok(Vec::new());
        }
        if let Err(error) = stream.write_all(byte) {
            // The daemon may have answered before it closed the connection.
            return read_piece(&mut stream).map_err(|_| error);
        }
    }
    let first = read_piece(&mut stream)?;
    let mut more = rest.is_empty() && !first.is_empty();
    while more && !stop.is_set() {
        pause(stop);
        more = !read_piece(&mut stream)?.is_empty();
    }
    Ok(first)
}

fn read_piece(stream: &mut Connection) -> io::Result<Vec<u8>> {
    let mut piece = [0; 1024];
    let length = stream.read(&mut piece)?;
    Ok(piece.get(..length).unwrap_or_default().to_vec())
}

fn pause(stop: &StopFlag) {
    stop.sleep_until(Instant::now() + PAUSE);
}
