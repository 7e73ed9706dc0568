//! `switchboard serve`: runs the daemon with the settings of options, settings file and defaults.

use super::arguments::ServeArguments;
use super::{CommandError, Exit};
use crate::app;
use crate::config::{Settings, SettingsError};

/// Runs the daemon until a signal stops it.
pub(super) fn run(arguments: ServeArguments) -> Result<Exit, CommandError> {
    app::run(settings(arguments)?).map_err(|error| CommandError::io(error.to_string()))?;
    Ok(Exit::Success)
}

/// Merges the settings: an option wins over the settings file, and the file over the default.
fn settings(arguments: ServeArguments) -> Result<Settings, CommandError> {
    let mut settings = match &arguments.config {
        None => Settings::default(),
        Some(path) => Settings::from_file(path).map_err(|error| match error {
            SettingsError::Unreadable { .. } => CommandError::io(error.to_string()),
            SettingsError::Invalid { .. } => CommandError::usage(error.to_string()),
        })?,
    };
    // An option for the source replaces the source of the file, also if it is of the other kind.
    if arguments.registry.is_some() || arguments.snapshot.is_some() {
        settings.registry = arguments.registry;
        settings.snapshot = arguments.snapshot;
    }
    settings.require_snapshot |= arguments.require_snapshot;
    settings.state = arguments.state.or(settings.state);
    override_with(&mut settings.start_timeout, arguments.start_timeout);
    settings.standings = arguments.standings.or(settings.standings);
    override_with(&mut settings.listen, arguments.listen);
    override_with(&mut settings.admin_listen, arguments.admin_listen);
    override_with(&mut settings.workers, arguments.workers);
    override_with(&mut settings.drain_timeout, arguments.drain_timeout);
    override_with(&mut settings.log_format, arguments.log_format);
    if settings.registry.is_some() && settings.snapshot.is_some() {
        return Err(CommandError::usage(
            "the settings have both `registry` and `snapshot`: remove one of them",
        ));
    }
    Ok(settings)
}

fn override_with<T>(setting: &mut T, flag: Option<T>) {
    if let Some(value) = flag {
        *setting = value;
    }
}
