//! How a listening socket leaves an address that another process listens on too.
//!
//! The kernel gives every socket of a shared address an accept queue of its own, and chooses the socket at the first
//! packet of a connection. Closing a socket resets what is queued or half connected, even though the other socket would
//! have taken it. So new connections are steered away first, those under way get time to arrive, and the socket is
//! closed when nothing more can come. (`docs/decisions/0016-so-reuseport-handover.md`)

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};
use socket2::{SockFilter, SockRef};

/// How long half-made connections have to arrive: a round trip, with room for the longest of a private network.
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_millis(250);

// Classic BPF, as linux/filter.h spells it.
const LOAD_BYTE: u16 = 0x30;
const AND: u16 = 0x54;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Bits of TCP's flags, which are its header's byte 13.
const FLAGS: u32 = 13;
const SYN: u32 = 0x02;
const ACK: u32 = 0x10;

/// A filter's result that keeps the whole packet.
const WHOLE_PACKET: u32 = u32::MAX;
/// An index that no socket has: the kernel spreads by hash, as without a program.
const NO_SOCKET: u32 = u32::MAX;
/// Index in the SO_REUSEPORT group, in listen order; closing a socket moves the last into its slot. Of two sockets, 1 is
/// the newer.
const NEWER_SOCKET: u32 = 1;

/// Steers new connections to the socket that listened second, if there is one. Without this they would wait a second:
/// `drop_syns` drops their first packet, which is sent again then.
pub fn steer_to_newer_socket(socket: &TcpListener) {
    warn_on_error("new connections cannot be led to the next process", steer(socket, NEWER_SOCKET));
}

/// Restores the kernel's own spread, for the sockets that stay.
pub fn stop_steering(socket: &TcpListener) {
    warn_on_error("new connections cannot be spread again", steer(socket, NO_SOCKET));
}

/// Drops the first packet of each new connection. The peer sends it again, to the socket that listens by then. All
/// other packets arrive.
pub(crate) fn drop_syns(socket: &TcpListener) {
    let filter = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, WHOLE_PACKET),
    ];
    warn_on_error("new connections cannot be held off", SockRef::from(socket).attach_filter(&filter));
}

/// Attaches the program that the kernel asks for the index of the socket that a new connection is for.
fn steer(socket: &TcpListener, index: u32) -> io::Result<()> {
    let mut program = [sock_filter { code: RETURN, jt: 0, jf: 0, k: index }];
    let program = sock_fprog { len: 1, filter: program.as_mut_ptr() };
    Ok(setsockopt(socket, AttachReusePortCbpf, &program)?)
}

/// A sandbox may forbid it. The socket is left all the same: only connections that begin in that moment are at risk.
fn warn_on_error(what: &str, result: io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "{what}");
    }
}
