//! The commands of the load test.
#![allow(clippy::print_stderr, reason = "a command: it says on stderr why it failed")]

use clap::{Parser, Subcommand};
use loadtest::{bank, null, registry, soak};
use std::process::ExitCode;

/// Makes registries to try and to load Switchboard with
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Exit codes: 0 done; 1 the work says no; 2 wrong usage; 3 cannot write."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Draw a large, realistic registry from a seed: same arguments, same bytes
    #[command(after_help = "Example: a million accounts, in some seconds\n  \
        loadtest registry --accounts 1000000 --ous 100000 --pools 20000 --seed 7 -o big")]
    Registry(registry::Size),
    /// Write the demo bank, as it is checked in under config/demo
    #[command(after_help = "Example:\n  loadtest bank -o bank && ls bank/meridian")]
    Bank(bank::Bank),
    /// Run a daemon under load, reloads, changing standings and slow clients, and watch it for growth
    #[command(after_help = "Example: an hour, against the release build\n  \
        cargo build --release --workspace && loadtest soak --duration 60m")]
    Soak(soak::Soak),
    /// Answer every request with the same bytes, by bare hyper: what there is to reach
    #[command(after_help = "Example: \n  loadtest null --listen 127.0.0.1:7500 &\n  \
        wrk -t1 -c32 http://127.0.0.1:7500/")]
    Null(null::Null),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Registry(size) => registry::generate(&size),
        Command::Bank(bank) => bank::generate(&bank),
        Command::Soak(soak) => soak::run(&soak),
        Command::Null(null) => null::run(&null),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadtest: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
