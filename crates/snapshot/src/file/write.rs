//! To the disk: whoever looks sees the old file or the new one, whole, also after a crash.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// As many links as the kernel follows before it says that they run in a circle.
const MOST_LINKS: usize = 40;
/// Names that are tried for a temporary file. Each that is taken has a living writer, or one of another host.
const MOST_NAMES: u32 = 1000;

/// Why a file could not be written, and what there is now.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// Nothing has changed.
    #[error("{0}; whatever was there before is still there: {help}", help = help(.0))]
    Unchanged(#[from] io::Error),
    /// The new file is there, but not yet safe from a crash of the machine.
    #[error("{0}, after the new file had taken its place: a crash of the machine may bring the old one back")]
    Unsettled(io::Error),
}

impl From<NotWritten> for io::Error {
    fn from(failed: NotWritten) -> io::Error {
        let (NotWritten::Unchanged(error) | NotWritten::Unsettled(error)) = failed;
        error
    }
}

fn help(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "make room for the old file and the new one beside each other, or write it elsewhere"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "see that this process may make files in that folder, or write it elsewhere"
        }
        ErrorKind::NotFound => "make the folder first",
        _ => "mend that, or write it elsewhere",
    }
}

/// Writes a file: temporary file beside it, fsync, rename, fsync of the folder. A link is followed, and
/// what it leads to replaced. What writers left behind that were killed is removed.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), NotWritten> {
    write_with(path, |file| file.write_all(bytes))
}

/// The same, of what `fill` writes.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), NotWritten> {
    let path = target(path)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name =
        path.file_name().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "not the name of a file"))?;
    let replaced = fs::metadata(&path).ok();
    if replaced.as_ref().is_some_and(|replaced| !replaced.is_file()) {
        // A file in the place of /dev/null would last.
        return Err(io::Error::new(ErrorKind::InvalidInput, "there is something that is no file").into());
    }
    sweep(folder, name);
    let (mut file, temporary) = temporary(folder, name)?;
    let written = (|| {
        if let Some(replaced) = &replaced {
            // Who could not read the old one shall not read the new one either.
            file.set_permissions(replaced.permissions())?;
        }
        fill(&mut file)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    })();
    if let Err(error) = written {
        // The original error is the one that matters; a leftover is only litter.
        let _ = fs::remove_file(&temporary);
        return Err(error.into());
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(NotWritten::Unsettled)
}

/// Where a path leads, through links. The last one may lead to a file that is still to be made.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(next) = fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("")).join(next);
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "links that run in a circle"))
}

/// A new file beside the one to be written, locked for as long as its writer lives.
fn temporary(folder: &Path, name: &OsStr) -> io::Result<(File, PathBuf)> {
    let pid = std::process::id();
    for attempt in 0..MOST_NAMES {
        let mut temporary = prefix(name);
        temporary.push(format!("{pid}-{attempt}"));
        temporary.push(SUFFIX);
        let temporary = folder.join(temporary);
        let file = match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            opened => opened?,
        };
        // Where a file system has no locks, nobody sweeps either.
        let _ = file.lock();
        // Between its making and its locking another writer may have taken it for litter.
        let ours = file.metadata()?;
        match fs::symlink_metadata(&temporary) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {
                return Ok((file, temporary));
            }
            _ => continue,
        }
    }
    Err(io::Error::new(ErrorKind::AlreadyExists, "too many temporary files beside it"))
}

const SUFFIX: &str = ".tmp";

/// How the temporary files of a file are called: `.NAME.PID-ATTEMPT.tmp`.
fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    prefix
}

/// Removes the temporary files of writers that are no more: the kernel has released their locks. Litter
/// that cannot be removed is no reason not to write.
fn sweep(folder: &Path, name: &OsStr) {
    let prefix = prefix(name);
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let middle = found.as_bytes().strip_prefix(prefix.as_bytes());
        let middle = middle.and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes())).unwrap_or_default();
        let ours = !middle.is_empty() && middle.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
        // Never a pipe, which opening would wait on.
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        // Network file systems lock only what is open for writing; others, files that may only be read.
        let opened = OpenOptions::new().write(true).open(&path).or_else(|_| File::open(&path));
        let Ok(file) = opened else { continue };
        match file.try_lock() {
            // Held while it goes, so that nobody takes it for a file of their own.
            Ok(()) => drop(fs::remove_file(&path)),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}
