//! Sockets, and the poll that watches them.

use crate::error::{Error, Result};
use mio::{Interest, Poll, Registry, Token, net::TcpStream};
use std::{io, net, net::SocketAddr, time::Duration};

/// Of a machine that answers at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that stands, for the start: where even that fails, there is nothing to measure.
pub(super) fn connected(poll: &Poll, target: SocketAddr, place: usize) -> Result<TcpStream> {
    let opened = || {
        let stream = net::TcpStream::connect_timeout(&target, PATIENCE)?;
        stream.set_nonblocking(true)?;
        watched(poll.registry(), TcpStream::from_std(stream), place)
    };
    opened().map_err(|error| {
        let what = match rustix::io::Errno::from_io_error(&error) {
            Some(rustix::io::Errno::MFILE) => "raise the limit with ulimit -n, or take fewer connections",
            _ => "is the daemon up?",
        };
        Error::Refused(format!("cannot connect to {target}: {error}; {what}"))
    })
}

/// A connection that is being made: the poll tells when it stands.
pub(super) fn opened(registry: &Registry, target: SocketAddr, place: usize) -> io::Result<TcpStream> {
    watched(registry, TcpStream::connect(target)?, place)
}

/// Once for all: with edges there is nothing to ask for again.
fn watched(registry: &Registry, mut stream: TcpStream, place: usize) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    registry.register(&mut stream, Token(place), Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}

/// Whether a connection that was being made stands now; why not, if it never will.
pub(super) fn stands(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}
