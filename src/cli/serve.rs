//! `switchboard serve`: runs the daemon with the settings of options, variables, settings file and defaults.

use std::time::Duration;

use super::arguments::ServeArguments;
use super::{CommandError, Exit, output};
use crate::app::{self, StartError};
use crate::config::{Color, Settings, SettingsError};

/// Time to write the log lines that are queued when the daemon stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the daemon until a signal stops it.
pub(super) fn run(arguments: ServeArguments) -> Result<Exit, CommandError> {
    let settings = settings(arguments)?;
    match settings.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    let logs = app::start_logs(&settings).map_err(|error| CommandError::io(error.to_string()))?;
    let exit = match app::run(settings, &logs) {
        Ok(()) => Exit::Success,
        Err(error) => {
            // Through the queue of the logs, because a write to standard error may block.
            logs.push(output::failure(&error.to_string()).into_bytes());
            if matches!(error, StartError::Overlap(_)) { Exit::Usage } else { Exit::Io }
        }
    };
    logs.flush(FLUSH_TIMEOUT);
    Ok(exit)
}

/// Merges the options, the environment variables, the settings file and the defaults.
fn settings(arguments: ServeArguments) -> Result<Settings, CommandError> {
    Settings::load(arguments.settings, arguments.config, std::env::vars_os()).map_err(|errors| {
        let is_usage = |error: &SettingsError| !matches!(error, SettingsError::Unreadable { .. });
        let message = errors.to_string();
        if errors.0.iter().any(is_usage) { CommandError::usage(message) } else { CommandError::io(message) }
    })
}
