//! The commands of the load test.

use clap::{Parser, Subcommand};
use fleet_testbed::command;
use generator::{BankArguments, RegistryArguments, generate_bank, generate_registry};
use loadtest::{Tied, compare, null, report::files, run, run_tied, soak};
use mimalloc::MiMalloc;
use std::{
    io::{self, Write},
    process::ExitCode,
};

/// A thousand simulated replicas share the cores with the daemons and the broker that are measured.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const RUN: &str = "\
Examples:
  loadtest run                                     the scenario steady
  loadtest run ramp mixed reload-storm
  loadtest run steady --rate 20000 --duration 60s --size large
  loadtest run steady --access tls,token
  loadtest run mine.toml --target http://127.0.0.1:7400 \\
    --admin http://127.0.0.1:7401 --registry registry

Built-in scenarios: steady, ramp, mixed, batch, reload-storm, standings-churn,
slow-clients, new-connections, resumed-connections, open-pages. Their files
in loadtest/scenarios show every key.
docs/loadtest.md describes the measurement.";

/// Puts load on a Switchboard daemon, and reports latencies and errors as its clients see them; without a
/// command, runs the scenario steady with a generated registry
#[derive(Parser)]
#[command(
    version,
    about,
    max_term_width = 100,
    after_help = "Exit codes: 0 success; 1 failed (a demand is not met, a run is invalid); 2 wrong usage; 3 a file cannot \
                  be read or written."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<LoadTestCommand>,
}

#[derive(Subcommand)]
enum LoadTestCommand {
    /// Run scenarios against a daemon, and write reports of latencies and errors
    #[command(after_help = RUN)]
    Run(Box<run::Options>),
    /// Write the page of a report from its JSON
    #[command(after_help = "Example:\n  loadtest page loadtest-steady-20261124T091233Z.json -o steady.html")]
    Page(files::PageArguments),
    /// Compare two reports, and print the changes that exceed the noise
    #[command(
        after_help = "The exit code is 1 if a figure got worse.\n\nExample:\n  loadtest compare before.json after.json"
    )]
    Compare(compare::Compare),
    /// Generate a large, realistic registry from a seed: the same arguments give the same bytes
    #[command(after_help = "Example: a million accounts, in a few seconds\n  \
        loadtest registry --accounts 1000000 --ous 100000 --pools 20000 \\\n    --seed 7 -o big")]
    Registry(RegistryArguments),
    /// Generate the demo bank of config/demo
    #[command(after_help = "Example:\n  loadtest bank -o bank && ls bank/meridian")]
    Bank(BankArguments),
    /// Run a daemon under load, reloads, standings and slow clients, and check that its memory does not grow
    #[command(after_help = "Example: an hour with the release build\n  \
        cargo build --release --workspace && loadtest soak --duration 60m")]
    Soak(soak::Soak),
    /// Measure a fleet of replicas: standings, releases, rollbacks, a broker that goes, requests a second
    #[command(after_help = "Example: loadtest fleet --daemons 3 --simulated 0 --accounts 1000000 release")]
    Fleet(command::Fleet),
    /// Run a server on hyper that answers every request with the same bytes, as the upper limit of a rate
    #[command(after_help = "Example:\n  loadtest null --listen 127.0.0.1:7500 &\n  \
        wrk -t1 -c32 http://127.0.0.1:7500/")]
    Null(null::Null),
    #[command(hide = true)]
    Tied(Tied),
}

fn main() -> ExitCode {
    let run = || Cli::parse_from(["loadtest", "run"]).command.unwrap_or(LoadTestCommand::Run(Box::default()));
    let done = match Cli::parse().command.unwrap_or_else(run) {
        LoadTestCommand::Run(options) => run::run(&options),
        LoadTestCommand::Compare(it) => compare::run(&it),
        LoadTestCommand::Page(it) => files::write_page(&it),
        LoadTestCommand::Registry(it) => generate_registry(&it),
        LoadTestCommand::Bank(it) => generate_bank(&it),
        LoadTestCommand::Soak(soak) => soak::run(&soak),
        LoadTestCommand::Fleet(fleet) => command::run(&fleet),
        LoadTestCommand::Null(null) => null::run(&null),
        LoadTestCommand::Tied(tied) => run_tied(&tied),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `eprintln` would panic if standard error is closed.
            let _ = writeln!(io::stderr(), "loadtest: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
