//! A proxy between the harness and a daemon. It delays each body by another time, and passes heads and
//! answers at once.

use std::{
    io::{BufRead, BufReader, Read, Result, Write, copy},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

/// Returns the delay of the n-th body: a hundred delays from 60 to 452 ms in a mixed order, half of them
/// within 160 and nine tenths within 377.
fn delay(number: u64) -> Duration {
    let place = number * 37 % 100;
    Duration::from_millis(60 + place * place / 25)
}

/// Starts a proxy to this daemon that runs until the process ends. Returns its URL.
pub(crate) fn before(daemon: &str) -> String {
    let daemon = daemon.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let numbers: &'static AtomicU64 = Box::leak(Box::default());
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(&daemon).unwrap();
            for stream in [&client, &server] {
                stream.set_nodelay(true).unwrap();
            }
            let (mut answers, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || copy(&mut answers, &mut to));
            thread::spawn(move || requests(client, server, numbers));
        }
    });
    url
}

fn requests(client: TcpStream, mut server: TcpStream, numbers: &AtomicU64) -> Result<()> {
    let mut client = BufReader::new(client);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let start = head.len();
            if client.read_line(&mut head)? == 0 {
                return server.shutdown(std::net::Shutdown::Write);
            }
            if let Some((name, value)) = head[start..].split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        client.read_exact(&mut body)?;
        server.write_all(head.as_bytes())?;
        // The latency that the harness must measure.
        thread::sleep(delay(numbers.fetch_add(1, Ordering::Relaxed)));
        server.write_all(&body)?;
    }
}
