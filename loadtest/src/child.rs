//! Child processes that run on given cores and end with this program, even if it is killed.
//!
//! The child first runs `loadtest tied`. That requests a signal from the kernel for the death of its parent,
//! pins itself, and then executes the other program.

use crate::{
    cpu_affinity,
    error::{Error, Result},
};
use clap::Args;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Longest wait for the line that a child prints when it is ready.
const START_TIMEOUT: Duration = Duration::from_secs(60);

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

pub(crate) fn this_program() -> Result<PathBuf> {
    std::env::current_exe().map_err(Error::io("find", "this program"))
}

/// Returns a command that runs a program tied to this process. The caller adds the program's arguments.
pub(crate) fn command(program: &Path, cores: &[u32]) -> Result<Command> {
    let mut command = Command::new(this_program()?);
    command.args(["tied", "--parent", &std::process::id().to_string()]);
    if !cores.is_empty() {
        let cores: Vec<_> = cores.iter().map(u32::to_string).collect();
        command.args(["--cores", &cores.join(",")]);
    }
    command.arg("--").arg(program);
    Ok(command)
}

/// A child that is killed when it is dropped.
pub(crate) struct OwnedChild(pub(crate) Child);

impl OwnedChild {
    pub(crate) fn spawn(mut command: Command, program: &Path) -> Result<Self> {
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
pub(crate) fn wait_for_line<T: Send + 'static>(
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
    receiver.recv_timeout(START_TIMEOUT).ok()
}
