//! A connection slot: its socket, its request in flight, and the answer as far as it has arrived.

use super::source::Media;
use crate::error::{Error, Result as CommandResult};
use httparse::{EMPTY_HEADER, Response, Status};
use mio::{Interest, Poll, Registry, Token, net::TcpStream};
use rustix::io::Errno;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{self, SocketAddr},
    time::Duration,
};

/// The daemon, or a proxy before it, sends fewer headers.
const MAX_HEADERS: usize = 48;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ConnectionPhase {
    /// No request is in flight. The slot may have no socket.
    #[default]
    Idle,
    /// The socket is being opened for a request.
    Connecting,
    /// A request or its answer is on the way.
    Busy,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flight {
    pub(super) request: usize,
    pub(super) due: u64,
    pub(super) sent: u64,
    /// Serial number, which distinguishes the request from earlier ones of the slot.
    pub(super) serial: u64,
}

#[derive(Default)]
pub(super) struct ClientConnection {
    pub(super) stream: Option<TcpStream>,
    /// Number of sockets that this slot had before.
    pub(super) replaced: u64,
    /// Whether the socket has had an answer.
    pub(super) reused: bool,
    pub(super) state: ConnectionPhase,
    pub(super) flight: Flight,
    written: usize,
    answer: PartialAnswer,
}

pub(super) enum Arrival {
    /// Nothing or a part of an answer has arrived.
    Part,
    /// A whole answer has arrived. [`ClientConnection::body`] returns its body.
    Whole(Head),
    Closed(String),
    /// A reset shows that the server closed the connection before it had read the request.
    Unread(String),
    Malformed(String),
}

/// The fields of an answer's head that the sender needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// HTTP status of the answer.
    pub status: u16,
    /// Media type of the body.
    pub media: Media,
    /// Number of bytes before the body.
    pub head_bytes: usize,
    /// Number of bytes of the body.
    pub body_bytes: usize,
    /// Whether the server closes the connection after this answer.
    pub last: bool,
}

impl Head {
    /// Parses the head of an answer. Returns `None` if the head is incomplete, and an error if it is not
    /// the head of an HTTP/1.1 answer with a `Content-Length`.
    pub fn parse(bytes: &[u8]) -> Result<Option<Head>, String> {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = Response::new(&mut headers);
        let head_bytes = match response.parse(bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(error) => return Err(format!("the answer is not HTTP/1.1: {error}")),
        };
        let status = response.code.unwrap_or_default();
        let (mut length, mut last, mut media) = (None, response.version == Some(0), Media::Other);
        for header in response.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                length = std::str::from_utf8(header.value).ok().and_then(|value| value.trim().parse().ok());
            } else if header.name.eq_ignore_ascii_case("content-type") {
                media = Media::from_header(header.value);
            } else if header.name.eq_ignore_ascii_case("connection") {
                last |= header.value.eq_ignore_ascii_case(b"close");
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                return Err("the answer is chunked, but must have a Content-Length".to_owned());
            }
        }
        let body_bytes = match (status, length) {
            (204 | 304, _) => 0,
            (_, Some(length)) => length,
            (_, None) => return Err("the answer has no Content-Length".to_owned()),
        };
        Ok(Some(Head { status, media, head_bytes, body_bytes, last }))
    }
}

impl ClientConnection {
    /// Opens a connection and waits until it is open. For the start of a measurement.
    pub(super) fn open(poll: &Poll, target: SocketAddr, slot: usize) -> CommandResult<Self> {
        let opened = || {
            let stream = net::TcpStream::connect_timeout(&target, CONNECT_TIMEOUT)?;
            stream.set_nonblocking(true)?;
            register(poll.registry(), TcpStream::from_std(stream), slot)
        };
        let stream = opened().map_err(|error| {
            let advice = match Errno::from_io_error(&error) {
                Some(Errno::MFILE) => "raise the limit with ulimit -n, or choose fewer connections",
                _ => "start the daemon",
            };
            Error::Refused(format!("cannot connect to {target}: {error}; {advice}"))
        })?;
        Ok(Self { stream: Some(stream), ..Self::default() })
    }

    /// Starts to open another socket. The poll reports when the socket is connected.
    pub(super) fn reopen(&mut self, registry: &Registry, target: SocketAddr, slot: usize) -> io::Result<()> {
        self.stream = Some(register(registry, TcpStream::connect(target)?, slot)?);
        self.replaced += 1;
        self.reused = false;
        Ok(())
    }

    /// Returns whether a socket that is being opened is connected.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        let Some(stream) = &self.stream else { return Ok(false) };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn clear(&mut self) {
        self.state = ConnectionPhase::Idle;
        self.written = 0;
        self.answer.held.clear();
        self.answer.head = None;
    }

    /// Writes the rest of the request, or as much as the socket accepts.
    pub(super) fn write(&mut self, request: &[u8]) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Err(ErrorKind::NotConnected.into()) };
        while let Some(rest @ [_, ..]) = request.get(self.written..) {
            match stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.written += n,
                // The poll reports when the socket accepts more.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns whether the server has closed the connection.
    pub(super) fn is_closed(&self) -> bool {
        match self.stream.as_ref().map(|stream| stream.peek(&mut [0])) {
            Some(Ok(read)) => read == 0,
            Some(Err(error)) => error.kind() != ErrorKind::WouldBlock,
            None => true,
        }
    }

    /// Returns whether the whole request is written. A server may answer before, and not read the rest.
    pub(super) fn has_written(&self, request: &[u8]) -> bool {
        self.written >= request.len()
    }

    /// Reads the bytes that have arrived.
    ///
    /// Stops after a read that does not fill the buffer, because it has emptied the socket. With `to_end`,
    /// reads until the end of the stream, because the poll reported that the server closed it.
    pub(super) fn read(&mut self, buffer: &mut [u8], to_end: bool) -> Arrival {
        let Some(stream) = &mut self.stream else { return Arrival::Part };
        loop {
            let read = match stream.read(buffer) {
                Ok(0) => {
                    let error = stream.take_error().ok().flatten();
                    return self.closed(error);
                }
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Arrival::Part,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return self.closed(Some(error)),
            };
            let emptied = read < buffer.len() && !to_end;
            let arrived = buffer.get(..read).unwrap_or_default();
            match self.answer.append(arrived) {
                Ok(Some(head)) => return Arrival::Whole(head),
                Ok(None) if emptied => return Arrival::Part,
                Ok(None) => {}
                Err(reason) => return Arrival::Malformed(reason),
            }
        }
    }

    /// Describes a connection that the server closed. `error` is the socket's error, if there is one.
    pub(super) fn closed(&self, error: Option<io::Error>) -> Arrival {
        let reason = match (&error, self.answer.held.len()) {
            (Some(error), _) => error.to_string(),
            (None, 0) => "closed without an answer".to_owned(),
            (None, held) => format!("closed after {held} bytes of an answer"),
        };
        // The kernel of a server resets a connection only if the server closed it with unread bytes.
        let is_reset =
            |error: io::Error| matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
        match error.is_some_and(is_reset) && self.answer.held.is_empty() {
            true => Arrival::Unread(reason),
            false => Arrival::Closed(reason),
        }
    }

    /// Returns the body of a whole answer. It is in the buffer if the answer arrived in one piece.
    pub(super) fn body<'a>(&'a self, buffer: &'a [u8], head: Head) -> &'a [u8] {
        let held = &self.answer.held;
        let bytes = if held.is_empty() { buffer } else { held };
        bytes.get(head.head_bytes..head.head_bytes + head.body_bytes).unwrap_or_default()
    }
}

/// Registers a socket with the poll, edge-triggered, for its whole life.
fn register(registry: &Registry, mut stream: TcpStream, slot: usize) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    registry.register(&mut stream, Token(slot), Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}

/// An answer as far as it has arrived.
#[derive(Default)]
pub struct PartialAnswer {
    /// First bytes of an answer that arrives in pieces.
    held: Vec<u8>,
    head: Option<Head>,
}

impl PartialAnswer {
    /// Returns the head if the bytes that arrived complete the answer. Else keeps the bytes. Returns an error if
    /// the head is malformed, or if bytes follow the answer.
    pub fn append(&mut self, arrived: &[u8]) -> Result<Option<Head>, String> {
        let in_one = self.held.is_empty();
        if !in_one {
            self.held.extend_from_slice(arrived);
        }
        let bytes = if in_one { arrived } else { &self.held };
        if self.head.is_none() {
            self.head = Head::parse(bytes)?;
        }
        if let Some(head) = self.head {
            let whole = head.head_bytes + head.body_bytes;
            match bytes.len().checked_sub(whole) {
                Some(0) => return Ok(Some(head)),
                Some(more) => return Err(format!("{more} bytes after the answer")),
                None => {}
            }
        }
        if in_one {
            self.held.extend_from_slice(arrived);
        }
        Ok(None)
    }
}
