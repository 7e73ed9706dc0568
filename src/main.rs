//! The entry point: runs the command line, and returns its exit code.

use std::process::ExitCode;

use nix::sys::signal::{SigSet, Signal};

fn main() -> ExitCode {
    // Before any thread starts, because threads inherit the mask. A failure changes only how a full file
    // ends the program.
    let mut file_too_large = SigSet::empty();
    file_too_large.add(Signal::SIGXFSZ);
    let _ = file_too_large.thread_block();
    switchboard::cli::main()
}
