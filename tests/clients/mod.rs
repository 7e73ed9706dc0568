//! Hostile clients against a real process, beside an honest one.
//!
//! The short form holds a bound that a loaded machine keeps. The long form attacks for a minute and a mode, and
//! holds the honest client's 99th percentile below 10 ms; it needs the machine to itself:
//! `SWITCHBOARD_LONG=1 cargo test --release --test contract clients:: -- --nocapture --test-threads 1`.

mod attack;
mod descriptors;
mod honest;
mod slow;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Whether the long form is asked for.
fn long() -> bool {
    std::env::var_os("SWITCHBOARD_LONG").is_some()
}

/// A connection from 127.0.0.x, which the daemon takes for a peer of its own; with a receive buffer of its own size.
fn connect(to: &str, from: u8, buffer: Option<usize>) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, from), 0)).into()).unwrap();
    socket.connect(&to.parse::<SocketAddr>().unwrap().into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// The status of a GET on a connection that goes on; `None` where it was closed.
fn ask(stream: &mut TcpStream, target: &str) -> Option<u16> {
    write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
    answer(stream).map(|(status, _)| status)
}

/// Status and text of an answer.
fn answer(stream: &mut TcpStream) -> Option<(u16, String)> {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if text.len() >= end + 4 + length.map_or(0, |length| length.parse::<usize>().unwrap()) {
                return Some((
                    head[9..12].parse().unwrap(),
                    String::from_utf8_lossy(&text[end + 4..]).into_owned(),
                ));
            }
        }
        match stream.read(&mut piece) {
            Ok(0) => return None,
            Ok(some) => text.extend_from_slice(&piece[..some]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no answer in 20 seconds"),
            Err(_) => return None,
        }
    }
}

/// A number of `/proc/<pid>/status`, such as VmRSS in kilobytes.
fn status_of(pid: u32, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
}
