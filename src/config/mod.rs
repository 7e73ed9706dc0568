//! Floor 6. What an operator can set: defaults, a file, flags; each wins over the one before it.
//!
//! `config/switchboard.toml` holds every key with its default; a test holds the two equal.

pub mod duration;
pub mod file;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use file::BadConfig;

use crate::api::data;

/// Everything that `switchboard serve` can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where queries are answered.
    pub listen: SocketAddr,
    /// Where metrics, probes and status are.
    pub admin_listen: SocketAddr,
    /// A registry's folder.
    pub registry: Option<PathBuf>,
    /// A compiled snapshot.
    pub snapshot: Option<PathBuf>,
    /// The journal of live standings.
    pub standings: Option<PathBuf>,
    /// Threads that answer; 0: one per core.
    pub workers: usize,
    /// Connections at a time.
    pub max_connections: usize,
    /// Connections of one peer at a time; 0: no limit of its own.
    pub max_connections_per_peer: usize,
    /// Bytes of bodies and large answers in hand.
    pub max_body_bytes: usize,
    /// For a request's head to arrive.
    pub header_timeout: Duration,
    /// From the end of a request's head to its answer, the arrival of its body included.
    pub body_timeout: Duration,
    /// Between two requests of a connection.
    pub idle_timeout: Duration,
    /// For requests in flight to finish.
    pub drain_timeout: Duration,
    /// How often to look for changed files.
    pub poll_interval: Duration,
    /// How to notice changed files.
    pub watch: Notice,
    /// Whether to end where the first look at the source gives no snapshot.
    pub require_snapshot: bool,
    /// How to log.
    pub log_format: LogFormat,
}

/// How to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line a person reads.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// How to notice changed files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notice {
    /// By events of the file system, and by looking.
    #[default]
    Events,
    /// By looking alone.
    Poll,
}

impl Default for Settings {
    fn default() -> Settings {
        let http = data::Settings::default();
        Settings {
            listen: http.listen,
            admin_listen: (Ipv4Addr::LOCALHOST, 7401).into(),
            registry: None,
            snapshot: None,
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
            watch: Notice::Events,
            require_snapshot: false,
            log_format: LogFormat::Text,
        }
    }
}
