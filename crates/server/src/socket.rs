//! Listening sockets and accepted streams, of TCP and of Unix sockets, and how a socket is closed while another
//! process listens on the same address, without losing a connection.
//!
//! TCP: the kernel gives every socket of a shared address its own accept queue, and chooses the socket at the
//! first packet of a connection. Closing a socket resets its queued and half-open connections, even though
//! the other socket would accept them. For this reason new connections are steered away first, half-open
//! connections get time to complete, and then the socket is closed.
//! (`docs/decisions/0016-so-reuseport-handover.md`)
//!
//! Unix: a socket is bound under a temporary name and renamed to its path, so that the path never leads to a
//! socket with another mode, or to one that does not listen yet.
//! (`docs/decisions/0054-unix-sockets-appear-by-rename.md`)

use std::fmt;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream as StdTcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::sockopt::{AttachReusePortCbpf, PeerCredentials};
use nix::sys::socket::{getsockopt, setsockopt};
use rustix::fs::{Access, CWD, FlockOperation, Mode, RenameFlags, access, fchmod, flock, renameat_with};
use rustix::process::geteuid;
use socket2::{Domain, SockAddr, SockFilter, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener as AsyncTcpListener, TcpStream, UnixListener as AsyncUnixListener, UnixStream};
use tokio_rustls::server::TlsStream;

/// Number of connections that the kernel queues until they are accepted. The usual limit of the system is
/// 4096.
pub(crate) const BACKLOG: i32 = 1024;
/// Maximum length of the path of a Unix socket in bytes. The kernel's limit is 108 with the NUL at the end.
pub(crate) const MAX_PATH_BYTES: usize = 107;
/// Mode of the file of a Unix socket: the user and the group of the process may connect.
const MODE: u32 = 0o660;
/// End of the name under which a Unix socket is bound if another process may take its path over. The kernel
/// reports this name to every peer, so the other process can read it.
const SHARED_SUFFIX: &str = ".reuse-port";
/// Longest wait for another process that binds or removes a socket in the same folder.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause between two attempts to lock a folder, or to connect to a socket whose queue is full.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// A listening socket. Dropping it removes the file of a Unix socket that this process bound.
#[derive(Debug)]
pub struct ListenSocket {
    socket: Listening,
    /// The file of a Unix socket that this process bound.
    file: Option<SocketFile>,
    takeover: Option<Takeover>,
}

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The address that a socket is bound to: an IP address with its actual port, or the path of a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundAddress {
    /// The address of a TCP socket.
    Tcp(SocketAddr),
    /// The path of a Unix socket. An inherited one may have a name that is no path.
    Unix(PathBuf),
}

impl BoundAddress {
    /// Returns whether only programs on this machine can connect.
    pub fn is_local(&self) -> bool {
        match self {
            BoundAddress::Tcp(address) => is_loopback(address.ip()),
            BoundAddress::Unix(_) => true,
        }
    }
}

/// Returns whether an address belongs to the loopback: 127.0.0.0/8, ::1, or their mapped forms.
pub(crate) fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The address of a TCP peer.
    Tcp(SocketAddr),
    /// A process on this machine, through a Unix socket.
    Unix,
}

impl Peer {
    /// Returns whether the peer is a program on this machine: on the loopback, or on a Unix socket.
    pub fn is_local(&self) -> bool {
        match self {
            Peer::Tcp(address) => is_loopback(address.ip()),
            Peer::Unix => true,
        }
    }
}

/// The reason why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A TCP address cannot be bound.
    #[error("cannot listen on {address}: {error}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        error: io::Error,
    },
    /// A Unix socket cannot be bound.
    #[error("cannot listen on unix:{path}: {fault}", path = .path.display())]
    Unix {
        /// The path of the socket.
        path: PathBuf,
        /// The reason.
        fault: UnixBindFault,
    },
}

/// The reason why a Unix socket cannot be bound to its path.
#[derive(Debug, thiserror::Error)]
pub enum UnixBindFault {
    /// A process listens on the socket at this path.
    #[error("another process listens there")]
    InUse {
        /// The process that listens, if the kernel reports it.
        holder: Option<i32>,
    },
    /// The path has a file that is no socket. The text is its kind.
    #[error("{0} is at this path, and no socket")]
    NotASocket(&'static str),
    /// The system refused an operation.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl ListenSocket {
    /// Binds a Unix socket to a path, and listens. With `reuse_port`, prepares to take the path over from
    /// another process of the same user that also set it: see [`ListenSocket::take_over_later`].
    pub(crate) fn bind_unix(path: &Path, reuse_port: bool) -> Result<ListenSocket, UnixBindFault> {
        let _lock = FolderLock::of(path);
        let found = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
            Ok(found) if !found.file_type().is_socket() => {
                return Err(UnixBindFault::NotASocket(kind_of(found.file_type())));
            }
            Ok(_) => match Probe::of(path)? {
                Probe::Live { holder, is_shared } if !(is_shared && reuse_port) => {
                    return Err(UnixBindFault::InUse { holder });
                }
                probe => Some(probe),
            },
        };
        let suffix = if reuse_port { SHARED_SUFFIX } else { "" };
        let name = format!(".{:08x}{suffix}", RandomState::new().hash_one(0) as u32);
        let temporary = TemporarySocket(path.with_file_name(&name));
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // The kernel gives the new file the mode of the socket, without the bits of the umask.
        fchmod(&socket, Mode::from_raw_mode(MODE)).map_err(io::Error::from)?;
        temporary.bind(&socket)?;
        fs::set_permissions(&temporary.0, fs::Permissions::from_mode(MODE))?;
        socket.set_nonblocking(true)?;
        socket.listen(BACKLOG)?;
        let identity = identity(&fs::symlink_metadata(&temporary.0)?);
        let mut takeover = None;
        match found {
            None => temporary.rename_to_new(path)?,
            Some(Probe::Stale) => fs::rename(&temporary.0, path)?,
            Some(Probe::Live { .. }) => takeover = Some(Takeover { temporary, path: path.to_owned() }),
        }
        let file = Some(SocketFile { path: path.to_owned(), identity });
        Ok(ListenSocket { socket: Listening::Unix(socket.into()), file, takeover })
    }

    /// Checks that a Unix socket can be bound to a path, as far as files tell. Does not look whether a process
    /// listens there. Writes nothing.
    pub(crate) fn check_path(path: &Path) -> Result<(), UnixBindFault> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(UnixBindFault::NotASocket(kind_of(found.file_type())));
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            Ok(_) | Err(_) => {}
        }
        let folder = path.parent().unwrap_or(path);
        access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| io::Error::from(error).into())
    }

    /// Returns the step that takes a path over from another process, if there is one. Until then, connections
    /// to the path reach the other process.
    pub fn take_over_later(&mut self) -> Option<Takeover> {
        self.takeover.take()
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn local_addr(&self) -> io::Result<BoundAddress> {
        if let Some(file) = &self.file {
            return Ok(BoundAddress::Unix(file.path.clone()));
        }
        match &self.socket {
            Listening::Tcp(socket) => socket.local_addr().map(BoundAddress::Tcp),
            Listening::Unix(socket) => {
                let address = socket.local_addr()?;
                let path = address.as_pathname().map(Path::to_owned);
                let name = || format!("@{}", address.as_abstract_name().unwrap_or_default().escape_ascii());
                Ok(BoundAddress::Unix(path.unwrap_or_else(|| name().into())))
            }
        }
    }

    /// Makes accepting return at once if no connection waits.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        match &self.socket {
            Listening::Tcp(socket) => socket.set_nonblocking(true),
            Listening::Unix(socket) => socket.set_nonblocking(true),
        }
    }

    /// Returns another handle of the socket. The handle does not remove the file of a Unix socket.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn try_clone(&self) -> io::Result<ListenSocket> {
        let socket = match &self.socket {
            Listening::Tcp(socket) => Listening::Tcp(socket.try_clone()?),
            Listening::Unix(socket) => Listening::Unix(socket.try_clone()?),
        };
        Ok(ListenSocket { socket, file: None, takeover: None })
    }

    /// Steers new connections to the socket that was bound second, if there is one. Without this, they would
    /// wait 1 s: `refuse_new_connections` drops their first packet, and the peer repeats it after 1 s. Has no
    /// effect on a Unix socket, whose path leads to the newer socket already.
    pub fn steer_to_newer_socket(&self) {
        if let Listening::Tcp(socket) = &self.socket {
            warn_on_error("cannot steer new connections to the newer socket", steer(socket, NEWER_SOCKET));
        }
    }

    /// Restores the kernel's own distribution for the remaining sockets.
    pub fn stop_steering(&self) {
        if let Listening::Tcp(socket) = &self.socket {
            warn_on_error("cannot restore the distribution of new connections", steer(socket, NO_SOCKET));
        }
    }

    /// Refuses connections that begin from now on. Connections that are queued, or half open, can be accepted.
    pub(crate) fn refuse_new_connections(&mut self) {
        self.file = None;
        if let Listening::Tcp(socket) = &self.socket {
            warn_on_error("cannot drop the first packets of new connections", drop_syns(socket));
        }
    }

    /// Accepts a connection that the kernel has queued.
    pub(crate) fn accept(&self) -> io::Result<(DetachedStream, Peer)> {
        let (stream, peer) = match &self.socket {
            Listening::Tcp(socket) => {
                let (stream, peer) = socket.accept()?;
                (DetachedStream::Tcp(stream), Peer::Tcp(peer))
            }
            Listening::Unix(socket) => (DetachedStream::Unix(socket.accept()?.0), Peer::Unix),
        };
        match &stream {
            DetachedStream::Tcp(stream) => stream.set_nonblocking(true)?,
            DetachedStream::Unix(stream) => stream.set_nonblocking(true)?,
        }
        Ok((stream, peer))
    }

    /// Attaches the socket to the runtime of the calling thread.
    pub(crate) fn attach(self) -> io::Result<AsyncListener> {
        match self.socket {
            Listening::Tcp(socket) => AsyncTcpListener::from_std(socket).map(AsyncListener::Tcp),
            Listening::Unix(socket) => {
                let listener = AsyncUnixListener::from_std(socket)?;
                Ok(AsyncListener::Unix(listener, self.file))
            }
        }
    }
}

impl From<TcpListener> for ListenSocket {
    fn from(socket: TcpListener) -> ListenSocket {
        ListenSocket { socket: Listening::Tcp(socket), file: None, takeover: None }
    }
}

impl From<UnixListener> for ListenSocket {
    fn from(socket: UnixListener) -> ListenSocket {
        ListenSocket { socket: Listening::Unix(socket), file: None, takeover: None }
    }
}

impl BoundAddress {
    /// Returns the address of a TCP socket, or `None` for a Unix socket.
    pub fn as_tcp(&self) -> Option<SocketAddr> {
        match self {
            BoundAddress::Tcp(address) => Some(*address),
            BoundAddress::Unix(_) => None,
        }
    }
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BoundAddress::Tcp(address) => address.fmt(out),
            BoundAddress::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

impl Peer {
    /// Returns the IP address of a TCP peer. An IPv4 address within IPv6 is returned as IPv4.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Peer::Tcp(address) => Some(address.ip().to_canonical()),
            Peer::Unix => None,
        }
    }
}

/// Writes the canonical address and the port, or `unix`.
impl fmt::Display for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Tcp(address) => SocketAddr::new(address.ip().to_canonical(), address.port()).fmt(out),
            Peer::Unix => out.write_str("unix"),
        }
    }
}

/// A Unix socket that another process listens on at its path. Dropping this value leaves the path to the other
/// process.
#[derive(Debug)]
pub struct Takeover {
    temporary: TemporarySocket,
    path: PathBuf,
}

impl Takeover {
    /// Takes the path over. Later connections reach this process.
    ///
    /// # Errors
    /// Returns the path, with the system's error.
    pub fn complete(self) -> Result<(), BindError> {
        let Takeover { temporary, path } = self;
        let _lock = FolderLock::of(&path);
        fs::rename(&temporary.0, &path).map_err(|error| BindError::Unix { path, fault: error.into() })
    }
}

/// The file of a Unix socket that this process bound. Dropping it removes the file, if the path still leads to
/// this socket.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode of the file.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another process that takes the path over must not lose its file.
        let _lock = FolderLock::of(&self.path);
        if fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the file of a Unix socket");
        }
    }
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn kind_of(kind: fs::FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_file() => "a file",
        _ => "a device",
    }
}

/// Keeps other processes of this program from binding and removing sockets in a folder. The lock is of the
/// folder itself, so no file is left behind.
struct FolderLock(#[allow(dead_code, reason = "its drop unlocks")] Option<File>);

impl FolderLock {
    /// Locks the folder of a path. Goes on without the lock if the folder cannot be read, or if another process
    /// keeps it locked.
    fn of(path: &Path) -> FolderLock {
        let folder = path.parent().and_then(|folder| File::open(folder).ok());
        let deadline = Instant::now() + LOCK_TIMEOUT;
        while let Some(folder) = &folder
            && flock(folder, FlockOperation::NonBlockingLockExclusive).is_err()
            && Instant::now() < deadline
        {
            thread::sleep(RETRY_PAUSE);
        }
        FolderLock(folder)
    }
}

/// The state of the socket at a path.
enum Probe {
    /// No process listens on the socket.
    Stale,
    /// A process listens.
    Live {
        /// The process, if the kernel reports it.
        holder: Option<i32>,
        /// Whether another process of the same user may take the path over.
        is_shared: bool,
    },
}

impl Probe {
    /// Connects to the socket, and reads the name that it was bound to.
    fn of(path: &Path) -> io::Result<Probe> {
        let deadline = Instant::now() + LOCK_TIMEOUT;
        let address = SockAddr::unix(path)?;
        loop {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            return match socket.connect(&address) {
                Ok(()) => {
                    let credentials = getsockopt(&socket, PeerCredentials).ok();
                    let name = socket.peer_addr()?.as_pathname().map(Path::to_owned).unwrap_or_default();
                    let is_same_user = credentials.is_some_and(|peer| peer.uid() == geteuid().as_raw());
                    let is_shared = is_same_user && name.to_string_lossy().ends_with(SHARED_SUFFIX);
                    Ok(Probe::Live {
                        holder: credentials.map(|peer| peer.pid()).filter(|pid| *pid > 0),
                        is_shared,
                    })
                }
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(Probe::Stale),
                // The queue of a live socket is full.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if Instant::now() < deadline {
                        thread::sleep(RETRY_PAUSE);
                        continue;
                    }
                    Ok(Probe::Live { holder: None, is_shared: false })
                }
                Err(error) if error.raw_os_error() == Some(nix::libc::EPROTOTYPE) => {
                    Ok(Probe::Live { holder: None, is_shared: false })
                }
                Err(error) => Err(error),
            };
        }
    }
}

/// The temporary path of a Unix socket. Dropping it removes the file that was not renamed.
#[derive(Debug)]
struct TemporarySocket(PathBuf);

impl TemporarySocket {
    /// Binds the socket to this path, or to a shorter path of the same file if this one is too long.
    fn bind(&self, socket: &Socket) -> io::Result<()> {
        if self.0.as_os_str().len() <= MAX_PATH_BYTES {
            return socket.bind(&SockAddr::unix(&self.0)?);
        }
        let (folder, name) =
            (self.0.parent().unwrap_or(Path::new("/")), self.0.file_name().unwrap_or_default());
        let folder = File::open(folder)?;
        let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
        socket.bind(&SockAddr::unix(&short)?)
    }

    /// Renames the file to a path that has no file.
    fn rename_to_new(&self, path: &Path) -> io::Result<()> {
        match renameat_with(CWD, &self.0, CWD, path, RenameFlags::NOREPLACE) {
            // The file system cannot refuse to replace a file.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::rename(&self.0, path),
            renamed => Ok(renamed?),
        }
    }
}

impl Drop for TemporarySocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A listening socket on the runtime of its thread.
pub(crate) enum AsyncListener {
    Tcp(AsyncTcpListener),
    Unix(AsyncUnixListener, #[allow(dead_code, reason = "its drop removes the file")] Option<SocketFile>),
}

impl AsyncListener {
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Peer)>> {
        match self {
            AsyncListener::Tcp(listener) => {
                listener.poll_accept(cx).map_ok(|(stream, peer)| (Stream::Tcp(stream), Peer::Tcp(peer)))
            }
            AsyncListener::Unix(listener, _) => {
                listener.poll_accept(cx).map_ok(|(stream, _)| (Stream::Unix(stream), Peer::Unix))
            }
        }
    }
}

/// A stream that belongs to no runtime. A thread passes it to another.
pub(crate) enum DetachedStream {
    Tcp(StdTcpStream),
    Unix(StdUnixStream),
}

impl DetachedStream {
    /// Attaches the stream to the runtime of the calling thread.
    pub(crate) fn attach(self) -> io::Result<Stream> {
        match self {
            DetachedStream::Tcp(stream) => TcpStream::from_std(stream).map(Stream::Tcp),
            DetachedStream::Unix(stream) => UnixStream::from_std(stream).map(Stream::Unix),
        }
    }
}

/// The stream of an accepted connection.
#[derive(Debug)]
pub enum Stream {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A connection to a Unix socket.
    Unix(UnixStream),
    /// A TCP connection with TLS. Bytes that were written may wait in the stream until it is flushed.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Sends every write at once. Answers are written whole, so waiting for more bytes to send gains nothing.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn set_nodelay(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_nodelay(true),
            Stream::Unix(_) => Ok(()),
            Stream::Tls(stream) => stream.get_ref().0.set_nodelay(true),
        }
    }

    /// Returns a handle that reports when the peer closes the connection, while a service works on a request and
    /// does not read.
    ///
    /// # Errors
    /// Returns the system's error if there are too many open files.
    pub fn hang_up(&self) -> io::Result<HangUp> {
        let socket = match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
            Stream::Tls(stream) => stream.get_ref().0.as_fd(),
        };
        Ok(HangUp { socket: socket.try_clone_to_owned()? })
    }

    /// Detaches a plain stream from the runtime of the calling thread.
    pub(crate) fn detach(self) -> io::Result<DetachedStream> {
        match self {
            Stream::Tls(_) => Err(ErrorKind::Unsupported.into()),
            Stream::Tcp(stream) => stream.into_std().map(DetachedStream::Tcp),
            Stream::Unix(stream) => stream.into_std().map(DetachedStream::Unix),
        }
    }
}

/// The socket of a [`Stream`], for waiting until the peer closes the connection. The connection stays open until
/// this handle is dropped too.
#[derive(Debug)]
pub struct HangUp {
    socket: OwnedFd,
}

impl HangUp {
    /// Returns when the peer has closed the connection, or its sending side. Does not read bytes that have arrived.
    ///
    /// # Errors
    /// Returns the system's error if the socket cannot be polled.
    pub async fn wait(&self) -> io::Result<()> {
        // Only the readiness is used, which is the same for every kind of socket.
        let socket = UnixStream::from_std(StdUnixStream::from(self.socket.try_clone()?))?;
        while !socket.ready(Interest::READABLE).await?.is_read_closed() {
            // Bytes have arrived, and stay unread. Waits for the next event.
            let _ = socket.try_io(Interest::READABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
        }
        Ok(())
    }
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, into),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Time that half-open connections have to complete: the longest round trip of a private network, with a
/// reserve.
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_millis(250);

// Instructions of classic BPF, as in linux/filter.h.
const LOAD_BYTE: u16 = 0x30;
const AND: u16 = 0x54;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Offset of the flags in a TCP header, in bytes. The next two constants are flags.
const FLAGS: u32 = 13;
const SYN: u32 = 0x02;
const ACK: u32 = 0x10;

/// The result of a filter that keeps the whole packet.
const WHOLE_PACKET: u32 = u32::MAX;
/// An index that no socket has. The kernel then distributes by hash, as without a program.
const NO_SOCKET: u32 = u32::MAX;
/// Index of the newer of two sockets in the SO_REUSEPORT group. The group is in listen order, and closing a
/// socket moves the last one into its slot.
const NEWER_SOCKET: u32 = 1;

/// Drops the first packet of each new connection. The peer repeats the packet, which then reaches the
/// remaining socket. All other packets pass.
fn drop_syns(socket: &TcpListener) -> io::Result<()> {
    let filter = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, WHOLE_PACKET),
    ];
    SockRef::from(socket).attach_filter(&filter)
}

/// Attaches a program that returns the index of the socket for each new connection.
fn steer(socket: &TcpListener, index: u32) -> io::Result<()> {
    let mut program = [sock_filter { code: RETURN, jt: 0, jf: 0, k: index }];
    let program = sock_fprog { len: 1, filter: program.as_mut_ptr() };
    Ok(setsockopt(socket, AttachReusePortCbpf, &program)?)
}

/// Logs a failure. The socket is closed nevertheless.
fn warn_on_error(what: &str, result: io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(
            %error,
            "{what}; connections that begin now may be lost (a sandbox may forbid the socket option)"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn hang_up_is_the_end_of_the_peer_and_not_its_bytes() {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let mut stream = Stream::Unix(stream);
        let hang_up = stream.hang_up().unwrap();
        peer.write_all(b"a").await.unwrap();
        assert!(timeout(Duration::from_millis(50), hang_up.wait()).await.is_err(), "the peer is there");
        drop(peer);
        hang_up.wait().await.unwrap();
        // A later call finds the same, and the byte was not read.
        hang_up.wait().await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'a');
    }
}
