//! The processes that the load test starts: the daemon and the null server. They run on given cores and end
//! with this program, even if it is killed.
//!
//! A child first runs `loadtest tied`. This command requests a signal from the kernel for the death of its
//! parent, pins itself, and then executes the other program.

use crate::{
    cpu_affinity,
    error::{Error, Result},
    output,
};
use clap::Args;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use serde_json::Value;
use std::{
    collections::VecDeque,
    env,
    ffi::OsString,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

/// Longest wait for the line that a child prints when it is ready, and for the end of the daemon.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Number of last log lines that a report quotes if the daemon ends.
const LAST_LOG_LINES: usize = 5;

/// The arguments of the hidden command `loadtest tied`.
#[derive(Args)]
pub struct Tied {
    /// Process id of the parent; this process ends with it
    #[arg(long)]
    parent: i32,
    /// Cores that this process runs on
    #[arg(long, value_delimiter = ',')]
    cores: Vec<u32>,
    /// Program to execute, with its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Ties this process to its parent and executes the program. Returns only with an error.
pub fn run_tied(tied: &Tied) -> Result<()> {
    let failed = Error::io("tie", "this process");
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| failed(error.into()))?;
    // For a parent that died before, no signal follows.
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().get() != tied.parent) {
        return Err(Error::Usage(format!("--parent: {} is not the parent of this process", tied.parent)));
    }
    cpu_affinity::pin_thread(&tied.cores)?;
    let [program, arguments @ ..] = tied.command.as_slice() else {
        return Err(Error::Usage("name a program after `--`".to_owned()));
    };
    Err(Error::io("start", program)(Command::new(program).args(arguments).exec()))
}

fn this_program() -> Result<PathBuf> {
    std::env::current_exe().map_err(Error::io("find", "this program"))
}

/// A child that is killed when it is dropped.
struct OwnedChild(Child);

impl OwnedChild {
    /// Starts a program that is tied to this process. `prepare` adds its arguments and its output.
    fn start(program: &Path, cores: &[u32], prepare: impl FnOnce(&mut Command)) -> Result<Self> {
        let mut command = Command::new(this_program()?);
        command.args(["tied", "--parent", &std::process::id().to_string()]).stdin(Stdio::null());
        if !cores.is_empty() {
            let cores: Vec<_> = cores.iter().map(u32::to_string).collect();
            command.args(["--cores", &cores.join(",")]);
        }
        prepare(command.arg("--").arg(program));
        command.spawn().map(Self).map_err(Error::io("start", program))
    }
}

impl Drop for OwnedChild {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the first result of `parse` that is not `None`. Returns `None` if the output ends or a minute
/// passes.
///
/// A thread reads the other lines of the output, because a full pipe would stop the child.
fn wait_for_line<T: Send + 'static>(
    output: Option<impl Read + Send + 'static>,
    parse: impl Fn(&str) -> Option<T> + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    let output = output?;
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(|line| line.ok()) {
            if let Some(found) = parse(&line) {
                let _ = sender.send(found);
            }
        }
    });
    receiver.recv_timeout(TIMEOUT).ok()
}

pub(crate) struct Daemon {
    child: Mutex<OwnedChild>,
    pub(crate) pid: u32,
    log: Arc<Mutex<VecDeque<String>>>,
    /// Addresses of the listeners as the daemon logs them.
    pub(crate) data: String,
    pub(crate) admin: String,
}

impl Daemon {
    /// Starts a daemon and waits until it listens. No cores stand for all cores.
    pub(crate) fn start(program: &Path, arguments: &[OsString], cores: &[u32]) -> Result<Self> {
        let mut child = OwnedChild::start(program, cores, |command| {
            command.args(arguments).stderr(Stdio::piped());
        })?;
        let stderr = child.0.stderr.take();
        let (pid, log) = (child.0.id(), Arc::new(Mutex::new(VecDeque::new())));
        let kept = Arc::clone(&log);
        let addresses = wait_for_line(stderr, move |line| {
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
        let (mut child, mut pid) = (self.child.into_inner(), Pid::from_raw(self.pid.cast_signed()));
        let deadline = Instant::now() + TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = child.0.try_wait().map_err(&failed)? {
                return Ok(status);
            }
            // Only once, and only to a daemon that still runs.
            if let Some(pid) = pid.take() {
                kill_process(pid, Signal::TERM).map_err(|error| failed(error.into()))?;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(Error::Refused("the daemon did not end within a minute of SIGTERM".to_owned()))
    }
}

/// Returns the addresses of the data and the admin listener if the log line has both fields.
fn listen_addresses(line: &str) -> Option<(String, String)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = |name| line.get(name)?.as_str().map(str::to_owned);
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
        let mut child = OwnedChild::start(&this_program()?, cores, |command| {
            command.args(["null", "--bytes", &bytes.to_string()]).stdout(Stdio::piped());
        })?;
        let address = |line: &str| line.strip_prefix("listening on ")?.trim().parse().ok();
        match wait_for_line(child.0.stdout.take(), address) {
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
            let program = this_program()?.with_file_name("switchboard");
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
