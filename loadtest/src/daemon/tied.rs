//! A child that dies with this program, even where this program is killed, and that runs on the cores it is given: the
//! child ties itself, and then becomes what it was started for.

use crate::{
    error::{Error, Result},
    pin,
};
use clap::Args;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::{
    ffi::OsString,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

/// What to become.
#[derive(Args)]
pub struct Tied {
    /// The process to die with
    #[arg(long)]
    parent: i32,
    /// Cores to run on
    #[arg(long, value_delimiter = ',')]
    cores: Vec<u32>,
    /// The program, and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(super) fn this_program() -> Result<PathBuf> {
    std::env::current_exe().map_err(|source| Error::Io { doing: "find", path: "this program".into(), source })
}

/// The command to which the program's own arguments are to be added.
pub(super) fn command(program: &Path, cores: &[u32]) -> Result<Command> {
    let mut command = Command::new(this_program()?);
    command.args(["tied", "--parent", &std::process::id().to_string()]);
    if !cores.is_empty() {
        let cores: Vec<_> = cores.iter().map(u32::to_string).collect();
        command.args(["--cores", &cores.join(",")]);
    }
    command.arg("--").arg(program);
    Ok(command)
}

/// Ties this process, and becomes the program.
///
/// # Errors
/// Where it cannot be tied, or the program cannot be started; otherwise this does not return.
pub fn run(tied: &Tied) -> Result<()> {
    let failed = |source| Error::Io { doing: "tie", path: "this process".into(), source };
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| failed(error.into()))?;
    // A parent that died before it could be tied to sends no signal any more.
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().get() != tied.parent) {
        return Err(Error::Usage(format!("--parent: {} is not the parent of this process", tied.parent)));
    }
    pin::this_thread(&tied.cores)?;
    let [program, arguments @ ..] = tied.command.as_slice() else {
        return Err(Error::Usage("name a program behind `--`".to_owned()));
    };
    let source = Command::new(program).args(arguments).exec();
    Err(Error::Io { doing: "start", path: program.into(), source })
}
