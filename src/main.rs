//! The entry point: parses the arguments, runs the command, and returns its exit code.

use std::process::ExitCode;

use clap::Parser;
use nix::sys::signal::{SigSet, Signal};

fn main() -> ExitCode {
    // Before any thread starts, because threads inherit the mask. A failure changes only how a full file
    // ends the program.
    let mut file_too_large = SigSet::empty();
    file_too_large.add(Signal::SIGXFSZ);
    let _ = file_too_large.thread_block();
    switchboard::cli::run(switchboard::cli::arguments::Arguments::parse())
}
