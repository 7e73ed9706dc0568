//! Hostile clients attack a daemon process while an honest client sends queries.

mod attack;
mod descriptors;
mod honest;
mod paused;
mod slow;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

use crate::harness::HttpClient;

/// Connects from 127.0.0.`from`, which the daemon counts as a separate peer. `buffer` is the size of the
/// receive buffer in bytes.
fn connect(to: &str, from: u8, buffer: Option<usize>) -> HttpClient {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, from), 0)).into()).unwrap();
    socket.connect(&to.parse::<SocketAddr>().unwrap().into()).unwrap();
    HttpClient::from_stream(socket.into())
}

/// Returns the status of a GET; `None` when the daemon closed the connection.
fn ask(client: &mut HttpClient, target: &str) -> Option<u16> {
    client.try_send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).ok()?;
    status(client)
}

/// Returns the status of the next answer; `None` when the daemon closed the connection.
fn status(client: &mut HttpClient) -> Option<u16> {
    match client.try_answer() {
        Ok(answer) => Some(answer.status),
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no answer: {error}"),
        Err(_) => None,
    }
}

/// Returns a number of `/proc/<pid>/status`, for example VmRSS in kilobytes.
fn status_of(pid: u32, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
}
