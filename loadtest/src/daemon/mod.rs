//! The daemon as a process, and the null server as one: started, found out where it listens, and ended with this
//! program, however that ends.

mod metrics;
mod program;
mod tied;

pub use self::tied::{Tied, run as run_tied};
pub(crate) use self::{
    metrics::{Metrics, metrics},
    program::program,
};
use crate::error::{Error, Result};
use serde_json::Value;
use std::{
    collections::VecDeque,
    ffi::OsString,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// How a daemon is to be started.
pub(crate) struct Launch<'a> {
    pub(crate) program: &'a Path,
    pub(crate) snapshot: &'a Path,
    pub(crate) journal: Option<&'a Path>,
    pub(crate) workers: Option<usize>,
    /// The cores that it may run on; all, where there are none.
    pub(crate) cores: &'a [u32],
}

impl Launch<'_> {
    /// Its arguments, on ports of the system's choosing.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> =
            ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"]
                .map(OsString::from)
                .into();
        arguments.extend(["--snapshot".into(), self.snapshot.into()]);
        if let Some(journal) = self.journal {
            arguments.extend(["--standings".into(), journal.into()]);
        }
        if let Some(workers) = self.workers {
            arguments.extend(["--workers".into(), workers.to_string().into()]);
        }
        arguments
    }
}

/// Lines that are kept of what a daemon says, for when it ends.
const LAST_WORDS: usize = 5;

pub(crate) struct Daemon {
    child: Mutex<Kept>,
    pid: u32,
    said: Arc<Mutex<VecDeque<String>>>,
    pub(crate) data: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Daemon {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(launch: &Launch<'_>) -> Result<Self> {
        let mut command = tied::command(launch.program, launch.cores)?;
        command.args(launch.arguments()).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = Kept::spawn(command, launch.program)?;
        let stderr = child.0.stderr.take();
        let (pid, said) = (child.0.id(), Arc::new(Mutex::new(VecDeque::new())));
        let keep = Arc::clone(&said);
        let listens = move |line: &str| {
            let mut said = locked(&keep);
            said.push_back(line.to_owned());
            if said.len() > LAST_WORDS {
                said.pop_front();
            }
            addresses(line)
        };
        match heard(stderr, listens) {
            Some((data, admin)) => Ok(Self { child: Mutex::new(child), pid, said, data, admin }),
            None => {
                let what = "the daemon did not say that it listens: run it by hand to see why";
                Err(Error::Refused(what.to_owned()))
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, where it has, with what it said last.
    pub(crate) fn ended(&self) -> Option<String> {
        let status = locked(&self.child).0.try_wait().ok()??;
        // What it said last may still be in the pipe.
        thread::sleep(Duration::from_millis(50));
        Some(self.told(status))
    }

    fn told(&self, status: ExitStatus) -> String {
        let said: Vec<_> = locked(&self.said).iter().cloned().collect();
        let said = if said.is_empty() { "nothing".to_owned() } else { said.join("\n") };
        format!("{status}; what it said last: {said}")
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn stop(self) -> Result<ExitStatus> {
        let failed = |source| Error::Io { doing: "stop", path: "the daemon".into(), source };
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid().cast_signed()) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                .map_err(|error| failed(error.into()))?;
        }
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = locked(&self.child).0.try_wait().map_err(failed)? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(Error::Refused("the daemon did not end within a minute of SIGTERM".to_owned()))
    }
}

/// The null server of this program, as a process of its own.
pub(crate) struct NullServer {
    _child: Kept,
    pub(crate) data: SocketAddr,
}

impl NullServer {
    /// Starts it, with bodies of this length, and waits until it listens.
    pub(crate) fn start(bytes: usize, cores: &[u32]) -> Result<Self> {
        let program = tied::this_program()?;
        let mut command = tied::command(&program, cores)?;
        command.args(["null", "--bytes", &bytes.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = Kept::spawn(command, &program)?;
        let address = |line: &str| line.strip_prefix("listening on ")?.trim().parse().ok();
        match heard(child.0.stdout.take(), address) {
            Some(data) => Ok(Self { _child: child, data }),
            None => Err(Error::Refused("the null server did not say that it listens".to_owned())),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child that does not outlive its owner.
struct Kept(Child);

impl Kept {
    fn spawn(mut command: std::process::Command, program: &Path) -> Result<Self> {
        let failed = |source| Error::Io { doing: "start", path: program.to_owned(), source };
        command.spawn().map(Self).map_err(failed)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the first line says that says something. The rest is read to the end: a full pipe would stop the process at its
/// next line.
fn heard<T: Send + 'static>(
    output: Option<impl Read + Send + 'static>,
    says: impl Fn(&str) -> Option<T> + Send + 'static,
) -> Option<T> {
    let (found, listening) = mpsc::channel();
    let output = output?;
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(|line| line.ok()) {
            if let Some(said) = says(&line) {
                let _ = found.send(said);
            }
        }
    });
    listening.recv_timeout(PATIENCE).ok()
}

fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = |name| line.get(name)?.as_str()?.parse().ok();
    if line.get("message")?.as_str()? != "listening" {
        return None;
    }
    Some((address("data")?, address("admin")?))
}
