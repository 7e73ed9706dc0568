//! Floor 6. The command line: one file per command, each from parsed arguments to an exit code.

pub mod arguments;
pub mod check;
pub mod compile;
pub mod completions;
pub mod coverage;
pub mod diff;
pub mod explain;
pub mod inspect;
pub mod man;
pub mod opened;
pub mod output;
pub mod picture;
pub mod progress;
pub mod query;
pub mod report;
pub mod schema;
pub mod serve;
pub mod unreached;

use std::process::ExitCode;

use arguments::{Arguments, Command};

/// How a command ended: exit codes are an interface that pipelines act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The work says no: findings, a failed test, no account.
    No = 1,
    /// Wrong usage.
    Usage = 2,
    /// Cannot read or write.
    Io = 3,
}

/// A command that could not be carried out: what to say, and how to exit.
#[derive(Debug)]
pub struct Failure {
    /// How.
    pub exit: Exit,
    /// What is wrong and what to do.
    pub message: String,
}

impl Failure {
    /// Something cannot be read or written.
    pub fn io(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Io, message: message.into() }
    }

    /// The command line is wrong.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Usage, message: message.into() }
    }
}

/// Carries out a command.
pub fn run(arguments: Arguments) -> ExitCode {
    let done = match arguments.command {
        None => serve::run(arguments.serve),
        Some(Command::Serve(serve)) => serve::run(serve),
        Some(Command::Compile(compile)) => compile::run(&compile),
        Some(Command::Check(check)) => check::run(&check),
        Some(Command::Select(query)) => query::select(&query),
        Some(Command::Explain(query)) => explain::run(&query),
        Some(Command::Coverage(coverage)) => coverage::run(&coverage),
        Some(Command::Diff(diff)) => diff::run(&diff),
        Some(Command::Inspect(inspect)) => inspect::run(&inspect),
        Some(Command::Completions(completions)) => completions::run(&completions),
        Some(Command::Man(pages)) => man::run(&pages),
        Some(Command::Schema(schema)) => schema::run(&schema),
    };
    let exit = done.unwrap_or_else(|failure| {
        output::error(&failure.message);
        failure.exit
    });
    ExitCode::from(exit as u8)
}
