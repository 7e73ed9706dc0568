//! A server that does to each request what it is told: a thread a connection, of std alone.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// What becomes of a request.
pub(crate) enum Fate {
    Answer(&'static str),
    /// Closed behind it.
    Last(&'static str),
    /// Never a word; the connection stays open.
    Silence,
    Close,
}

pub(crate) const YES: Fate = Fate::Answer("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes");

/// Serves for as long as the test's process lives; `fate` gets the request's number, over all connections.
pub(crate) fn serve(fate: impl Fn(u64) -> Fate + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (fate, count) = (Arc::new(fate), Arc::new(AtomicU64::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (fate, count) = (Arc::clone(&fate), Arc::clone(&count));
            thread::spawn(move || connection(stream, &*fate, &count));
        }
    });
    address
}

fn connection(stream: TcpStream, fate: &dyn Fn(u64) -> Fate, count: &AtomicU64) {
    stream.set_nodelay(true).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let mut stream = stream;
    while lines.by_ref().find(|line| line.is_empty()).is_some() {
        match fate(count.fetch_add(1, Ordering::Relaxed)) {
            Fate::Answer(answer) => {
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
            Fate::Last(answer) => return drop(stream.write_all(answer.as_bytes())),
            Fate::Silence => {}
            Fate::Close => return,
        }
    }
}
