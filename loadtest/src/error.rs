//! The error of every command, with its exit code.

use generator::FileError;
use std::{
    io,
    path::{Path, PathBuf},
};

/// The result of a command or of a part of it.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a command failed. The text includes the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments are wrong. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// A file or a folder cannot be read or written. Exit code 3.
    #[error(transparent)]
    Io(#[from] FileError),
    /// A file exists and has the wrong content. Exit code 3.
    #[error("{}: {what}", .path.display())]
    Unlike {
        /// Path of the wrong file.
        path: PathBuf,
        /// The expected content, and the remedy.
        what: String,
    },
    /// The work itself failed, for example because a demand does not hold. Exit code 1.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// Returns the process's exit code: 1 the work failed, 2 wrong usage, 3 cannot read or write.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Refused(_) => 1,
            Error::Usage(_) => 2,
            Error::Io(_) | Error::Unlike { .. } => 3,
        }
    }

    /// Returns the conversion of an I/O error for `map_err`. `doing` is a verb: "write", "read", "create".
    pub(crate) fn io(doing: &'static str, path: impl AsRef<Path>) -> impl Fn(io::Error) -> Error {
        let at = FileError::at(doing, path);
        move |source| Error::Io(at(source))
    }
}

impl From<generator::Error> for Error {
    fn from(error: generator::Error) -> Error {
        match error {
            generator::Error::Usage(reason) => Error::Usage(reason),
            generator::Error::File(error) => Error::Io(error),
            generator::Error::Refused(reason) => Error::Refused(reason),
        }
    }
}
