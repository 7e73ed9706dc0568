//! Clients that query without a pause and check that every answer comes from one generation.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::encoded::{hold_batch, hold_explanation, hold_selection};
use crate::harness::HttpClient;

/// Number of connections of one reader. It exceeds the number of workers, so that a reader reaches every
/// worker.
const CONNECTIONS: usize = 6;
/// Number of lines of a batch. It suffices to make the worker yield.
const LINES: usize = 300;

/// Threads that query until they are stopped.
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

    /// Stops the threads. Returns the number of checked answers.
    pub(super) fn end(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().map(|thread| thread.join().expect("an answer that is none")).sum()
    }
}

/// Queries over all connections, and asserts that generations never decrease. Returns the number of answers.
fn read(data: SocketAddr, stop: &AtomicBool) -> u64 {
    let mut connections: Vec<HttpClient> = (0..CONNECTIONS).map(|_| HttpClient::connect(data)).collect();
    let line = r#"{"channel":"whatsapp","ou":"uk","country":"GB"}"#;
    let lines = format!("{line}\n").repeat(LINES);
    let get = "/v1/select?channel=whatsapp&ou=uk&country=GB";
    let explain = "/v1/explain?channel=whatsapp&ou=uk&country=GB";
    let (mut highest, mut answers) = (0, 0);
    while !stop.load(Ordering::SeqCst) {
        for connection in &mut connections {
            let mut generations = Vec::new();
            for _ in 0..4 {
                generations.push(hold_selection(&ask(connection, "GET", get, "")));
            }
            generations.push(hold_selection(&ask(connection, "POST", "/v1/select", line)));
            generations.push(hold_explanation(&ask(connection, "GET", explain, "")));
            generations.push(hold_batch(&ask(connection, "POST", "/v1/select/batch", &lines), LINES));
            answers += 6 + LINES as u64;
            for generation in generations {
                assert!(generation >= highest, "from {highest} back to {generation}");
                highest = generation;
            }
        }
    }
    answers
}

/// Sends a request. Returns the body of the answer, which must be 200.
fn ask(client: &mut HttpClient, method: &str, target: &str, body: &str) -> String {
    let length = body.len();
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"));
    let answer = client.answer();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text()
}
