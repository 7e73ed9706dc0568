//! `switchboard serve`: flags, settings file and defaults make the settings that the daemon runs with.

use super::arguments::ServeArguments;
use super::{CommandError, Exit};
use crate::app;
use crate::config::{Settings, SettingsError};

/// Runs the daemon until a signal stops it.
pub(super) fn run(arguments: ServeArguments) -> Result<Exit, CommandError> {
    app::run(settings(arguments)?).map_err(|error| CommandError::io(error.to_string()))?;
    Ok(Exit::Success)
}

/// Merges the flags over the settings file over the defaults.
fn settings(arguments: ServeArguments) -> Result<Settings, CommandError> {
    let mut settings = match &arguments.config {
        None => Settings::default(),
        Some(path) => Settings::from_file(path).map_err(|error| match error {
            SettingsError::Unreadable { .. } => CommandError::io(error.to_string()),
            SettingsError::Invalid { .. } => CommandError::usage(error.to_string()),
        })?,
    };
    // A source named by a flag replaces the file's, of either kind.
    if arguments.registry.is_some() || arguments.snapshot.is_some() {
        settings.registry = arguments.registry;
        settings.snapshot = arguments.snapshot;
    }
    settings.require_snapshot |= arguments.require_snapshot;
    settings.standings = arguments.standings.or(settings.standings);
    override_with(&mut settings.listen, arguments.listen);
    override_with(&mut settings.admin_listen, arguments.admin_listen);
    override_with(&mut settings.workers, arguments.workers);
    override_with(&mut settings.drain_timeout, arguments.drain_timeout);
    override_with(&mut settings.log_format, arguments.log_format);
    if settings.registry.is_some() && settings.snapshot.is_some() {
        return Err(CommandError::usage("registry and snapshot: name one source, not both"));
    }
    Ok(settings)
}

fn override_with<T>(setting: &mut T, flag: Option<T>) {
    if let Some(value) = flag {
        *setting = value;
    }
}
