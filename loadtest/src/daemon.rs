//! The processes of the daemon and of the null server. They end with this program.

use crate::{
    child::{self, OwnedChild},
    error::{Error, Result},
    output,
};
use parking_lot::Mutex;
use serde_json::Value;
use std::{
    collections::VecDeque,
    env,
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Number of last log lines that a report quotes if the daemon ends.
const LAST_LOG_LINES: usize = 5;

pub(crate) struct Daemon {
    child: Mutex<OwnedChild>,
    pid: u32,
    log: Arc<Mutex<VecDeque<String>>>,
    pub(crate) data: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Daemon {
    /// Starts a daemon and waits until it listens. No cores stand for all cores.
    pub(crate) fn start(program: &Path, arguments: &[OsString], cores: &[u32]) -> Result<Self> {
        let mut command = child::command(program, cores)?;
        command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = OwnedChild::spawn(command, program)?;
        let stderr = child.0.stderr.take();
        let (pid, log) = (child.0.id(), Arc::new(Mutex::new(VecDeque::new())));
        let kept = Arc::clone(&log);
        let addresses = child::wait_for_line(stderr, move |line| {
            let mut log = kept.lock();
            log.push_back(line.to_owned());
            if log.len() > LAST_LOG_LINES {
                log.pop_front();
            }
            listen_addresses(line)
        });
        let (data, admin) = addresses.ok_or_else(|| {
            let reason =
                "the daemon did not log its listeners within a minute: run it by hand to see the reason";
            Error::Refused(reason.to_owned())
        })?;
        Ok(Self { child: Mutex::new(child), pid, log, data, admin })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the exit status and the last log lines if the daemon has ended.
    pub(crate) fn ended(&self) -> Option<String> {
        let status = self.child.lock().0.try_wait().ok()??;
        // The last lines may still be in the pipe.
        thread::sleep(Duration::from_millis(50));
        let lines: Vec<_> = self.log.lock().iter().cloned().collect();
        let lines = if lines.is_empty() { "none".to_owned() } else { lines.join("\n") };
        Some(format!("{status}; its last log lines: {lines}"))
    }

    /// Sends SIGTERM and waits until the daemon ends, at most a minute.
    pub(crate) fn stop(self) -> Result<ExitStatus> {
        let failed = Error::io("stop", "the daemon");
        if let Some(status) = self.child.lock().0.try_wait().map_err(&failed)? {
            return Ok(status);
        }
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid.cast_signed()) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                .map_err(|error| failed(error.into()))?;
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.lock().0.try_wait().map_err(&failed)? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(Error::Refused("the daemon did not end within a minute of SIGTERM".to_owned()))
    }
}

/// Returns the addresses of the data and the admin listener if the log line has both fields.
fn listen_addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = |name| line.get(name)?.as_str()?.parse().ok();
    Some((address("data")?, address("admin")?))
}

/// A process that runs `loadtest null`.
pub(crate) struct NullServer {
    _child: OwnedChild,
    pub(crate) data: SocketAddr,
}

impl NullServer {
    /// Starts a null server with answers of `bytes` bytes, and waits until it listens.
    pub(crate) fn start(bytes: usize, cores: &[u32]) -> Result<Self> {
        let program = child::this_program()?;
        let mut command = child::command(&program, cores)?;
        command.args(["null", "--bytes", &bytes.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = OwnedChild::spawn(command, &program)?;
        let address = |line: &str| line.strip_prefix("listening on ")?.trim().parse().ok();
        match child::wait_for_line(child.0.stdout.take(), address) {
            Some(data) => Ok(Self { _child: child, data }),
            None => {
                Err(Error::Refused("the null server did not print its address within a minute".to_owned()))
            }
        }
    }
}

/// Returns the path of the daemon's binary. Without a named one, that is `switchboard` in this program's
/// folder.
///
/// If cargo runs this program, builds the daemon first, because `cargo run -p loadtest` builds only the load
/// test.
pub(crate) fn find_program(named: Option<PathBuf>) -> Result<PathBuf> {
    let program = match named {
        Some(path) => path,
        None => {
            let program = child::this_program()?.with_file_name("switchboard");
            if let (Some(cargo), Some(manifest)) = (env::var_os("CARGO"), env::var_os("CARGO_MANIFEST_DIR")) {
                build(Path::new(&cargo), Path::new(&manifest), &program)?;
            }
            program
        }
    };
    if program.is_file() {
        return Ok(program);
    }
    Err(Error::Usage(format!(
        "{} does not exist: build it with `cargo build --release -p switchboard`, or name another with --switchboard",
        program.display()
    )))
}

/// Builds the daemon in the profile of this program. The name of the program's folder is that of the profile.
fn build(cargo: &Path, manifest: &Path, program: &Path) -> Result<()> {
    let folder = program.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let profile = match folder {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    output::log(&format!("cargo build --profile {profile} -p switchboard: takes minutes the first time"));
    let built = Command::new(cargo)
        .args(["build", "--profile", profile, "--package", "switchboard"])
        .current_dir(manifest)
        .status()
        .map_err(Error::io("run", cargo))?;
    if built.success() {
        return Ok(());
    }
    Err(Error::Refused("the daemon cannot be built: cargo's output above has the reason".to_owned()))
}
