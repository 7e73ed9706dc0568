//! The daemon and the null server as processes: found, started, and stopped with this program.

use crate::{
    child::{self, OwnedChild},
    error::{Error, Result},
    progress,
};
use serde_json::Value;
use std::{
    collections::VecDeque,
    env,
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Log lines that are kept for the report of a daemon that ends.
const LAST_LOG_LINES: usize = 5;

pub(crate) struct Daemon {
    child: Mutex<OwnedChild>,
    pid: u32,
    log: Arc<Mutex<VecDeque<String>>>,
    pub(crate) data: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Daemon {
    /// Starts a daemon on these cores, or on all where there are none, and waits until it listens.
    pub(crate) fn start(program: &Path, arguments: &[OsString], cores: &[u32]) -> Result<Self> {
        let mut command = child::command(program, cores)?;
        command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = OwnedChild::spawn(command, program)?;
        let stderr = child.0.stderr.take();
        let (pid, log) = (child.0.id(), Arc::new(Mutex::new(VecDeque::new())));
        let kept = Arc::clone(&log);
        let addresses = child::wait_for_line(stderr, move |line| {
            let mut log = lock(&kept);
            log.push_back(line.to_owned());
            if log.len() > LAST_LOG_LINES {
                log.pop_front();
            }
            listen_addresses(line)
        });
        let (data, admin) = addresses.ok_or_else(|| {
            let what = "the daemon did not say that it listens: run it by hand to see why";
            Error::Refused(what.to_owned())
        })?;
        Ok(Self { child: Mutex::new(child), pid, log, data, admin })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the exit status and the last log lines where the daemon has ended.
    pub(crate) fn ended(&self) -> Option<String> {
        let status = lock(&self.child).0.try_wait().ok()??;
        // The last lines may still be in the pipe.
        thread::sleep(Duration::from_millis(50));
        let lines: Vec<_> = lock(&self.log).iter().cloned().collect();
        let lines = if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") };
        Some(format!("{status}; what it said last: {lines}"))
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(self) -> Result<ExitStatus> {
        let failed = Error::io("stop", "the daemon");
        if let Some(status) = lock(&self.child).0.try_wait().map_err(&failed)? {
            return Ok(status);
        }
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid.cast_signed()) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                .map_err(|error| failed(error.into()))?;
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = lock(&self.child).0.try_wait().map_err(&failed)? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(Error::Refused("the daemon did not end within a minute of SIGTERM".to_owned()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen_addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = |name| line.get(name)?.as_str()?.parse().ok();
    (line.get("message")?.as_str()? == "listening").then_some(())?;
    Some((address("data")?, address("admin")?))
}

/// The null server of this program, as a process of its own.
pub(crate) struct NullServer {
    _child: OwnedChild,
    pub(crate) data: SocketAddr,
}

impl NullServer {
    /// Starts it with answers of `bytes` bytes and waits until it listens.
    pub(crate) fn start(bytes: usize, cores: &[u32]) -> Result<Self> {
        let program = child::this_program()?;
        let mut command = child::command(&program, cores)?;
        command.args(["null", "--bytes", &bytes.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = OwnedChild::spawn(command, &program)?;
        let address = |line: &str| line.strip_prefix("listening on ")?.trim().parse().ok();
        match child::wait_for_line(child.0.stdout.take(), address) {
            Some(data) => Ok(Self { _child: child, data }),
            None => Err(Error::Refused("the null server did not say that it listens".to_owned())),
        }
    }
}

/// Returns the daemon's binary: the one that is named, or the one beside this program.
///
/// Where cargo runs this program, the daemon is built first: `cargo run -p loadtest` builds the load test
/// alone.
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
        "there is no {}: build it first with `cargo build --release -p switchboard`, or name it with --switchboard",
        program.display()
    )))
}

/// Builds the daemon in the profile of this program, whose folder is named after it.
fn build(cargo: &Path, manifest: &Path, program: &Path) -> Result<()> {
    let folder = program.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let profile = match folder {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    progress::line(&format!("cargo build --profile {profile} -p switchboard: minutes, the first time"));
    let built = Command::new(cargo)
        .args(["build", "--profile", profile, "--package", "switchboard"])
        .current_dir(manifest)
        .status()
        .map_err(Error::io("run", cargo))?;
    if built.success() {
        return Ok(());
    }
    Err(Error::Refused("the daemon cannot be built: cargo says above why".to_owned()))
}
