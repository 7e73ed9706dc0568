//! `switchboard serve`

use super::arguments::Serve;
use super::{Exit, Failure};
use crate::app;
use crate::config::{BadConfig, Settings};

/// Serves until told to stop.
pub fn run(arguments: Serve) -> Result<Exit, Failure> {
    app::run(settings(arguments)?).map_err(|error| Failure::io(error.to_string()))?;
    Ok(Exit::Done)
}

/// Flags over the file over the defaults.
fn settings(arguments: Serve) -> Result<Settings, Failure> {
    let Serve {
        registry,
        snapshot,
        require_snapshot,
        standings,
        listen,
        admin_listen,
        workers,
        drain_timeout,
        log_format,
        config,
    } = arguments;
    let file = match &config {
        None => Settings::default(),
        Some(path) => Settings::from_file(path).map_err(|error| match error {
            BadConfig::Unreadable { .. } => Failure::io(error.to_string()),
            BadConfig::Invalid { .. } => Failure::usage(error.to_string()),
        })?,
    };
    // A source named by a flag replaces the file's, of whichever kind that is.
    let named = registry.is_some() || snapshot.is_some();
    let settings = Settings {
        registry: if named { registry } else { file.registry },
        snapshot: if named { snapshot } else { file.snapshot },
        require_snapshot: require_snapshot || file.require_snapshot,
        standings: standings.or(file.standings),
        listen: listen.unwrap_or(file.listen),
        admin_listen: admin_listen.unwrap_or(file.admin_listen),
        workers: workers.unwrap_or(file.workers),
        drain_timeout: drain_timeout.unwrap_or(file.drain_timeout),
        log_format: log_format.unwrap_or(file.log_format),
        ..file
    };
    if settings.registry.is_some() && settings.snapshot.is_some() {
        return Err(Failure::usage("registry and snapshot: name one source, not both"));
    }
    Ok(settings)
}
