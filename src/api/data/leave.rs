//! How a listening socket leaves an address that another process listens on too.
//!
//! The kernel gives every socket of a shared address a queue of its own, and decides at the first packet
//! of a connection which socket it is for. Closing a socket resets what is queued or half connected, even
//! though its neighbour would have taken it. So new connections are led away first, those under way are
//! given time to arrive, and the socket is closed when nothing more can come.
//! (`docs/decisions/0016-leaving-a-shared-address.md`)

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};
use socket2::{SockFilter, SockRef};

/// How long connections that are half made have to arrive: a round trip, with room for the longest that
/// a network of one's own has.
pub(super) const HANDSHAKES: Duration = Duration::from_millis(250);

// Classic BPF, as linux/filter.h spells it.
const LOAD_BYTE: u16 = 0x30;
const AND: u16 = 0x54;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Bits of TCP's flags, which are its header's byte 13.
const FLAGS: u32 = 13;
const SYN: u32 = 0x02;
const ACK: u32 = 0x10;

/// A packet whole.
const ALL: u32 = u32::MAX;
/// No socket has this place: the kernel spreads by hash, as without a program.
const NOBODY: u32 = u32::MAX;
/// Places are in the order of listening, and the last one fills a gap: where two share an address, the
/// newer has this one.
const SECOND: u32 = 1;

/// Leads new connections to the process that came second, if there is one. Without this they would wait
/// a second: [`deafen`] drops their first packet, and that is when they send it again.
pub(crate) fn lead_to_the_second(socket: &TcpListener) {
    told("new connections cannot be led to the next process", lead(socket, SECOND));
}

/// The kernel's own spread again, for those who stay.
pub(crate) fn lead_nowhere(socket: &TcpListener) {
    told("new connections cannot be spread again", lead(socket, NOBODY));
}

/// Takes no more first packets: who sent one sends it again, to whoever listens by then. Whatever else
/// is under way arrives.
pub(crate) fn deafen(socket: &TcpListener) {
    let filter = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, ALL),
    ];
    told("new connections cannot be held off", SockRef::from(socket).attach_filter(&filter));
}

/// The kernel asks this program for the place of the socket that a new connection is for.
fn lead(socket: &TcpListener, place: u32) -> io::Result<()> {
    let mut program = [sock_filter { code: RETURN, jt: 0, jf: 0, k: place }];
    let program = sock_fprog { len: 1, filter: program.as_mut_ptr() };
    Ok(setsockopt(socket, AttachReusePortCbpf, &program)?)
}

/// A sandbox may forbid it. Leaving goes on: only what connects in that moment is at risk.
fn told(what: &str, done: io::Result<()>) {
    if let Err(error) = done {
        tracing::warn!(%error, "{what}");
    }
}
