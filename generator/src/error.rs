//! Why a command of the generator or of the load test failed, and the exit code.

use std::{
    io,
    path::{Path, PathBuf},
};

/// The result of a command or of a part of it.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a command failed. The text includes the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments are wrong or contradict each other, or the output folder has files. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// A file or a folder cannot be read or written. Exit code 3.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file exists and has the wrong content. Exit code 3.
    #[error("{}: {reason}", .path.display())]
    Content {
        /// Path of the wrong file.
        path: PathBuf,
        /// Expected content and remedy.
        reason: String,
    },
    /// Something cannot be read, written or reached. Exit code 3.
    #[error("{0}")]
    Io(String),
    /// The work itself failed, for example because a country has too few valid phone numbers. Exit code 1.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// Returns the conversion of an I/O error for `map_err`. `doing` is a verb: "write", "read", "create".
    pub fn io(doing: &'static str, path: impl AsRef<Path>) -> impl Fn(io::Error) -> Error {
        let at = FileError::at(doing, path);
        move |source| Error::File(at(source))
    }

    /// Returns the process's exit code: 1 the work failed, 2 wrong usage, 3 cannot read or write.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Refused(_) => 1,
            Error::Usage(_) => 2,
            Error::File(_) | Error::Content { .. } | Error::Io(_) => 3,
        }
    }
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
