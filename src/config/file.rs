//! The settings file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::Error as _;
use toml::de;

use super::{LogFormat, Notice, Settings, duration};

/// Why a settings file does not count.
#[derive(Debug, thiserror::Error)]
pub enum BadConfig {
    /// It cannot be read.
    #[error("{path}: {error}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// It says what no settings file can.
    #[error("{path}: {message}", path = .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, key and what was expected.
        message: String,
    },
}

/// The keys, all optional.
#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Keys {
    listen: Option<SocketAddr>,
    admin_listen: Option<SocketAddr>,
    registry: Option<PathBuf>,
    snapshot: Option<PathBuf>,
    standings: Option<PathBuf>,
    workers: Option<usize>,
    max_connections: Option<usize>,
    max_connections_per_peer: Option<usize>,
    max_body_bytes: Option<usize>,
    #[serde(deserialize_with = "duration::deserialize")]
    header_timeout: Option<Duration>,
    #[serde(deserialize_with = "duration::deserialize")]
    body_timeout: Option<Duration>,
    #[serde(deserialize_with = "duration::deserialize")]
    idle_timeout: Option<Duration>,
    #[serde(deserialize_with = "duration::deserialize")]
    drain_timeout: Option<Duration>,
    #[serde(deserialize_with = "duration::deserialize")]
    poll_interval: Option<Duration>,
    watch: Option<Notice>,
    require_snapshot: Option<bool>,
    log_format: Option<LogFormat>,
}

impl Settings {
    /// The defaults with what the file sets.
    ///
    /// # Errors
    /// Where the file cannot be read, or has a key or value that no settings file has.
    pub fn from_file(path: &Path) -> Result<Settings, BadConfig> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| BadConfig::Unreadable { path: path.to_owned(), error })?;
        Settings::from_toml(&text)
            .map_err(|error| BadConfig::Invalid { path: path.to_owned(), message: error.to_string() })
    }

    /// The same, of a text.
    ///
    /// # Errors
    /// With the line and what was expected.
    pub fn from_toml(text: &str) -> Result<Settings, de::Error> {
        // Taken apart by name: a key that is added and not used does not compile.
        let Keys {
            listen,
            admin_listen,
            registry,
            snapshot,
            standings,
            workers,
            max_connections,
            max_connections_per_peer,
            max_body_bytes,
            header_timeout,
            body_timeout,
            idle_timeout,
            drain_timeout,
            poll_interval,
            watch,
            require_snapshot,
            log_format,
        } = toml::from_str(text)?;
        let default = Settings::default();
        let nothing = |key: &str| de::Error::custom(format!("{key}: expected more than nothing"));
        if poll_interval == Some(Duration::ZERO) {
            return Err(nothing("poll_interval"));
        }
        if max_connections == Some(0) {
            return Err(nothing("max_connections"));
        }
        // Less than one body of each kind would refuse the largest whatever the load.
        const LEAST: usize = 16 * 1024 * 1024;
        if max_body_bytes.is_some_and(|bytes| bytes < LEAST) {
            return Err(de::Error::custom(format!("max_body_bytes: expected at least {LEAST}")));
        }
        let path = |path: Option<PathBuf>| path.filter(|path| !path.as_os_str().is_empty());
        Ok(Settings {
            listen: listen.unwrap_or(default.listen),
            admin_listen: admin_listen.unwrap_or(default.admin_listen),
            registry: path(registry),
            snapshot: path(snapshot),
            standings: path(standings),
            workers: workers.unwrap_or(default.workers),
            max_connections: max_connections.unwrap_or(default.max_connections),
            max_connections_per_peer: max_connections_per_peer.unwrap_or(default.max_connections_per_peer),
            max_body_bytes: max_body_bytes.unwrap_or(default.max_body_bytes),
            header_timeout: header_timeout.unwrap_or(default.header_timeout),
            body_timeout: body_timeout.unwrap_or(default.body_timeout),
            idle_timeout: idle_timeout.unwrap_or(default.idle_timeout),
            drain_timeout: drain_timeout.unwrap_or(default.drain_timeout),
            poll_interval: poll_interval.unwrap_or(default.poll_interval),
            watch: watch.unwrap_or(default.watch),
            require_snapshot: require_snapshot.unwrap_or(default.require_snapshot),
            log_format: log_format.unwrap_or(default.log_format),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_config_holds_every_key_with_its_default() {
        let text = include_str!("../../config/switchboard.toml");
        assert_eq!(Settings::from_toml(text).unwrap(), Settings::default());
        let keys = text.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')).count();
        let fields =
            format!("{:#?}", Settings::default()).lines().filter(|line| line.starts_with("    ")).count();
        assert!(keys >= 15 && fields >= keys, "{keys} keys of {fields} lines of fields");
    }

    #[test]
    fn what_cannot_work_is_refused() {
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
    fn an_unknown_key_is_refused_with_its_line() {
        let error = Settings::from_toml("workers = 2\nlisten_on = \"[::1]:1\"\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("listen_on"), "{error}");
    }
}
