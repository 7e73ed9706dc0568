//! `switchboard serve`: flags, settings file and defaults make the settings that the daemon runs with.

use super::arguments::ServeArguments;
use super::{CommandError, Exit};
use crate::app;
use crate::config::{BadConfig, Settings};

/// Runs the daemon until a signal stops it.
pub(super) fn run(arguments: ServeArguments) -> Result<Exit, CommandError> {
    app::run(settings(arguments)?).map_err(|error| CommandError::io(error.to_string()))?;
    Ok(Exit::Success)
}

/// Merges the flags over the settings file over the defaults.
fn settings(arguments: ServeArguments) -> Result<Settings, CommandError> {
    let ServeArguments {
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
            BadConfig::Unreadable { .. } => CommandError::io(error.to_string()),
            BadConfig::Invalid { .. } => CommandError::usage(error.to_string()),
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
        return Err(CommandError::usage("registry and snapshot: name one source, not both"));
    }
    Ok(settings)
}
