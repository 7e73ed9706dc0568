//! What can go wrong, said with what to do, and the exit code it ends in.

use std::{fmt, io, path::PathBuf};

/// What a command comes to.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a command failed; its text says what to do.
#[derive(Debug)]
pub enum Error {
    /// The arguments cannot be met. Exit code 2.
    Usage(String),
    /// A path cannot be read or written. Exit code 3.
    Io {
        /// As in "cannot … path": "write", "read", "make".
        doing: &'static str,
        /// What was to be read or written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is there, and is not what it must be. Exit code 3.
    Unlike {
        /// The file.
        path: PathBuf,
        /// What was expected, and what to do.
        what: String,
    },
    /// The work itself says no: numbers run out, a template is broken. Exit code 1.
    Refused(String),
}

impl Error {
    /// The process's exit code: 1 the work says no, 2 wrong usage, 3 cannot read or write.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Refused(_) => 1,
            Error::Usage(_) => 2,
            Error::Io { .. } | Error::Unlike { .. } => 3,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(what) | Error::Refused(what) => f.write_str(what),
            Error::Unlike { path, what } => write!(f, "{}: {what}", path.display()),
            Error::Io { doing, path, source } => {
                write!(f, "cannot {doing} {}: {source}; ", path.display())?;
                f.write_str(match source.kind() {
                    io::ErrorKind::PermissionDenied => "choose a folder you may write to",
                    io::ErrorKind::StorageFull => "free some space, or choose another disk",
                    io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                        "a file is in the way: choose another folder"
                    }
                    _ => "check the path, then run the command again",
                })
            }
        }
    }
}
