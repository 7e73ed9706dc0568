//! Listening sockets that the service manager passes to the process, as systemd does, and the process that
//! holds an address in use.
//!
//! `LISTEN_FDS` is the number of sockets, from descriptor 3 on. `LISTEN_FDNAMES` has their names, `data` or
//! `admin`; a listener may have several sockets of its name. Sockets with other names (the default of systemd
//! is the name of the unit) become the remaining listeners, data first. Every other fault is an error, because
//! a daemon on another address than the service manager expects would get no queries.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::{env, io};

use listenfd::ListenFd;
use procfs::net::{TcpState, tcp, tcp6};
use procfs::process::{FDTarget, Process, all_processes};
use socket2::SockRef;
use switchboard_server::{BoundAddress, ListenAddress, ListenSocket, addresses_conflict};

use crate::config::NamedAddress;

/// Value of `FileDescriptorName=` for the socket of the data listener.
const DATA_NAME: &str = "data";
/// Value of `FileDescriptorName=` for the socket of the admin listener.
const ADMIN_NAME: &str = "admin";

/// The passed sockets, by listener.
#[derive(Debug, Default)]
pub(super) struct InheritedSockets {
    pub(super) data: Vec<ListenSocket>,
    pub(super) admin: Vec<ListenSocket>,
}

/// The reason why a passed socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The descriptor is not a TCP socket, and not a Unix stream socket.
    #[error("{0}, and no Unix stream socket")]
    NotAStream(#[from] io::Error),
    /// The socket with this name is not in the listening state.
    #[error("the passed socket {0:?} is not a listening socket: set Accept=no in its unit")]
    NotListening(String),
    /// The service manager passed a socket that is for neither listener.
    #[error(
        "the service manager passed a socket named {0:?}, but both listeners have a socket: name the sockets of \
        each listener `data` or `admin`"
    )]
    TooMany(String),
}

impl InheritedSockets {
    /// Returns the addresses of the passed sockets.
    pub(super) fn addresses(&self) -> io::Result<Vec<NamedAddress>> {
        let mut addresses = Vec::new();
        for (listener, sockets) in [(DATA_NAME, &self.data), (ADMIN_NAME, &self.admin)] {
            for socket in sockets {
                let bound = socket.local_addr()?;
                let name = format!("the passed socket {bound} ({listener})");
                let address = match bound {
                    BoundAddress::Tcp(address) => ListenAddress::Ip(address),
                    BoundAddress::Unix(path) => ListenAddress::Unix(path),
                };
                addresses.push(NamedAddress { name, address, is_admin: listener == ADMIN_NAME });
            }
        }
        Ok(addresses)
    }

    /// Takes ownership of the sockets that the environment names. A second call finds none.
    pub(super) fn from_env() -> Result<InheritedSockets, SocketError> {
        let mut passed = ListenFd::from_env();
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut named = Vec::new();
        for (at, name) in (0..passed.len()).zip(names.split(':').chain(std::iter::repeat(""))) {
            // Only the first error is reported: it says what the descriptor is not.
            let socket = match passed.take_tcp_listener(at) {
                Ok(socket) => socket.map(Passed::from),
                Err(error) => match passed.take_unix_listener(at) {
                    Ok(socket) => socket.map(Passed::from),
                    Err(_) => return Err(error.into()),
                },
            };
            named.extend(socket.map(|socket| (name, socket)));
        }
        assign(named)
    }
}

/// A passed socket, and whether it is in the listening state.
struct Passed {
    socket: ListenSocket,
    is_listening: bool,
}

impl<S: AsFd + Into<ListenSocket>> From<S> for Passed {
    fn from(socket: S) -> Passed {
        let is_listening = SockRef::from(&socket).is_listener().unwrap_or(false);
        Passed { socket: socket.into(), is_listening }
    }
}

/// Assigns sockets to the listeners by name, then by order.
fn assign(passed: Vec<(&str, Passed)>) -> Result<InheritedSockets, SocketError> {
    let mut sockets = InheritedSockets::default();
    let mut unnamed = Vec::new();
    for (name, Passed { socket, is_listening }) in passed {
        if !is_listening {
            return Err(SocketError::NotListening(name.to_owned()));
        }
        match name {
            DATA_NAME => sockets.data.push(socket),
            ADMIN_NAME => sockets.admin.push(socket),
            _ => unnamed.push((name, socket)),
        }
    }
    for (name, socket) in unnamed {
        let place = if sockets.data.is_empty() { &mut sockets.data } else { &mut sockets.admin };
        if !place.is_empty() {
            return Err(SocketError::TooMany(name.to_owned()));
        }
        place.push(socket);
    }
    Ok(sockets)
}

/// Returns the process that listens on an address, such as `process 1234 (switchboard)`. Returns `None` if
/// `/proc` does not show it, because it belongs to another user or is in another container.
pub(super) fn holder_of(address: SocketAddr) -> Option<String> {
    let entries = tcp().into_iter().chain(tcp6()).flatten();
    let held = entries.filter(|entry| entry.state == TcpState::Listen);
    let held: Vec<u64> = held
        .filter(|entry| addresses_conflict(entry.local_address, address))
        .map(|entry| entry.inode)
        .collect();
    let has_socket = |process: &Process| {
        let mut descriptors = process.fd().into_iter().flatten().flatten();
        descriptors.any(|fd| matches!(fd.target, FDTarget::Socket(inode) if held.contains(&inode)))
    };
    let process = all_processes().ok()?.flatten().find(has_socket)?;
    Some(describe(&process))
}

/// Returns a process by its number, such as `process 1234 (switchboard)`. Returns `None` if `/proc` does not
/// show it.
pub(super) fn process(pid: i32) -> Option<String> {
    Process::new(pid).ok().map(|process| describe(&process))
}

fn describe(process: &Process) -> String {
    let name = process.stat().map(|stat| format!(" ({})", stat.comm)).unwrap_or_default();
    format!("process {}{name}", process.pid())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;
    use socket2::{Domain, Socket, Type};

    fn listening() -> (u16, TcpListener) {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        (socket.local_addr().unwrap().port(), socket)
    }

    #[track_caller]
    fn assigned(names: &[&str], data: &[usize], admin: &[usize]) {
        let (ports, sockets): (Vec<u16>, Vec<_>) = names.iter().map(|_| listening()).unzip();
        let sockets = sockets.into_iter().map(Passed::from);
        let given = assign(names.iter().copied().zip(sockets).collect()).unwrap();
        let port = |socket: &ListenSocket| socket.local_addr().unwrap().as_tcp().unwrap().port();
        let expected = |places: &[usize]| places.iter().map(|at| ports[*at]).collect::<Vec<u16>>();
        assert_eq!(given.data.iter().map(port).collect::<Vec<_>>(), expected(data), "{names:?}");
        assert_eq!(given.admin.iter().map(port).collect::<Vec<_>>(), expected(admin), "{names:?}");
    }

    #[test]
    fn sockets_are_assigned_by_name_then_by_order() {
        assigned(&[], &[], &[]);
        assigned(&["admin"], &[], &[0]);
        assigned(&["admin", "data"], &[1], &[0]);
        assigned(&["data", "admin", "data"], &[0, 2], &[1]);
        assigned(&["switchboard.socket"], &[0], &[]);
        assigned(&["", ""], &[0], &[1]);
        assigned(&["unknown", "data"], &[1], &[0]);
        assigned(&["admin", "unknown"], &[1], &[0]);
    }

    #[test]
    fn socket_that_no_listener_can_use_is_an_error() {
        for names in [["", "", ""], ["data", "admin", "switchboard.socket"]] {
            let passed = names.map(|name| (name, listening().1.into())).into();
            let error = assign(passed).unwrap_err().to_string();
            assert!(error.contains(&format!("a socket named {:?}", names[2])), "{error}");
        }
        let not_listening: TcpListener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap().into();
        assert!(assign(vec![("data", not_listening.into())]).unwrap_err().to_string().contains("listening"));
    }

    #[test]
    fn passed_socket_may_be_a_unix_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let unix = UnixListener::bind(&path).unwrap();
        let given = assign(vec![("data", unix.into()), ("data", listening().1.into())]).unwrap();
        assert_eq!(given.data[0].local_addr().unwrap(), BoundAddress::Unix(path.clone()));
        assert_eq!(given.data.len(), 2);
        drop(given);
        assert!(path.exists(), "the file belongs to the service manager");
    }

    #[test]
    fn holder_of_an_address_is_named() {
        let (port, _socket) = listening();
        let own = format!("process {} (", std::process::id());
        for address in [format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}"), format!("[::]:{port}")] {
            let holder = holder_of(address.parse().unwrap()).unwrap();
            assert!(holder.starts_with(&own), "{address}: {holder}");
        }
        assert_eq!(holder_of("127.0.0.1:1".parse().unwrap()), None);
    }
}
