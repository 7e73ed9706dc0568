//! The error of every command, with its exit code.

use std::{
    io,
    path::{Path, PathBuf},
};

/// The result of a command or of a part of it.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a command failed. The text includes what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments are wrong. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// A path cannot be read or written. Exit code 3.
    #[error("cannot {doing} {}: {source}; {}", .path.display(), advice(.source))]
    Io {
        /// The verb: "write", "read", "create".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file exists and has the wrong content. Exit code 3.
    #[error("{}: {what}", .path.display())]
    Unlike {
        /// The file.
        path: PathBuf,
        /// What was expected, and what to do.
        what: String,
    },
    /// The work itself failed: a demand does not hold, numbers run out. Exit code 1.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// Returns the process's exit code: 1 the work failed, 2 wrong usage, 3 cannot read or write.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Refused(_) => 1,
            Error::Usage(_) => 2,
            Error::Io { .. } | Error::Unlike { .. } => 3,
        }
    }

    /// Returns the conversion of an I/O error, for `map_err`.
    pub(crate) fn io(doing: &'static str, path: impl AsRef<Path>) -> impl Fn(io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |source| Error::Io { doing, path: path.clone(), source }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "choose a folder you may write to",
        io::ErrorKind::StorageFull => "free some space, or choose another disk",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file is in the way: choose another folder"
        }
        _ => "check the path, then run the command again",
    }
}
