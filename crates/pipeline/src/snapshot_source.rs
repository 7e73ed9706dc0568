//! The sources of snapshots: the demo registry in the binary, a registry in a folder or in a database, a compiled file,
//! or the release of a fleet.

use std::io;
use std::path::{Path, PathBuf};

use switchboard_database::{Contents, Database, DatabaseError};
use switchboard_model::UnixMillis;
use switchboard_registry::{Files, Findings, ReadError, ReadLimits, Stamp};
use switchboard_snapshot::{Bytes, Progress, Rejection, Snapshot, file};

use super::build::{self, BuildFailure, BuildMode, BuiltSnapshot};

/// Generation of the demo registry, which never changes.
pub const DEMO_GENERATION: u64 = 1;

macro_rules! demo_files {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../../config/demo/", $path)))),*]
    };
}

/// Returns the files of the demo registry, `config/demo`, which are part of the binary.
pub fn demo_files() -> Files {
    Files::from_iter(demo_files![
        "acme/accounts.csv",
        "acme/company.toml",
        "acme/tests.toml",
        "meridian/accounts.csv",
        "meridian/company.toml",
        "meridian/ous.csv",
        "meridian/tests.toml",
    ])
}

/// The source from which a daemon or a command gets its snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotSource {
    /// The demo registry that is part of the binary.
    Demo,
    /// The folder of a registry.
    Registry(PathBuf),
    /// A registry in a database.
    Database(Box<Database>),
    /// The file of a compiled snapshot.
    Snapshot(PathBuf),
    /// The release of a fleet, in the file to which the replica writes the snapshot.
    Fleet {
        /// The servers of the broker, for people. Without user and password.
        url: String,
        /// The file. It does not exist before the first release.
        file: PathBuf,
    },
}

/// The content of a source, in memory.
pub enum Fetched {
    /// The files of a registry to compile.
    Files(Files),
    /// The registry of a database to compile.
    Database(Contents),
    /// The file of a snapshot to open.
    Bytes {
        /// Content of the whole file.
        bytes: Bytes,
        /// Time of the last change of the file.
        modified_at: UnixMillis,
        /// Content of the file with the signed manifest, or the reason why it cannot be read. `None` if no
        /// signatures are required.
        release: Option<Result<Vec<u8>, String>>,
    },
    /// The fleet has no release for this replica yet.
    NoRelease,
}

/// The snapshot of a source that a command has opened.
pub struct Opened {
    /// The snapshot, verified.
    pub snapshot: Snapshot,
    /// The warnings about a registry, and in [`BuildMode::Inspect`] its failed tests. Empty for a snapshot
    /// file.
    pub findings: Findings,
    /// Number of tests of a registry that failed. Greater than 0 only in [`BuildMode::Inspect`].
    pub failed: usize,
    /// The files that the findings point into. `None` for a snapshot file.
    pub files: Option<Files>,
}

/// The reason why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The folder of a registry or a file in it cannot be read.
    #[error("{}", describe_registry(.root, .error))]
    Registry {
        /// The folder of the registry.
        root: PathBuf,
        /// Path in the folder and error of the system.
        error: ReadError,
    },
    /// A database cannot be read.
    #[error("{database}: {error}")]
    Database {
        /// The database, without user and password.
        database: String,
        /// The reason.
        error: DatabaseError,
    },
    /// The file of a snapshot cannot be read.
    #[error("{}", describe_snapshot(.path, .error))]
    Snapshot {
        /// The path of the snapshot file.
        path: PathBuf,
        /// The error that the system returned.
        error: io::Error,
    },
}

/// The reason why no snapshot can be opened from a source.
pub enum OpenError {
    /// The source cannot be read.
    Source(SourceError),
    /// The registry has errors or failed tests.
    Registry {
        /// Errors and warnings in the registry.
        failure: BuildFailure,
        /// Files that the findings point into.
        files: Files,
    },
    /// The file is not a valid snapshot.
    Snapshot {
        /// The path of the snapshot file.
        path: PathBuf,
        /// Stage and reason of the rejection.
        rejection: Rejection,
    },
}

/// The sizes, times and inodes of a source. A changed stamp means that the source may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceStamp {
    /// The source is the demo, which never changes, or a database, whose changes no stamp shows.
    Constant,
    /// The stamp of all files in the folder of a registry.
    Folder(Stamp),
    /// The stamp of the file of a snapshot.
    File(Stamp),
    /// The source cannot be read. The text is the error of the system.
    Unreadable(String),
}

impl Fetched {
    /// Returns a digest of the content. Equal digests mean equal content.
    pub fn digest(&self) -> u128 {
        match self {
            Fetched::Files(files) | Fetched::Database(Contents { files, .. }) => files.digest(),
            Fetched::NoRelease => 0,
            Fetched::Bytes { bytes, release, .. } => {
                let digest = xxhash_rust::xxh3::xxh3_128(bytes);
                match release {
                    None => digest,
                    Some(Ok(content)) => digest ^ xxhash_rust::xxh3::xxh3_128_with_seed(content, 1),
                    Some(Err(reason)) => digest ^ xxhash_rust::xxh3::xxh3_128_with_seed(reason.as_bytes(), 2),
                }
            }
        }
    }
}

impl SnapshotSource {
    /// Reads the stamp of the source without its content.
    pub fn stamp(&self) -> SourceStamp {
        match self {
            SnapshotSource::Demo | SnapshotSource::Database(_) => SourceStamp::Constant,
            SnapshotSource::Registry(root) => match Stamp::from_dir(root) {
                Ok(stamp) => SourceStamp::Folder(stamp),
                Err(error) => SourceStamp::Unreadable(error.to_string()),
            },
            SnapshotSource::Snapshot(path) | SnapshotSource::Fleet { file: path, .. } => {
                match Stamp::from_file(path) {
                    Ok(stamp) => SourceStamp::File(stamp),
                    Err(error) => SourceStamp::Unreadable(error.to_string()),
                }
            }
        }
    }

    /// Reads the whole content of the source. The limits hold for the files of a registry.
    ///
    /// # Errors
    /// Returns the first path that cannot be read.
    pub fn fetch(&self, limits: ReadLimits) -> Result<Fetched, SourceError> {
        match self {
            SnapshotSource::Demo => Ok(Fetched::Files(demo_files())),
            SnapshotSource::Registry(root) => Ok(Fetched::Files(read_registry(root, limits)?)),
            SnapshotSource::Database(database) => Ok(Fetched::Database(read_database(database, limits)?)),
            SnapshotSource::Snapshot(path) => {
                let (bytes, modified_at) = read_snapshot(path)?;
                Ok(Fetched::Bytes { bytes, modified_at, release: None })
            }
            SnapshotSource::Fleet { file, .. } => match read_snapshot(file) {
                Err(SourceError::Snapshot { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                    Ok(Fetched::NoRelease)
                }
                read => read.map(|(bytes, modified_at)| Fetched::Bytes { bytes, modified_at, release: None }),
            },
        }
    }

    /// Reads the source and opens its snapshot. Builds a snapshot of a registry as of `now`. The limits hold for the
    /// files of a registry.
    ///
    /// # Errors
    /// Fails if the source cannot be read, the file is not a snapshot, or the registry has errors. In
    /// [`BuildMode::Inspect`] a failed test is no error.
    pub fn open(
        &self,
        limits: ReadLimits,
        now: UnixMillis,
        mode: BuildMode,
        progress: &dyn Progress,
    ) -> Result<Opened, OpenError> {
        let (files, rows, generation) = match self {
            SnapshotSource::Demo => (demo_files(), None, DEMO_GENERATION),
            SnapshotSource::Registry(root) => {
                let files = read_registry(root, limits).map_err(OpenError::Source)?;
                (files, None, now.as_u64())
            }
            SnapshotSource::Database(database) => {
                let Contents { files, rows } = read_database(database, limits).map_err(OpenError::Source)?;
                (files, Some(rows), now.as_u64())
            }
            SnapshotSource::Snapshot(path) | SnapshotSource::Fleet { file: path, .. } => {
                let (bytes, _) = read_snapshot(path).map_err(OpenError::Source)?;
                let rejected = |rejection| OpenError::Snapshot { path: path.clone(), rejection };
                let (snapshot, _) = build::open_tested(bytes).map_err(rejected)?;
                return Ok(Opened { snapshot, findings: Findings::default(), failed: 0, files: None });
            }
        };
        let relocate = |findings: &mut Findings| {
            if let Some(rows) = &rows {
                rows.relocate(&files, findings);
            }
        };
        match build::build_snapshot(&files, generation, now.to_seconds(), mode, progress) {
            Ok(BuiltSnapshot { snapshot, mut findings, failed, .. }) => {
                relocate(&mut findings);
                Ok(Opened { snapshot, findings, failed, files: Some(files) })
            }
            Err(mut failure) => {
                relocate(&mut failure.findings);
                Err(OpenError::Registry { failure, files })
            }
        }
    }

    /// Returns the snapshot file of the source, if it has one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            SnapshotSource::Demo | SnapshotSource::Registry(_) | SnapshotSource::Database(_) => None,
            SnapshotSource::Snapshot(file) | SnapshotSource::Fleet { file, .. } => Some(file),
        }
    }

    /// Describes the source for people, such as `the registry /srv/registry`.
    pub fn describe(&self) -> String {
        match self {
            SnapshotSource::Demo => "the embedded demo registry".to_owned(),
            SnapshotSource::Registry(root) => format!("the registry {}", root.display()),
            SnapshotSource::Database(database) => format!("the registry {database}"),
            SnapshotSource::Snapshot(path) => format!("the snapshot {}", path.display()),
            SnapshotSource::Fleet { url, .. } => format!("the fleet {url}"),
        }
    }
}

/// Describes why a registry cannot be read. The path `.` of an error is the folder of the registry.
fn describe_registry(root: &Path, ReadError { path, error }: &ReadError) -> String {
    match &**path {
        "." if root.is_file() => format!(
            "{}: {error}; a registry is a folder, and this is a file: if it is a snapshot, name it with --snapshot",
            root.display()
        ),
        "." => format!("{}: {error}", root.display()),
        path => format!("{}: {error}", root.join(path).display()),
    }
}

/// Describes why the file of a snapshot cannot be read.
fn describe_snapshot(path: &Path, error: &io::Error) -> String {
    let hint = match path.is_dir() {
        true => "; a snapshot is a file, and this is a folder: if it is a registry, name it with --registry",
        false => "",
    };
    format!("{}: {error}{hint}", path.display())
}

fn read_registry(root: &Path, limits: ReadLimits) -> Result<Files, SourceError> {
    Files::read_dir_within(root, limits)
        .map_err(|error| SourceError::Registry { root: root.to_owned(), error })
}

fn read_database(database: &Database, limits: ReadLimits) -> Result<Contents, SourceError> {
    let failed = |error| SourceError::Database { database: database.to_string(), error };
    database.read(limits).map_err(failed)
}

/// Returns the bytes of a snapshot and the time of its last change.
fn read_snapshot(path: &Path) -> Result<(Bytes, UnixMillis), SourceError> {
    let failed = |error| SourceError::Snapshot { path: path.to_owned(), error };
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).map_err(failed)?;
    let bytes = file::read(path).map_err(failed)?;
    Ok((bytes, modified.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demo_contains_every_file_of_its_folder() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/demo");
        assert_eq!(demo_files(), Files::read_dir(&folder).unwrap());
    }
}
