//! The grammar of the command line. The doc comments of commands, arguments and values are help texts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use switchboard_model::Role;
use switchboard_pipeline::analysis::Roles;

use super::help;
use crate::config::{LogFormat, parse_duration};

const ABOUT: &str =
    "Selects the official account that talks to a client who is invited to a messaging channel";

/// The parsed arguments of the program.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, about = ABOUT, after_help = help::of("").below_options())]
#[command(max_term_width = help::MAX_HELP_WIDTH)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// The command, or `None` for `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The arguments of `serve` if no command is named.
    #[command(flatten)]
    pub serve: ServeArguments,
}

/// The commands, each with its arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer queries over HTTP, and reload when the source changes
    Serve(ServeArguments),
    /// Check a registry, run its tests, and write a snapshot file
    Compile(CompileArguments),
    /// Check a registry and run its tests, without writing a file
    Check(CheckArguments),
    /// Answer one query without a daemon
    Select(QueryArguments),
    /// Explain the answer to one query: every step, and why each account was selected or not
    Explain(ExplainArguments),
    /// Show which rule serves each country, for every OU and channel
    Coverage(CoverageArguments),
    /// Show which decisions change between two registries or snapshots
    Diff(DiffArguments),
    /// Show the header of a snapshot file, and how many records it has
    Inspect(InspectArguments),
    /// Print a script that completes commands and options in a shell
    Completions(CompletionsArguments),
    /// Print the man page, or write a page for each command into a folder
    Man(ManArguments),
    /// Print the JSON Schema of a registry file, for editors
    Schema(SchemaArguments),
}

/// The arguments of `switchboard serve`.
#[derive(Debug, Args)]
#[command(after_help = help::of("serve").below_options())]
pub struct ServeArguments {
    /// Registry folder to serve; compiled at start and after each change
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "snapshot")]
    pub registry: Option<PathBuf>,
    /// Snapshot file to serve; loaded at start and after each change
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
    /// Exit with code 3 if the source gives no snapshot at start, instead of waiting for one
    #[arg(long)]
    pub require_snapshot: bool,
    /// State directory, which keeps the last snapshots and live standings over restarts
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
    /// Time that the source has to answer at start before the last snapshot of the state directory is served
    /// [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, verbatim_doc_comment)]
    pub start_timeout: Option<Duration>,
    /// Journal file that keeps live standings over restarts; by default a file in the state directory
    #[arg(long, value_name = "FILE")]
    pub standings: Option<PathBuf>,
    /// Address of the data listener, which answers queries
    /// [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDRESS:PORT", verbatim_doc_comment)]
    pub listen: Option<SocketAddr>,
    /// Address of the admin listener: metrics, probes, status, standings
    /// [default: 127.0.0.1:7401]
    #[arg(long, value_name = "ADDRESS:PORT", verbatim_doc_comment)]
    pub admin_listen: Option<SocketAddr>,
    /// Number of threads that answer queries; 0 means one for each core
    /// [default: 0]
    #[arg(long, value_name = "N", verbatim_doc_comment)]
    pub workers: Option<usize>,
    /// Time that requests in flight have to finish after SIGTERM or SIGINT
    /// [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, verbatim_doc_comment)]
    pub drain_timeout: Option<Duration>,
    /// Format of the logs on standard error
    /// [default: text]
    #[arg(long, value_name = "FORMAT", verbatim_doc_comment)]
    pub log_format: Option<LogFormat>,
    /// Settings file in TOML; an option overrides its key in the file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The arguments of `switchboard compile`.
#[derive(Debug, Args)]
#[command(after_help = help::of("compile").below_options())]
pub struct CompileArguments {
    /// Registry folder to compile, with one folder for each company
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub registry: PathBuf,
    /// Snapshot file to write; replaces an existing file
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Generation of the snapshot; must be greater than earlier generations
    /// [default: Unix time in ms]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64), verbatim_doc_comment)]
    pub generation: Option<u64>,
}

/// The arguments of `switchboard check`.
#[derive(Debug, Args)]
#[command(after_help = help::of("check").below_options())]
pub struct CheckArguments {
    /// Registry folder to check, with one folder for each company
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub registry: PathBuf,
    /// Exit with code 1 if the tests cover less than this share of the chain steps, in percent
    #[arg(long, value_name = "PCT", value_parser = percent)]
    pub fail_under: Option<f64>,
    /// The format of the output.
    #[command(flatten)]
    pub output: FormatArguments,
}

/// The arguments of `switchboard explain`.
#[derive(Debug, Args)]
#[command(after_help = help::of("explain").below_options())]
pub struct ExplainArguments {
    /// The query and its source.
    #[command(flatten)]
    pub query: QueryArguments,
    /// The format of the output.
    #[command(flatten)]
    pub output: FormatArguments,
}

/// The arguments of `switchboard select`.
#[derive(Debug, Args)]
#[command(after_help = help::of("select").below_options())]
pub struct QueryArguments {
    /// Registry folder that the query is answered from
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "snapshot")]
    pub registry: Option<PathBuf>,
    /// Snapshot file that the query is answered from
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
    /// Fields of the query, such as channel=whatsapp; see the list of fields below
    #[arg(value_name = "FIELD=VALUE", required = true)]
    pub fields: Vec<String>,
}

/// The arguments of `switchboard coverage`.
#[derive(Debug, Args)]
#[command(after_help = help::of("coverage").below_options())]
pub struct CoverageArguments {
    /// Registry folder or snapshot file to analyze
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// The part of the snapshot to show.
    #[command(flatten)]
    pub scope: ScopeArguments,
    /// Combine OUs that have the same decisions for every country into one line of the table
    #[arg(long)]
    pub fold: bool,
    /// Format of the printed result
    /// [default: text]
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_default_value = true,
        verbatim_doc_comment
    )]
    pub format: CoverageFormat,
    /// File to write instead of standard output; replaced atomically
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The part of a snapshot that a command works on. Without arguments, the whole snapshot.
#[derive(Debug, Args)]
pub struct ScopeArguments {
    /// Companies to include, with commas between them
    /// [default: all]
    #[arg(long = "company", value_name = "ID", value_delimiter = ',', verbatim_doc_comment)]
    pub companies: Vec<String>,
    /// Channels to include, with commas between them
    /// [default: those of the company's pools]
    #[arg(long = "channel", value_name = "ID", value_delimiter = ',', verbatim_doc_comment)]
    pub channels: Vec<String>,
    /// Organizational units (OUs) to include, with commas between them
    /// [default: all]
    #[arg(long = "ou", value_name = "ID", value_delimiter = ',', verbatim_doc_comment)]
    pub ous: Vec<String>,
}

/// The roles that `--role` can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleChoice {
    /// Accounts that prospects contact, and that receive one-time passwords
    Primary,
    /// Accounts that clients are onboarded and talked to on
    Secondary,
    /// Both roles, where a chain has accounts of them
    All,
}

impl From<RoleChoice> for Roles {
    fn from(choice: RoleChoice) -> Roles {
        match choice {
            RoleChoice::Primary => Roles::Only(Role::Primary),
            RoleChoice::Secondary => Roles::Only(Role::Secondary),
            RoleChoice::All => Roles::All,
        }
    }
}

/// The output formats of `switchboard coverage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CoverageFormat {
    /// Table with a count of countries for each rule
    #[value(alias = "table")]
    Text,
    /// CSV with one row for each OU, channel and country
    Csv,
    /// JSON array with the same rows
    Json,
    /// HTML page with a map of the world
    Html,
}

/// The arguments of `switchboard diff`.
#[derive(Debug, Args)]
#[command(after_help = help::of("diff").below_options())]
pub struct DiffArguments {
    /// Old version: a registry folder or a snapshot file
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// New version: a registry folder or a snapshot file
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// The part of the snapshots to compare. Recorded queries are not limited to this part.
    #[command(flatten)]
    pub scope: ScopeArguments,
    /// Roles to compare
    /// [default: all]
    #[arg(long, value_name = "ROLE", default_value = "all", hide_default_value = true, verbatim_doc_comment)]
    pub role: RoleChoice,
    /// File of recorded queries to replay against both versions; one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub queries: Option<PathBuf>,
    /// Exit with code 1 if the comparison finds a change of this kind
    #[arg(long, value_name = "CHANGE")]
    pub fail_on: Option<FailOn>,
    /// The format of the output.
    #[command(flatten)]
    pub output: FormatArguments,
}

/// The changes that make `switchboard diff` exit with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A decision or the answer to a recorded query becomes an error
    Errors,
}

/// The arguments of `switchboard inspect`.
#[derive(Debug, Args)]
#[command(after_help = help::of("inspect").below_options())]
pub struct InspectArguments {
    /// Snapshot file to verify and show
    #[arg(value_name = "FILE")]
    pub snapshot: PathBuf,
    /// The format of the output.
    #[command(flatten)]
    pub output: FormatArguments,
}

/// The arguments of `switchboard completions`.
#[derive(Debug, Args)]
#[command(after_help = help::of("completions").below_options())]
pub struct CompletionsArguments {
    /// Shell that the script is for
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// The arguments of `switchboard man`.
#[derive(Debug, Args)]
#[command(after_help = help::of("man").below_options())]
pub struct ManArguments {
    /// Folder to write the pages into
    /// [default: print the page of the program]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath, verbatim_doc_comment)]
    pub folder: Option<PathBuf>,
}

/// The arguments of `switchboard schema`.
#[derive(Debug, Args)]
#[command(after_help = help::of("schema").below_options())]
pub struct SchemaArguments {
    /// Registry file that the schema describes
    #[arg(value_name = "FILE")]
    pub file: SchemaFile,
}

/// The files of a registry that have a JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaFile {
    /// JSON Schema of the file company.toml
    Company,
    /// JSON Schema of the file channels.toml
    Channels,
    /// JSON Schema of the file tests.toml
    Tests,
}

/// The format of the output of most commands.
#[derive(Debug, Clone, Copy, Args)]
pub struct FormatArguments {
    /// Format of the printed result
    /// [default: text]
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_default_value = true,
        verbatim_doc_comment
    )]
    pub format: OutputFormat,
}

/// The output formats of most commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Text for people to read
    Text,
    /// JSON for programs to read
    Json,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse::<f64>().ok();
    number
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "expected a number from 0 to 100".to_owned())
}
