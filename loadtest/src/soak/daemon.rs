//! The daemon as a process.

use crate::error::{Error, Result};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The binary to run: the one named, or the one beside this program.
pub(super) fn program(named: Option<PathBuf>) -> Result<PathBuf> {
    let program = match named {
        Some(path) => path,
        None => std::env::current_exe()
            .map_err(|source| Error::Io { doing: "find", path: "this program".into(), source })?
            .with_file_name("switchboard"),
    };
    if program.is_file() {
        return Ok(program);
    }
    Err(Error::Usage(format!(
        "there is no {}: build it first with `cargo build -p switchboard` in the same profile, or name it with --switchboard",
        program.display()
    )))
}

pub(super) struct Daemon {
    child: Child,
    pub(super) data: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Daemon {
    /// Starts it on ports of the system's choosing, and waits until it listens.
    pub(super) fn start(program: &Path, snapshot: &Path, journal: &Path) -> Result<Self> {
        let failed = |source| Error::Io { doing: "start", path: program.to_owned(), source };
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--log-format", "json", "--snapshot"])
            .arg(snapshot)
            .arg("--standings")
            .arg(journal)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (found, listening) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            // To the end: a full pipe would stop the daemon at its next line.
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(|line| line.ok()) {
                    if let Some(addresses) = addresses(&line) {
                        let _ = found.send(addresses);
                    }
                }
            });
        }
        match listening.recv_timeout(PATIENCE) {
            Ok((data, admin)) => Ok(Self { child, data, admin }),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(Error::Refused(
                    "the daemon did not say that it listens: run it by hand to see why".to_owned(),
                ))
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and how it ended.
    pub(super) fn stop(mut self) -> Result<ExitStatus> {
        let failed = |source| Error::Io { doing: "stop", path: "the daemon".into(), source };
        Command::new("kill").arg(self.pid().to_string()).status().map_err(failed)?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().map_err(failed)? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(Error::Refused("the daemon did not end within a minute of SIGTERM".to_owned()))
    }
}

/// Nothing outlives the run, however it ends.
impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = |name| line.get(name)?.as_str()?.parse().ok();
    if line.get("message")?.as_str()? != "listening" {
        return None;
    }
    Some((address("data")?, address("admin")?))
}
