//! The addresses that a server listens on, and the sockets that are bound to them.
//!
//! A process listens alone on its addresses. Two processes share an address only if both have `reuse_port`, for
//! a hand-over.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use socket2::{Domain, Protocol, Socket, Type};

use super::socket::{BACKLOG, BindError, ListenSocket, MAX_PATH_BYTES, is_loopback};

/// Number of attempts to find a port that is free on every address of a listener.
const PORT_ATTEMPTS: usize = 16;
/// Maximum number of symbolic links at the end of a path. Linux has the same limit.
const MAX_LINKS: usize = 40;
/// Text that begins the address of a Unix socket.
const UNIX_PREFIX: &str = "unix:";

/// An address to listen on, as people write it.
///
/// ```
/// use switchboard_server::ListenAddress;
///
/// let address: ListenAddress = "localhost:7400".parse()?;
/// assert_eq!(address.to_string(), "localhost:7400");
/// assert!(address.overlaps(&":7400".parse()?));
/// assert!(!address.overlaps(&":7401".parse()?));
/// # Ok::<(), switchboard_server::InvalidAddress>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// One IP address and port. On Linux, `[::]` also accepts IPv4.
    Ip(SocketAddr),
    /// `localhost:PORT`: 127.0.0.1 and, on a machine with IPv6, ::1.
    Localhost(u16),
    /// `:PORT`: every address of the machine, IPv4 and IPv6.
    Any(u16),
    /// `unix:PATH`: a Unix socket at this absolute path.
    Unix(PathBuf),
}

/// The error for a text that is not an address to listen on. The text is the reason with the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidAddress(String);

/// An address to bind, and whether a wildcard of IPv6 leaves IPv4 to another socket.
#[derive(Debug, Clone, Copy)]
struct Endpoint {
    address: SocketAddr,
    is_v6_only: bool,
}

impl ListenAddress {
    /// Returns the port of a TCP address. 0 lets the system choose.
    fn port(&self) -> Option<u16> {
        match self {
            ListenAddress::Ip(address) => Some(address.port()),
            ListenAddress::Localhost(port) | ListenAddress::Any(port) => Some(*port),
            ListenAddress::Unix(_) => None,
        }
    }

    /// Returns whether both addresses would take the same connections: to one IP address and port, or to one
    /// file. Port 0 overlaps with no port. Follows the symbolic links on the paths of Unix sockets.
    pub fn overlaps(&self, other: &ListenAddress) -> bool {
        if let (ListenAddress::Unix(own), ListenAddress::Unix(others)) = (self, other) {
            return own == others || physical(own) == physical(others);
        }
        let others = other.endpoints();
        self.endpoints().iter().any(|own| others.iter().any(|other| own.overlaps(other)))
    }

    /// Returns whether only programs on this machine can connect.
    pub fn is_local(&self) -> bool {
        self.endpoints().iter().all(|endpoint| is_loopback(endpoint.address.ip()))
    }

    /// Returns the maximum number of sockets that [`bind`](Self::bind) opens.
    pub fn max_sockets(&self) -> usize {
        self.endpoints().len().max(1)
    }

    /// Returns the TCP addresses to bind. Addresses after the first may be missing on a machine without IPv6.
    fn endpoints(&self) -> Vec<Endpoint> {
        let of =
            |ip: IpAddr, port: &u16, is_v6_only| Endpoint { address: SocketAddr::new(ip, *port), is_v6_only };
        match self {
            ListenAddress::Ip(address) => vec![Endpoint { address: *address, is_v6_only: false }],
            ListenAddress::Localhost(port) => {
                vec![of(Ipv4Addr::LOCALHOST.into(), port, false), of(Ipv6Addr::LOCALHOST.into(), port, true)]
            }
            ListenAddress::Any(port) => {
                let any_v4 = of(Ipv4Addr::UNSPECIFIED.into(), port, false);
                vec![any_v4, of(Ipv6Addr::UNSPECIFIED.into(), port, true)]
            }
            ListenAddress::Unix(_) => Vec::new(),
        }
    }

    /// Binds a listening socket to each address. With `reuse_port`, another process of the same user that
    /// also sets it can listen on the same address.
    ///
    /// # Errors
    /// Returns the address that cannot be bound, with the system's error.
    pub fn bind(&self, reuse_port: bool) -> Result<Vec<ListenSocket>, BindError> {
        if let ListenAddress::Unix(path) = self {
            return match ListenSocket::bind_unix(path, reuse_port) {
                Ok(socket) => Ok(vec![socket]),
                Err(fault) => Err(BindError::Unix { path: path.clone(), fault }),
            };
        }
        let mut attempt = 1;
        loop {
            match self.try_bind(reuse_port) {
                // The port that the system chose for the first address is in use on the second.
                Err(BindError::Tcp { error, .. })
                    if self.port() == Some(0)
                        && error.kind() == io::ErrorKind::AddrInUse
                        && attempt < PORT_ATTEMPTS =>
                {
                    attempt += 1;
                }
                result => return result.map(|sockets| sockets.into_iter().map(ListenSocket::from).collect()),
            }
        }
    }

    /// Checks that the path of a Unix socket can be bound, as far as files tell: its folder can be written, and no
    /// other file is at the path. Writes nothing.
    ///
    /// # Errors
    /// Returns the path, with the reason why it cannot be bound.
    pub fn check_path(&self) -> Result<(), BindError> {
        match self {
            ListenAddress::Unix(path) => {
                ListenSocket::check_path(path).map_err(|fault| BindError::Unix { path: path.clone(), fault })
            }
            _ => Ok(()),
        }
    }

    fn try_bind(&self, reuse_port: bool) -> Result<Vec<TcpListener>, BindError> {
        let (mut port, mut sockets, mut missing) = (self.port().unwrap_or(0), Vec::new(), None);
        let endpoints = self.endpoints();
        let has_alternatives = endpoints.len() > 1;
        for mut endpoint in endpoints {
            endpoint.address.set_port(port);
            let address = endpoint.address;
            let bound =
                endpoint.bind(reuse_port).and_then(|socket| Ok((socket.local_addr()?.port(), socket)));
            match bound {
                Ok((bound_port, socket)) => {
                    port = bound_port;
                    sockets.push(socket);
                }
                Err(error) if has_alternatives && is_missing_family(&error) => {
                    missing = Some(BindError::Tcp { address, error });
                }
                Err(error) => return Err(BindError::Tcp { address, error }),
            }
        }
        match missing {
            Some(error) if sockets.is_empty() => Err(error),
            _ => Ok(sockets),
        }
    }
}

impl Endpoint {
    fn bind(&self, reuse_port: bool) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, Some(Protocol::TCP))?;
        // Without it, connections of an earlier process that are in TIME_WAIT would block the address.
        socket.set_reuse_address(true)?;
        if reuse_port {
            socket.set_reuse_port(true)?;
        }
        if self.is_v6_only {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&self.address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    }

    fn overlaps(&self, other: &Endpoint) -> bool {
        let port = self.address.port();
        port != 0 && port == other.address.port() && (self.covers(other) || other.covers(self))
    }

    /// Returns whether a socket on this address also takes connections to the IP address of the other.
    fn covers(&self, other: &Endpoint) -> bool {
        let (own, others) = (self.address.ip().to_canonical(), other.address.ip().to_canonical());
        let is_same_family = own.is_ipv4() == others.is_ipv4();
        if own.is_unspecified() {
            return is_same_family || own.is_ipv6() && !self.is_v6_only;
        }
        own == others && scope(&self.address) == scope(&other.address)
    }
}

/// Returns whether two bound addresses conflict. A wildcard of IPv6 is taken to accept IPv4 too.
pub fn addresses_conflict(one: SocketAddr, other: SocketAddr) -> bool {
    ListenAddress::Ip(one).overlaps(&ListenAddress::Ip(other))
}

/// Returns the interface of a link-local address, or 0.
fn scope(address: &SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    }
}

/// Returns whether the machine has no address of this family.
fn is_missing_family(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT)
}

/// Returns the path of a file without symbolic links, as far as its folders exist.
fn physical(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        if let Some((folder, name)) = path.parent().zip(path.file_name())
            && let Ok(folder) = fs::canonicalize(folder)
        {
            path = folder.join(name);
        }
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("/")).join(target);
    }
    path
}

/// Reads the path of a Unix socket. A relative path becomes absolute.
fn read_path(text: &str) -> Result<PathBuf, InvalidAddress> {
    const FORM: &str = "write, for example, unix:/run/switchboard/data.sock";
    let invalid = |reason: String| Err(InvalidAddress(reason));
    if text.is_empty() {
        return invalid(format!("the path is missing; {FORM}"));
    }
    if text.starts_with('@') {
        return invalid(format!("abstract sockets have no mode that protects them; {FORM}"));
    }
    let is_folder = text.ends_with('/') || text.ends_with("/.") || Path::new(text).file_name().is_none();
    if is_folder || text.contains('\0') {
        return invalid(format!("{text:?} is not the path of a file; {FORM}"));
    }
    let path = std::path::absolute(text).unwrap_or_else(|_| PathBuf::from(text));
    let len = path.as_os_str().len();
    if len > MAX_PATH_BYTES {
        return invalid(format!(
            "the path of a Unix socket has at most {MAX_PATH_BYTES} bytes, and {} has {len}; choose a shorter one",
            path.display()
        ));
    }
    Ok(path)
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> ListenAddress {
        ListenAddress::Ip(address)
    }
}

impl FromStr for ListenAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<ListenAddress, InvalidAddress> {
        const FORMS: &str = "expected IP:PORT, localhost:PORT, :PORT or unix:PATH, such as 127.0.0.1:7400";
        let invalid = |reason: String| Err(InvalidAddress(reason));
        if let Ok(address) = text.parse() {
            return Ok(ListenAddress::Ip(address));
        }
        if text.is_empty() {
            return invalid(format!("the address is empty; {FORMS}"));
        }
        if let Some(path) = text.strip_prefix(UNIX_PREFIX) {
            return read_path(path).map(ListenAddress::Unix);
        }
        if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            // `::1:7400` is an IPv6 address. It was meant as `::1` and a port, if the last part looks like one.
            if let (IpAddr::V6(_), Some((host, port))) = (ip, text.rsplit_once(':'))
                && let (Ok(host), Ok(port @ 1000..)) = (host.parse::<Ipv6Addr>(), port.parse::<u16>())
            {
                return invalid(format!("an IPv6 address needs brackets; write [{host}]:{port}"));
            }
            let example = SocketAddr::new(ip, 7400);
            return invalid(format!("the port is missing; write {example}, for example"));
        }
        if text.starts_with(['/', '.']) {
            return invalid(format!("the path of a Unix socket needs unix: before it; {FORMS}"));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return invalid(format!("the port is missing; {FORMS}"));
        };
        // A sign is no digit, although a number may have one.
        let Some(port) = port.parse().ok().filter(|_| !port.starts_with('+')) else {
            return invalid(format!("the port {port:?} is not a number from 0 to 65535; {FORMS}"));
        };
        match host {
            "" => Ok(ListenAddress::Any(port)),
            _ if host.eq_ignore_ascii_case("localhost") => Ok(ListenAddress::Localhost(port)),
            _ if host.parse::<Ipv6Addr>().is_ok() => {
                invalid(format!("an IPv6 address needs brackets; write [{host}]:{port}"))
            }
            "*" => invalid(format!("write :{port} for every address of the machine")),
            _ => invalid(format!("{host:?} is not an IP address, and host names are not resolved; {FORMS}")),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Ip(address) => address.fmt(out),
            ListenAddress::Localhost(port) => write!(out, "localhost:{port}"),
            ListenAddress::Any(port) => write!(out, ":{port}"),
            ListenAddress::Unix(path) => write!(out, "{UNIX_PREFIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> ListenAddress {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn address_is_written_as_it_was_read() {
        for text in ["127.0.0.1:7400", "[::1]:7400", "[::]:0", "localhost:7400", ":7400", ":0", "unix:/run/s"]
        {
            assert_eq!(address(text).to_string(), text);
        }
        assert_eq!(address("LOCALHOST:1"), ListenAddress::Localhost(1));
    }

    #[test]
    fn text_that_is_no_address_is_rejected_with_its_remedy() {
        for (text, remedy) in [
            ("", "the address is empty"),
            ("7400", "the port is missing"),
            ("localhost", "the port is missing"),
            ("127.0.0.1", "write 127.0.0.1:7400"),
            ("[::1]", "write [::1]:7400"),
            ("::1:7400", "needs brackets; write [::1]:7400"),
            ("::1:740", "write [::1:740]:7400"),
            ("fe80::1:2:3:4:5:6:7400", "write [fe80::1:2:3:4:5:6]:7400"),
            ("localhost:http", "\"http\" is not a number"),
            ("localhost:65536", "\"65536\" is not a number"),
            (":-1", "\"-1\" is not a number"),
            ("*:7400", "write :7400"),
            ("example.org:7400", "host names are not resolved"),
            ("127.0.0.1:7400,127.0.0.1:7402", "host names are not resolved"),
            ("unix:", "the path is missing"),
            ("unix:/", "not the path of a file"),
            ("unix:/run/", "not the path of a file"),
            ("unix:/run/.", "not the path of a file"),
            ("unix:/run/..", "not the path of a file"),
            ("unix:/run/a\0b", "not the path of a file"),
            ("unix:@switchboard", "abstract sockets"),
            ("/run/switchboard.sock", "needs unix: before it"),
            ("./switchboard.sock", "needs unix: before it"),
            (" 127.0.0.1:7400", "not an IP address"),
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err().to_string();
            assert!(error.contains(remedy), "{text}: {error}");
        }
    }

    #[test]
    fn path_of_a_unix_socket_is_absolute_and_has_at_most_107_bytes() {
        let folder = std::env::current_dir().unwrap();
        assert_eq!(address("unix:s"), ListenAddress::Unix(folder.join("s")));
        assert_eq!(address("unix:///run/s"), address("unix:/run/s"));
        let path = |bytes: usize| format!("unix:/{}", "s".repeat(bytes - 1));
        address(&path(107));
        let error = path(108).parse::<ListenAddress>().unwrap_err().to_string();
        assert!(error.contains("at most 107 bytes") && error.contains("has 108"), "{error}");
    }

    #[test]
    fn unix_sockets_overlap_if_their_paths_lead_to_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        std::os::unix::fs::symlink("../link/s", root.join("real/alias")).unwrap();
        std::os::unix::fs::symlink("loop", root.join("loop")).unwrap();
        let unix = |name: &str| address(&format!("unix:{}", root.join(name).display()));
        for name in ["real/s", "link/s", "real/../real/s", "./real/./s", "real/alias", "link/alias"] {
            assert!(unix("real/s").overlaps(&unix(name)) && unix(name).overlaps(&unix("link/s")), "{name}");
        }
        for name in ["real/t", "s", "missing/s", "loop"] {
            assert!(!unix("real/s").overlaps(&unix(name)), "{name}");
        }
        assert!(!unix("real/s").overlaps(&address(":7400")) && !address(":7400").overlaps(&unix("real/s")));
    }

    #[test]
    fn addresses_overlap_where_one_socket_would_take_the_connections_of_the_other() {
        let overlapping = [
            ["127.0.0.1:1", "127.0.0.1:1"],
            ["127.0.0.1:1", "0.0.0.0:1"],
            ["127.0.0.1:1", "[::]:1"],
            ["127.0.0.1:1", "localhost:1"],
            ["127.0.0.1:1", ":1"],
            ["127.0.0.1:1", "[::ffff:127.0.0.1]:1"],
            ["0.0.0.0:1", "[::ffff:127.0.0.1]:1"],
            ["0.0.0.0:1", "[::]:1"],
            ["[::1]:1", "localhost:1"],
            ["[::1]:1", ":1"],
            ["[::1]:1", "[::]:1"],
            ["192.0.2.1:1", ":1"],
            ["localhost:1", ":1"],
        ];
        for [one, other] in overlapping {
            assert!(address(one).overlaps(&address(other)), "{one} {other}");
            assert!(address(other).overlaps(&address(one)), "{other} {one}");
        }
        for [one, other] in [
            ["127.0.0.1:1", "127.0.0.1:2"],
            ["127.0.0.1:0", "127.0.0.1:0"],
            [":0", "localhost:0"],
            ["127.0.0.1:1", "127.0.0.2:1"],
            ["127.0.0.1:1", "[::1]:1"],
            ["0.0.0.0:1", "[::1]:1"],
            ["[fe80::1%2]:1", "[fe80::1%3]:1"],
            ["192.0.2.1:1", "localhost:1"],
        ] {
            assert!(!address(one).overlaps(&address(other)), "{one} {other}");
            assert!(!address(other).overlaps(&address(one)), "{other} {one}");
        }
    }

    #[test]
    fn sockets_of_one_listener_share_a_port_that_the_system_chose() {
        for text in ["localhost:0", ":0"] {
            let sockets = address(text).bind(false).unwrap();
            let port = |socket: &ListenSocket| socket.local_addr().unwrap().as_tcp().unwrap().port();
            let ports: Vec<u16> = sockets.iter().map(port).collect();
            assert!(ports[0] != 0 && ports.iter().all(|port| *port == ports[0]), "{ports:?}");
        }
    }

    #[test]
    fn address_is_shared_only_if_both_sockets_set_reuse_port() {
        for first in [false, true] {
            for second in [false, true] {
                let held = address("127.0.0.1:0").bind(first).unwrap();
                let bound = ListenAddress::Ip(held[0].local_addr().unwrap().as_tcp().unwrap()).bind(second);
                assert_eq!(bound.is_ok(), first && second, "{first} {second}");
                if let Err(BindError::Tcp { error, .. }) = bound {
                    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
                }
            }
        }
    }

    #[test]
    fn wildcard_is_not_bound_beside_an_address_that_it_covers() {
        let held = address("127.0.0.1:0").bind(false).unwrap();
        let port = held[0].local_addr().unwrap().as_tcp().unwrap().port();
        for text in [format!("0.0.0.0:{port}"), format!(":{port}"), format!("[::]:{port}")] {
            assert!(address(&text).bind(false).is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_and_its_mapped_form_are_local() {
        for (text, is_local) in [
            ("127.0.0.1:1", true),
            ("127.9.8.7:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("localhost:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            (":1", false),
            ("10.0.0.1:1", false),
            ("[::ffff:10.0.0.1]:1", false),
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().is_local(), is_local, "{text}");
        }
    }
}
