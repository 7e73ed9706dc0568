//! A daemon as a process: started on ports of the system's choosing, told by its logs, asked over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything awaited here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Daemon {
    child: Child,
    logs: Receiver<Value>,
    reading: Arc<AtomicBool>,
    pub data: String,
    pub admin: String,
}

impl Daemon {
    /// Starts `switchboard serve` and waits until it listens.
    pub fn start(arguments: &[&str]) -> Daemon {
        let mut child = Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
                "--log-format",
                "json",
            ])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, logs) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let reading = Arc::new(AtomicBool::new(true));
        let goes_on = Arc::clone(&reading);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok).take_while(|_| goes_on.load(Ordering::SeqCst)) {
                let _ = lines.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        let mut daemon = Daemon { child, logs, reading, data: String::new(), admin: String::new() };
        let listening = daemon.log("listening");
        daemon.data = listening["data"].as_str().unwrap().to_owned();
        daemon.admin = listening["admin"].as_str().unwrap().to_owned();
        daemon
    }

    /// Waits for a log line of this message (or one that begins so).
    pub fn log(&self, message: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.logs.recv_timeout(left) else {
                panic!("no log line {message:?} among {seen:#?}");
            };
            if line["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                return line;
            }
            seen.push(line);
        }
    }

    /// Closes the pipe that it logs into, with the next line.
    pub fn stop_reading(&self) {
        self.reading.store(false, Ordering::SeqCst);
        self.signal("-HUP");
    }

    /// Status and body of a GET on the data listener.
    pub fn get(&self, target: &str) -> (u16, String) {
        get(&self.data, target)
    }

    /// The answer to a query.
    pub fn select(&self, query: &str) -> Value {
        serde_json::from_str(&self.get(&format!("/v1/select?{query}")).1).unwrap()
    }

    /// `/status`.
    pub fn status(&self) -> Value {
        serde_json::from_str(&get(&self.admin, "/status").1).unwrap()
    }

    /// The value of a metric's series, as written in the exposition.
    pub fn metric(&self, series: &str) -> f64 {
        let text = get(&self.admin, "/metrics").1;
        let line =
            text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        line.unwrap_or_else(|| panic!("no series {series} in\n{text}"))
            .rsplit(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// How it ended.
    pub fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "still running");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body of a GET.
pub fn get(address: &str, target: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
