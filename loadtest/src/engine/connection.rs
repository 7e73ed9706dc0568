//! A connection slot: its socket, its request in flight, and the answer as far as it has arrived.

use crate::error::{Error, Result as CommandResult};
use mio::{Interest, Poll, Registry, Token, unix::SourceFd};
use rustix::io::Errno;
use std::{
    io::{self, ErrorKind, Read, Write},
    os::fd::AsRawFd,
    time::Duration,
};
use switchboard_client::{Connection, Endpoint, Head, PartialAnswer};

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
    pub(super) stream: Option<Connection>,
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

impl ClientConnection {
    /// Opens a connection and waits until it is open. For the start of a measurement.
    pub(super) fn open(poll: &Poll, target: &Endpoint, slot: usize) -> CommandResult<Self> {
        let opened = || {
            let stream = target.connect(CONNECT_TIMEOUT)?;
            stream.set_nonblocking()?;
            register(poll.registry(), stream, slot)
        };
        let stream = opened().map_err(|error| {
            let advice = match Errno::from_io_error(&error) {
                Some(Errno::MFILE) => "raise the limit with ulimit -n, or choose fewer connections",
                _ if error.kind() == ErrorKind::InvalidData => {
                    "name the authority of its certificate with --ca"
                }
                _ => "start the daemon",
            };
            Error::Refused(format!("cannot connect to {target:?}: {error}; {advice}"))
        })?;
        Ok(Self { stream: Some(stream), ..Self::default() })
    }

    /// Starts to open another socket. The poll reports when the socket is connected.
    pub(super) fn reopen(&mut self, registry: &Registry, target: &Endpoint, slot: usize) -> io::Result<()> {
        self.stream = Some(register(registry, target.start()?, slot)?);
        self.replaced += 1;
        self.reused = false;
        Ok(())
    }

    /// Returns whether a socket that is being opened is connected.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        self.stream.as_ref().map_or(Ok(false), Connection::is_connected)
    }

    pub(super) fn clear(&mut self) {
        self.state = ConnectionPhase::Idle;
        self.written = 0;
        self.answer.clear();
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
        stream.flush()
    }

    /// Returns whether the server has closed the connection.
    pub(super) fn is_closed(&self) -> bool {
        self.stream.as_ref().is_none_or(Connection::is_closed)
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
                    let error = stream.take_error();
                    return self.closed(error);
                }
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Arrival::Part,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return self.closed(Some(error)),
            };
            let emptied = read < buffer.len() && !to_end && !stream.has_tls();
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
        let reason = match (&error, self.answer.held().len()) {
            (Some(error), _) => error.to_string(),
            (None, 0) => "closed without an answer".to_owned(),
            (None, held) => format!("closed after {held} bytes of an answer"),
        };
        // The kernel of a server resets a connection only if the server closed it with unread bytes.
        let is_reset =
            |error: io::Error| matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
        match error.is_some_and(is_reset) && self.answer.held().is_empty() {
            true => Arrival::Unread(reason),
            false => Arrival::Closed(reason),
        }
    }

    /// Returns the body of a whole answer. It is in the buffer if the answer arrived in one piece.
    pub(super) fn body<'a>(&'a self, buffer: &'a [u8], head: Head) -> &'a [u8] {
        let held = self.answer.held();
        let bytes = if held.is_empty() { buffer } else { held };
        bytes.get(head.head_bytes..head.head_bytes + head.body_bytes).unwrap_or_default()
    }
}

/// Registers a socket with the poll, edge-triggered, for its whole life.
fn register(registry: &Registry, stream: Connection, slot: usize) -> io::Result<Connection> {
    registry.register(
        &mut SourceFd(&stream.as_raw_fd()),
        Token(slot),
        Interest::READABLE | Interest::WRITABLE,
    )?;
    Ok(stream)
}
