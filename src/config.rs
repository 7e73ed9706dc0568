//! The settings of the daemon. Each layer overrides the one before it: the defaults, the settings file, the
//! environment variables, the options of the command line. The layers have the same settings: the option
//! `--poll-interval`, the variable `SWITCHBOARD_POLL_INTERVAL` and the key `poll_interval` are one setting.
//! `config/switchboard.toml` lists every key with its default.
//!
//! Each layer is read as texts, and one parser, that of the options, turns the text of a setting into its value. A
//! fault therefore has the same words in every layer, and one run reports all faults.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{OsStringValueParser, PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueEnum, ValueHint};
use switchboard_database::{Database, InvalidUrl, is_database_url};
use switchboard_fleet::bus::{BusError, BusSettings, DEFAULT_PREFIX};
use switchboard_fleet::release::{MAX_REPLICA_ID_BYTES, is_replica_id};
use switchboard_pipeline::SnapshotSource;
use switchboard_registry::{ReadLimits, did_you_mean};
use switchboard_server::{ListenAddress, ServerSettings};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use tracing_subscriber::filter::LevelFilter;

use crate::runtime::{WatchMode, fleet};

/// Minimum of `max_body_bytes`. The largest batch fits, although a quarter of the budget is kept for single
/// queries.
const MIN_MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Prefix of the environment variables of the settings.
const VARIABLE_PREFIX: &str = "SWITCHBOARD_";
/// Variables with the prefix that are no settings: the settings file, and what the client commands read.
const OTHER_VARIABLES: [&str; 2] = [CONFIG_VARIABLE, "SWITCHBOARD_TOKEN"];
/// Variable that names the settings file.
const CONFIG_VARIABLE: &str = "SWITCHBOARD_CONFIG";
/// Why a URL with a password is refused on the command line of a process that runs for long.
pub(crate) const PASSWORD_IN_ARGUMENT: &str = "the URL has a password, which every user of this machine could see in \
    the list of processes: leave the password out, and put it into PGPASSFILE (by default ~/.pgpass) or PGPASSWORD";
/// Maximum length of a value in a message, in characters.
const MAX_SHOWN_CHARS: usize = 80;

/// All settings of the daemon. The fields are the keys of the settings file.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Registry to serve. Takes precedence over `snapshot` and `fleet`.
    pub registry: Option<RegistryPlace>,
    /// File of the compiled snapshot to serve. Without `registry`, `snapshot` and `fleet`, the demo registry is
    /// served.
    pub snapshot: Option<PathBuf>,
    /// Servers of the broker whose fleet's release is served.
    pub fleet: Option<FleetUrl>,
    /// Prefix of the fleet's buckets at the broker.
    pub fleet_prefix: String,
    /// File of the credentials at the broker.
    pub fleet_creds: Option<PathBuf>,
    /// File of the certificate authorities that verify the broker and the web servers of snapshots, in PEM.
    pub fleet_ca: Option<PathBuf>,
    /// File of the certificate with which this replica identifies itself to them, in PEM.
    pub fleet_cert: Option<PathBuf>,
    /// File of the private key of this certificate, in PEM.
    pub fleet_key: Option<PathBuf>,
    /// Id of this replica. Without it, the name of the host and a suffix that the state directory keeps.
    pub replica_id: Option<String>,
    /// Whether this replica takes every release at once.
    pub canary: bool,
    /// Maximum of the random delay before a snapshot is fetched.
    pub spread: Duration,
    /// Whether the daemon exits if the source has no valid snapshot at start.
    pub require_snapshot: bool,
    /// Folder of the state directory, which keeps snapshots and standings over restarts.
    pub state: Option<PathBuf>,
    /// Time that the source has to answer at a start before a snapshot of the state directory is served.
    pub start_timeout: Duration,
    /// Size in bytes at which the audit log begins a new file.
    pub audit_max_bytes: u64,
    /// Number of older files of the audit log that are kept. 0 keeps all.
    pub audit_keep: usize,
    /// File of the journal of standings. Without a journal, standings end with the process.
    pub standings: Option<PathBuf>,
    /// File of the principals, who may call. Without it, every caller may do everything.
    pub principals: Option<PathBuf>,
    /// File of the keys that must have signed a snapshot file. Without it, no signatures are required.
    pub trusted_keys: Option<PathBuf>,
    /// Whether the daemon may listen beyond this machine without principals.
    pub anonymous: bool,
    /// Host names of an admin listener without principals, besides IP addresses and localhost.
    pub admin_host: Vec<String>,
    /// Addresses of the data listener. Port 0 lets the system choose.
    pub listen: Vec<ListenAddress>,
    /// Addresses of the admin listener. Port 0 lets the system choose.
    pub admin_listen: Vec<ListenAddress>,
    /// Whether another process that also sets this may listen on the same addresses.
    pub reuse_port: bool,
    /// File of the certificate chain of the TCP addresses, in PEM. Without it, they have no TLS.
    pub tls_cert: Option<PathBuf>,
    /// File of the private key of the certificate, in PEM.
    pub tls_key: Option<PathBuf>,
    /// File of the certificate authorities that verify the certificates of clients, in PEM.
    pub tls_client_ca: Option<PathBuf>,
    /// Whether the admin listener has TLS too.
    pub admin_tls: bool,
    /// Number of threads that answer queries. 0 is one for each core.
    pub workers: usize,
    /// Maximum number of connections to the data listener.
    pub max_connections: usize,
    /// Maximum number of connections of one peer: an IPv4 address, or the /64 prefix of an IPv6 address. 0 is
    /// no limit.
    pub max_connections_per_peer: usize,
    /// Maximum number of bytes of memory for incoming bodies and unsent large answers.
    pub max_body_bytes: usize,
    /// Maximum number of bytes of one file of a registry.
    pub max_file_size: u64,
    /// Timeout from the first byte of a request to the end of its head.
    pub header_timeout: Duration,
    /// Timeout from the end of a request's head to its answer, including the arrival of the body.
    pub body_timeout: Duration,
    /// Timeout between two requests on a connection.
    pub idle_timeout: Duration,
    /// Time for requests in flight to finish after a stop signal.
    pub drain_timeout: Duration,
    /// Interval at which the source is polled for changes.
    pub poll_interval: Duration,
    /// Way in which changes of the source are noticed.
    pub watch: WatchMode,
    /// Levels of the logged events, in the form of `RUST_LOG`. Without them, `RUST_LOG` applies.
    pub log_level: Option<String>,
    /// Format of the log lines.
    pub log_format: LogFormat,
    /// Whether the text on standard error has colors.
    pub color: Color,
    /// Share of the requests that are logged with a line each, from 0 to 1.
    pub access_log: f64,
}

/// One layer of the settings. A field is `None` if the layer does not set it. The comments of the fields are
/// help texts. The name of a value (`DIR`, `N`) decides which TOML value the settings file has in its place.
#[derive(Debug, Clone, Default, PartialEq, Args)]
struct SettingsLayer {
    /// Registry to serve: a folder, or a database (postgres://…); compiled at start and after each change
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(value_parser = OsStringValueParser::new().try_map(parse_registry))]
    registry: Option<RegistryPlace>,
    /// Snapshot file to serve; loaded at start and after each change
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    /// Broker of the fleet whose release to serve: nats://HOST:PORT, several separated by commas; needs --state
    #[arg(long, value_name = "URL", value_parser = parse_fleet)]
    fleet: Option<FleetUrl>,
    /// Prefix of the names of the fleet's buckets at the broker
    /// [default: switchboard]
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix, verbatim_doc_comment)]
    fleet_prefix: Option<String>,
    /// Credentials at the broker, a file of NATS (.creds)
    #[arg(long, value_name = "FILE")]
    fleet_creds: Option<PathBuf>,
    /// Certificate authorities in PEM that verify the broker and the web servers of snapshots
    #[arg(long, value_name = "FILE")]
    fleet_ca: Option<PathBuf>,
    /// Certificate in PEM of this replica for the broker and the web servers; needs --fleet-key
    #[arg(long, value_name = "FILE")]
    fleet_cert: Option<PathBuf>,
    /// Private key of the certificate of this replica in PEM
    #[arg(long, value_name = "FILE")]
    fleet_key: Option<PathBuf>,
    /// Id of this replica; by default the name of the host and a suffix that the state directory keeps
    #[arg(long, value_name = "ID", value_parser = parse_replica_id)]
    replica_id: Option<String>,
    /// Take every release of the fleet at once, whatever its wave
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = parse_switch)]
    canary: Option<bool>,
    /// Longest random delay before a snapshot of the fleet is fetched
    /// [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, verbatim_doc_comment)]
    spread: Option<Duration>,
    /// Exit with code 3 if the source gives no snapshot at start, instead of waiting for one
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = parse_switch)]
    require_snapshot: Option<bool>,
    /// State directory, which keeps the last snapshots and live standings over restarts
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    state: Option<PathBuf>,
    /// Time that the source has to answer at start before the last snapshot of the state directory is served
    /// [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, verbatim_doc_comment)]
    start_timeout: Option<Duration>,
    /// Size at which the audit log in the state directory begins a new file, in bytes or with a unit
    /// [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, verbatim_doc_comment)]
    audit_max_bytes: Option<u64>,
    /// Number of older files of the audit log that are kept; 0 keeps all
    /// [default: 16]
    #[arg(long, value_name = "N", value_parser = parse_number::<0>, verbatim_doc_comment)]
    audit_keep: Option<usize>,
    /// Journal file that keeps live standings over restarts; by default a file in the state directory
    #[arg(long, value_name = "FILE")]
    standings: Option<PathBuf>,
    /// File of the principals that may call, with their tokens, companies and permissions; watched
    #[arg(long, value_name = "FILE")]
    principals: Option<PathBuf>,
    /// File of the public keys that must have signed a snapshot file before it is served; watched
    #[arg(long, value_name = "FILE")]
    trusted_keys: Option<PathBuf>,
    /// Allow listeners beyond this machine without principals, because something else guards them
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = parse_switch)]
    anonymous: Option<bool>,
    /// Host name by which browsers may reach the admin listener without principals; repeatable
    #[arg(long, value_name = "HOST", value_delimiter = ',', value_parser = parse_host)]
    admin_host: Option<Vec<String>>,
    /// Address of the data listener, which answers queries: IP:PORT, localhost:PORT, :PORT or unix:PATH; repeatable
    /// [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', verbatim_doc_comment)]
    listen: Option<Vec<ListenAddress>>,
    /// Address of the admin listener: metrics, probes, status, standings; forms as for --listen; repeatable
    /// [default: 127.0.0.1:7401]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', verbatim_doc_comment)]
    admin_listen: Option<Vec<ListenAddress>>,
    /// Share the addresses with another process that also has this option, for a hand-over
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = parse_switch)]
    reuse_port: Option<bool>,
    /// Certificate chain in PEM for the TCP addresses of both listeners; watched; needs --tls-key
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate in PEM; watched
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Certificate authorities in PEM that verify the certificates of clients; watched
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,
    /// Whether the admin listener has TLS too: on or off
    /// [default: on]
    #[arg(long, value_name = "SWITCH", value_parser = parse_switch, verbatim_doc_comment)]
    admin_tls: Option<bool>,
    /// Number of threads that answer queries; 0 means one for each core
    /// [default: 0]
    #[arg(long, value_name = "N", value_parser = parse_number::<0>, verbatim_doc_comment)]
    workers: Option<usize>,
    /// Largest number of open connections to the data listener
    /// [default: 10000]
    #[arg(long, value_name = "N", value_parser = parse_number::<1>, verbatim_doc_comment)]
    max_connections: Option<usize>,
    /// Largest number of open connections of one IPv4 address or IPv6 /64; 0 means no limit
    /// [default: 2500]
    #[arg(long, value_name = "N", value_parser = parse_number::<0>, verbatim_doc_comment)]
    max_connections_per_peer: Option<usize>,
    /// Memory in bytes for bodies that arrive and large answers that are not sent yet
    /// [default: 67108864]
    #[arg(long, value_name = "BYTES", value_parser = parse_number::<MIN_MAX_BODY_BYTES>, verbatim_doc_comment)]
    max_body_bytes: Option<usize>,
    /// Largest file of a registry that is read, in bytes or with a unit, such as 64MiB
    /// [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, verbatim_doc_comment)]
    max_file_size: Option<u64>,
    /// Time from the first byte of a request to the end of its head
    /// [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, verbatim_doc_comment)]
    header_timeout: Option<Duration>,
    /// Time from the end of a request's head to its answer
    /// [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, verbatim_doc_comment)]
    body_timeout: Option<Duration>,
    /// Time that a connection may wait for its next request
    /// [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, verbatim_doc_comment)]
    idle_timeout: Option<Duration>,
    /// Time that requests in flight have to finish after SIGTERM or SIGINT
    /// [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, verbatim_doc_comment)]
    drain_timeout: Option<Duration>,
    /// Time between two polls of the source, which find changes that no event reports
    /// [default: 1s]
    #[arg(long, value_name = "DURATION", value_parser = parse_interval, verbatim_doc_comment)]
    poll_interval: Option<Duration>,
    /// Way in which changes of the source are noticed
    /// [default: events]
    #[arg(long, value_name = "MODE", verbatim_doc_comment)]
    watch: Option<WatchMode>,
    /// Log levels: error, warn, info, debug or trace, or in the form of RUST_LOG
    /// [default: RUST_LOG, else info]
    #[arg(long, value_name = "LEVEL", value_parser = parse_levels, verbatim_doc_comment)]
    log_level: Option<String>,
    /// Format of the logs on standard error
    /// [default: text]
    #[arg(long, value_name = "FORMAT", verbatim_doc_comment)]
    log_format: Option<LogFormat>,
    /// Colors in the text on standard error
    /// [default: auto]
    #[arg(long, value_name = "WHEN", verbatim_doc_comment)]
    color: Option<Color>,
    /// Share of the requests that are logged, from 0 (none) to 1 (all)
    /// [default: 0]
    #[arg(long, value_name = "SHARE", value_parser = parse_share, verbatim_doc_comment)]
    access_log: Option<f64>,
}

/// The URLs of a broker, with commas between them. They may contain a password, so they are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct FleetUrl(pub String);

impl fmt::Debug for FleetUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("FleetUrl(…)")
    }
}

/// The place of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryPlace {
    /// A folder.
    Folder(PathBuf),
    /// A database. The URL may contain a password, so it is never shown.
    Database(Box<Database>),
}

impl<P: Into<PathBuf>> From<P> for RegistryPlace {
    fn from(path: P) -> RegistryPlace {
        RegistryPlace::Folder(path.into())
    }
}

/// The format of the log lines. The comments of the variants are help texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// One line of text for each event
    #[default]
    Text,
    /// One JSON object for each event
    Json,
}

/// Where texts have colors. The comments of the variants are help texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// Colors on a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Colors in every output
    Always,
    /// No colors at all
    Never,
}

/// A fault in the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The settings file cannot be read.
    #[error("cannot read the settings file {path}: {error}", path = .path.display())]
    Unreadable {
        /// The path of the settings file.
        path: PathBuf,
        /// The error that the system returned.
        error: String,
    },
    /// The settings file is not TOML, or a key or its value is wrong.
    #[error("{path}:{fault}", path = .path.display())]
    Key {
        /// The path of the settings file.
        path: PathBuf,
        /// The line and the reason.
        fault: KeyFault,
    },
    /// The value of an option is wrong.
    #[error("{option}: {reason}")]
    Option {
        /// The option, such as `--workers`.
        option: String,
        /// The value that was found and the values that are expected.
        reason: String,
    },
    /// The value of an environment variable is wrong.
    #[error("environment variable {variable}: {reason}")]
    Variable {
        /// The name of the variable.
        variable: String,
        /// The value that was found and the values that are expected.
        reason: String,
    },
    /// Two settings of one layer exclude each other.
    #[error("{one} and {other} exclude each other: remove one of them")]
    Exclusive {
        /// The first setting, as the layer spells it.
        one: String,
        /// The second setting.
        other: String,
    },
    /// A setting needs another one.
    #[error("{one} needs {other}: {reason}")]
    Missing {
        /// The option of the setting.
        one: &'static str,
        /// The option that is missing.
        other: &'static str,
        /// What the missing setting is for.
        reason: &'static str,
    },
    /// A source is a URL. The URL is not kept, because it may contain a password.
    #[error("{key}: {fault}")]
    Url {
        /// The key of the setting.
        key: &'static str,
        /// What this build cannot read, and the remedy.
        fault: String,
    },
}

/// A fault in the text of a settings file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {reason}")]
pub struct KeyFault {
    /// The line of the key or of its value, from 1.
    pub line: usize,
    /// The key, the fault and the expected value.
    pub reason: String,
}

/// All faults in the settings, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsErrors(pub Vec<SettingsError>);

impl fmt::Display for SettingsErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                out.write_str("\n")?;
            }
            error.fmt(out)?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsErrors {}

/// Two addresses to listen on that would take the same connections.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{one} and {other} overlap: both would take the same connections; give each listener a port or a path of its own"
)]
pub struct OverlapError {
    /// The first option and its address.
    one: String,
    /// The second option and its address.
    other: String,
}

/// A listener that other machines can reach, without principals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} can be reached from other machines, and every caller may do everything: name the callers with --principals \
     FILE, listen on 127.0.0.1, or state with --anonymous that something else guards the address"
)]
pub struct ExposedError(pub String);

impl Default for Settings {
    fn default() -> Settings {
        let http = ServerSettings::default();
        Settings {
            registry: None,
            snapshot: None,
            fleet: None,
            fleet_prefix: DEFAULT_PREFIX.to_owned(),
            fleet_creds: None,
            fleet_ca: None,
            fleet_cert: None,
            fleet_key: None,
            replica_id: None,
            canary: false,
            spread: Duration::from_secs(2),
            require_snapshot: false,
            state: None,
            start_timeout: Duration::from_secs(10),
            audit_max_bytes: 64 << 20,
            audit_keep: 16,
            standings: None,
            principals: None,
            trusted_keys: None,
            anonymous: false,
            admin_host: Vec::new(),
            listen: http.listen,
            admin_listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 7401)).into()],
            reuse_port: http.reuse_port,
            tls_cert: None,
            tls_key: None,
            tls_client_ca: None,
            admin_tls: true,
            workers: 0,
            max_connections: http.max_connections,
            max_connections_per_peer: http.max_connections_per_peer,
            max_body_bytes: http.max_body_bytes,
            max_file_size: ReadLimits::default().max_file_bytes,
            header_timeout: http.header_timeout,
            body_timeout: http.body_timeout,
            idle_timeout: http.idle_timeout,
            drain_timeout: Duration::from_secs(30),
            poll_interval: Duration::from_secs(1),
            watch: WatchMode::Events,
            log_level: None,
            log_format: LogFormat::Text,
            color: Color::Auto,
            access_log: 0.0,
        }
    }
}

/// Implements the functions that treat every setting alike. Settings after `optional` have no default.
macro_rules! for_every_setting {
    (optional: $($optional:ident)*; with_default: $($setting:ident)*) => {
        impl SettingsLayer {
            /// Returns this layer, with the other's values where this one has none.
            fn or(self, other: SettingsLayer) -> SettingsLayer {
                SettingsLayer {
                    $($optional: self.$optional.or(other.$optional),)*
                    $($setting: self.$setting.or(other.$setting),)*
                }
            }
        }

        impl From<SettingsLayer> for Settings {
            fn from(layer: SettingsLayer) -> Settings {
                let defaults = Settings::default();
                Settings {
                    $($optional: layer.$optional.or(defaults.$optional),)*
                    $($setting: layer.$setting.unwrap_or(defaults.$setting),)*
                }
            }
        }
    };
}

for_every_setting! {
    optional: registry snapshot fleet fleet_creds fleet_ca fleet_cert fleet_key replica_id state standings principals
        trusted_keys tls_cert tls_key tls_client_ca log_level;
    with_default: fleet_prefix canary spread require_snapshot start_timeout audit_max_bytes audit_keep anonymous admin_host listen admin_listen reuse_port admin_tls workers max_connections
        max_connections_per_peer max_body_bytes max_file_size header_timeout body_timeout idle_timeout
        drain_timeout poll_interval watch log_format color access_log
}

impl Settings {
    /// Merges the options of the command line, the environment variables, the settings file and the defaults.
    /// `config` is the option `--config`; the variable `SWITCHBOARD_CONFIG` applies without it. Relative paths
    /// become absolute.
    ///
    /// # Errors
    /// Returns every fault of the options, of the variables and of the settings file.
    pub fn load(
        options: &SettingsOptions,
        config: Option<PathBuf>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Settings, SettingsErrors> {
        let (settings, errors) = Settings::load_valid(options, config, variables);
        if errors.is_empty() { Ok(settings) } else { Err(SettingsErrors(errors)) }
    }

    /// Merges as [`load`](Self::load) does, and leaves out the values that have a fault. Returns every fault.
    pub fn load_valid(
        options: &SettingsOptions,
        config: Option<PathBuf>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> (Settings, Vec<SettingsError>) {
        let named = variables.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        // Shells and manifests often set a variable to the empty text instead of unsetting it.
        let variables: BTreeMap<String, OsString> =
            named.filter(|(name, value)| name.starts_with(VARIABLE_PREFIX) && !value.is_empty()).collect();
        let parser = SettingsParser::new();
        let mut errors = Vec::new();
        let options = SettingsLayer::from_options(&parser, options, &mut errors);
        let environment = SettingsLayer::from_variables(&parser, &variables, &mut errors);
        let config = config.or_else(|| variables.get(CONFIG_VARIABLE).map(PathBuf::from));
        let file = config.map(|path| SettingsLayer::from_file(&parser, &path, &mut errors));
        let mut settings = Settings::from(options.over(environment.over(file.unwrap_or_default())));
        let Settings {
            registry,
            snapshot,
            fleet,
            fleet_creds,
            fleet_ca,
            fleet_cert,
            fleet_key,
            state,
            standings,
            principals,
            trusted_keys,
            tls_cert,
            tls_key,
            tls_client_ca,
            ..
        } = &mut settings;
        if fleet.is_some() && state.is_none() {
            let (one, other) = ("--fleet", "--state DIR");
            let reason = "the replica keeps the release there, and serves it when the broker is away";
            errors.push(SettingsError::Missing { one, other, reason });
        }
        for (file, one, missing, other) in [
            (&*fleet_cert, "--fleet-cert", &*fleet_key, "--fleet-key FILE"),
            (&*fleet_key, "--fleet-key", &*fleet_cert, "--fleet-cert FILE"),
        ] {
            if file.is_some() && missing.is_none() {
                let reason = "a certificate is of use only with its private key";
                errors.push(SettingsError::Missing { one, other, reason });
            }
        }
        let fault = snapshot.as_deref().and_then(source_url_fault);
        errors.extend(fault.map(|fault| SettingsError::Url { key: "snapshot", fault }));
        if let Some(RegistryPlace::Folder(path)) = registry
            && let Ok(absolute) = std::path::absolute(&*path)
        {
            *path = absolute;
        }
        for path in [
            snapshot,
            fleet_creds,
            fleet_ca,
            fleet_cert,
            fleet_key,
            state,
            standings,
            principals,
            trusted_keys,
            tls_cert,
            tls_key,
            tls_client_ca,
        ] {
            // An error means that the current folder is unknown. The relative path may work nevertheless.
            if let Some(absolute) = path.as_ref().and_then(|path| std::path::absolute(path).ok()) {
                *path = Some(absolute);
            }
        }
        (settings, errors)
    }

    /// Reads the text of a settings file. Missing keys keep their defaults.
    ///
    /// # Errors
    /// Returns every fault with its line, the key and the expected value.
    pub fn from_toml(text: &str) -> Result<Settings, Vec<KeyFault>> {
        let mut faults = Vec::new();
        let layer = SettingsLayer::from_toml(&SettingsParser::new(), text, &mut faults);
        if faults.is_empty() { Ok(layer.into()) } else { Err(faults) }
    }

    /// Returns the keys of all settings, in the order of the help.
    pub fn keys() -> Vec<String> {
        SettingsParser::new().keys().map(str::to_owned).collect()
    }

    /// Returns the path of the journal of standings: `standings`, or a file in the state directory.
    pub fn journal(&self) -> Option<PathBuf> {
        let in_state = || self.state.as_ref().map(|state| state.join("standings.journal"));
        self.standings.clone().or_else(in_state)
    }

    /// Returns the source that `registry`, `snapshot` and `fleet` select.
    pub fn source(&self) -> SnapshotSource {
        match (&self.registry, &self.snapshot, &self.fleet) {
            (Some(RegistryPlace::Folder(root)), ..) => SnapshotSource::Registry(root.clone()),
            (Some(RegistryPlace::Database(database)), ..) => SnapshotSource::Database(database.clone()),
            (None, Some(file), _) => SnapshotSource::Snapshot(file.clone()),
            (None, None, Some(_)) => {
                let url = self.fleet_bus("").map(|bus| bus.server_names()).unwrap_or_default();
                let state = self.state.as_deref().unwrap_or(Path::new(""));
                SnapshotSource::Fleet { url: format!("nats://{url}"), file: fleet::release_file(state) }
            }
            (None, None, None) => SnapshotSource::Demo,
        }
    }

    /// Returns the connection to the broker of the fleet, if a fleet is the source. `name` is the name of the client
    /// in the broker's lists.
    pub fn fleet_bus(&self, name: &str) -> Option<BusSettings> {
        let is_source = self.registry.is_none() && self.snapshot.is_none();
        let FleetUrl(urls) = self.fleet.clone().filter(|_| is_source)?;
        Some(BusSettings {
            urls,
            prefix: self.fleet_prefix.clone(),
            name: name.to_owned(),
            credentials: self.fleet_creds.clone(),
            ca: self.fleet_ca.clone(),
            certificate: self.fleet_cert.clone().zip(self.fleet_key.clone()),
        })
    }

    /// Returns the settings of a fleet that have no effect, because another source is served.
    pub fn unused_of_fleet(&self) -> Vec<&'static str> {
        if self.fleet.is_some() {
            return Vec::new();
        }
        let set = [
            (self.fleet_creds.is_some(), "--fleet-creds"),
            (self.fleet_ca.is_some(), "--fleet-ca"),
            (self.fleet_cert.is_some(), "--fleet-cert"),
            (self.replica_id.is_some(), "--replica-id"),
            (self.canary, "--canary"),
        ];
        set.into_iter().filter(|(is_set, _)| *is_set).map(|(_, option)| option).collect()
    }

    /// Returns the addresses of the listeners, with their options.
    pub fn addresses(&self) -> Vec<NamedAddress> {
        let named = |is_admin, option, addresses: &[ListenAddress]| {
            let name = move |address: &ListenAddress| NamedAddress {
                name: format!("{option} {address}"),
                address: address.clone(),
                is_admin,
            };
            addresses.iter().map(name).collect::<Vec<_>>()
        };
        let data = named(false, "--listen", &self.listen);
        data.into_iter().chain(named(true, "--admin-listen", &self.admin_listen)).collect()
    }

    /// Checks that a daemon without principals listens on this machine only, unless `anonymous` is set.
    ///
    /// # Errors
    /// Returns the other addresses otherwise.
    pub fn check_exposed(&self, addresses: &[NamedAddress]) -> Result<(), ExposedError> {
        let exposed = addresses.iter().filter(|named| !named.address.is_local());
        let exposed: Vec<&str> = exposed.map(|named| named.name.as_str()).collect();
        if exposed.is_empty() || self.principals.is_some() || self.anonymous {
            return Ok(());
        }
        Err(ExposedError(exposed.join(", ")))
    }

    /// Returns those addresses that other machines can reach without TLS.
    pub fn plain_addresses<'a>(&self, addresses: &'a [NamedAddress]) -> Vec<&'a str> {
        let is_plain = |named: &&NamedAddress| self.tls_cert.is_none() || (named.is_admin && !self.admin_tls);
        let plain = addresses.iter().filter(is_plain).filter(|named| !named.address.is_local());
        plain.map(|named| named.name.as_str()).collect()
    }
}

/// An address of a listener, with the setting or the passed socket that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAddress {
    /// The option with its value, or the passed socket.
    pub name: String,
    /// The address.
    pub address: ListenAddress,
    /// Whether it belongs to the admin listener.
    pub is_admin: bool,
}

/// Checks that no two addresses of the listeners would take the same connections.
///
/// # Errors
/// Returns the first two that would.
pub fn check_overlap(addresses: &[NamedAddress]) -> Result<(), OverlapError> {
    for (at, one) in addresses.iter().enumerate() {
        if let Some(other) = addresses.iter().skip(at + 1).find(|other| one.address.overlaps(&other.address))
        {
            return Err(OverlapError { one: one.name.clone(), other: other.name.clone() });
        }
    }
    Ok(())
}

impl SettingsLayer {
    /// Returns this layer above a lower one. A source in this layer also replaces a source of the other kind.
    fn over(self, mut lower: SettingsLayer) -> SettingsLayer {
        if self.registry.is_some() || self.snapshot.is_some() || self.fleet.is_some() {
            (lower.registry, lower.snapshot, lower.fleet) = (None, None, None);
        }
        self.or(lower)
    }

    /// Reads the options of the command line.
    fn from_options(
        parser: &SettingsParser,
        options: &SettingsOptions,
        errors: &mut Vec<SettingsError>,
    ) -> SettingsLayer {
        let mut layer = SettingsLayer::default();
        for (key, values) in &options.0 {
            if let Err(reason) = parser.parse(key, values, &mut layer) {
                errors.push(SettingsError::Option { option: option_of(key), reason });
            }
        }
        if let Some(RegistryPlace::Database(database)) = &layer.registry
            && database.has_password_in_url()
        {
            let (option, reason) = (option_of("registry"), PASSWORD_IN_ARGUMENT.to_owned());
            errors.push(SettingsError::Option { option, reason });
        }
        layer.report_two_sources(option_of, errors);
        layer
    }

    /// Reads the environment variables. A variable of blanks alone counts as not set, unless it is a path.
    fn from_variables(
        parser: &SettingsParser,
        variables: &BTreeMap<String, OsString>,
        errors: &mut Vec<SettingsError>,
    ) -> SettingsLayer {
        let mut layer = SettingsLayer::default();
        for (name, value) in variables.iter().filter(|(name, _)| !OTHER_VARIABLES.contains(&&***name)) {
            let key = name.trim_start_matches(VARIABLE_PREFIX).to_lowercase();
            let mut error = |reason| errors.push(SettingsError::Variable { variable: name.clone(), reason });
            let Some(argument) = parser.argument(&key) else {
                // Other programs may use the prefix, and Kubernetes sets SWITCHBOARD_SERVICE_HOST for a
                // service of this name. Only a variable that is nearly a setting is a mistake.
                let near = did_you_mean(&key, parser.keys(), String::new);
                if let Some(meant) = near.split('`').nth(1) {
                    error(format!("there is no such setting; did you mean {}?", variable_of(meant)));
                }
                continue;
            };
            let value = without_blanks(argument, value);
            if !value.is_empty()
                && let Err(reason) = parser.parse(&key, &[value], &mut layer)
            {
                error(reason);
            }
        }
        layer.report_two_sources(variable_of, errors);
        layer
    }

    /// Reads a settings file.
    fn from_file(parser: &SettingsParser, path: &Path, errors: &mut Vec<SettingsError>) -> SettingsLayer {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let (path, error) = (path.to_owned(), error.to_string());
                errors.push(SettingsError::Unreadable { path, error });
                return SettingsLayer::default();
            }
        };
        let mut faults = Vec::new();
        let layer = SettingsLayer::from_toml(parser, &text, &mut faults);
        let faults = faults.into_iter();
        errors.extend(faults.map(|fault| SettingsError::Key { path: path.to_owned(), fault }));
        layer.report_two_sources(|key| format!("{}: {key}", path.display()), errors);
        layer
    }

    /// Reads the text of a settings file key by key. Leaves out lines that are not TOML.
    fn from_toml(parser: &SettingsParser, text: &str, faults: &mut Vec<KeyFault>) -> SettingsLayer {
        let line_of = |span: Range<usize>| 1 + text.get(..span.start).unwrap_or(text).matches('\n').count();
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = line_of(error.span().unwrap_or_default());
            // The other lines of a message have the words of a grammar.
            let message = error.message().lines().next().unwrap_or_default();
            // One fault often leads to others on its line.
            if !faults.iter().any(|known: &KeyFault| known.line == line) {
                let reason = format!(
                    "the line is not TOML ({message}): write KEY = VALUE, and write texts, durations and addresses in \
                     quotes"
                );
                faults.push(KeyFault { line, reason });
            }
        }
        let broken: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
        let mut layer = SettingsLayer::default();
        for (name, value) in table.into_inner() {
            let (key, line) = (name.get_ref().as_ref(), line_of(name.span()));
            if broken.contains(&line) {
                continue;
            }
            let Some(argument) = parser.argument(key) else {
                let keys = || parser.keys().collect::<Vec<_>>().join(", ");
                let help = did_you_mean(key, parser.keys(), || format!("the keys are {}", keys()));
                faults.push(KeyFault { line, reason: format!("unknown key {key:?}: {help}") });
                continue;
            };
            let mut fault = |at: &Spanned<DeValue<'_>>, reason: &str| {
                let found = shown_of(argument, text.get(at.span()).unwrap_or_default());
                let reason = format!("{key}: {found} is not valid: {reason}");
                faults.push(KeyFault { line: line_of(at.span()), reason });
            };
            let values = match value.get_ref() {
                DeValue::Array(items) if takes_list(argument) && !items.is_empty() => items.iter().collect(),
                _ => vec![&value],
            };
            let mut texts = Vec::new();
            for value in values {
                match text_of(argument, value.get_ref()) {
                    None => fault(value, &expected_in_toml(argument)),
                    Some(text) if text.is_empty() && may_be_empty(argument) => {}
                    Some(text) => match parser.value(key, &[text.clone().into()]) {
                        Ok(_) => texts.push(text.into()),
                        Err((_, reason)) => fault(value, &reason),
                    },
                }
            }
            if !texts.is_empty() {
                // Each text is valid, so that all of them are.
                let _ = parser.parse(key, &texts, &mut layer);
            }
        }
        faults.sort_by_key(|fault| fault.line);
        layer
    }

    /// Reports a layer that has both sources. `name` returns the spelling of a key in the layer.
    fn report_two_sources(&self, name: impl Fn(&str) -> String, errors: &mut Vec<SettingsError>) {
        let sources = [
            (self.registry.is_some(), "registry"),
            (self.snapshot.is_some(), "snapshot"),
            (self.fleet.is_some(), "fleet"),
        ];
        let mut sources = sources.into_iter().filter(|(is_set, _)| *is_set).map(|(_, key)| key);
        if let Some(first) = sources.next() {
            errors.extend(
                sources.map(|other| SettingsError::Exclusive { one: name(first), other: name(other) }),
            );
        }
    }
}

/// The options of the command line that are settings, by key and as texts. [`Settings::load`] parses them together
/// with the other layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsOptions(BTreeMap<String, Vec<OsString>>);

impl Args for SettingsOptions {
    fn augment_args(command: Command) -> Command {
        let keys = Settings::keys();
        SettingsLayer::augment_args(command).mut_args(|argument| {
            if !keys.iter().any(|key| argument.get_id() == key) {
                return argument;
            }
            let (values, hint) = (argument.get_possible_values(), argument.get_value_hint());
            // A negative number is a wrong value, and not an unknown option.
            argument.value_parser(Unparsed(values)).value_hint(hint).allow_negative_numbers(true)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        SettingsOptions::augment_args(command)
    }
}

impl FromArgMatches for SettingsOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<SettingsOptions, clap::Error> {
        let mut options = SettingsOptions::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for key in Settings::keys() {
            if matches.value_source(&key) == Some(ValueSource::CommandLine) {
                let values = matches.get_raw(&key).into_iter().flatten().map(OsStr::to_owned).collect();
                self.0.insert(key, values);
            }
        }
        Ok(())
    }
}

/// Accepts every value of an option. The help and the completions keep the values that are possible.
#[derive(Clone)]
struct Unparsed(Vec<PossibleValue>);

impl TypedValueParser for Unparsed {
    type Value = OsString;

    fn parse_ref(&self, _: &Command, _: Option<&Arg>, value: &OsStr) -> Result<OsString, clap::Error> {
        Ok(value.to_owned())
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        (!self.0.is_empty()).then(|| Box::new(self.0.iter().cloned()) as Box<_>)
    }
}

/// Parses the texts of a setting, whatever layer they come from.
struct SettingsParser(Command);

impl SettingsParser {
    fn new() -> SettingsParser {
        SettingsParser(SettingsLayer::augment_args(Command::new("settings").no_binary_name(true)))
    }

    /// Returns the keys of all settings, in the order of the help.
    fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.get_arguments().map(|argument| argument.get_id().as_str())
    }

    /// Returns the declaration of a setting, if there is one with this key.
    fn argument(&self, key: &str) -> Option<&Arg> {
        self.0.get_arguments().find(|argument| argument.get_id() == key)
    }

    /// Adds the value of a setting to a layer. Returns a message with the faulty text and what is expected.
    fn parse(&self, key: &str, texts: &[OsString], layer: &mut SettingsLayer) -> Result<(), String> {
        let read = self.value(key, texts);
        let read = read.map_err(|(text, reason)| {
            let text = format!("{text:?}");
            let text = self.argument(key).map_or_else(String::new, |argument| shown_of(argument, &text));
            format!("{text} is not valid: {reason}")
        })?;
        *layer = std::mem::take(layer).or(read);
        Ok(())
    }

    /// Returns a layer with one setting. Otherwise returns the faulty text and what is expected.
    fn value(&self, key: &str, texts: &[OsString]) -> Result<SettingsLayer, (String, String)> {
        let options = texts.iter().map(|text| {
            let mut option = OsString::from(format!("{}=", option_of(key)));
            option.push(
                self.argument(key).map_or_else(|| text.clone(), |argument| without_blanks(argument, text)),
            );
            option
        });
        let read = self.0.clone().try_get_matches_from(options);
        read.and_then(|matches| SettingsLayer::from_arg_matches(&matches)).map_err(|fault| {
            let text = match fault.get(ContextKind::InvalidValue) {
                Some(ContextValue::String(text)) => text.clone(),
                _ => texts.first().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default(),
            };
            (text, reason_of(&fault))
        })
    }
}

/// Returns the option of a setting.
fn option_of(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

/// Returns the environment variable of a setting.
fn variable_of(key: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", key.to_uppercase())
}

/// Returns the name of a setting's value, such as `DURATION`.
fn value_name(argument: &Arg) -> &str {
    argument.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str())
}

fn takes_list(argument: &Arg) -> bool {
    argument.get_value_delimiter().is_some()
}

fn is_path(argument: &Arg) -> bool {
    matches!(value_name(argument), "DIR" | "FILE")
}

/// Returns whether the empty text in a settings file means that the setting is not set.
fn may_be_empty(argument: &Arg) -> bool {
    is_path(argument) || matches!(value_name(argument), "LEVEL" | "HOST" | "URL" | "ID")
}

/// Returns a value without the blanks around it and around the items of a list. A path is returned as it is.
fn without_blanks(argument: &Arg, value: &OsStr) -> OsString {
    match value.to_str() {
        Some(text) if takes_list(argument) || value_name(argument) == "LEVEL" => {
            text.split(',').map(str::trim).collect::<Vec<_>>().join(",").into()
        }
        Some(text) if !is_path(argument) => text.trim().into(),
        _ => value.to_owned(),
    }
}

/// Returns the text of a TOML value, in the form of the option. Returns `None` if the setting has no values of this
/// type.
fn text_of(argument: &Arg, value: &DeValue<'_>) -> Option<String> {
    match (value_name(argument), value) {
        ("N" | "BYTES" | "SIZE" | "SHARE", DeValue::Integer(number)) => {
            // A number beyond 128 bits is a whole number as well, and too great for every setting.
            let read = i128::from_str_radix(number.as_str(), number.radix());
            Some(read.map_or_else(|_| number.as_str().to_owned(), |number| number.to_string()))
        }
        ("SHARE", DeValue::Float(number)) => Some(number.as_str().to_owned()),
        ("BOOL" | "SWITCH", DeValue::Boolean(is_on)) => Some(is_on.to_string()),
        ("N" | "BYTES" | "SHARE" | "BOOL", _) => None,
        (_, DeValue::String(text)) => Some(text.to_string()),
        _ => None,
    }
}

/// Returns which TOML values a setting has.
fn expected_in_toml(argument: &Arg) -> String {
    let expected = match value_name(argument) {
        "N" | "BYTES" => "expected a whole number, without quotes",
        "SHARE" => "expected a number from 0 to 1, without quotes",
        "BOOL" => "expected true or false, without quotes",
        "SWITCH" => "expected true or false, or a text: \"on\" or \"off\"",
        "SIZE" => "expected a number of bytes such as 67108864, or a text such as \"64MiB\"",
        "DURATION" => "expected a text with a unit, such as \"30s\"",
        "ADDRESS" => "expected a text such as \"127.0.0.1:7400\", or a list of such texts",
        "HOST" => "expected a host name in quotes, or a list of such texts",
        "DIR" | "FILE" => "expected a path in quotes",
        "URL" => "expected a text such as \"nats://broker.example:4222\"",
        "PREFIX" | "ID" => "expected a text in quotes",
        "LEVEL" => "expected a text such as \"info\"",
        _ => {
            let values = argument.get_possible_values();
            return expected_one_of(values.iter().map(|value| format!("{:?}", value.get_name())));
        }
    };
    expected.to_owned()
}

/// Returns `expected a, b or c`.
fn expected_one_of(values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.collect();
    match values.split_last() {
        Some((last, others)) if !others.is_empty() => format!("expected {} or {last}", others.join(", ")),
        _ => format!("expected {}", values.concat()),
    }
}

/// Returns a value of a setting for a message. A URL may contain a password, so it is not repeated.
fn shown_of(argument: &Arg, value: &str) -> String {
    let is_url = value_name(argument) == "URL" || (is_path(argument) && value.contains("://"));
    if is_url { "the URL".to_owned() } else { shown(value) }
}

/// Returns a value for a message, shortened if it is long.
fn shown(value: &str) -> String {
    match value.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

/// Parses the place of a registry: a folder, or the URL of a database.
fn parse_registry(text: OsString) -> Result<RegistryPlace, String> {
    if let Some(url) = text.to_str().filter(|text| is_database_url(text)) {
        let database = Database::from_url(url).map_err(|error: InvalidUrl| error.to_string())?;
        return Ok(RegistryPlace::Database(Box::new(database)));
    }
    match source_url_fault(Path::new(&text)) {
        Some(fault) => Err(fault),
        None if text.is_empty() => Err("expected a path that is not empty".to_owned()),
        None => Ok(RegistryPlace::Folder(text.into())),
    }
}

/// Returns why a path is no source of the daemon, if it is a URL.
fn source_url_fault(path: &Path) -> Option<String> {
    match path.to_str()?.split_once("://")?.0 {
        "nats" => Some("name the broker of a fleet with --fleet nats://…".to_owned()),
        "postgres" | "postgresql" => Some("name a database with --registry postgres://…".to_owned()),
        _ => url_fault(path),
    }
}

/// Returns why a path is no source, if it is a URL. The text does not repeat the URL, which may contain a password.
pub(crate) fn url_fault(path: &Path) -> Option<String> {
    let (scheme, _) = path.to_str()?.split_once("://")?;
    let fault = match scheme {
        "postgres" | "postgresql" => {
            "a registry in PostgreSQL, postgres://…, is no source here: name the folder of a registry or a snapshot file, \
             which `switchboard db export` or `switchboard compile` make"
        }
        "nats" | "tls" => {
            "this build cannot read the release of a fleet, nats://…: name the folder of a registry or a snapshot file"
        }
        _ => {
            "this URL is no source: expected postgres://USER@HOST:PORT/DATABASE, the folder of a registry or a snapshot \
             file"
        }
    };
    Some(fault.to_owned())
}

/// Returns what the parser of an option expects.
fn reason_of(error: &clap::Error) -> String {
    if let Some(source) = std::error::Error::source(error) {
        return source.to_string();
    }
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => expected_one_of(values.iter().cloned()),
        // The parsers of this module have a reason. Those of clap refuse empty texts and other encodings.
        _ => "expected a text that is not empty, in UTF-8".to_owned(),
    }
}

/// Parses a duration such as `500ms`, `30s` or `2m`. A bare number is seconds.
///
/// # Errors
/// Returns the text with the expected form.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let bare = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let with_unit = || text.parse::<jiff::SignedDuration>().ok()?.try_into().ok();
    bare.or_else(with_unit).ok_or(InvalidDuration)
}

/// The error for a text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration such as 500ms, 30s or 2m")]
pub struct InvalidDuration;

/// Parses a duration of more than 0.
fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text).map_err(|error| error.to_string())?;
    if interval.is_zero() { Err("expected a duration greater than zero".to_owned()) } else { Ok(interval) }
}

/// Parses a number of bytes, with or without a unit: `1048576`, `1024KiB` or `1MiB`.
///
/// # Errors
/// Returns the text with the expected form.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "kb" => Some(1000),
        "mb" => Some(1000_u64.pow(2)),
        "gb" => Some(1000_u64.pow(3)),
        "k" | "kib" => Some(1024),
        "m" | "mib" => Some(1024_u64.pow(2)),
        "g" | "gib" => Some(1024_u64.pow(3)),
        _ => None,
    };
    let size = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    match size {
        Some(0) | None => {
            Err("expected a number of bytes such as 67108864, or one with a unit such as 64MiB".to_owned())
        }
        Some(size) => Ok(size),
    }
}

/// Parses a whole number of at least `MIN`.
fn parse_number<const MIN: usize>(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number >= MIN).ok_or_else(|| match MIN {
        0 => "expected a whole number such as 4".to_owned(),
        min => format!("expected a whole number of at least {min}"),
    })
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("expected true or false, or on or off".to_owned()),
    }
}

/// Parses a host name, without a port. Returns it in lower case.
fn parse_host(text: &str) -> Result<String, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_name) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("expected a host name without a port, such as switchboard.example".to_owned())
    }
}

fn parse_fleet(text: &str) -> Result<FleetUrl, BusError> {
    check_bus(text, DEFAULT_PREFIX)?;
    Ok(FleetUrl(text.to_owned()))
}

fn parse_prefix(text: &str) -> Result<String, BusError> {
    check_bus("nats://localhost", text)?;
    Ok(text.to_owned())
}

fn check_bus(urls: &str, prefix: &str) -> Result<(), BusError> {
    BusSettings { urls: urls.to_owned(), prefix: prefix.to_owned(), ..BusSettings::default() }.check()
}

fn parse_replica_id(text: &str) -> Result<String, String> {
    if is_replica_id(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected 1 to {MAX_REPLICA_ID_BYTES} printable ASCII characters without blanks"))
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// Checks levels in the form of `RUST_LOG`: `debug`, or `info,notify=debug`. Returns them without blanks.
pub(crate) fn parse_levels(text: &str) -> Result<String, String> {
    let is_level = |level: &str| {
        level.starts_with(|c: char| c.is_ascii_alphabetic()) && level.parse::<LevelFilter>().is_ok()
    };
    let is_directive = |part: &str| match part.rsplit_once('=') {
        Some((target, level)) => !target.is_empty() && is_level(level),
        None => is_level(part),
    };
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if parts.iter().all(|part| is_directive(part)) {
        return Ok(parts.join(","));
    }
    Err("expected error, warn, info, debug, trace or off, alone or with modules as in info,notify=debug"
        .to_owned())
}

/// Reads the log levels of the variable `RUST_LOG`. Returns `None` if it is not set or empty.
///
/// # Errors
/// Returns a message if the variable has other words. A filter would take such a word for the name of a module, and
/// log nothing else.
pub(crate) fn check_log_variable() -> Result<Option<String>, String> {
    let Some(value) = std::env::var_os("RUST_LOG") else { return Ok(None) };
    let value = value.to_string_lossy();
    if value.trim().is_empty() {
        return Ok(None);
    }
    let levels = parse_levels(&value);
    levels.map(Some).map_err(|expected| {
        format!("environment variable RUST_LOG: {} is not valid: {expected}", shown(&format!("{value:?}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(
        options: &[&str],
        config: Option<&Path>,
        variables: &[(&str, &str)],
    ) -> Result<Settings, Vec<String>> {
        let command = SettingsOptions::augment_args(Command::new("test").no_binary_name(true));
        let matches = command.try_get_matches_from(options).unwrap();
        let options = SettingsOptions::from_arg_matches(&matches).unwrap();
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        Settings::load(&options, config.map(Path::to_owned), variables)
            .map_err(|errors| errors.0.iter().map(ToString::to_string).collect())
    }

    /// Returns a settings file with this text, in a folder that must outlive it.
    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("switchboard.toml");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn file_in_config_has_every_key_with_its_default() {
        let text = include_str!("../config/switchboard.toml");
        assert_eq!(Settings::from_toml(text).unwrap(), Settings::default());
        let keys: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
        assert_eq!(
            keys.into_iter().filter(|key| !key.starts_with('#')).collect::<Vec<_>>(),
            Settings::keys()
        );
    }

    #[test]
    fn option_overrides_variable_and_variable_overrides_file() {
        let (_folder, path) = file("workers = 1\nmax_connections = 11\nlisten = \":1\"\n");
        let config = Some(&*path);
        let workers =
            |options: &[&str], variables: &[(&str, &str)]| load(options, config, variables).unwrap();
        assert_eq!(workers(&[], &[]).workers, 1);
        assert_eq!(workers(&[], &[("SWITCHBOARD_WORKERS", "2")]).workers, 2);
        let all = workers(&["--workers=3"], &[("SWITCHBOARD_WORKERS", "2"), ("SWITCHBOARD_LISTEN", ":2,:3")]);
        assert_eq!((all.workers, all.max_connections), (3, 11));
        assert_eq!(all.listen, [ListenAddress::Any(2), ListenAddress::Any(3)]);
        assert_eq!(all.max_connections_per_peer, Settings::default().max_connections_per_peer);
        let named = [("SWITCHBOARD_CONFIG", path.to_str().unwrap())];
        assert_eq!(load(&[], None, &named).unwrap().max_connections, 11);
    }

    #[test]
    fn every_setting_can_be_a_variable() {
        let values = [
            ("registry", "r"),
            ("require_snapshot", "yes"),
            ("state", "d"),
            ("start_timeout", "1s"),
            ("audit_max_bytes", "1MiB"),
            ("audit_keep", "3"),
            ("fleet", "nats://broker.example"),
            ("fleet_prefix", "eu"),
            ("fleet_creds", "c"),
            ("fleet_ca", "a"),
            ("fleet_cert", "c"),
            ("fleet_key", "k"),
            ("replica_id", "r"),
            ("canary", "true"),
            ("spread", "0"),
            ("standings", "s"),
            ("principals", "p"),
            ("trusted_keys", "k"),
            ("anonymous", "true"),
            ("admin_host", "ops.example, Console.example"),
            ("listen", "localhost:1,unix:/run/s"),
            ("admin_listen", ":2,[::1]:3"),
            ("reuse_port", "1"),
            ("tls_cert", "c"),
            ("tls_key", "k"),
            ("tls_client_ca", "a"),
            ("admin_tls", "off"),
            ("workers", "1"),
            ("max_connections", "1"),
            ("max_connections_per_peer", "1"),
            ("max_body_bytes", "16777216"),
            ("max_file_size", "1MiB"),
            ("header_timeout", "1s"),
            ("body_timeout", "1s"),
            ("idle_timeout", "1s"),
            ("drain_timeout", "1s"),
            ("poll_interval", "2s"),
            ("watch", "poll"),
            ("log_level", "debug"),
            ("log_format", "json"),
            ("color", "never"),
            ("access_log", "0.5"),
        ];
        for key in Settings::keys().iter().filter(|key| *key != "snapshot") {
            let (_, value) = values.iter().find(|(known, _)| known == key).unwrap_or_else(|| panic!("{key}"));
            // Some settings need another one, which this test leaves out.
            let read = |value: &str| {
                let variable = (OsString::from(variable_of(key)), OsString::from(value));
                Settings::load_valid(&SettingsOptions::default(), None, [variable]).0
            };
            assert_ne!(read(value), Settings::default(), "{key}");
            assert_eq!(read(""), Settings::default(), "empty {key}");
        }
        assert!(load(&[], None, &[("SWITCHBOARD_SNAPSHOT", "s")]).unwrap().snapshot.is_some());
    }

    #[test]
    fn boolean_of_a_lower_layer_can_be_turned_off() {
        let (_folder, path) = file("reuse_port = true\nrequire_snapshot = true\n");
        let settings =
            load(&["--reuse-port=false"], Some(&path), &[("SWITCHBOARD_REQUIRE_SNAPSHOT", "0")]).unwrap();
        assert!(!settings.reuse_port && !settings.require_snapshot);
        assert!(load(&["--reuse-port"], None, &[]).unwrap().reuse_port);
    }

    #[test]
    fn source_of_an_upper_layer_replaces_the_source_below_it() {
        let (_folder, path) = file("registry = \"/file\"\n");
        let variables = [("SWITCHBOARD_SNAPSHOT", "/variable.swb")];
        let settings = load(&[], Some(&path), &variables).unwrap();
        assert_eq!(settings.source(), SnapshotSource::Snapshot("/variable.swb".into()));
        let settings = load(&["--registry=/option"], Some(&path), &variables).unwrap();
        assert_eq!(settings.source(), SnapshotSource::Registry("/option".into()));
        assert_eq!(settings.snapshot, None);
    }

    #[test]
    fn one_run_reports_every_fault_with_its_place() {
        let (_folder, path) = file(
            "workers = 2\nlisten_on = \"[::1]:1\"\npoll_interval = \"0s\"\nwatch = \"never\"\nlisten = [\"x\"]\n\
             registry = \"a\"\nsnapshot = \"b\"\nidle_timeout = 5s\nmax_connections = \"3\"\nadmin_listen = [\":1\",\n1]\n",
        );
        let variables = [
            ("SWITCHBOARD_MAX_CONNECTIONS", "0"),
            ("SWITCHBOARD_WATCH", "soon"),
            ("SWITCHBOARD_LISTENS", ":1"),
            ("SWITCHBOARD_SERVICE_HOST", "10.0.0.1"),
            ("SWITCHBOARD_PORT", "tcp://10.0.0.1:7400"),
        ];
        let options =
            ["--access-log", "1.5", "--workers", "-1", "--color=x", "--listen=:1,y", "--standings="];
        let errors = load(&options, Some(&path), &variables).unwrap_err();
        let place = path.display();
        let expected = [
            "--access-log: \"1.5\" is not valid: expected a number from 0 to 1".to_owned(),
            "--color: \"x\" is not valid: expected auto, always or never".to_owned(),
            "--listen: \"y\" is not valid: the port is missing; expected IP:PORT".to_owned(),
            "--standings: \"\" is not valid: expected a text that is not empty".to_owned(),
            "--workers: \"-1\" is not valid: expected a whole number such as 4".to_owned(),
            "environment variable SWITCHBOARD_LISTENS: there is no such setting; did you mean SWITCHBOARD_LISTEN?"
                .to_owned(),
            "environment variable SWITCHBOARD_MAX_CONNECTIONS: \"0\" is not valid: expected a whole number of at least 1"
                .to_owned(),
            "environment variable SWITCHBOARD_WATCH: \"soon\" is not valid: expected events or poll".to_owned(),
            format!("{place}:2: unknown key \"listen_on\": "),
            format!("{place}:3: poll_interval: \"0s\" is not valid: expected a duration greater than zero"),
            format!("{place}:4: watch: \"never\" is not valid: expected events or poll"),
            format!("{place}:5: listen: \"x\" is not valid: the port is missing"),
            format!("{place}:8: the line is not TOML ("),
            format!("{place}:9: max_connections: \"3\" is not valid: expected a whole number, without quotes"),
            format!("{place}:11: admin_listen: 1 is not valid: expected a text such as"),
            format!("{place}: registry and {place}: snapshot exclude each other"),
        ];
        assert_eq!(errors.len(), expected.len(), "{errors:#?}");
        for (error, expected) in errors.iter().zip(expected) {
            assert!(error.starts_with(&expected), "{error}\n{expected}");
        }
    }

    #[test]
    fn value_that_cannot_work_is_an_error() {
        for text in [
            "poll_interval = \"0s\"",
            "max_connections = 0",
            "max_body_bytes = 1",
            "max_file_size = 0",
            "max_file_size = \"1 furlong\"",
            "idle_timeout = \"soon\"",
            "idle_timeout = 5",
            "watch = \"never\"",
            "color = \"red\"",
            "access_log = 1.5",
            "access_log = -1",
            "log_level = \"verbose\"",
            "log_level = \"info,notify\"",
            "listen = []",
            "listen = 7400",
            "listen = \"localhost\"",
            "require_snapshot = \"yes\"",
            "listen",
        ] {
            assert!(Settings::from_toml(text).is_err(), "{text}");
        }
    }

    #[test]
    fn blanks_around_values_are_ignored_except_in_paths() {
        let variables = [
            ("SWITCHBOARD_LISTEN", " 127.0.0.1:1 ,\t:2 "),
            ("SWITCHBOARD_WORKERS", "3 "),
            ("SWITCHBOARD_IDLE_TIMEOUT", " 7s\n"),
            ("SWITCHBOARD_LOG_LEVEL", " info , notify=debug"),
            ("SWITCHBOARD_COLOR", " never"),
            ("SWITCHBOARD_MAX_FILE_SIZE", " 1 MiB "),
            ("SWITCHBOARD_REUSE_PORT", " on "),
            ("SWITCHBOARD_MAX_CONNECTIONS", "  "),
            ("SWITCHBOARD_STANDINGS", "/a b "),
        ];
        let settings = load(&[], None, &variables).unwrap();
        let listen: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
        assert_eq!(listen, ["127.0.0.1:1", ":2"]);
        assert_eq!((settings.workers, settings.idle_timeout), (3, Duration::from_secs(7)));
        assert_eq!(settings.log_level.as_deref(), Some("info,notify=debug"));
        assert_eq!((settings.color, settings.max_file_size), (Color::Never, 1 << 20));
        assert!(settings.reuse_port);
        assert_eq!(settings.max_connections, Settings::default().max_connections);
        assert_eq!(settings.standings, Some("/a b ".into()));
        // An item without a value is a mistake.
        assert!(load(&[], None, &[("SWITCHBOARD_LISTEN", ":1,")]).is_err());
        let options = load(&["--listen", ":1, :2", "--workers= 4 "], None, &[]).unwrap();
        assert_eq!((options.listen.len(), options.workers), (2, 4));
    }

    #[test]
    fn no_message_has_the_words_of_a_library() {
        for argument in SettingsParser::new().0.get_arguments() {
            let key = argument.get_id().as_str();
            for value in [
                "{}",
                "[]",
                "[1]",
                "1979-05-27",
                "1.5",
                "-1",
                "\"\\u0007\"",
                "true",
                "999999999999999999999999",
            ] {
                let faults = Settings::from_toml(&format!("{key} = {value}")).err().unwrap_or_default();
                for KeyFault { reason, .. } in faults {
                    let (start, expected) =
                        reason.split_once(" is not valid: ").unwrap_or_else(|| panic!("{reason}"));
                    assert!(start.starts_with(&format!("{key}: ")), "{reason}");
                    let is_ours = ["expected ", "the port ", "the prefix ", "URL ", "write "]
                        .iter()
                        .any(|word| expected.starts_with(word));
                    assert!(
                        is_ours && !expected.contains("usize") && !expected.contains("wanted"),
                        "{reason}"
                    );
                }
            }
        }
    }

    #[test]
    fn url_of_a_source_is_not_repeated() {
        let url = "postgres://u:secret@db/r";
        let (_folder, broken) = file(&format!("registry = \"{url}?sslmode=full\"\n"));
        for (options, config, variables, words) in [
            (vec!["--registry", url], None, vec![], "--registry: the URL has a password"),
            (
                vec!["--registry=postgres://secret:no"],
                None,
                vec![],
                "--registry: the URL is not valid: the URL of the",
            ),
            (vec!["--registry=nats://secret@broker"], None, vec![], "with --fleet nats://…"),
            (vec!["--snapshot=nats://secret@broker"], None, vec![], "with --fleet nats://…"),
            (vec!["--snapshot", url], None, vec![], "with --registry postgres://…"),
            (
                vec!["--registry=https://secret@db"],
                None,
                vec![],
                "this URL is no source: expected postgres://",
            ),
            (
                vec![],
                Some(&*broken),
                vec![],
                "registry: the URL is not valid: the URL of the database is malformed",
            ),
            (
                vec![],
                None,
                vec![("SWITCHBOARD_REGISTRY", "postgres://u:secret@db/r?x=1")],
                "parameter `x` of the URL",
            ),
        ] {
            let errors = load(&options, config, &variables).unwrap_err();
            assert!(
                matches!(&*errors, [one] if one.contains(words) && !one.contains("secret")),
                "{words}: {errors:?}"
            );
        }
    }

    #[test]
    fn database_is_a_registry_in_every_layer() {
        let url = "postgres://u:secret@db/r";
        let (_folder, path) = file(&format!("registry = \"{url}\"\n"));
        for (options, config, variables) in [
            (vec!["--registry=postgresql://u@db/r?sslmode=require"], None, vec![]),
            (vec![], Some(&*path), vec![]),
            (vec![], None, vec![("SWITCHBOARD_REGISTRY", url)]),
        ] {
            let settings = load(&options, config, &variables).unwrap();
            assert_eq!(settings.source().describe(), "the registry postgres://db:5432/r");
            assert!(!format!("{settings:?}").contains("secret"));
        }
        let settings = load(&["--registry=r"], None, &[("SWITCHBOARD_REGISTRY", url)]).unwrap();
        assert!(matches!(settings.source(), SnapshotSource::Registry(_)));
    }

    #[test]
    fn fleet_needs_a_state_directory_and_excludes_other_sources() {
        let fleet = "--fleet=nats://u:secret@a:1,tls://b";
        let settings = load(&[fleet, "--state=/s", "--canary", "--spread=0"], None, &[]).unwrap();
        let expected = SnapshotSource::Fleet {
            url: "nats://a:1, b:4222".to_owned(),
            file: "/s/fleet/release.swb".into(),
        };
        assert_eq!(settings.source(), expected);
        assert!(settings.canary && settings.spread.is_zero() && settings.fleet_prefix == "switchboard");
        assert!(!format!("{settings:?}").contains("secret"));
        let one = |options: &[&str], words: &str| {
            let errors = load(options, None, &[]).unwrap_err();
            assert!(
                matches!(&*errors, [one] if one.contains(words) && !one.contains("secret")),
                "{errors:?}"
            );
        };
        one(&[fleet], "--fleet needs --state DIR");
        one(&[fleet, "--state=/s", "--registry=/r"], "--registry and --fleet exclude each other");
        one(&[fleet, "--state=/s", "--snapshot=/r"], "--snapshot and --fleet exclude each other");
        one(&[fleet, "--state=/s", "--fleet-cert=/c"], "--fleet-cert needs --fleet-key FILE");
        one(&[fleet, "--state=/s", "--fleet-key=/c"], "--fleet-key needs --fleet-cert FILE");
        one(&["--fleet=http://secret", "--state=/s"], "--fleet: the URL is not valid: URL 1 of");
        one(&["--fleet-prefix=a.b"], "--fleet-prefix: \"a.b\" is not valid: the prefix");
        one(&["--replica-id=a b"], "--replica-id: \"a b\" is not valid: expected 1 to 128 printable");
        let faults = Settings::from_toml("fleet = \"secret\"").unwrap_err();
        assert!(!faults[0].to_string().contains("secret"), "{faults:?}");
        // A source of an upper layer replaces the fleet below it.
        let (_folder, path) = file("fleet = \"nats://a\"\nstate = \"/s\"\nreplica_id = \"r\"\n");
        let settings = load(&["--registry=/r"], Some(&path), &[]).unwrap();
        assert_eq!(settings.source(), SnapshotSource::Registry("/r".into()));
        assert_eq!(settings.unused_of_fleet(), ["--replica-id"]);
        let variables = [("SWITCHBOARD_FLEET", "nats://b")];
        let settings = load(&[], Some(&path), &variables).unwrap();
        assert_eq!(settings.fleet_bus("").unwrap().server_names(), "b:4222");
    }

    #[test]
    fn one_address_or_a_list_is_read() {
        let listen = |text: &str| Settings::from_toml(text).unwrap().listen;
        assert_eq!(listen("listen = \"localhost:1\""), [ListenAddress::Localhost(1)]);
        assert_eq!(
            listen("listen = [\"localhost:1\", \":2\"]"),
            [ListenAddress::Localhost(1), ListenAddress::Any(2)]
        );
    }

    #[test]
    fn overlapping_addresses_are_found_in_and_between_the_listeners() {
        let check = |options: &[&str]| check_overlap(&load(options, None, &[]).unwrap().addresses());
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"]), Ok(()));
        let error = check(&["--listen=:7401"]).unwrap_err().to_string();
        assert!(error.starts_with("--listen :7401 and --admin-listen 127.0.0.1:7401 overlap"), "{error}");
        assert!(check(&["--admin-listen=[::]:7400"]).is_err());
        let error = check(&["--listen=localhost:1", "--listen=127.0.0.1:1"]).unwrap_err().to_string();
        assert!(error.starts_with("--listen localhost:1 and --listen 127.0.0.1:1 overlap"), "{error}");
    }

    #[test]
    fn relative_paths_become_absolute() {
        let settings = load(&["--registry=registry", "--standings=s"], None, &[]).unwrap();
        let folder = std::env::current_dir().unwrap();
        assert_eq!(settings.registry, Some(folder.join("registry").into()));
        assert_eq!(settings.standings, Some(folder.join("s")));
    }

    #[test]
    fn duration_has_a_unit_or_is_seconds() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        for bad in ["", "-3s", "soon", "-1", "NaN", "inf"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn size_has_a_unit_or_is_bytes() {
        for (text, bytes) in
            [("1", 1), ("2k", 2048), ("2 KiB", 2048), ("1MiB", 1 << 20), ("1GB", 1_000_000_000)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "0", "-1", "1.5MiB", "MiB", "1TiBs", "99999999999999999999", "99999999999GiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
