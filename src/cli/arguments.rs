//! The grammar of the command line, and its help texts. Doc comments of arguments and values are help texts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use super::Exit;
use crate::config::{LogFormat, parse_duration};

const ABOUT: &str = "Answers, per invite, which of a company's official accounts talks to a client";

const EXAMPLES: &str = "\
Examples:
  switchboard                                  serve the demo registry on 127.0.0.1:7400
  switchboard serve --registry /etc/switchboard/registry
  switchboard check registry                   what is wrong with it, and where
  switchboard compile registry -o registry.swb
  switchboard select --registry registry channel=whatsapp ou=emea phone=+447400123456
  switchboard coverage registry                which rule serves each country, OU by OU
  switchboard diff registry.swb registry       which decisions an edit changes

";

/// The exit codes of every command, with their meanings.
pub(super) const EXIT_CODES: [(Exit, &str); 4] = [
    (Exit::Success, "done"),
    (Exit::Failed, "the work says no (findings, failed test, no account)"),
    (Exit::Usage, "wrong usage"),
    (Exit::Io, "cannot read or write"),
];
/// The columns that the list of exit codes is broken at.
const HELP_WIDTH: usize = 100;

/// Returns the list of exit codes in the help of the program.
pub(super) fn exit_codes_help() -> String {
    let mut help = "Exit codes:".to_owned();
    let mut line_start = 0;
    for (at, (exit, meaning)) in EXIT_CODES.iter().enumerate() {
        let end = if at + 1 == EXIT_CODES.len() { '.' } else { ';' };
        let item = format!("{} {meaning}{end}", *exit as u8);
        if help.len() - line_start + 1 + item.len() > HELP_WIDTH {
            help.push('\n');
            line_start = help.len();
        } else {
            help.push(' ');
        }
        help.push_str(&item);
    }
    help
}

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, about = ABOUT, after_help = format!("{EXAMPLES}{}", exit_codes_help()))]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// The command; `serve` if none is named.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The arguments of `serve` if no command is named.
    #[command(flatten)]
    pub serve: ServeArguments,
}

/// The commands, each with its arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer queries over HTTP; reload when the source changes
    Serve(ServeArguments),
    /// Check a registry, run its tests and write the snapshot
    Compile(CompileArguments),
    /// Check a registry and run its tests; write nothing
    Check(CheckArguments),
    /// Answer one query offline
    Select(QueryArguments),
    /// Draw one query's climb: every step of its chain, and why each account was passed over
    Explain(ExplainArguments),
    /// Show which rule serves each country, for every OU and channel
    Coverage(CoverageArguments),
    /// Show which decisions change between two registries or snapshots
    Diff(DiffArguments),
    /// Show what a snapshot file holds
    Inspect(InspectArguments),
    /// Print the script that completes this program's commands and options in a shell
    Completions(CompletionsArguments),
    /// Print this program's man page, or write one for it and each of its commands into a folder
    Man(ManArguments),
    /// Print the JSON Schema of a registry's TOML file, for editors
    Schema(SchemaArguments),
}

/// The arguments of `switchboard serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard serve                                        the demo registry
  switchboard serve --registry /etc/switchboard/registry   compiled at start, watched
  switchboard serve --snapshot /var/lib/switchboard/registry.swb --listen 0.0.0.0:7400
  kill -HUP PID                                            read the source again
  kill -TERM PID                                           finish what is in flight, then exit

Without --registry and --snapshot, the demo registry that is part of the program is served.")]
pub struct ServeArguments {
    /// A registry's folder: compiled at start, watched
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "snapshot")]
    pub registry: Option<PathBuf>,
    /// A compiled snapshot: loaded at start, watched
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
    /// Exit 3 where the source gives no snapshot at start, instead of waiting for a good one
    #[arg(long)]
    pub require_snapshot: bool,
    /// The journal that keeps live standings; without it they last as long as the process
    #[arg(long, value_name = "FILE")]
    pub standings: Option<PathBuf>,
    /// Where queries are answered [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where metrics, probes, status and standings are [default: 127.0.0.1:7401]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<SocketAddr>,
    /// Threads that answer; 0 is one per core [default: 0]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// How long requests in flight have to finish after SIGTERM [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub drain_timeout: Option<Duration>,
    /// How to log, on standard error [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// A settings file; config/switchboard.toml lists every key with its default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The arguments of `switchboard compile`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard compile registry -o registry.swb
  switchboard compile registry -o registry.swb --generation 7

The file is replaced atomically: whoever reads it sees the old one or the new one, whole. The same
registry and generation give the same bytes.")]
pub struct CompileArguments {
    /// The registry's folder
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub registry: PathBuf,
    /// The snapshot to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// The snapshot's number, greater than any before it [default: Unix time in ms]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64))]
    pub generation: Option<u64>,
}

/// The arguments of `switchboard check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard check registry
  switchboard check registry --fail-under 80
  switchboard check registry --format json | jq '.findings[] | select(.severity == \"error\")'

A finding is one line, file:line: severity[code]: message; below it the line of the file with what is wrong in it
underlined, and what to do. With --fail-under, the steps that no test reaches are listed, and a test that would
reach one of them.")]
pub struct CheckArguments {
    /// The registry's folder
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub registry: PathBuf,
    /// Fail where the tests reach fewer than this share of the chains' steps, in percent; list the others
    #[arg(long, value_name = "PCT", value_parser = percent)]
    pub fail_under: Option<f64>,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: OutputFormat,
}

/// The arguments of `switchboard explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard explain channel=whatsapp company=acme ou=london country=FR
  switchboard explain --registry registry channel=sms ou=london phone=+14165550123
  switchboard explain --snapshot registry.swb --format json channel=sms ou=london country=GB | jq .steps

Fields: company channel ou phone country client user role current exclude fallback.
Without --registry and --snapshot, the demo registry that is part of the program is asked. As JSON it is what
/v1/explain of the daemon answers.")]
pub struct ExplainArguments {
    /// The query and the snapshot
    #[command(flatten)]
    pub query: QueryArguments,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: OutputFormat,
}

/// The arguments of `switchboard select`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard select --registry registry channel=whatsapp ou=emea phone=+447400123456
  switchboard select --snapshot registry.swb company=acme channel=sms ou=london country=GB exclude=sms-gb-1,sms-gb-2

Fields: company channel ou phone country client user role current exclude fallback.
Without --registry and --snapshot, the demo registry that is part of the program is asked.")]
pub struct QueryArguments {
    /// A registry's folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "snapshot")]
    pub registry: Option<PathBuf>,
    /// A compiled snapshot
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
    /// The query's fields
    #[arg(value_name = "FIELD=VALUE", required = true)]
    pub fields: Vec<String>,
}

/// The arguments of `switchboard coverage`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard coverage registry
  switchboard coverage registry.swb --company acme --channel whatsapp,sms --ou london
  switchboard coverage registry --format csv | grep ',no_account'
  switchboard coverage registry --format html -o coverage.html

What is answered for a client of whom only the country is known, in the channel's conversation role, at this
moment: numbers that rest or are out of use serve nobody. The table counts each country once: as none where
there is no answer, as climbed where an OU above serves it, else by the rule. CSV and JSON have one row for every
country: company, ou, channel, country, rule (or the problem's code), climbed, pool.")]
pub struct CoverageArguments {
    /// A registry's folder, or a compiled snapshot
    #[arg(value_name = "DIR|FILE")]
    pub source: PathBuf,
    /// The part of the snapshot to show
    #[command(flatten)]
    pub scope: ScopeArguments,
    /// One line of the table for OUs of which every country is decided alike
    #[arg(long)]
    pub fold: bool,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: CoverageFormat,
    /// Write there, atomically, instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The part of a snapshot that a command works on: without a name, all of it.
#[derive(Debug, Args)]
pub struct ScopeArguments {
    /// Companies; several with commas between them [default: all]
    #[arg(long = "company", value_name = "ID", value_delimiter = ',')]
    pub companies: Vec<String>,
    /// Channels [default: those that the company has pools of]
    #[arg(long = "channel", value_name = "ID", value_delimiter = ',')]
    pub channels: Vec<String>,
    /// Organizational units [default: all]
    #[arg(long = "ou", value_name = "ID", value_delimiter = ',')]
    pub ous: Vec<String>,
}

/// The formats of a coverage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CoverageFormat {
    /// A table, for people.
    #[value(alias = "table")]
    Text,
    /// A row for every country, for spreadsheets.
    Csv,
    /// The same, for programs.
    Json,
    /// A page with a map of the world.
    Html,
}

/// The arguments of `switchboard diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard diff registry.swb registry                   what is in service, and what is to be
  switchboard diff main/registry registry --fail-on errors   in the pipeline of the registry's repository
  switchboard diff old.swb new.swb --company acme --channel whatsapp
  switchboard diff old.swb new.swb --queries recorded.ndjson
  switchboard diff old.swb new.swb --format json | jq '.changes'

A decision is what one OU answers on one channel for a client of whom only the country is known: rule, level, pool,
and the accounts that can be had there at this moment. Recorded queries are one JSON object a line, as for
/v1/select/batch; each is asked of both, and only line numbers are ever printed of them.

Exit codes: 0 done, whatever changes; 1 a registry has errors, a recorded query cannot be read, or, with --fail-on
errors, a decision or a recorded query becomes an error; 2 wrong usage; 3 cannot read.")]
pub struct DiffArguments {
    /// What is: a registry's folder, or a compiled snapshot
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// What is to be
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// The part of the snapshots to compare; recorded queries are not limited to it
    #[command(flatten)]
    pub scope: ScopeArguments,
    /// Replay the recorded queries of this file against both
    #[arg(long, value_name = "FILE")]
    pub queries: Option<PathBuf>,
    /// Exit 1 where this happens
    #[arg(long, value_name = "WHAT")]
    pub fail_on: Option<FailOn>,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: OutputFormat,
}

/// The changes that make `switchboard diff` exit with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A decision, or a recorded query, becomes an error.
    Errors,
}

/// The arguments of `switchboard inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard inspect registry.swb
  switchboard inspect registry.swb --format json")]
pub struct InspectArguments {
    /// The snapshot
    #[arg(value_name = "FILE")]
    pub snapshot: PathBuf,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: OutputFormat,
}

/// The arguments of `switchboard completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard completions bash > /etc/bash_completion.d/switchboard
  switchboard completions zsh > /usr/local/share/zsh/site-functions/_switchboard
  switchboard completions fish > ~/.config/fish/completions/switchboard.fish
  source <(switchboard completions bash)                   for this shell alone

The Debian package has those of bash, zsh and fish in their places.")]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// The arguments of `switchboard man`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard man | man -l -                               read it
  switchboard man /usr/local/share/man/man1                switchboard(1), switchboard-check(1), ...

The folder is made where there is none; pages that are there are replaced.")]
pub struct ManArguments {
    /// The folder; without one, the program's own page goes to standard output
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub folder: Option<PathBuf>,
}

/// The arguments of `switchboard schema`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard schema company > company.schema.json

An editor with Taplo (VS Code: Even Better TOML) completes and checks a file whose first line names its schema,
relative to the file:
  #:schema ../company.schema.json")]
pub struct SchemaArguments {
    /// Which file's
    #[arg(value_name = "FILE")]
    pub file: SchemaFile,
}

/// The files of a registry that have a JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaFile {
    /// company.toml
    Company,
    /// channels.toml
    Channels,
    /// tests.toml
    Tests,
}

/// The formats of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse::<f64>().ok();
    number.filter(|percent| (0.0..=100.0).contains(percent)).ok_or_else(|| "expected 0 to 100".to_owned())
}
