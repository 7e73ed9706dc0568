//! The entry point: parses the arguments, runs the command, and returns its exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    switchboard::cli::run(switchboard::cli::arguments::Arguments::parse())
}
