//! A daemon as a process: started on ports of the system's choosing, told by its logs, asked over HTTP.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything awaited here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

const SERVE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

pub struct Daemon {
    child: Child,
    logs: Receiver<Value>,
    reading: Arc<AtomicBool>,
    /// What was logged before it listened.
    at_start: Vec<Value>,
    pub data: String,
    pub admin: String,
}

impl Daemon {
    /// Starts `switchboard serve` and waits until it listens.
    pub fn start(arguments: &[&str]) -> Daemon {
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        command.args(SERVE).args(arguments);
        Daemon::launch(command)
    }

    /// The same under limits that a shell sets first, such as `ulimit -n 64`.
    pub fn start_under(limits: &str, arguments: &[&str]) -> Daemon {
        let mut command = Command::new("bash");
        let run = format!("{limits}; exec \"$0\" \"$@\"");
        command.args(["-c", &run, env!("CARGO_BIN_EXE_switchboard")]).args(SERVE).args(arguments);
        Daemon::launch(command)
    }

    /// Starts whatever this command becomes, and waits until it listens.
    pub fn launch(mut command: Command) -> Daemon {
        let mut child = command.args(["--log-format", "json"]).stderr(Stdio::piped()).spawn().unwrap();
        let (lines, logs) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let reading = Arc::new(AtomicBool::new(true));
        let goes_on = Arc::clone(&reading);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok).take_while(|_| goes_on.load(Ordering::SeqCst)) {
                let _ = lines.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        let (data, admin) = (String::new(), String::new());
        let mut daemon = Daemon { child, logs, reading, at_start: Vec::new(), data, admin };
        let (before, listening) = daemon.logs_until("listening");
        daemon.at_start = before;
        daemon.data = listening["data"].as_str().unwrap().to_owned();
        daemon.admin = listening["admin"].as_str().unwrap().to_owned();
        daemon
    }

    /// The log line of this message (or one that begins so) among those before it listened.
    pub fn logged_at_start(&self, message: &str) -> Value {
        let mut lines = self.at_start.iter();
        let found = lines.find(|line| line["message"].as_str().is_some_and(|text| text.starts_with(message)));
        found.unwrap_or_else(|| panic!("no log line {message:?} among {:#?}", self.at_start)).clone()
    }

    /// Waits for a log line of this message (or one that begins so).
    pub fn log(&self, message: &str) -> Value {
        self.logs_until(message).1
    }

    /// The same, and the lines before it.
    fn logs_until(&self, message: &str) -> (Vec<Value>, Value) {
        let until = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.logs.recv_timeout(left) else {
                panic!("no log line {message:?} among {seen:#?}");
            };
            if line["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                return (seen, line);
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

    /// Status and body of a request to the admin listener.
    pub fn admin(&self, method: &str, target: &str, body: &str) -> (u16, String) {
        request(&self.admin, method, target, body).unwrap()
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

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
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

/// A connection that is kept.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub fn to(address: &str) -> Connection {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream: BufReader::new(stream) }
    }

    /// The answer to a query.
    pub fn select(&mut self, query: &str) -> Value {
        let request = format!("GET /v1/select?{query} HTTP/1.1\r\nHost: test\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).unwrap() > 0, "closed before an answer");
            if let Some(stated) = line.strip_prefix("content-length: ") {
                length = stated.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }
}

/// Status and body of a GET.
pub fn get(address: &str, target: &str) -> (u16, String) {
    request(address, "GET", target, "").unwrap()
}

/// Status and body of a request on a connection of its own; an error where the answer does not come whole.
pub fn request(address: &str, method: &str, target: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let stated = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let whole = stated.is_none_or(|length| length.parse() == Ok(body.len()));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).filter(|_| whole);
    Ok((status.ok_or(io::ErrorKind::UnexpectedEof)?, body.to_owned()))
}
