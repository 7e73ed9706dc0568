//! The grammar of the command line. The doc comments of commands, arguments and values are help texts.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use switchboard_model::{Condition, Role, UnixMillis, UnixSeconds};
use switchboard_pipeline::analysis::Roles;
use switchboard_registry::ReadLimits;

use super::help;
use crate::config::{SettingsOptions, parse_duration, parse_size};

const ABOUT: &str =
    "Selects the official account that talks to a client who is invited to a messaging channel";

const DAY_SECONDS: u64 = 24 * 60 * 60;

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
    /// Check the settings of a daemon, and whether its source can be read, without starting it
    #[command(after_help = help::of("check-config").below_options())]
    CheckConfig(ServeArguments),
    /// Answer one query, offline or by a running daemon
    #[command(after_help = help::of("select").below_options())]
    Select(QueryArguments),
    /// Explain the answer to one query: every step, and why each account was selected or not
    #[command(after_help = help::of("explain").below_options())]
    Explain(QueryArguments),
    /// Show which rule serves each country, for every OU and channel
    Coverage(CoverageArguments),
    /// Show which decisions change between two registries or snapshots
    Diff(DiffArguments),
    /// Show the header of a snapshot file, and how many records it has
    Inspect(InspectArguments),
    /// Show what a running daemon serves, and fail if that is not what its source has
    Status(StatusArguments),
    /// List, set and clear the live standings of accounts in a running daemon
    #[command(subcommand, after_help = help::of("standing").below_options())]
    Standing(StandingCommand),
    /// Make a token for a principal, and print its lines for the principals file
    Token(TokenArguments),
    /// Verify the audit log of a daemon
    #[command(subcommand, after_help = help::of("audit").below_options())]
    Audit(AuditCommand),
    /// Make a pair of keys: a private key to sign snapshots, and a public key to verify signatures
    Keygen(KeygenArguments),
    /// Sign a snapshot file, so that daemons can verify who published it
    Sign(SignArguments),
    /// Publish releases to a fleet of daemons, and show what the fleet serves
    #[command(subcommand, after_help = help::of("fleet").below_options())]
    Fleet(FleetCommand),
    /// Keep a registry in PostgreSQL: make the schema, import folders, export a folder
    #[command(subcommand, after_help = help::of("db").below_options())]
    Db(DbCommand),
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
    /// The settings that options set.
    #[command(flatten)]
    pub settings: SettingsOptions,
    /// Settings file in TOML; variables and options override its keys
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The limits within which a command reads a source.
#[derive(Debug, Clone, Copy, Args)]
pub struct LimitArguments {
    /// Largest file of a registry that is read, in bytes or with a unit, such as 64MiB
    /// [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, verbatim_doc_comment)]
    pub max_file_size: Option<u64>,
}

impl LimitArguments {
    /// Returns the limits, with the defaults of `serve`.
    pub fn limits(self) -> ReadLimits {
        self.max_file_size.map_or_else(ReadLimits::default, |max_file_bytes| ReadLimits { max_file_bytes })
    }
}

/// The arguments of `switchboard compile`.
#[derive(Debug, Args)]
#[command(after_help = help::of("compile").below_options())]
pub struct CompileArguments {
    /// Registry folder or database (postgres://…) to compile, or snapshot file or release of a fleet (nats://…) that
    /// gets a new generation
    #[arg(value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub source: PathBuf,
    /// Snapshot file to write, or - for standard output; replaces an existing file
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// Generation of the snapshot; must be greater than earlier generations
    /// [default: Unix time in ms, or one more than that of the replaced file]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64), verbatim_doc_comment)]
    pub generation: Option<u64>,
    /// The limits of the source.
    #[command(flatten)]
    pub limits: LimitArguments,
    /// The access to the fleet, if the source is nats://….
    #[command(flatten)]
    pub access: FleetAccessArguments,
}

/// The arguments of `switchboard check`.
#[derive(Debug, Args)]
#[command(after_help = help::of("check").below_options())]
pub struct CheckArguments {
    /// Registry folder, database (postgres://…), snapshot file, or release of a fleet (nats://…) to check
    #[arg(value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub source: PathBuf,
    /// Exit with code 1 if the tests cover less than this share of the chain steps, in percent
    #[arg(long, value_name = "PCT", value_parser = percent)]
    pub fail_under: Option<f64>,
    /// The limits of the source.
    #[command(flatten)]
    pub limits: LimitArguments,
    /// The access to the fleet, if the source is nats://….
    #[command(flatten)]
    pub access: FleetAccessArguments,
    /// The format of the output.
    #[command(flatten)]
    pub output: FormatArguments,
}

/// The arguments of `switchboard select` and `switchboard explain`.
#[derive(Debug, Args)]
pub struct QueryArguments {
    /// Registry folder, database (postgres://…), snapshot file, or release of a fleet (nats://…) that answers the query
    #[arg(long, value_name = "SOURCE", value_hint = ValueHint::AnyPath, conflicts_with_all = ["snapshot", "url"])]
    pub registry: Option<PathBuf>,
    /// Snapshot file, registry folder, database (postgres://…), or release of a fleet (nats://…) that answers the query
    #[arg(long, value_name = "SOURCE", value_hint = ValueHint::AnyPath, conflicts_with = "url")]
    pub snapshot: Option<PathBuf>,
    /// Data listener of a daemon that answers the query, such as http://127.0.0.1:7400, https://… or unix:PATH
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub url: Option<String>,
    /// Certificate authorities in PEM that sign the daemon's certificate; by default those of the system
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "url")]
    pub ca: Option<PathBuf>,
    /// The credential to show to the daemon.
    #[command(flatten)]
    pub credential: CredentialArguments,
    /// The limits of the source.
    #[command(flatten)]
    pub limits: LimitArguments,
    /// The access to the fleet, if the source is nats://….
    #[command(flatten)]
    pub access: FleetAccessArguments,
    /// Fields of the query, such as channel=whatsapp; see the list of fields below
    #[arg(value_name = "FIELD=VALUE", required = true)]
    pub fields: Vec<String>,
    /// The format of the output.
    #[command(flatten)]
    pub output: FormatArguments,
}

/// The arguments of `switchboard coverage`.
#[derive(Debug, Args)]
#[command(after_help = help::of("coverage").below_options())]
pub struct CoverageArguments {
    /// Registry folder, database (postgres://…), snapshot file, or release of a fleet (nats://…) to analyze
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// The part of the snapshot to show.
    #[command(flatten)]
    pub scope: ScopeArguments,
    /// Roles to show
    /// [default: the channel's conversation role]
    #[arg(long, value_name = "ROLE", verbatim_doc_comment)]
    pub role: Option<RoleChoice>,
    /// The limits of the source.
    #[command(flatten)]
    pub limits: LimitArguments,
    /// The access to the fleet, if the source is nats://….
    #[command(flatten)]
    pub access: FleetAccessArguments,
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
    /// File to write, replaced atomically, or - for standard output
    /// [default: -]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, verbatim_doc_comment)]
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
    /// Old version: a registry folder, a database (postgres://…), a snapshot file, or the release of a fleet (nats://…)
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// New version: a registry folder, a database (postgres://…), a snapshot file, or the release of a fleet (nats://…)
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
    /// The limits of both sources.
    #[command(flatten)]
    pub limits: LimitArguments,
    /// The access to the fleet, if the source is nats://….
    #[command(flatten)]
    pub access: FleetAccessArguments,
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
    /// Snapshot file, or release of a fleet (nats://…), to verify and show
    #[arg(value_name = "FILE")]
    pub snapshot: PathBuf,
    /// The access to the fleet, if the file is nats://….
    #[command(flatten)]
    pub access: FleetAccessArguments,
    /// The format of the output.
    #[command(flatten)]
    pub output: FormatArguments,
}

/// The arguments of `switchboard status`.
#[derive(Debug, Args)]
#[command(after_help = help::of("status").below_options())]
pub struct StatusArguments {
    /// The daemon to ask.
    #[command(flatten)]
    pub daemon: DaemonArguments,
    /// The format of the output.
    #[command(flatten)]
    pub output: FormatArguments,
}

/// The admin listener of a running daemon.
#[derive(Debug, Args)]
pub struct DaemonArguments {
    /// Admin listener of the daemon
    /// [default: http://127.0.0.1:7401]
    #[arg(
        long,
        value_name = "URL",
        value_hint = ValueHint::Url,
        default_value = "http://127.0.0.1:7401",
        hide_default_value = true,
        verbatim_doc_comment
    )]
    pub url: String,
    /// Certificate authorities in PEM that sign the daemon's certificate; by default those of the system
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Option<PathBuf>,
    /// The credential to show.
    #[command(flatten)]
    pub credential: CredentialArguments,
}

/// The commands of `switchboard audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Verify that no record of an audit log was changed or removed
    Verify(VerifyArguments),
}

/// The arguments of `switchboard audit verify`.
#[derive(Debug, Args)]
#[command(after_help = help::of("audit verify").below_options())]
pub struct VerifyArguments {
    /// Files of the audit log, in any order
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// The format of the result
    #[command(flatten)]
    pub output: FormatArguments,
}

/// The commands of `switchboard standing`.
#[derive(Debug, Subcommand)]
pub enum StandingCommand {
    /// List the standings in force
    List(ListArguments),
    /// Set the standing of an account, or replace it
    Set(SetArguments),
    /// Clear the standing of an account, if it has one
    Clear(ClearArguments),
}

/// The arguments of `switchboard standing list`.
#[derive(Debug, Args)]
#[command(after_help = help::of("standing list").below_options())]
pub struct ListArguments {
    /// Company whose standings are listed
    /// [default: all]
    #[arg(long, value_name = "ID", verbatim_doc_comment)]
    pub company: Option<String>,
    /// The daemon to ask.
    #[command(flatten)]
    pub daemon: DaemonArguments,
    /// The format of the output.
    #[command(flatten)]
    pub output: FormatArguments,
}

/// The arguments of `switchboard standing set`.
#[derive(Debug, Args)]
#[command(after_help = help::of("standing set").below_options())]
#[command(override_usage = "switchboard standing set [OPTIONS] --reason TEXT COMPANY ACCOUNT STANDING")]
pub struct SetArguments {
    /// Id of the company
    #[arg(value_name = "COMPANY")]
    pub company: String,
    /// Id of the account
    #[arg(value_name = "ACCOUNT")]
    pub account: String,
    /// Condition of the account
    #[arg(value_name = "STANDING")]
    pub standing: StandingChoice,
    /// Reason for the people who find the standing later
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// End of the standing: a time such as 2026-03-01T08:00:00Z, or a duration such as 2h or 7d
    /// [default: none]
    #[arg(long, value_name = "TIME", value_parser = parse_until, verbatim_doc_comment)]
    pub until: Option<String>,
    /// The daemon to ask.
    #[command(flatten)]
    pub daemon: DaemonArguments,
    /// The format of the output.
    #[command(flatten)]
    pub output: FormatArguments,
}

/// The arguments of `switchboard standing clear`.
#[derive(Debug, Args)]
#[command(after_help = help::of("standing clear").below_options())]
pub struct ClearArguments {
    /// Id of the company
    #[arg(value_name = "COMPANY")]
    pub company: String,
    /// Id of the account
    #[arg(value_name = "ACCOUNT")]
    pub account: String,
    /// The daemon to ask.
    #[command(flatten)]
    pub daemon: DaemonArguments,
    /// The format of the output.
    #[command(flatten)]
    pub output: FormatArguments,
}

/// The conditions that a standing can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StandingChoice {
    /// The account keeps its clients, and gets no new ones
    Draining,
    /// The account is never selected
    Suspended,
}

impl StandingChoice {
    /// Returns the name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            StandingChoice::Draining => Condition::Draining.as_str(),
            StandingChoice::Suspended => Condition::Suspended.as_str(),
        }
    }
}

/// Parses the end of a standing: a date or a date-time by RFC 3339, or a duration from now on, such as `2h`.
fn parse_until(text: &str) -> Result<String, String> {
    if UnixSeconds::from_rfc3339(text).is_some() {
        return Ok(text.to_owned());
    }
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    let seconds = match days {
        Some(days) => days.checked_mul(DAY_SECONDS),
        // A number without a unit could be meant in minutes or in hours.
        None if text.ends_with(|last: char| last.is_ascii_digit()) => None,
        None => parse_duration(text).ok().map(|duration| duration.as_secs()),
    };
    let seconds = seconds.filter(|&seconds| seconds > 0).and_then(|seconds| i64::try_from(seconds).ok());
    let now = UnixMillis::from(SystemTime::now()).to_seconds().0;
    let end = seconds.and_then(|seconds| now.checked_add(seconds));
    let end = end.and_then(|end| jiff::Timestamp::from_second(end).ok());
    end.map(|end| end.to_string()).ok_or_else(|| {
        "expected a date, a date-time with its offset such as 2026-03-01T08:00:00Z, or a duration such as 30m, 2h or \
         7d"
            .to_owned()
    })
}

/// The credential that client commands show to a daemon.
#[derive(Debug, Args)]
pub struct CredentialArguments {
    /// File with the token to send to the daemon
    /// [default: the variable SWITCHBOARD_TOKEN]
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    pub token_file: Option<PathBuf>,
}

/// The arguments of `switchboard token`.
#[derive(Debug, Args)]
#[command(after_help = help::of("token").below_options())]
pub struct TokenArguments {
    /// Name of the principal that the token is for
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// The arguments of `switchboard keygen`.
#[derive(Debug, Args)]
#[command(after_help = help::of("keygen").below_options())]
pub struct KeygenArguments {
    /// Name of the files to write: NAME.key and NAME.pub, which must not exist
    #[arg(short, long, value_name = "NAME", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
}

/// The arguments of `switchboard sign`.
#[derive(Debug, Args)]
#[command(after_help = help::of("sign").below_options())]
pub struct SignArguments {
    /// Snapshot file to sign; the signature is written beside it, to FILE.release
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub snapshot: PathBuf,
    /// Private key: the .key file of keygen, or an Ed25519 key of OpenSSL in PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub key: PathBuf,
    /// What the signature states besides the snapshot.
    #[command(flatten)]
    pub statement: StatementArguments,
}

/// What a manifest states besides the snapshot.
#[derive(Debug, Args)]
pub struct StatementArguments {
    /// Time after which the release counts as stale, which is reported and stops nothing: a date, a date-time, or a
    /// duration such as 30d
    #[arg(long, value_name = "TIME", value_parser = parse_until)]
    pub expires: Option<String>,
    /// Name of the publisher, for people
    #[arg(long, value_name = "TEXT")]
    pub publisher: Option<String>,
    /// Text about the release, for people
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,
}

/// The commands of `switchboard fleet`.
#[derive(Debug, Subcommand)]
pub enum FleetCommand {
    /// Make the buckets of a fleet on its broker, or report how existing ones differ
    Init(FleetInitArguments),
    /// Publish a registry or a snapshot as the release that the fleet serves
    Publish(Box<PublishArguments>),
    /// Show the release and every replica, and fail unless all replicas serve the release
    Status(FleetStatusArguments),
    /// Publish the content of an earlier release again, to all replicas at once
    Rollback(RollbackArguments),
}

/// The arguments of `switchboard fleet init`.
#[derive(Debug, Args)]
#[command(after_help = help::of("fleet init").below_options())]
pub struct FleetInitArguments {
    /// Number of the broker's servers that keep a copy of each bucket
    /// [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5), verbatim_doc_comment)]
    pub replicas: Option<u8>,
    /// The broker.
    #[command(flatten)]
    pub fleet: FleetArguments,
}

/// The arguments of `switchboard fleet publish`.
#[derive(Debug, Args)]
#[command(after_help = help::of("fleet publish").below_options())]
pub struct PublishArguments {
    /// Registry folder, database (postgres://…), snapshot file, or release of another fleet (nats://…) to publish
    #[arg(value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub source: PathBuf,
    /// The keys that sign the release.
    #[command(flatten)]
    pub keys: KeysArguments,
    /// What the manifest states besides the snapshot.
    #[command(flatten)]
    pub statement: StatementArguments,
    /// Publish although a company disappears, or more than half of its accounts
    #[arg(long)]
    pub confirm: bool,
    /// The place of the snapshots.
    #[command(flatten)]
    pub blobs: BlobsArguments,
    /// Percentages of the replicas that take the release, one wave after the other, such as 1,10,100
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=100))]
    pub waves: Vec<u8>,
    /// Time between a wave that serves the release and the next wave
    /// [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "waves", verbatim_doc_comment)]
    pub hold: Option<Duration>,
    /// Snapshot file of the same registry, compiled by another version of Switchboard, for the replicas of that version
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub with: Vec<PathBuf>,
    /// Show what would be refused, and which decisions would change, without publishing
    #[arg(long, conflicts_with = "follow")]
    pub dry_run: bool,
    /// Go on publishing what the source becomes, at most every 30 s
    #[arg(long)]
    pub follow: bool,
    /// The limits of the source.
    #[command(flatten)]
    pub limits: LimitArguments,
    /// The broker.
    #[command(flatten)]
    pub fleet: FleetArguments,
}

/// The arguments of `switchboard fleet status`.
#[derive(Debug, Args)]
#[command(after_help = help::of("fleet status").below_options())]
pub struct FleetStatusArguments {
    /// The broker.
    #[command(flatten)]
    pub fleet: FleetArguments,
    /// The format of the output.
    #[command(flatten)]
    pub output: FormatArguments,
}

/// The arguments of `switchboard fleet rollback`.
#[derive(Debug, Args)]
#[command(after_help = help::of("fleet rollback").below_options())]
pub struct RollbackArguments {
    /// Generation of the earlier release
    /// [default: the newest with other content]
    #[arg(long, value_name = "GENERATION", verbatim_doc_comment)]
    pub to: Option<u64>,
    /// The keys that sign the release.
    #[command(flatten)]
    pub keys: KeysArguments,
    /// What the manifest states besides the snapshot.
    #[command(flatten)]
    pub statement: StatementArguments,
    /// The place of the snapshots.
    #[command(flatten)]
    pub blobs: BlobsArguments,
    /// The broker.
    #[command(flatten)]
    pub fleet: FleetArguments,
}

/// The keys that sign a release.
#[derive(Debug, Args)]
pub struct KeysArguments {
    /// Private key that signs the release: the .key file of keygen; several times for several signatures
    #[arg(long = "key", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub keys: Vec<PathBuf>,
}

/// The place of a fleet's snapshots, if they are not in the broker's object store.
#[derive(Debug, Args)]
pub struct BlobsArguments {
    /// Folder to which snapshots are written, and which a web server serves
    /// [default: the broker's object store]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "url", verbatim_doc_comment)]
    pub blobs: Option<PathBuf>,
    /// URL under which the web server serves the folder
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, requires = "blobs")]
    pub url: Option<String>,
}

/// The broker of a fleet.
#[derive(Debug, Args)]
pub struct FleetArguments {
    /// Broker of the fleet: nats://HOST:PORT or tls://HOST:PORT, several with commas between them
    /// [default: the variable SWITCHBOARD_FLEET]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, verbatim_doc_comment)]
    pub fleet: Option<String>,
    /// The access to the broker.
    #[command(flatten)]
    pub access: FleetAccessArguments,
}

/// The access to the broker of a fleet. Each option has an environment variable, as those of `serve` have.
#[derive(Debug, Args)]
pub struct FleetAccessArguments {
    /// Prefix of the names of the fleet's buckets
    /// [default: switchboard]
    #[arg(long, value_name = "PREFIX", verbatim_doc_comment)]
    pub fleet_prefix: Option<String>,
    /// Credentials for the broker: a .creds file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub fleet_creds: Option<PathBuf>,
    /// Certificate authorities in PEM that sign the broker's certificate; by default those of the system
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub fleet_ca: Option<PathBuf>,
    /// Client certificate for the broker and for web servers, in PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub fleet_cert: Option<PathBuf>,
    /// Private key of the client certificate, in PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub fleet_key: Option<PathBuf>,
}

/// The commands of `switchboard db`.
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Make the schema of a registry in a database, or upgrade it
    Migrate(MigrateArguments),
    /// Replace companies in a database by those of a registry folder, in one transaction
    Import(ImportArguments),
    /// Write the registry of a database to a folder
    Export(ExportArguments),
}

/// The arguments of `switchboard db migrate`.
#[derive(Debug, Args)]
#[command(after_help = help::of("db migrate").below_options())]
pub struct MigrateArguments {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Make the roles switchboard_reader and switchboard_editor, too
    #[arg(long)]
    pub roles: bool,
}

/// The arguments of `switchboard db import`.
#[derive(Debug, Args)]
#[command(after_help = help::of("db import").below_options())]
pub struct ImportArguments {
    /// Registry folder to import
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Companies to import, with commas between them
    /// [default: all of the folder]
    #[arg(long = "company", value_name = "ID", value_delimiter = ',', verbatim_doc_comment)]
    pub companies: Vec<String>,
    /// Show what would change, without writing
    #[arg(long)]
    pub dry_run: bool,
    /// The limits of the folder.
    #[command(flatten)]
    pub limits: LimitArguments,
}

/// The arguments of `switchboard db export`.
#[derive(Debug, Args)]
#[command(after_help = help::of("db export").below_options())]
pub struct ExportArguments {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Folder to write, which must not exist or be empty
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
    /// The limits of the files.
    #[command(flatten)]
    pub limits: LimitArguments,
}

/// The database of a registry.
#[derive(Debug, Args)]
pub struct DatabaseArguments {
    /// Database, such as postgres://editor@db.example/registry
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    pub url: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> i64 {
        UnixMillis::from(SystemTime::now()).to_seconds().0
    }

    #[test]
    fn end_of_a_standing_is_a_time_or_a_duration() {
        for time in ["2099-01-01", "2099-01-01T08:00:00Z", "2099-01-01T08:00:00.5+02:00"] {
            assert_eq!(parse_until(time).as_deref(), Ok(time));
        }
        for (text, seconds) in [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("7d", 604_800)] {
            let before = now();
            let end = UnixSeconds::from_rfc3339(&parse_until(text).unwrap()).unwrap().0;
            let after = now();
            assert!((before + seconds..=after + seconds).contains(&end), "{text}");
        }
        for bad in
            ["", "2", "0h", "-2h", "soon", "tomorrow", "2026-13-01", "999999999999d", "2099-01-01T08:00"]
        {
            assert!(parse_until(bad).is_err(), "{bad}");
        }
    }
}
