//! Listening sockets that the process was started with, as systemd passes them.
//!
//! `LISTEN_FDS` says how many there are, from descriptor 3 on; `LISTEN_FDNAMES` what they are called:
//! `data` or `admin`. Sockets with other names (systemd's default is the unit's) fill what is left, data
//! first. Whatever else is wrong with them ends the start: a daemon that listens elsewhere than its
//! service manager believes would look alive and never be asked.

use std::env;
use std::net::TcpListener;

use listenfd::ListenFd;
use socket2::SockRef;

/// What `FileDescriptorName=` calls the data listener's socket.
const DATA: &str = "data";
/// And the admin listener's.
const ADMIN: &str = "admin";

/// The sockets that were passed.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// Where queries are answered.
    pub(super) data: Option<TcpListener>,
    /// Where metrics, probes and status are.
    pub(super) admin: Option<TcpListener>,
}

impl Sockets {
    /// Takes them from the environment. Once: a descriptor has one owner.
    pub(super) fn passed() -> Result<Sockets, String> {
        let mut passed = ListenFd::from_env();
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut named = Vec::new();
        for (at, name) in (0..passed.len()).zip(names.split(':').chain(std::iter::repeat(""))) {
            let socket = passed.take_tcp_listener(at).map_err(|error| error.to_string())?;
            named.extend(socket.map(|socket| (name, socket)));
        }
        assign(named)
    }
}

/// By name, then by order.
fn assign(passed: Vec<(&str, TcpListener)>) -> Result<Sockets, String> {
    let mut sockets = Sockets::default();
    let mut unnamed = Vec::new();
    for (name, socket) in passed {
        if !SockRef::from(&socket).is_listener().unwrap_or(false) {
            return Err(format!("the socket {name:?} is connected or only bound: it must be listening"));
        }
        let place = match name {
            DATA => &mut sockets.data,
            ADMIN => &mut sockets.admin,
            _ => {
                unnamed.push(socket);
                continue;
            }
        };
        if place.replace(socket).is_some() {
            return Err(format!("two sockets are called {name:?}: a listener has one; [::] takes IPv4 too"));
        }
    }
    for socket in unnamed {
        let place = if sockets.data.is_none() { &mut sockets.data } else { &mut sockets.admin };
        if place.replace(socket).is_some() {
            return Err("more sockets than the data and the admin listener take".to_owned());
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
    fn names_decide_and_order_does_the_rest() {
        assigned(&[], None, None);
        assigned(&["admin"], None, Some(0));
        assigned(&["admin", "data"], Some(1), Some(0));
        assigned(&["switchboard.socket"], Some(0), None);
        assigned(&["", ""], Some(0), Some(1));
        assigned(&["unknown", "data"], Some(1), Some(0));
        assigned(&["admin", "unknown"], Some(1), Some(0));
    }

    #[test]
    fn what_no_listener_can_take_is_refused() {
        let too_many = vec![("", listening().1), ("", listening().1), ("", listening().1)];
        assert!(assign(too_many).unwrap_err().contains("more sockets"));
        let twice = vec![("data", listening().1), ("data", listening().1)];
        assert!(assign(twice).unwrap_err().contains("two sockets"));
        let deaf: TcpListener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap().into();
        assert!(assign(vec![("data", deaf)]).unwrap_err().contains("listening"));
    }
}
