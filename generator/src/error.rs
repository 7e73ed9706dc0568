//! Why a registry is not generated.

use std::{
    io,
    path::{Path, PathBuf},
};

/// The result of the generator's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a registry is not generated. The text includes the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The requested counts contradict each other, or the output folder has files.
    #[error("{0}")]
    Usage(String),
    /// A file or a folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A country has too few valid phone numbers, or a template of the demo bank is malformed.
    #[error("{0}")]
    Refused(String),
}

/// A file or a folder that cannot be read or written. The text includes the remedy.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}: {source}; {}", .path.display(), remedy(.source))]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// Returns the conversion of an I/O error for `map_err`. `doing` is a verb: "write", "read", "create".
    pub fn at(doing: &'static str, path: impl AsRef<Path>) -> impl Fn(io::Error) -> FileError {
        let path = path.as_ref().to_owned();
        move |source| FileError { doing, path: path.clone(), source }
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "choose a folder you may write to",
        io::ErrorKind::StorageFull => "free some space, or choose another disk",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file is in the way: choose another folder"
        }
        _ => "check the path, then run the command again",
    }
}
