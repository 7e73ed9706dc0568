//! `switchboard serve`: runs the daemon with the settings of options, variables, settings file and defaults.
//! `switchboard check-config` checks the same settings.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{Access as AccessMode, access};
use switchboard_model::UnixMillis;
use switchboard_pipeline::{BuildMode, SourceError};
use switchboard_registry::ReadLimits;
use switchboard_server::ListenAddress;
use switchboard_snapshot::NoProgress;

use super::arguments::ServeArguments;
use super::output::FLUSH_TIMEOUT;
use super::{CommandError, Exit, output};
use crate::access::{Access, PrincipalsError, audit};
use crate::app::{self, FleetError, ListenError, StartError, TlsError, TlsFiles};
use crate::config::{Color, Settings, SettingsError, SettingsErrors, check_log_variable, check_overlap};
use crate::runtime::standings::JournalContents;
use crate::runtime::{KeysError, KeysInForce};

/// Runs the daemon until a signal stops it.
pub(super) fn run(arguments: ServeArguments) -> Result<Exit, CommandError> {
    let settings = match Settings::load(&arguments.settings, arguments.config, std::env::vars_os()) {
        Ok(settings) => settings,
        Err(SettingsErrors(errors)) => {
            output::print_at_start(errors.iter().map(|error| output::failure(&error.to_string())));
            return Ok(exit_of(errors.iter().map(exit_of_setting)));
        }
    };
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
            match error {
                StartError::Tls(TlsError::Unreadable { .. }) => Exit::Io,
                StartError::Overlap(_)
                | StartError::Tls(_)
                | StartError::Exposed(_)
                | StartError::Fleet(FleetError::Unusable(_))
                | StartError::Principals(PrincipalsError::Faults(_))
                | StartError::TrustedKeys(KeysError::Faults(_)) => Exit::Usage,
                _ => Exit::Io,
            }
        }
    };
    logs.flush(FLUSH_TIMEOUT);
    Ok(exit)
}

/// A fault that a start of the daemon would meet.
struct Fault {
    exit: Exit,
    message: String,
}

/// Checks the settings, and whether the files that they name can be used. Prints every fault. Checks what does not
/// depend on a faulty setting, too. Writes nothing.
pub(super) fn check(arguments: ServeArguments) -> Result<Exit, CommandError> {
    let (settings, errors) = Settings::load_valid(&arguments.settings, arguments.config, std::env::vars_os());
    let usage = |message: String| Fault { exit: Exit::Usage, message };
    let io = |message: String| Fault { exit: Exit::Io, message };
    let has_url = errors.iter().any(|error| matches!(error, SettingsError::Url { .. }));
    let mut faults: Vec<Fault> = errors
        .iter()
        .map(|error| Fault { exit: exit_of_setting(error), message: error.to_string() })
        .collect();
    if settings.log_level.is_none() {
        faults.extend(check_log_variable().err().map(usage));
    }
    faults.extend(check_overlap(&settings.addresses()).err().map(|overlap| usage(overlap.to_string())));
    for (option, addresses) in [("--listen", &settings.listen), ("--admin-listen", &settings.admin_listen)] {
        let failed = addresses.iter().filter_map(|address| address.check_path().err());
        faults.extend(failed.map(|error| io(ListenError::new(option, error).to_string())));
    }
    faults.extend(TlsFiles::faults(&settings).into_iter().map(|error| match error {
        TlsError::Unreadable { .. } => io(error.to_string()),
        _ => usage(error.to_string()),
    }));
    let exposed = settings.check_exposed(&settings.addresses());
    faults.extend(exposed.err().map(|exposed| usage(exposed.to_string())));
    let access = match settings.principals.as_deref().map(Access::open) {
        None => None,
        Some(Ok(access)) => Some(access),
        Some(Err(error @ PrincipalsError::Faults(_))) => {
            faults.push(usage(error.to_string()));
            None
        }
        Some(Err(error)) => {
            faults.push(io(error.to_string()));
            None
        }
    };
    match settings.trusted_keys.as_deref().map(KeysInForce::open) {
        Some(Err(error @ KeysError::Faults(_))) => faults.push(usage(error.to_string())),
        Some(Err(error)) => faults.push(io(error.to_string())),
        Some(Ok(_)) | None => {}
    }
    faults.extend(app::check_fleet(&settings).err().map(|error| match error {
        FleetError::Unreadable { .. } => io(error.to_string()),
        FleetError::Unusable(_) => usage(error.to_string()),
    }));
    let limits = ReadLimits { max_file_bytes: settings.max_file_size };
    if !has_url && let Err(error) = settings.source().fetch(limits) {
        let remedy = match error {
            SourceError::Database { .. } => "",
            _ => "; check that it exists, and its permissions",
        };
        faults.push(io(format!("the source cannot be read: {error}{remedy}")));
    }
    if let Some(state) = &settings.state {
        faults.extend(check_state(state).err().map(io));
        faults.extend(check_audit(&state.join(audit::FILE)).err().map(io));
    }
    if let Some(journal) = settings.journal() {
        let is_in_state = settings.standings.is_none();
        faults.extend(check_journal(&journal, is_in_state).err().map(io));
    }
    if !faults.is_empty() {
        faults.iter().for_each(|fault| output::print_failure(&fault.message));
        return Ok(exit_of(faults.iter().map(|fault| fault.exit)));
    }
    let warnings = access_warnings(access.as_ref(), &settings, limits);
    warnings.iter().for_each(|warning| output::print_warning(warning));
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

/// Returns the mistakes of principals and keys that do not keep the daemon from a start.
fn access_warnings(access: Option<&Access>, settings: &Settings, limits: ReadLimits) -> Vec<String> {
    let unused = app::unused_access(settings, access).into_iter().map(str::to_owned);
    let Some(access) = access else { return unused.collect() };
    let now = UnixMillis::from(SystemTime::now());
    // What the source lacks is known only if it is valid. Its own faults are those of `switchboard check`.
    let opened = settings.source().open(limits, now, BuildMode::Inspect, &NoProgress);
    let snapshot = opened.as_ref().ok().map(|opened| &opened.snapshot);
    let mut warnings = access.warnings(snapshot, now.to_seconds());
    warnings.extend(unused);
    warnings
}

/// Checks that the state directory can be written, or created.
fn check_state(state: &Path) -> Result<(), String> {
    let failed = |fault: &str| Err(format!("state: {}: {fault}", state.display()));
    match fs::metadata(state) {
        Ok(found) if !found.is_dir() => {
            failed("this is not a folder; name a folder, or one that does not exist yet")
        }
        Ok(_) => match access(state, AccessMode::READ_OK | AccessMode::WRITE_OK | AccessMode::EXEC_OK) {
            Ok(()) => Ok(()),
            Err(error) => failed(&format!("{error}; give the user of the daemon read and write permission")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = state.ancestors().skip(1).find(|above| above.exists()).unwrap_or(state);
            match access(above, AccessMode::WRITE_OK | AccessMode::EXEC_OK) {
                Ok(()) if above.is_dir() => Ok(()),
                Ok(()) => failed(&format!("{} is not a folder", above.display())),
                Err(error) => {
                    failed(&format!("the folder cannot be created in {}: {error}", above.display()))
                }
            }
        }
        Err(error) => failed(&error.to_string()),
    }
}

/// Checks that the audit log can be written, if there is one.
fn check_audit(log: &Path) -> Result<(), String> {
    let failed = |fault: &str| Err(format!("state: {}: {fault}", log.display()));
    match fs::metadata(log) {
        Ok(found) if !found.is_file() => {
            failed("this is not a regular file; move it away, because the audit log has this name")
        }
        Ok(_) => match access(log, AccessMode::READ_OK | AccessMode::WRITE_OK) {
            Ok(()) => Ok(()),
            Err(error) => failed(&format!("{error}; give the user of the daemon read and write permission")),
        },
        // The check of the state directory reports what is wrong with the folder.
        Err(_) => Ok(()),
    }
}

/// Checks that a journal can be read and written. The daemon creates the folder of a journal only if that is the
/// state directory.
fn check_journal(journal: &Path, is_in_state: bool) -> Result<(), String> {
    let failed = |fault: &str| Err(format!("standings: {}: {fault}", journal.display()));
    let folder = journal.parent().unwrap_or(journal);
    if !folder.is_dir() {
        // The check of the state directory reports what is wrong with this folder.
        return if is_in_state {
            Ok(())
        } else {
            failed("the folder of the journal does not exist: create it")
        };
    }
    match fs::metadata(journal) {
        // A pipe is not read, because reading may wait for ever.
        Ok(found) if !found.is_file() => {
            return failed("this is not a regular file; name a file for the journal");
        }
        Ok(_) => {
            if let Err(error) = JournalContents::read(journal) {
                return failed(&error.to_string());
            }
            if let Err(error) = access(journal, AccessMode::WRITE_OK) {
                return failed(&format!("{error}; give the user of the daemon write permission"));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return failed(&error.to_string()),
    }
    if !is_in_state && let Err(error) = access(folder, AccessMode::WRITE_OK | AccessMode::EXEC_OK) {
        return failed(&format!("the folder of the journal cannot be written: {error}"));
    }
    Ok(())
}

fn exit_of_setting(error: &SettingsError) -> Exit {
    if matches!(error, SettingsError::Unreadable { .. }) { Exit::Io } else { Exit::Usage }
}

/// Returns the exit code of several faults: that of an unreadable file only if every fault is one.
fn exit_of(faults: impl IntoIterator<Item = Exit>) -> Exit {
    if faults.into_iter().all(|exit| exit == Exit::Io) { Exit::Io } else { Exit::Usage }
}
