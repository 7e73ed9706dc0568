//! `switchboard serve`: runs the daemon with the settings of options, variables, settings file and defaults.
//! `switchboard check-config` checks the same settings.

use std::path::Path;
use std::time::Duration;

use switchboard_registry::ReadLimits;
use switchboard_server::ListenAddress;

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

/// Checks the settings, and whether the source can be read. Prints every fault.
pub(super) fn check(arguments: ServeArguments) -> Result<Exit, CommandError> {
    let settings = settings(arguments)?;
    let mut faults = Vec::new();
    faults.extend(settings.check_addresses().err().map(|overlap| overlap.to_string()));
    let limits = ReadLimits { max_file_bytes: settings.max_file_size };
    if let Err(error) = settings.source().fetch(limits) {
        faults.push(format!("the source cannot be read: {error}; check that it exists, and its permissions"));
    }
    if let Some(state) = settings.state.as_ref().filter(|state| state.exists() && !state.is_dir()) {
        faults.push(format!("state: {} is not a folder", state.display()));
    }
    if let Some(file) = settings.standings.as_ref().filter(|file| !file.parent().is_some_and(Path::is_dir)) {
        faults.push(format!("standings: the folder of {} does not exist: create it", file.display()));
    }
    if !faults.is_empty() {
        faults.iter().for_each(|fault| output::print_failure(fault));
        return Ok(Exit::Usage);
    }
    let list = |addresses: &[ListenAddress]| {
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    output::print(&format!(
        "the settings are valid: serves {}, answers on {}, admin listener on {}\n",
        settings.source().describe(),
        list(&settings.listen),
        list(&settings.admin_listen)
    ))?;
    Ok(Exit::Success)
}

/// Merges the options, the environment variables, the settings file and the defaults.
fn settings(arguments: ServeArguments) -> Result<Settings, CommandError> {
    let settings =
        Settings::load(arguments.settings, arguments.config, std::env::vars_os()).map_err(|errors| {
            let is_usage = |error: &SettingsError| !matches!(error, SettingsError::Unreadable { .. });
            let message = errors.to_string();
            if errors.0.iter().any(is_usage) {
                CommandError::usage(message)
            } else {
                CommandError::io(message)
            }
        })?;
    for (key, path) in [("registry", &settings.registry), ("snapshot", &settings.snapshot)] {
        let text = path.as_ref().map(|path| path.to_string_lossy()).unwrap_or_default();
        // The path was made absolute, which removes one of the slashes.
        let scheme =
            ["/postgres:/", "/postgresql:/", "/nats:/"].into_iter().find(|scheme| text.contains(scheme));
        if let Some(scheme) = scheme {
            // The rest of a URL may contain a password.
            return Err(CommandError::usage(format!(
                "{key}: this build cannot read {}//…: name the folder of a registry or a snapshot file",
                scheme.trim_matches('/')
            )));
        }
    }
    Ok(settings)
}
