//! A place for a connection: the socket that is in it now, and the request that is on it.

use super::answer::{self, Head};
use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read, Write};

/// What a place is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Free; the socket may have to be opened.
    Idle,
    /// Its socket is being opened for the request in it.
    Connecting,
    /// Its request is on the way, or its answer is.
    Busy,
}

/// The request in a place.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flight {
    pub(super) request: usize,
    /// When it should have been sent, and when it was.
    pub(super) due: u64,
    pub(super) sent: u64,
    /// Tells it from those that were in this place before it.
    pub(super) serial: u64,
}

pub(super) struct Connection {
    pub(super) stream: Option<TcpStream>,
    /// Sockets that were opened here before this one.
    pub(super) replaced: u64,
    pub(super) state: State,
    pub(super) flight: Flight,
    written: usize,
    /// What there is of an answer that comes in pieces.
    held: Vec<u8>,
    /// Its head, once that is whole.
    head: Option<Head>,
}

/// What a look at the socket came to.
pub(super) enum Arrival {
    /// Nothing yet, or not all of it.
    Part,
    /// An answer, whole: its body is in [`Connection::body`].
    Whole(Head),
    /// The server closed, or the network did.
    Closed(String),
    /// What came is no answer.
    Malformed(String),
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        let (flight, held) = (Flight::default(), Vec::new());
        Self { stream: Some(stream), replaced: 0, state: State::Idle, flight, written: 0, held, head: None }
    }

    /// Makes the place ready for the next request.
    pub(super) fn clear(&mut self) {
        self.state = State::Idle;
        self.written = 0;
        self.held.clear();
        self.head = None;
    }

    /// Writes what is not yet written, as far as the socket takes it.
    pub(super) fn write(&mut self, request: &[u8]) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Err(ErrorKind::NotConnected.into()) };
        while let Some(rest @ [_, ..]) = request.get(self.written..) {
            match stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.written += n,
                // The poll tells when there is room again.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether all of the request is on the way: a server may answer before, and not read the rest.
    pub(super) fn has_written(&self, request: &[u8]) -> bool {
        self.written >= request.len()
    }

    /// Reads what is there. `to_end` where the poll says that the server closed; else a read that does not fill the
    /// buffer has emptied the socket, which spares the read that would only say so.
    pub(super) fn read(&mut self, buffer: &mut [u8], to_end: bool) -> Arrival {
        let Some(stream) = &mut self.stream else { return Arrival::Part };
        loop {
            let read = match stream.read(buffer) {
                Ok(0) if self.state == State::Idle || self.held.is_empty() => {
                    return Arrival::Closed("closed without an answer".to_owned());
                }
                Ok(0) => {
                    return Arrival::Closed(format!("closed after {} bytes of an answer", self.held.len()));
                }
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Arrival::Part,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Arrival::Closed(error.to_string()),
            };
            let emptied = read < buffer.len() && !to_end;
            let arrived = buffer.get(..read).unwrap_or_default();
            match whole(&mut self.head, &mut self.held, arrived) {
                Ok(Some(head)) => return Arrival::Whole(head),
                Ok(None) if emptied => return Arrival::Part,
                Ok(None) => {}
                Err(why) => return Arrival::Malformed(why),
            }
        }
    }

    /// The body of the answer that is whole: in the buffer where it came in one piece, else in the place.
    pub(super) fn body<'a>(&'a self, buffer: &'a [u8], head: Head) -> &'a [u8] {
        let bytes = if self.held.is_empty() { buffer } else { &self.held };
        bytes.get(head.head..head.head + head.body).unwrap_or_default()
    }
}

/// Whether the answer is whole with what arrived; keeps it where it is not.
fn whole(known: &mut Option<Head>, held: &mut Vec<u8>, arrived: &[u8]) -> Result<Option<Head>, String> {
    let in_one = held.is_empty();
    if !in_one {
        held.extend_from_slice(arrived);
    }
    let bytes = if in_one { arrived } else { held.as_slice() };
    if known.is_none() {
        *known = answer::head(bytes)?;
    }
    match *known {
        Some(head) if bytes.len() == head.head + head.body => return Ok(Some(head)),
        Some(head) if bytes.len() > head.head + head.body => {
            return Err(format!("{} bytes behind the answer", bytes.len() - head.head - head.body));
        }
        _ => {}
    }
    if in_one {
        held.extend_from_slice(arrived);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_pieces() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        for cut in 0..answer.len() {
            let (mut known, mut held) = (None, Vec::new());
            if cut > 0 {
                assert_eq!(whole(&mut known, &mut held, &answer[..cut]), Ok(None), "{cut}");
            }
            let head = whole(&mut known, &mut held, &answer[cut..]).unwrap().unwrap();
            assert_eq!((head.status, head.body), (200, 5));
        }
        let (mut known, mut held) = (None, Vec::new());
        let more = [answer.as_slice(), b"!"].concat();
        assert!(whole(&mut known, &mut held, &more).unwrap_err().contains("1 bytes behind"));
    }
}
