//! Closes a listening socket while another process listens on the same address, without losing a connection.
//!
//! The kernel gives every socket of a shared address its own accept queue, and chooses the socket at the
//! first packet of a connection. Closing a socket resets its queued and half-open connections, even though
//! the other socket would accept them. For this reason new connections are steered away first, half-open
//! connections get time to complete, and then the socket is closed.
//! (`docs/decisions/0016-so-reuseport-handover.md`)

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};
use socket2::{SockFilter, SockRef};

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

/// Steers new connections to the socket that was bound second, if there is one. Without this, they would wait
/// 1 s: `drop_syns` drops their first packet, and the peer repeats it after 1 s.
pub fn steer_to_newer_socket(socket: &TcpListener) {
    warn_on_error("cannot steer new connections to the newer socket", steer(socket, NEWER_SOCKET));
}

/// Restores the kernel's own distribution for the remaining sockets.
pub fn stop_steering(socket: &TcpListener) {
    warn_on_error("cannot restore the distribution of new connections", steer(socket, NO_SOCKET));
}

/// Drops the first packet of each new connection. The peer repeats the packet, which then reaches the
/// remaining socket. All other packets pass.
pub(crate) fn drop_syns(socket: &TcpListener) {
    let filter = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, WHOLE_PACKET),
    ];
    warn_on_error(
        "cannot drop the first packets of new connections",
        SockRef::from(socket).attach_filter(&filter),
    );
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
