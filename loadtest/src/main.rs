//! The commands of the load test.

use clap::{Parser, Subcommand};
use generator::{BankArguments, RegistryArguments, generate_bank, generate_registry};
use loadtest::{Tied, compare, error::Error, null, report::files, run, run_tied, soak};
use std::{
    io::{self, Write},
    process::ExitCode,
};

const RUN: &str = "\
Examples:
  loadtest run                                     the standard scenario: steady
  loadtest run ramp mixed reload-storm
  loadtest run steady --rate 20000 --duration 60s --size large
  loadtest run mine.toml --target http://127.0.0.1:7400 --admin http://127.0.0.1:7401 --registry registry

Built in: steady ramp mixed batch reload-storm standings-churn slow-clients. Their files, in loadtest/scenarios,
say every key; docs/loadtest.md says how it measures.";

/// Puts load on a Switchboard daemon and reports what a client would have seen; without a command, runs the
/// standard scenario on a generated registry
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Exit codes: 0 done; 1 the work says no (a demand does not hold, a run means nothing); 2 wrong usage; 3 cannot \
                  read or write."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<LoadTestCommand>,
}

#[derive(Subcommand)]
enum LoadTestCommand {
    /// Run scenarios against a daemon, and report what a client would have seen
    #[command(after_help = RUN)]
    Run(Box<run::Options>),
    /// Draw the page of a report again, from its JSON
    #[command(after_help = "Example:\n  loadtest page loadtest-steady-20261124T091233Z.json -o steady.html")]
    Page(files::PageArguments),
    /// Print what changed from one report to another, beyond the noise of repeated runs
    #[command(
        after_help = "Exit code 1 where something got worse.\n\nExample:\n  loadtest compare before.json after.json"
    )]
    Compare(compare::Compare),
    /// Generate a large, realistic registry from a seed: the same arguments give the same bytes
    #[command(after_help = "Example: a million accounts, in a few seconds\n  \
        loadtest registry --accounts 1000000 --ous 100000 --pools 20000 --seed 7 -o big")]
    Registry(RegistryArguments),
    /// Generate the demo bank of config/demo
    #[command(after_help = "Example:\n  loadtest bank -o bank && ls bank/meridian")]
    Bank(BankArguments),
    /// Run a daemon under load, reloads, changing standings and slow clients, and watch it for growth
    #[command(after_help = "Example: an hour, against the release build\n  \
        cargo build --release --workspace && loadtest soak --duration 60m")]
    Soak(soak::Soak),
    /// Answer every request with the same bytes, by bare hyper: what there is to reach
    #[command(after_help = "Example: \n  loadtest null --listen 127.0.0.1:7500 &\n  \
        wrk -t1 -c32 http://127.0.0.1:7500/")]
    Null(null::Null),
    #[command(hide = true)]
    Tied(Tied),
}

/// Returns `run` with its defaults.
fn default_command() -> LoadTestCommand {
    Cli::parse_from(["loadtest", "run"]).command.unwrap_or(LoadTestCommand::Run(Box::default()))
}

fn main() -> ExitCode {
    let done = match Cli::parse().command.unwrap_or_else(default_command) {
        LoadTestCommand::Run(options) => run::run(&options),
        LoadTestCommand::Compare(it) => compare::run(&it),
        LoadTestCommand::Page(it) => files::write_page(&it),
        LoadTestCommand::Registry(it) => generate_registry(&it).map_err(Error::from),
        LoadTestCommand::Bank(it) => generate_bank(&it).map_err(Error::from),
        LoadTestCommand::Soak(soak) => soak::run(&soak),
        LoadTestCommand::Null(null) => null::run(&null),
        LoadTestCommand::Tied(tied) => run_tied(&tied),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `eprintln`, which panics where standard error is closed; the exit code matters then.
            let _ = writeln!(io::stderr(), "loadtest: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
