//! Connections of threads that wait, and of event loops that do not.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{Address, ClientError, Head, Place, Token};

/// Longest wait for each address of a host with several.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// A listener to which any number of connections can be opened, with the credential of their requests.
#[derive(Clone)]
pub struct Endpoint {
    url: String,
    host: String,
    /// Boxed, because it is large.
    address: Box<SockAddr>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    token: Option<Token>,
}

impl Endpoint {
    /// Looks up the host of an address. Takes the first of its addresses that accepts a connection, because
    /// `localhost` has two. `config` is required for an address with TLS.
    ///
    /// # Errors
    /// Returns the reason why the host or its name in certificates cannot be used.
    pub fn new(
        address: &Address,
        config: Option<Arc<ClientConfig>>,
        token: Option<Token>,
    ) -> Result<Endpoint, ClientError> {
        let (found, tls) = match &address.place {
            Place::Unix(path) => {
                let failed = |error| ClientError::Usage(format!("{}: {error}", path.display()));
                (SockAddr::unix(path).map_err(failed)?, None)
            }
            Place::Tcp { authority, tls_name } => {
                let failed = |error: &dyn fmt::Display| ClientError::Io(format!("{authority}: {error}"));
                let all: Vec<SocketAddr> =
                    authority.to_socket_addrs().map_err(|error| failed(&error))?.collect();
                let answers = |at: &&SocketAddr| TcpStream::connect_timeout(at, PROBE_TIMEOUT).is_ok();
                let found = if all.len() > 1 { all.iter().find(answers) } else { None };
                let found = found.or(all.first()).ok_or_else(|| failed(&"the host has no address"))?;
                let name = tls_name.clone().map(ServerName::try_from).transpose();
                let name =
                    name.map_err(|_| ClientError::Usage("the host is no name of a certificate".to_owned()))?;
                (SockAddr::from(*found), config.zip(name))
            }
        };
        if address.has_tls() && tls.is_none() {
            return Err(ClientError::Usage("the address needs TLS".to_owned()));
        }
        let (url, host) = (address.url.clone(), address.host.clone());
        Ok(Endpoint { url, host, address: Box::new(found), tls, token })
    }

    /// Returns the URL without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the header `Authorization` with the end of its line, or an empty text without a token.
    pub fn authorization(&self) -> String {
        self.token
            .as_ref()
            .map_or_else(String::new, |token| format!("authorization: {}\r\n", token.authorization()))
    }

    /// Replaces the configuration of TLS, if the endpoint has one.
    #[must_use]
    pub fn with_config(mut self, edit: impl FnOnce(&mut ClientConfig)) -> Endpoint {
        if let Some((config, _)) = &mut self.tls {
            edit(Arc::make_mut(config));
        }
        self
    }

    /// Opens a connection and waits until it is open, its handshake included. Later reads and writes have the
    /// same time limit.
    ///
    /// # Errors
    /// Returns the error of the system or of the handshake.
    pub fn connect(&self, timeout: Duration) -> io::Result<Connection> {
        let socket = self.socket()?;
        socket.connect_timeout(&self.address, timeout)?;
        socket.set_read_timeout(Some(timeout))?;
        socket.set_write_timeout(Some(timeout))?;
        let mut connection = self.connection(socket)?;
        let Connection { socket, session } = &mut connection;
        while let Some(session) = session
            && session.is_handshaking()
        {
            session.complete_io(socket)?;
        }
        Ok(connection)
    }

    /// Sends a request with a body of JSON on a connection of its own. Returns the status and the body of the answer.
    ///
    /// # Errors
    /// Returns the error of the connection, or an error for bytes that are no whole answer.
    pub fn exchange(
        &self,
        method: &str,
        path: &str,
        body: &str,
        timeout: Duration,
    ) -> io::Result<(u16, String)> {
        let (host, authorization) = (&self.host, self.authorization());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{authorization}content-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let mut connection = self.connect(timeout)?;
        connection.write_all(request.as_bytes())?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let head = Head::parse(answer.as_bytes()).map_err(io::Error::other)?;
        let head = head.ok_or(io::Error::other("closed without an answer"))?;
        let body = answer.get(head.head_bytes..).filter(|body| body.len() == head.body_bytes);
        Ok((head.status, body.ok_or(io::Error::other("closed within an answer"))?.to_owned()))
    }

    /// Starts to open a connection that never waits. [`Connection::is_connected`] reports when the socket is
    /// connected. The handshake is part of the first reads and writes.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub fn start(&self) -> io::Result<Connection> {
        let socket = self.socket()?;
        socket.set_nonblocking(true)?;
        match socket.connect(&self.address) {
            Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => Err(error),
            _ => self.connection(socket),
        }
    }

    fn socket(&self) -> io::Result<Socket> {
        let socket = Socket::new(self.address.domain(), Type::STREAM, None)?;
        if self.address.domain() != Domain::UNIX {
            socket.set_tcp_nodelay(true)?;
        }
        Ok(socket)
    }

    fn connection(&self, socket: Socket) -> io::Result<Connection> {
        let session = match &self.tls {
            None => None,
            Some((config, name)) => {
                let session = ClientConnection::new(Arc::clone(config), name.clone());
                let mut session = session.map_err(io::Error::other)?;
                session.set_buffer_limit(None);
                Some(Box::new(session))
            }
        };
        Ok(Connection { socket, session })
    }
}

impl From<SocketAddr> for Endpoint {
    /// Returns the endpoint of plain HTTP at this address.
    fn from(address: SocketAddr) -> Endpoint {
        let (url, host) = (format!("http://{address}"), address.to_string());
        Endpoint { url, host, address: Box::new(address.into()), tls: None, token: None }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.url)
    }
}

/// A connection to a listener, with or without TLS.
pub struct Connection {
    socket: Socket,
    session: Option<Box<ClientConnection>>,
}

impl Connection {
    /// Returns whether the bytes are encrypted. A read then returns at most one record, so a read that does not
    /// fill its buffer says nothing about the socket.
    pub fn has_tls(&self) -> bool {
        self.session.is_some()
    }

    /// Returns whether an earlier session was resumed.
    pub fn is_resumed(&self) -> bool {
        self.session.as_ref().is_some_and(|it| it.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    /// Makes reads and writes return at once if they would wait.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        self.socket.set_nonblocking(true)
    }

    /// Returns whether a connection that was started is connected.
    ///
    /// # Errors
    /// Returns the error with which the attempt ended.
    pub fn is_connected(&self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns whether the peer has closed the connection, as far as has arrived. Does not wait on a connection that
    /// never waits.
    pub fn is_closed(&self) -> bool {
        match self.socket.peek(&mut [MaybeUninit::uninit()]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Returns the pending error of the socket.
    pub fn take_error(&self) -> Option<io::Error> {
        self.socket.take_error().ok().flatten()
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Connection { socket, session: Some(session) } = self else { return self.socket.read(into) };
        loop {
            match session.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            session.read_tls(socket)?;
            let processed = session.process_new_packets();
            // The end of the handshake, or the alert about what cannot be processed.
            let sent = send(session, socket);
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            sent?;
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Connection { socket, session: Some(session) } = self else { return self.socket.write(bytes) };
        let written = session.writer().write(bytes)?;
        send(session, socket)?;
        Ok(written)
    }

    /// Sends the bytes that TLS keeps, as far as the socket takes them.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.session {
            Some(session) => send(session, &mut self.socket),
            None => Ok(()),
        }
    }
}

/// Sends the records of a session, as far as the socket takes them.
fn send(session: &mut ClientConnection, socket: &mut Socket) -> io::Result<()> {
    while session.wants_write() {
        match session.write_tls(socket) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
