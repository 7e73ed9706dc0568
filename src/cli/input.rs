//! The sources that commands read: registry folders, snapshot files and the demo registry; and the clock.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use switchboard_model::UnixMillis;
use switchboard_pipeline::{OpenError, SnapshotSource, SourceError};
use switchboard_registry::{Files, ReadError};
use switchboard_snapshot::Snapshot;

use super::output::{self, ProgressLine};
use super::{CommandError, findings};

/// Returns the source that the options `--registry` and `--snapshot` name, or the demo registry without
/// either.
pub(super) fn source_from_flags(registry: &Option<PathBuf>, snapshot: &Option<PathBuf>) -> SnapshotSource {
    match (snapshot, registry) {
        (Some(file), _) => SnapshotSource::Snapshot(file.clone()),
        (None, Some(folder)) => SnapshotSource::Registry(folder.clone()),
        (None, None) => SnapshotSource::Demo,
    }
}

/// Returns the source at a path: a registry if the path is a folder, otherwise a snapshot.
pub(super) fn source_from_path(path: &Path) -> SnapshotSource {
    let path = path.to_owned();
    if path.is_dir() { SnapshotSource::Registry(path) } else { SnapshotSource::Snapshot(path) }
}

/// Reads or builds the snapshot of a source. If the registry has errors, prints its findings and returns
/// `None`.
pub(super) fn open_snapshot(source: &SnapshotSource) -> Result<Option<Snapshot>, CommandError> {
    let progress = ProgressLine::new();
    let opened = source.open(now(), &progress);
    drop(progress);
    match opened {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(OpenError::Registry { failure, files }) => {
            let root = match source {
                SnapshotSource::Registry(folder) => folder.as_path(),
                SnapshotSource::Demo | SnapshotSource::Snapshot(_) => Path::new(""),
            };
            output::print_error(&findings::text(&failure.findings, &files, root));
            output::print_failure("the registry has errors: correct them, then run the command again");
            Ok(None)
        }
        Err(OpenError::Source(SourceError::Registry { root, error })) => {
            Err(unreadable_registry(&root, &error))
        }
        Err(OpenError::Source(error)) => Err(CommandError::io(error.to_string())),
        Err(OpenError::Snapshot { path, rejection }) => {
            Err(CommandError::io(format!("{}: {rejection}", path.display())))
        }
    }
}

/// Reads all files of a registry folder.
pub(super) fn read_registry(folder: &Path) -> Result<Files, CommandError> {
    Files::read_dir(folder).map_err(|error| unreadable_registry(folder, &error))
}

fn unreadable_registry(folder: &Path, error: &ReadError) -> CommandError {
    let inner = error.path.trim_start_matches('.');
    let remedy = match inner {
        "" => "expected a registry folder, which has one folder for each company",
        _ => "check that it exists and that you have permission to read it",
    };
    let (path, error) = (folder.join(inner), &error.error);
    CommandError::io(format!("cannot read {}: {error}; {remedy}", path.display()))
}

/// Returns the present time of the system clock.
pub(super) fn now() -> UnixMillis {
    UnixMillis::from(SystemTime::now())
}
