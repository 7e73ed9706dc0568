//! `switchboard completions SHELL`

use clap::CommandFactory;

use super::arguments::{Arguments, Completions};
use super::{Exit, Failure, output};

/// Prints the script that completes commands, options and their values: made from the grammar that is parsed.
pub fn run(arguments: &Completions) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
