//! Clients that ask without a pause, and hold every answer to one generation.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::encoded::{hold_batch, hold_explanation, hold_selection};

/// Connections of one reader: more than there are workers, so that it hears of all of them.
const CONNECTIONS: usize = 6;
/// Enough for the worker to yield in between.
const LINES: usize = 300;

/// Asks until told to stop.
pub(super) struct Readers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u64>>,
}

impl Readers {
    pub(super) fn start(data: SocketAddr, count: usize) -> Readers {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..count).map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || read(data, &stop))
        });
        Readers { threads: threads.collect(), stop }
    }

    /// How many answers were held to be of one generation.
    pub(super) fn end(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().map(|thread| thread.join().expect("an answer that is none")).sum()
    }
}

/// Over all its connections, and so all workers, what was answered once is never unsaid.
fn read(data: SocketAddr, stop: &AtomicBool) -> u64 {
    let mut connections: Vec<Connection> = (0..CONNECTIONS).map(|_| Connection::to(data)).collect();
    let line = r#"{"channel":"whatsapp","ou":"uk","country":"GB"}"#;
    let lines = format!("{line}\n").repeat(LINES);
    let get = "/v1/select?channel=whatsapp&ou=uk&country=GB";
    let explain = "/v1/explain?channel=whatsapp&ou=uk&country=GB";
    let (mut highest, mut answers) = (0, 0);
    while !stop.load(Ordering::SeqCst) {
        for connection in &mut connections {
            let mut generations = Vec::new();
            for _ in 0..4 {
                generations.push(hold_selection(&connection.ask("GET", get, "")));
            }
            generations.push(hold_selection(&connection.ask("POST", "/v1/select", line)));
            generations.push(hold_explanation(&connection.ask("GET", explain, "")));
            generations.push(hold_batch(&connection.ask("POST", "/v1/select/batch", &lines), LINES));
            answers += 6 + LINES as u64;
            for generation in generations {
                assert!(generation >= highest, "from {highest} back to {generation}");
                highest = generation;
            }
        }
    }
    answers
}

struct Connection {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Connection {
    fn to(data: SocketAddr) -> Connection {
        let stream = TcpStream::connect(data).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Connection { reader: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    /// The body of a 200.
    fn ask(&mut self, method: &str, target: &str, body: &str) -> String {
        let length = body.len();
        let request =
            format!("{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        let mut head = String::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            head += &line;
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }
}
