//! Arguments to command to exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    switchboard::cli::run(switchboard::cli::arguments::Arguments::parse())
}
