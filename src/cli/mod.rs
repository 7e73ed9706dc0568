//! Layer `cli`. The command line: each command takes parsed arguments and returns an exit code.
//!
//! `arguments` has the grammar and `help` the further help texts. `source` opens the sources that
//! commands read and renders the findings of a registry, `client` sends requests to a daemon, and `output` writes
//! to the standard streams. Every other file or folder holds commands.

pub mod arguments;
mod audit;
mod broker;
mod check;
mod client;
mod coverage;
mod daemon;
mod db;
mod diff;
mod explain_text;
mod fleet;
mod generate;
mod help;
mod output;
mod query;
mod serve;
mod sign;
mod snapshot_file;
pub mod source;
mod token;

use std::process::ExitCode;

use arguments::{Arguments, AuditCommand, Command};
use clap::Parser;

/// The exit codes of the program. Scripts depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Success = 0,
    /// The command finished with a negative result: errors in a registry, a failed test, no account.
    Failed = 1,
    Usage = 2,
    Io = 3,
}

/// The reason why a command could not finish.
#[derive(Debug)]
struct CommandError {
    exit: Exit,
    /// The cause and the remedy.
    message: String,
    /// Whether the same command may succeed later, without a change of its source.
    may_pass: bool,
}

impl CommandError {
    fn io(message: impl Into<String>) -> CommandError {
        CommandError { exit: Exit::Io, message: message.into(), may_pass: true }
    }

    fn usage(message: impl Into<String>) -> CommandError {
        CommandError { exit: Exit::Usage, message: message.into(), may_pass: false }
    }

    fn failed(message: impl Into<String>) -> CommandError {
        CommandError { exit: Exit::Failed, message: message.into(), may_pass: false }
    }
}

/// Parses the arguments of the process, runs the command, and returns the exit code of the process. Prints the
/// error of a command that could not finish.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // The help and the version.
        Err(text) if !text.use_stderr() => text.exit(),
        Err(error) => {
            output::print_at_start([output::without_credentials(&error.render().ansi().to_string())]);
            return ExitCode::from(Exit::Usage as u8);
        }
    };
    let result = match arguments.command {
        None => serve::run(arguments.serve),
        Some(Command::Serve(arguments)) => serve::run(arguments),
        Some(Command::Compile(arguments)) => snapshot_file::compile(&arguments),
        Some(Command::Check(arguments)) => check::run(&arguments),
        Some(Command::CheckConfig(arguments)) => serve::check(arguments),
        Some(Command::Select(arguments)) => query::select(&arguments),
        Some(Command::Explain(arguments)) => query::explain(&arguments),
        Some(Command::Coverage(arguments)) => coverage::run(&arguments),
        Some(Command::Diff(arguments)) => diff::run(&arguments),
        Some(Command::Inspect(arguments)) => snapshot_file::inspect(&arguments),
        Some(Command::Status(arguments)) => daemon::status(&arguments),
        Some(Command::Standing(command)) => daemon::standing(&command),
        Some(Command::Token(arguments)) => token::run(&arguments),
        Some(Command::Audit(AuditCommand::Verify(arguments))) => audit::verify(&arguments),
        Some(Command::Keygen(arguments)) => sign::keygen(&arguments),
        Some(Command::Sign(arguments)) => sign::sign(&arguments),
        Some(Command::Fleet(command)) => fleet::run(&command),
        Some(Command::Db(command)) => db::run(&command),
        Some(Command::Completions(arguments)) => generate::completions(&arguments),
        Some(Command::Man(arguments)) => generate::man(&arguments),
        Some(Command::Schema(arguments)) => generate::schema(&arguments),
    };
    let exit = result.unwrap_or_else(|error| {
        output::print_failure(&error.message);
        error.exit
    });
    ExitCode::from(exit as u8)
}
