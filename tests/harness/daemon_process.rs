use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{HttpClient, PATIENCE, wait_within};

const SERVE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

/// `switchboard serve` as a child process, on ports that the system chooses. Its JSON log is read line by
/// line.
pub(crate) struct DaemonProcess {
    child: Child,
    logs: Receiver<Value>,
    reading: Arc<AtomicBool>,
    /// The lines logged before `listening`.
    startup_log: Vec<Value>,
    /// The address of the data listener.
    pub(crate) data: String,
    /// The address of the admin listener.
    pub(crate) admin: String,
}

impl DaemonProcess {
    /// Starts `switchboard serve` and waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> DaemonProcess {
        DaemonProcess::launch(DaemonProcess::command(&[env!("CARGO_BIN_EXE_switchboard")], arguments))
    }

    /// Returns the command of a daemon. The first words are its program, or a program with arguments that runs it.
    pub(crate) fn command(program: &[&str], arguments: &[&str]) -> Command {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).args(SERVE).args(arguments);
        command
    }

    /// Starts the daemon under limits that a shell sets first, such as `ulimit -n 64`.
    pub(crate) fn start_under(limits: &str, arguments: &[&str]) -> DaemonProcess {
        let run = format!("{limits}; exec \"$0\" \"$@\"");
        let program = ["bash", "-c", &run, env!("CARGO_BIN_EXE_switchboard")];
        DaemonProcess::launch(DaemonProcess::command(&program, arguments))
    }

    /// Runs a command that becomes the daemon, and waits until it listens.
    pub(crate) fn launch(mut command: Command) -> DaemonProcess {
        let mut child = command.args(["--log-format", "json"]).stderr(Stdio::piped()).spawn().unwrap();
        let (lines, logs) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let reading = Arc::new(AtomicBool::new(true));
        let is_reading = Arc::clone(&reading);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok).take_while(|_| is_reading.load(Ordering::SeqCst))
            {
                let _ = lines.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        let (data, admin) = (String::new(), String::new());
        let mut daemon = DaemonProcess { child, logs, reading, startup_log: Vec::new(), data, admin };
        let (before, listening) = daemon.logs_until("listening");
        daemon.startup_log = before;
        daemon.data = listening["data"].as_str().unwrap().to_owned();
        daemon.admin = listening["admin"].as_str().unwrap().to_owned();
        daemon
    }

    /// Returns the log line from before `listening` whose message begins with `message`.
    pub(crate) fn logged_at_start(&self, message: &str) -> Value {
        let mut lines = self.startup_log.iter();
        let found = lines.find(|line| line["message"].as_str().is_some_and(|text| text.starts_with(message)));
        found.unwrap_or_else(|| panic!("no log line {message:?} among {:#?}", self.startup_log)).clone()
    }

    /// Waits for a log line whose message begins with `message`.
    pub(crate) fn log(&self, message: &str) -> Value {
        self.logs_until(message).1
    }

    /// Waits for a log line, and returns the lines before it as well.
    pub(crate) fn logs_until(&self, message: &str) -> (Vec<Value>, Value) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.logs.recv_timeout(left) else {
                panic!("no log line {message:?} among {seen:#?}");
            };
            if line["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                return (seen, line);
            }
            seen.push(line);
        }
    }

    /// Closes the reading end of the log pipe after the next line. A reload makes the daemon write this line.
    pub(crate) fn stop_reading(&self) {
        self.reading.store(false, Ordering::SeqCst);
        self.signal(Signal::HUP);
    }

    /// Returns the status and body of a GET on the data listener.
    pub(crate) fn get(&self, target: &str) -> (u16, String) {
        get(&self.data, target)
    }

    /// Returns the status and body of a request to the admin listener.
    pub(crate) fn admin(&self, method: &str, target: &str, body: &str) -> (u16, String) {
        request(&self.admin, method, target, body).unwrap()
    }

    /// Returns the answer to a query.
    pub(crate) fn select(&self, query: &str) -> Value {
        serde_json::from_str(&self.get(&format!("/v1/select?{query}")).1).unwrap()
    }

    /// Returns the content of `/status`.
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&get(&self.admin, "/status").1).unwrap()
    }

    /// Returns the value of a series, which is named as in `/metrics`.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let text = get(&self.admin, "/metrics").1;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no series {series} in\n{text}")).parse().unwrap()
    }

    /// Kills the daemon and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let pid = self.pid();
        let event = || format!("the daemon ends, whose threads are\n{}", threads(pid));
        wait_within(PATIENCE, event, || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap()
    }
}

impl Drop for DaemonProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns one line for each thread of a process: its name, and the kernel function that it waits in.
fn threads(pid: u32) -> String {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return String::new() };
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let line =
        |task: PathBuf| format!("{} {}\n", read(task.join("comm")).trim(), read(task.join("wchan")).trim());
    tasks.flatten().map(|task| line(task.path())).collect()
}

/// Returns the status and body of a GET on a new connection.
pub(crate) fn get(address: &str, target: &str) -> (u16, String) {
    request(address, "GET", target, "").unwrap()
}

/// Returns the status and body of a request on a new connection to `IP:PORT` or `unix:PATH`. Returns an error if the answer is
/// incomplete.
pub(crate) fn request(address: &str, method: &str, target: &str, body: &str) -> io::Result<(u16, String)> {
    let length = body.len();
    let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
    match address.strip_prefix("unix:") {
        Some(path) => exchange(HttpClient::try_connect_unix(path)?, &request),
        None => exchange(HttpClient::try_connect(address)?, &request),
    }
}

fn exchange<S: Read + Write>(mut client: HttpClient<S>, request: &str) -> io::Result<(u16, String)> {
    client.try_send(request)?;
    let response = client.try_answer()?;
    Ok((response.status, response.text()))
}
