//! A server that reacts to each request as the test defines, with a thread for each connection.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

pub(crate) enum Reaction {
    Answer(&'static str),
    /// Closes the connection after the answer.
    Last(&'static str),
    /// Closes the connection after the answer when the next request arrives, without reading that request.
    LastUnread(&'static str),
    /// Does not answer, and keeps the connection open.
    Silence,
    Close,
}

pub(crate) const YES: Reaction = Reaction::Answer("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes");

/// Serves until the process ends. `react` gets the number of the request among those of all connections.
pub(crate) fn serve(react: impl Fn(u64) -> Reaction + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (react, count) = (Arc::new(react), Arc::new(AtomicU64::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (react, count) = (Arc::clone(&react), Arc::clone(&count));
            thread::spawn(move || connection(stream, &*react, &count));
        }
    });
    address
}

fn connection(stream: TcpStream, react: &dyn Fn(u64) -> Reaction, count: &AtomicU64) {
    stream.set_nodelay(true).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let mut stream = stream;
    while lines.by_ref().find(|line| line.is_empty()).is_some() {
        match react(count.fetch_add(1, Ordering::Relaxed)) {
            Reaction::Answer(answer) => {
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
            Reaction::Last(answer) => return drop(stream.write_all(answer.as_bytes())),
            Reaction::LastUnread(answer) => {
                let _ = stream.write_all(answer.as_bytes());
                return drop(stream.peek(&mut [0]));
            }
            Reaction::Silence => {}
            Reaction::Close => return,
        }
    }
}
