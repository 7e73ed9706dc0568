//! The settings of the daemon. Each layer overrides the one before it: the defaults, the settings file, the
//! options of the command line. `config/switchboard.toml` lists every key with its default.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};
use switchboard_pipeline::SnapshotSource;
use switchboard_server::ServerSettings;
use toml::de;

use crate::runtime::WatchMode;

/// Minimum of `max_body_bytes`. The largest batch fits, although a quarter of the budget is kept for single
/// queries.
const MIN_MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// All settings of the daemon. The fields are the keys of the settings file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address of the data listener. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Address of the admin listener. Port 0 lets the system choose.
    pub admin_listen: SocketAddr,
    /// Folder of the registry to serve. Takes precedence over `snapshot`.
    #[serde(deserialize_with = "optional_path")]
    pub registry: Option<PathBuf>,
    /// File of the compiled snapshot to serve. Without `registry` and `snapshot`, the demo registry is
    /// served.
    #[serde(deserialize_with = "optional_path")]
    pub snapshot: Option<PathBuf>,
    /// Folder of the state directory, which keeps snapshots and standings over restarts.
    #[serde(deserialize_with = "optional_path")]
    pub state: Option<PathBuf>,
    /// Time that the source has to answer at a start before a snapshot of the state directory is served.
    #[serde(deserialize_with = "duration")]
    pub start_timeout: Duration,
    /// File of the journal of standings. Without a journal, standings end with the process.
    #[serde(deserialize_with = "optional_path")]
    pub standings: Option<PathBuf>,
    /// Number of threads that answer queries. 0 is one for each core.
    pub workers: usize,
    /// Maximum number of connections to the data listener.
    pub max_connections: usize,
    /// Maximum number of connections of one peer: an IPv4 address, or the /64 prefix of an IPv6 address. 0 is
    /// no limit.
    pub max_connections_per_peer: usize,
    /// Maximum number of bytes of memory for incoming bodies and unsent large answers.
    pub max_body_bytes: usize,
    /// Timeout from the first byte of a request to the end of its head.
    #[serde(deserialize_with = "duration")]
    pub header_timeout: Duration,
    /// Timeout from the end of a request's head to its answer, including the arrival of the body.
    #[serde(deserialize_with = "duration")]
    pub body_timeout: Duration,
    /// Timeout between two requests on a connection.
    #[serde(deserialize_with = "duration")]
    pub idle_timeout: Duration,
    /// Time for requests in flight to finish after a stop signal.
    #[serde(deserialize_with = "duration")]
    pub drain_timeout: Duration,
    /// Interval at which the source is polled for changes.
    #[serde(deserialize_with = "duration")]
    pub poll_interval: Duration,
    /// Way in which changes of the source are noticed.
    pub watch: WatchMode,
    /// Whether the daemon exits if the source has no valid snapshot at start.
    pub require_snapshot: bool,
    /// Format of the log lines.
    pub log_format: LogFormat,
}

/// The format of the log lines. The comments of the variants are help texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text for each event
    #[default]
    Text,
    /// One JSON object for each event
    Json,
}

/// The reason why a settings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {path}: {error}", path = .path.display())]
    Unreadable {
        /// The path of the settings file.
        path: PathBuf,
        /// The error that the system returned.
        error: std::io::Error,
    },
    /// The file is not TOML, or has an unknown key or an invalid value.
    #[error("{path}: {error}", path = .path.display())]
    Invalid {
        /// The path of the settings file.
        path: PathBuf,
        /// Error with the line, the key and the expected value.
        error: de::Error,
    },
}

impl Default for Settings {
    fn default() -> Settings {
        let http = ServerSettings::default();
        Settings {
            listen: http.listen,
            admin_listen: (Ipv4Addr::LOCALHOST, 7401).into(),
            registry: None,
            snapshot: None,
            state: None,
            start_timeout: Duration::from_secs(10),
            standings: None,
            workers: 0,
            max_connections: http.max_connections,
            max_connections_per_peer: http.max_connections_per_peer,
            max_body_bytes: http.max_body_bytes,
            header_timeout: http.header_timeout,
            body_timeout: http.body_timeout,
            idle_timeout: http.idle_timeout,
            drain_timeout: Duration::from_secs(30),
            poll_interval: Duration::from_secs(1),
            watch: WatchMode::Events,
            require_snapshot: false,
            log_format: LogFormat::Text,
        }
    }
}

impl Settings {
    /// Reads a settings file. Missing keys keep their defaults.
    ///
    /// # Errors
    /// Fails if the file cannot be read, has an unknown key or has an invalid value.
    pub fn from_file(path: &Path) -> Result<Settings, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingsError::Unreadable { path: path.to_owned(), error })?;
        Settings::from_toml(&text).map_err(|error| SettingsError::Invalid { path: path.to_owned(), error })
    }

    /// Reads the text of a settings file.
    ///
    /// # Errors
    /// Returns the line, the key and the expected value.
    pub fn from_toml(text: &str) -> Result<Settings, de::Error> {
        let settings: Settings = toml::from_str(text)?;
        let zero = |key: &str| Err(de::Error::custom(format!("{key}: expected a value greater than zero")));
        if settings.poll_interval.is_zero() {
            return zero("poll_interval");
        }
        if settings.max_connections == 0 {
            return zero("max_connections");
        }
        if settings.max_body_bytes < MIN_MAX_BODY_BYTES {
            return Err(de::Error::custom(format!(
                "max_body_bytes: expected at least {MIN_MAX_BODY_BYTES} bytes"
            )));
        }
        Ok(settings)
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

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(D::Error::custom)
}

/// Reads a path. An empty path becomes `None`.
fn optional_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    Ok(Some(path).filter(|path| !path.as_os_str().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_in_config_has_every_key_with_its_default() {
        let text = include_str!("../config/switchboard.toml");
        assert_eq!(Settings::from_toml(text).unwrap(), Settings::default());
        // The error for an unknown key lists all keys.
        let error = Settings::from_toml("unknown = 1").unwrap_err();
        let known: Vec<&str> = error.message().split('`').skip(3).step_by(2).collect();
        let keys: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
        assert_eq!(
            keys.iter().filter(|key| !key.starts_with('#')).collect::<Vec<_>>(),
            known.iter().collect::<Vec<_>>()
        );
    }

    #[test]
    fn value_that_cannot_work_is_an_error() {
        for text in [
            "poll_interval = \"0s\"",
            "max_connections = 0",
            "max_body_bytes = 1",
            "idle_timeout = \"soon\"",
            "watch = \"never\"",
        ] {
            assert!(Settings::from_toml(text).is_err(), "{text}");
        }
    }

    #[test]
    fn unknown_key_is_an_error_with_its_line() {
        let error = Settings::from_toml("workers = 2\nlisten_on = \"[::1]:1\"\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("listen_on"), "{error}");
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
}
