//! Where snapshots come from: the demo in the binary, a registry's folder, a compiled file. What
//! reaches [`reload`](super::reload) from here is bytes or files, whole; how they got here stays here.

use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use switchboard_registry::{Files, Stamp};
use switchboard_snapshot::{Bytes, file};

/// The one generation of what never changes.
pub const EMBEDDED_GENERATION: u64 = 1;

/// Where snapshots come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A registry that is part of the binary. It never changes.
    Embedded(Files),
    /// A registry's folder.
    Registry(PathBuf),
    /// A compiled snapshot.
    Snapshot(PathBuf),
}

/// What a source holds at the moment.
pub enum Fetched {
    /// A registry to compile.
    Files(Files),
    /// A snapshot to open.
    Bytes {
        /// The whole file.
        bytes: Bytes,
        /// Unix milliseconds of the file's last change.
        modified_ms: u64,
    },
}

impl Fetched {
    /// Of all that was read: equal digests mean equal content.
    pub(super) fn digest(&self) -> u128 {
        match self {
            Fetched::Files(files) => files.digest(),
            Fetched::Bytes { bytes, .. } => xxhash_rust::xxh3::xxh3_128(bytes),
        }
    }
}

/// What a source looks like from outside, to notice changes without reading: sizes, times and inodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It never changes.
    Constant,
    /// A folder's.
    Folder(Stamp),
    /// A file's.
    File(Stamp),
    /// It cannot be looked at, and why.
    Unreadable(String),
}

impl Source {
    /// What it looks like now.
    pub fn look(&self) -> Look {
        match self {
            Source::Embedded(_) => Look::Constant,
            Source::Registry(root) => match Stamp::of(root) {
                Ok(stamp) => Look::Folder(stamp),
                Err(error) => Look::Unreadable(error.to_string()),
            },
            Source::Snapshot(path) => match Stamp::of_file(path) {
                Ok(stamp) => Look::File(stamp),
                Err(error) => Look::Unreadable(error.to_string()),
            },
        }
    }

    /// Reads it whole.
    ///
    /// # Errors
    /// What could not be read and why, with its path.
    pub fn fetch(&self) -> Result<Fetched, String> {
        match self {
            Source::Embedded(files) => Ok(Fetched::Files(files.clone())),
            Source::Registry(root) => {
                let files = Files::read_dir(root).map_err(|error| format!("{}: {error}", root.display()))?;
                Ok(Fetched::Files(files))
            }
            Source::Snapshot(path) => {
                let failed = |error: io::Error| format!("{}: {error}", path.display());
                let modified =
                    std::fs::metadata(path).and_then(|metadata| metadata.modified()).map_err(failed)?;
                let bytes = file::read(path).map_err(failed)?;
                Ok(Fetched::Bytes { bytes, modified_ms: unix_ms(modified) })
            }
        }
    }

    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Source::Embedded(_) => "the embedded demo registry".to_owned(),
            Source::Registry(root) => format!("the registry {}", root.display()),
            Source::Snapshot(path) => format!("the snapshot {}", path.display()),
        }
    }
}

/// The time in Unix milliseconds.
pub fn now_ms() -> i64 {
    i64::try_from(unix_ms(SystemTime::now())).unwrap_or(i64::MAX)
}

/// Unix milliseconds of a moment; 0 before 1970.
pub fn unix_ms(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
