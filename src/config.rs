//! The settings of the daemon. Each layer overrides the one before it: the defaults, the settings file, the
//! environment variables, the options of the command line. The layers have the same settings: the option
//! `--poll-interval`, the variable `SWITCHBOARD_POLL_INTERVAL` and the key `poll_interval` are one setting.
//! `config/switchboard.toml` lists every key with its default.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::iter;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Args, Command, FromArgMatches, ValueEnum, ValueHint};
use serde::Deserialize;
use serde::de::value::MapDeserializer;
use serde::de::{Deserializer, Error as _};
use switchboard_pipeline::SnapshotSource;
use switchboard_registry::{ReadLimits, did_you_mean};
use switchboard_server::{ListenAddress, ServerSettings};
use toml::de::{self, DeTable};
use tracing_subscriber::filter::LevelFilter;

use crate::runtime::WatchMode;

/// Minimum of `max_body_bytes`. The largest batch fits, although a quarter of the budget is kept for single
/// queries.
const MIN_MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Prefix of the environment variables of the settings.
const VARIABLE_PREFIX: &str = "SWITCHBOARD_";
/// Variables with the prefix that are no settings: the settings file, and what the client commands read.
const OTHER_VARIABLES: [&str; 2] = [CONFIG_VARIABLE, "SWITCHBOARD_TOKEN"];
/// Variable that names the settings file.
const CONFIG_VARIABLE: &str = "SWITCHBOARD_CONFIG";

/// All settings of the daemon. The fields are the keys of the settings file.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Folder of the registry to serve. Takes precedence over `snapshot`.
    pub registry: Option<PathBuf>,
    /// File of the compiled snapshot to serve. Without `registry` and `snapshot`, the demo registry is
    /// served.
    pub snapshot: Option<PathBuf>,
    /// Whether the daemon exits if the source has no valid snapshot at start.
    pub require_snapshot: bool,
    /// Folder of the state directory, which keeps snapshots and standings over restarts.
    pub state: Option<PathBuf>,
    /// Time that the source has to answer at a start before a snapshot of the state directory is served.
    pub start_timeout: Duration,
    /// File of the journal of standings. Without a journal, standings end with the process.
    pub standings: Option<PathBuf>,
    /// Addresses of the data listener. Port 0 lets the system choose.
    pub listen: Vec<ListenAddress>,
    /// Addresses of the admin listener. Port 0 lets the system choose.
    pub admin_listen: Vec<ListenAddress>,
    /// Whether another process that also sets this may listen on the same addresses.
    pub reuse_port: bool,
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
/// help texts.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsLayer {
    /// Registry folder to serve; compiled at start and after each change
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "snapshot")]
    #[serde(deserialize_with = "path")]
    pub registry: Option<PathBuf>,
    /// Snapshot file to serve; loaded at start and after each change
    #[arg(long, value_name = "FILE")]
    #[serde(deserialize_with = "path")]
    pub snapshot: Option<PathBuf>,
    /// Exit with code 3 if the source gives no snapshot at start, instead of waiting for one
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = parse_switch)]
    pub require_snapshot: Option<bool>,
    /// State directory, which keeps the last snapshots and live standings over restarts
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[serde(deserialize_with = "path")]
    pub state: Option<PathBuf>,
    /// Time that the source has to answer at start before the last snapshot of the state directory is served
    /// [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, verbatim_doc_comment)]
    #[serde(deserialize_with = "duration")]
    pub start_timeout: Option<Duration>,
    /// Journal file that keeps live standings over restarts; by default a file in the state directory
    #[arg(long, value_name = "FILE")]
    #[serde(deserialize_with = "path")]
    pub standings: Option<PathBuf>,
    /// Address of the data listener, which answers queries: IP:PORT, localhost:PORT, :PORT or unix:PATH; repeatable
    /// [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', verbatim_doc_comment)]
    #[serde(deserialize_with = "addresses")]
    pub listen: Option<Vec<ListenAddress>>,
    /// Address of the admin listener: metrics, probes, status, standings; forms as for --listen; repeatable
    /// [default: 127.0.0.1:7401]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', verbatim_doc_comment)]
    #[serde(deserialize_with = "addresses")]
    pub admin_listen: Option<Vec<ListenAddress>>,
    /// Share the addresses with another process that also has this option, for a hand-over
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = parse_switch)]
    pub reuse_port: Option<bool>,
    /// Number of threads that answer queries; 0 means one for each core
    /// [default: 0]
    #[arg(long, value_name = "N", verbatim_doc_comment)]
    pub workers: Option<usize>,
    /// Largest number of open connections to the data listener
    /// [default: 10000]
    #[arg(long, value_name = "N", verbatim_doc_comment)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    #[serde(deserialize_with = "at_least::<_, 1>")]
    pub max_connections: Option<usize>,
    /// Largest number of open connections of one IPv4 address or IPv6 /64; 0 means no limit
    /// [default: 2500]
    #[arg(long, value_name = "N", verbatim_doc_comment)]
    pub max_connections_per_peer: Option<usize>,
    /// Memory in bytes for bodies that arrive and large answers that are not sent yet
    /// [default: 67108864]
    #[arg(long, value_name = "BYTES", verbatim_doc_comment)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(MIN_MAX_BODY_BYTES as u64..))]
    #[serde(deserialize_with = "at_least::<_, MIN_MAX_BODY_BYTES>")]
    pub max_body_bytes: Option<usize>,
    /// Largest file of a registry that is read, in bytes or with a unit, such as 64MiB
    /// [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, verbatim_doc_comment)]
    #[serde(deserialize_with = "size")]
    pub max_file_size: Option<u64>,
    /// Time from the first byte of a request to the end of its head
    /// [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, verbatim_doc_comment)]
    #[serde(deserialize_with = "duration")]
    pub header_timeout: Option<Duration>,
    /// Time from the end of a request's head to its answer
    /// [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, verbatim_doc_comment)]
    #[serde(deserialize_with = "duration")]
    pub body_timeout: Option<Duration>,
    /// Time that a connection may wait for its next request
    /// [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, verbatim_doc_comment)]
    #[serde(deserialize_with = "duration")]
    pub idle_timeout: Option<Duration>,
    /// Time that requests in flight have to finish after SIGTERM or SIGINT
    /// [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, verbatim_doc_comment)]
    #[serde(deserialize_with = "duration")]
    pub drain_timeout: Option<Duration>,
    /// Time between two polls of the source, which find changes that no event reports
    /// [default: 1s]
    #[arg(long, value_name = "DURATION", value_parser = parse_interval, verbatim_doc_comment)]
    #[serde(deserialize_with = "interval")]
    pub poll_interval: Option<Duration>,
    /// Way in which changes of the source are noticed
    /// [default: events]
    #[arg(long, value_name = "MODE", verbatim_doc_comment)]
    pub watch: Option<WatchMode>,
    /// Log levels: error, warn, info, debug or trace, or in the form of RUST_LOG
    /// [default: RUST_LOG, else info]
    #[arg(long, value_name = "LEVEL", value_parser = parse_levels, verbatim_doc_comment)]
    #[serde(deserialize_with = "levels")]
    pub log_level: Option<String>,
    /// Format of the logs on standard error
    /// [default: text]
    #[arg(long, value_name = "FORMAT", verbatim_doc_comment)]
    pub log_format: Option<LogFormat>,
    /// Colors in the text on standard error
    /// [default: auto]
    #[arg(long, value_name = "WHEN", verbatim_doc_comment)]
    pub color: Option<Color>,
    /// Share of the requests that are logged, from 0 (none) to 1 (all)
    /// [default: 0]
    #[arg(long, value_name = "SHARE", value_parser = parse_share, verbatim_doc_comment)]
    #[serde(deserialize_with = "share")]
    pub access_log: Option<f64>,
}

/// The format of the log lines. The comments of the variants are help texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text for each event
    #[default]
    Text,
    /// One JSON object for each event
    Json,
}

/// Where texts have colors. The comments of the variants are help texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
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

impl Default for Settings {
    fn default() -> Settings {
        let http = ServerSettings::default();
        Settings {
            registry: None,
            snapshot: None,
            require_snapshot: false,
            state: None,
            start_timeout: Duration::from_secs(10),
            standings: None,
            listen: http.listen,
            admin_listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 7401)).into()],
            reuse_port: http.reuse_port,
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
    optional: registry snapshot state standings log_level;
    with_default: require_snapshot start_timeout listen admin_listen reuse_port workers max_connections
        max_connections_per_peer max_body_bytes max_file_size header_timeout body_timeout idle_timeout
        drain_timeout poll_interval watch log_format color access_log
}

impl Settings {
    /// Merges the options of the command line, the environment variables, the settings file and the defaults.
    /// `config` is the option `--config`; the variable `SWITCHBOARD_CONFIG` applies without it. Relative paths
    /// become absolute.
    ///
    /// # Errors
    /// Returns every fault of the variables and of the settings file.
    pub fn load(
        options: SettingsLayer,
        config: Option<PathBuf>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Settings, SettingsErrors> {
        let named = variables.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        // Shells and manifests often set a variable to the empty text instead of unsetting it.
        let variables: BTreeMap<String, OsString> =
            named.filter(|(name, value)| name.starts_with(VARIABLE_PREFIX) && !value.is_empty()).collect();
        let mut errors = Vec::new();
        let environment = SettingsLayer::from_variables(&variables, &mut errors);
        let config = config.or_else(|| variables.get(CONFIG_VARIABLE).map(PathBuf::from));
        let file = config.map(|path| SettingsLayer::from_file(&path, &mut errors)).unwrap_or_default();
        let mut settings = Settings::from(options.over(environment.over(file)));
        let Settings { registry, snapshot, state, standings, .. } = &mut settings;
        for path in [registry, snapshot, state, standings] {
            // An error means that the current folder is unknown. The relative path may work nevertheless.
            if let Some(absolute) = path.as_ref().and_then(|path| std::path::absolute(path).ok()) {
                *path = Some(absolute);
            }
        }
        if errors.is_empty() { Ok(settings) } else { Err(SettingsErrors(errors)) }
    }

    /// Reads the text of a settings file. Missing keys keep their defaults.
    ///
    /// # Errors
    /// Returns every fault with its line, the key and the expected value.
    pub fn from_toml(text: &str) -> Result<Settings, Vec<KeyFault>> {
        let mut faults = Vec::new();
        let layer = SettingsLayer::from_toml(text, &mut faults);
        if faults.is_empty() { Ok(layer.into()) } else { Err(faults) }
    }

    /// Returns the keys of all settings, in the order of the help.
    pub fn keys() -> Vec<String> {
        let command = SettingsLayer::augment_args(Command::new("keys"));
        command.get_arguments().map(|argument| argument.get_id().to_string()).collect()
    }

    /// Returns the path of the journal of standings: `standings`, or a file in the state directory.
    pub fn journal(&self) -> Option<PathBuf> {
        let in_state = || self.state.as_ref().map(|state| state.join("standings.journal"));
        self.standings.clone().or_else(in_state)
    }

    /// Returns the source that `registry` and `snapshot` select.
    pub fn source(&self) -> SnapshotSource {
        match (&self.registry, &self.snapshot) {
            (Some(root), _) => SnapshotSource::Registry(root.clone()),
            (None, Some(file)) => SnapshotSource::Snapshot(file.clone()),
            (None, None) => SnapshotSource::Demo,
        }
    }

    /// Checks that no two addresses of the listeners would take the same connections.
    ///
    /// # Errors
    /// Returns the first two that would.
    pub fn check_addresses(&self) -> Result<(), OverlapError> {
        let data = self.listen.iter().map(|address| ("--listen", address));
        let all: Vec<_> =
            data.chain(self.admin_listen.iter().map(|address| ("--admin-listen", address))).collect();
        for (at, (option, address)) in all.iter().enumerate() {
            if let Some((other, second)) = all.iter().skip(at + 1).find(|(_, other)| address.overlaps(other))
            {
                let one = format!("{option} {address}");
                return Err(OverlapError { one, other: format!("{other} {second}") });
            }
        }
        Ok(())
    }
}

impl SettingsLayer {
    /// Returns this layer above a lower one. A source in this layer also replaces a source of the other kind.
    fn over(self, mut lower: SettingsLayer) -> SettingsLayer {
        if self.registry.is_some() || self.snapshot.is_some() {
            (lower.registry, lower.snapshot) = (None, None);
        }
        self.or(lower)
    }

    /// Reads the environment variables, each with the parser of its option.
    fn from_variables(
        variables: &BTreeMap<String, OsString>,
        errors: &mut Vec<SettingsError>,
    ) -> SettingsLayer {
        let command = SettingsLayer::augment_args(Command::new("variables").no_binary_name(true));
        let (mut layer, keys) = (SettingsLayer::default(), Settings::keys());
        for (name, value) in variables.iter().filter(|(name, _)| !OTHER_VARIABLES.contains(&&***name)) {
            let key = name.trim_start_matches(VARIABLE_PREFIX).to_lowercase();
            let mut error = |reason| errors.push(SettingsError::Variable { variable: name.clone(), reason });
            if !keys.contains(&key) {
                // Other programs may use the prefix, and Kubernetes sets SWITCHBOARD_SERVICE_HOST for a
                // service of this name. Only a variable that is nearly a setting is a mistake.
                let near = did_you_mean(&key, keys.iter().map(String::as_str), String::new);
                if let Some(meant) = near.split('`').nth(1) {
                    error(format!("there is no such setting; did you mean {}?", variable_of(meant)));
                }
                continue;
            }
            let mut option = OsString::from(format!("--{}=", key.replace('_', "-")));
            option.push(value);
            let read = command.clone().try_get_matches_from([option]);
            match read.and_then(|matches| SettingsLayer::from_arg_matches(&matches)) {
                Ok(read) => layer = layer.or(read),
                Err(fault) => error(format!("{:?} is not valid: {}", value.display(), reason_of(&fault))),
            }
        }
        if layer.registry.is_some() && layer.snapshot.is_some() {
            let [one, other] = ["registry", "snapshot"].map(variable_of);
            errors.push(SettingsError::Exclusive { one, other });
        }
        layer
    }

    /// Reads a settings file.
    fn from_file(path: &Path, errors: &mut Vec<SettingsError>) -> SettingsLayer {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let (path, error) = (path.to_owned(), error.to_string());
                errors.push(SettingsError::Unreadable { path, error });
                return SettingsLayer::default();
            }
        };
        let mut faults = Vec::new();
        let layer = SettingsLayer::from_toml(&text, &mut faults);
        let faults = faults.into_iter();
        errors.extend(faults.map(|fault| SettingsError::Key { path: path.to_owned(), fault }));
        if layer.registry.is_some() && layer.snapshot.is_some() {
            let [one, other] = ["registry", "snapshot"].map(|key| format!("{}: {key}", path.display()));
            errors.push(SettingsError::Exclusive { one, other });
        }
        layer
    }

    /// Reads the text of a settings file key by key, so that one run reports every fault.
    fn from_toml(text: &str, faults: &mut Vec<KeyFault>) -> SettingsLayer {
        let fault = |span: Option<Range<usize>>, reason: String| {
            let before = text.get(..span.map_or(0, |span| span.start)).unwrap_or(text);
            KeyFault { line: 1 + before.matches('\n').count(), reason }
        };
        let table = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                faults.push(fault(error.span(), error.message().to_owned()));
                return SettingsLayer::default();
            }
        };
        let (mut layer, keys) = (SettingsLayer::default(), Settings::keys());
        for (name, value) in table {
            let (key, span) = (name.get_ref().as_ref(), value.span());
            if !keys.iter().any(|known| known == key) {
                let known = keys.iter().map(String::as_str);
                let help = did_you_mean(key, known, || format!("the keys are {}", keys.join(", ")));
                faults.push(fault(Some(name.span()), format!("unknown key {key:?}: {help}")));
                continue;
            }
            let entry = MapDeserializer::new(iter::once((key, value)));
            match SettingsLayer::deserialize(entry) {
                Ok(read) => layer = layer.or(read),
                Err(error) => {
                    let error: de::Error = error;
                    faults.push(fault(error.span().or(Some(span)), format!("{key}: {}", error.message())));
                }
            }
        }
        faults.sort_by_key(|fault| fault.line);
        layer
    }
}

/// Returns the environment variable of a setting.
fn variable_of(key: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", key.to_uppercase())
}

/// Returns the reason why clap rejects a value, without the name of the option.
fn reason_of(error: &clap::Error) -> String {
    if let Some(source) = std::error::Error::source(error) {
        return source.to_string();
    }
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) => format!("expected {}", values.join(" or ")),
        _ => error.kind().to_string(),
    }
}

/// Parses a duration such as `500ms`, `30s` or `2m`. A bare number is seconds.
///
/// # Errors
/// Returns the text with the expected form.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let bare = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let with_unit = || text.parse::<jiff::SignedDuration>().ok()?.try_into().ok();
    bare.or_else(with_unit).ok_or_else(|| InvalidDuration(text.to_owned()))
}

/// The error for a text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration: expected one such as 500ms, 30s or 2m")]
pub struct InvalidDuration(String);

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
            Err(format!("{text:?} is not a size: expected bytes such as 67108864, or a unit as in 64MiB"))
        }
        Some(size) => Ok(size),
    }
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| ()).and_then(valid_share).map_err(|()| EXPECTED_SHARE.to_owned())
}

const EXPECTED_SHARE: &str = "expected a number from 0 to 1";

fn valid_share(share: f64) -> Result<f64, ()> {
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(()) }
}

/// Checks levels in the form of `RUST_LOG`: `debug`, or `info,notify=debug`.
pub(crate) fn parse_levels(text: &str) -> Result<String, String> {
    let is_level = |level: &str| {
        level.starts_with(|c: char| c.is_ascii_alphabetic()) && level.parse::<LevelFilter>().is_ok()
    };
    let is_directive = |part: &str| match part.rsplit_once('=') {
        Some((target, level)) => !target.is_empty() && is_level(level),
        None => is_level(part),
    };
    if text.split(',').all(is_directive) {
        return Ok(text.to_owned());
    }
    Err("expected error, warn, info, debug, trace or off, alone or with modules as in info,notify=debug"
        .to_owned())
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map(Some).map_err(D::Error::custom)
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_interval(&text).map(Some).map_err(D::Error::custom)
}

/// Reads a path. An empty path becomes `None`.
fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    Ok(Some(path).filter(|path| !path.as_os_str().is_empty()))
}

/// Reads levels. An empty text becomes `None`.
fn levels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { parse_levels(&text).map(Some).map_err(D::Error::custom) }
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    valid_share(f64::deserialize(deserializer)?).map(Some).map_err(|()| D::Error::custom(EXPECTED_SHARE))
}

fn at_least<'de, D: Deserializer<'de>, const MIN: usize>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let number = usize::deserialize(deserializer)?;
    if number < MIN {
        return Err(D::Error::custom(format!("expected at least {MIN}")));
    }
    Ok(Some(number))
}

/// A number, or a text with a unit.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected bytes such as 67108864, or a text such as \"64MiB\"")]
enum Size {
    Bytes(u64),
    Text(String),
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = match Size::deserialize(deserializer)? {
        Size::Bytes(bytes) => bytes.to_string(),
        Size::Text(text) => text,
    };
    parse_size(&text).map(Some).map_err(D::Error::custom)
}

/// One address, or a list of addresses.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected an address such as \"127.0.0.1:7400\", or a list of addresses")]
enum Addresses {
    One(String),
    Several(Vec<String>),
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<ListenAddress>>, D::Error> {
    let texts = match Addresses::deserialize(deserializer)? {
        Addresses::One(text) => vec![text],
        Addresses::Several(texts) => texts,
    };
    if texts.is_empty() {
        return Err(D::Error::custom("expected at least one address"));
    }
    let read = |text: &String| text.parse().map_err(|error| D::Error::custom(format!("{text:?}: {error}")));
    texts.iter().map(read).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(
        options: &[&str],
        config: Option<&Path>,
        variables: &[(&str, &str)],
    ) -> Result<Settings, Vec<String>> {
        let command = SettingsLayer::augment_args(Command::new("test").no_binary_name(true));
        let matches = command.try_get_matches_from(options).unwrap();
        let layer = SettingsLayer::from_arg_matches(&matches).unwrap();
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        Settings::load(layer, config.map(Path::to_owned), variables)
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
            ("standings", "s"),
            ("listen", "localhost:1,unix:/run/s"),
            ("admin_listen", ":2,[::1]:3"),
            ("reuse_port", "1"),
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
            let name = variable_of(key);
            assert_ne!(load(&[], None, &[(&name, value)]).unwrap(), Settings::default(), "{key}");
            assert_eq!(load(&[], None, &[(&name, "")]).unwrap(), Settings::default(), "empty {key}");
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
             registry = \"a\"\nsnapshot = \"b\"\n",
        );
        let variables = [
            ("SWITCHBOARD_MAX_CONNECTIONS", "0"),
            ("SWITCHBOARD_WATCH", "soon"),
            ("SWITCHBOARD_LISTENS", ":1"),
            ("SWITCHBOARD_SERVICE_HOST", "10.0.0.1"),
            ("SWITCHBOARD_PORT", "tcp://10.0.0.1:7400"),
        ];
        let errors = load(&[], Some(&path), &variables).unwrap_err();
        let place = path.display();
        let expected = [
            "environment variable SWITCHBOARD_LISTENS: there is no such setting; did you mean SWITCHBOARD_LISTEN?"
                .to_owned(),
            "environment variable SWITCHBOARD_MAX_CONNECTIONS: \"0\" is not valid: 0 is not in".to_owned(),
            "environment variable SWITCHBOARD_WATCH: \"soon\" is not valid: expected events or poll".to_owned(),
            format!("{place}:2: unknown key \"listen_on\": "),
            format!("{place}:3: poll_interval: expected a duration greater than zero"),
            format!("{place}:4: watch: unknown variant `never`, expected `events` or `poll`"),
            format!("{place}:5: listen: \"x\": the port is missing"),
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
        let check = |options: &[&str]| load(options, None, &[]).unwrap().check_addresses();
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
        assert_eq!(settings.registry, Some(folder.join("registry")));
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
