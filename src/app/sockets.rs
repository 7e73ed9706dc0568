//! Listening sockets that the service manager passes to the process, as systemd does.
//!
//! `LISTEN_FDS` is the number of sockets, from descriptor 3 on. `LISTEN_FDNAMES` has their names, `data` or
//! `admin`. Sockets with other names (the default of systemd is the name of the unit) become the remaining
//! listeners, data first. Every other fault is an error, because a daemon on another address than the service
//! manager expects would get no queries.

use std::net::TcpListener;
use std::{env, io};

use listenfd::ListenFd;
use socket2::SockRef;

/// Value of `FileDescriptorName=` for the socket of the data listener.
const DATA_NAME: &str = "data";
/// Value of `FileDescriptorName=` for the socket of the admin listener.
const ADMIN_NAME: &str = "admin";

/// The passed sockets, by listener.
#[derive(Debug, Default)]
pub(super) struct InheritedSockets {
    pub(super) data: Option<TcpListener>,
    pub(super) admin: Option<TcpListener>,
}

/// The reason why a passed socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The descriptor is not a TCP socket.
    #[error("{0}")]
    NotTcp(#[from] io::Error),
    /// The socket with this name is not in the listening state.
    #[error("the passed socket {0:?} is not a listening socket: set Accept=no in its unit")]
    NotListening(String),
    /// Two passed sockets have this name.
    #[error(
        "two passed sockets have the name {0:?}: pass one socket for each listener (a socket on [::] also accepts \
        IPv4)"
    )]
    Duplicate(String),
    /// The service manager passed more than two sockets.
    #[error("the service manager passed more than two sockets: pass one named `data` and one named `admin`")]
    TooMany,
}

impl InheritedSockets {
    /// Takes ownership of the sockets that the environment names. A second call finds none.
    pub(super) fn from_env() -> Result<InheritedSockets, SocketError> {
        let mut passed = ListenFd::from_env();
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut named = Vec::new();
        for (at, name) in (0..passed.len()).zip(names.split(':').chain(std::iter::repeat(""))) {
            let socket = passed.take_tcp_listener(at)?;
            named.extend(socket.map(|socket| (name, socket)));
        }
        assign(named)
    }
}

/// Assigns sockets to the listeners by name, then by order.
fn assign(passed: Vec<(&str, TcpListener)>) -> Result<InheritedSockets, SocketError> {
    let mut sockets = InheritedSockets::default();
    let mut unnamed = Vec::new();
    for (name, socket) in passed {
        if !SockRef::from(&socket).is_listener().unwrap_or(false) {
            return Err(SocketError::NotListening(name.to_owned()));
        }
        let place = match name {
            DATA_NAME => &mut sockets.data,
            ADMIN_NAME => &mut sockets.admin,
            _ => {
                unnamed.push(socket);
                continue;
            }
        };
        if place.replace(socket).is_some() {
            return Err(SocketError::Duplicate(name.to_owned()));
        }
    }
    for socket in unnamed {
        let place = if sockets.data.is_none() { &mut sockets.data } else { &mut sockets.admin };
        if place.replace(socket).is_some() {
            return Err(SocketError::TooMany);
        }
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};

    fn listening() -> (u16, TcpListener) {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        (socket.local_addr().unwrap().port(), socket)
    }

    #[track_caller]
    fn assigned(names: &[&str], data: Option<usize>, admin: Option<usize>) {
        let (ports, sockets): (Vec<u16>, Vec<_>) = names.iter().map(|_| listening()).unzip();
        let given = assign(names.iter().copied().zip(sockets).collect()).unwrap();
        let port = |socket: Option<TcpListener>| socket.map(|socket| socket.local_addr().unwrap().port());
        assert_eq!(port(given.data), data.map(|at| ports[at]), "{names:?}");
        assert_eq!(port(given.admin), admin.map(|at| ports[at]), "{names:?}");
    }

    #[test]
    fn sockets_are_assigned_by_name_then_by_order() {
        assigned(&[], None, None);
        assigned(&["admin"], None, Some(0));
        assigned(&["admin", "data"], Some(1), Some(0));
        assigned(&["switchboard.socket"], Some(0), None);
        assigned(&["", ""], Some(0), Some(1));
        assigned(&["unknown", "data"], Some(1), Some(0));
        assigned(&["admin", "unknown"], Some(1), Some(0));
    }

    #[test]
    fn socket_that_no_listener_can_use_is_an_error() {
        let too_many = vec![("", listening().1), ("", listening().1), ("", listening().1)];
        assert!(assign(too_many).unwrap_err().to_string().contains("more than two sockets"));
        let twice = vec![("data", listening().1), ("data", listening().1)];
        assert!(assign(twice).unwrap_err().to_string().contains("two passed sockets"));
        let not_listening: TcpListener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap().into();
        assert!(assign(vec![("data", not_listening)]).unwrap_err().to_string().contains("listening"));
    }
}
