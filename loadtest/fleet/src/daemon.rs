//! A real daemon of a fleet: a process of `switchboard serve`, and the lines of its log.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::board::Micros;

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// The number of last log lines that an error quotes.
const LAST_LINES: usize = 5;

/// A line of the log of a daemon.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// The time at which the daemon logged the line.
    pub at: Micros,
    /// The message.
    pub message: String,
    /// All members of the line.
    pub members: Value,
}

/// Receives each line of a log. It is called on a thread of its own.
pub type LogObserver = Arc<dyn Fn(&LogLine) + Send + Sync>;

/// How a daemon is started.
#[derive(Debug, Clone)]
pub struct DaemonSettings {
    /// The program and the arguments that precede those of the daemon. The first one is executed.
    pub command: Vec<OsString>,
    /// The arguments of `serve`, without the listeners and the format of the log.
    pub arguments: Vec<OsString>,
}

/// A running daemon. It is killed when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    /// The address of the data listener.
    pub data: String,
    /// The address of the admin listener.
    pub admin: String,
}

/// A daemon that does not listen yet. It is killed when this is dropped.
#[derive(Debug)]
pub struct StartingDaemon {
    daemon: Daemon,
    lines: mpsc::Receiver<LogLine>,
}

impl DaemonSettings {
    /// Returns the settings of a replica. `launcher` is empty, or a program with its arguments that executes another.
    #[must_use]
    pub fn of_replica(
        launcher: &[OsString],
        program: &Path,
        (url, prefix): (&str, &str),
        state: &Path,
        id: &str,
    ) -> DaemonSettings {
        let mut arguments: Vec<OsString> =
            ["--fleet", url, "--fleet-prefix", prefix, "--replica-id", id].map(OsString::from).into();
        arguments.extend(["--spread", "0", "--workers", "1", "--state"].map(OsString::from));
        arguments.push(state.into());
        DaemonSettings { command: command(launcher, program), arguments }
    }
}

/// Returns the command of a program behind its launcher.
#[must_use]
pub fn command(launcher: &[OsString], program: &Path) -> Vec<OsString> {
    launcher.iter().cloned().chain([PathBuf::from(program).into()]).collect()
}

impl StartingDaemon {
    /// Starts a daemon on ports that the system chooses. Does not wait for it.
    ///
    /// # Errors
    /// Returns an error if the program does not start.
    pub fn start(settings: &DaemonSettings, observer: LogObserver) -> io::Result<StartingDaemon> {
        let [program, launched @ ..] = settings.command.as_slice() else {
            return Err(io::Error::other("no program"));
        };
        let mut child = Command::new(program)
            .args(launched)
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--log-format", "json"])
            .args(&settings.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", program.to_string_lossy()))
            })?;
        let (sender, lines) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            thread::spawn(move || read_log(stderr, &sender, &observer));
        }
        Ok(StartingDaemon { daemon: Daemon { child, data: String::new(), admin: String::new() }, lines })
    }

    /// Waits until the daemon listens.
    ///
    /// # Errors
    /// Returns the last log lines if the daemon does not listen within a minute.
    pub fn listening(self) -> io::Result<Daemon> {
        let StartingDaemon { mut daemon, lines } = self;
        let mut last = Vec::new();
        while let Ok(line) = lines.recv_timeout(START_TIMEOUT) {
            if line.message == "listening" {
                let address = |name| line.members.get(name).and_then(Value::as_str).map(str::to_owned);
                (daemon.data, daemon.admin) =
                    address("data").zip(address("admin")).ok_or(io::ErrorKind::InvalidData)?;
                return Ok(daemon);
            }
            last.push(line.members.to_string());
        }
        let last = last.split_off(last.len().saturating_sub(LAST_LINES));
        Err(io::Error::other(format!("the daemon does not listen; its last log lines:\n{}", last.join("\n"))))
    }
}

impl Daemon {
    /// Returns the id of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the daemon by SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub fn stop(mut self) -> io::Result<()> {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            kill_process(pid, Signal::TERM)?;
        }
        self.child.wait().map(drop)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads until the daemon ends, because a full pipe would make it drop lines.
fn read_log(stderr: impl Read, lines: &mpsc::Sender<LogLine>, observer: &LogObserver) {
    let mut is_starting = true;
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let Ok(members) = serde_json::from_str::<Value>(&line) else { continue };
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let at = text("timestamp").and_then(|time| time.parse::<jiff::Timestamp>().ok());
        let at = at.and_then(|at| u64::try_from(at.as_microsecond()).ok()).unwrap_or_default();
        let message = text("message").unwrap_or_default().to_owned();
        let line = LogLine { at, message, members };
        observer(&line);
        // Nothing receives them after the start.
        is_starting = is_starting && lines.send(line).is_ok();
    }
}
