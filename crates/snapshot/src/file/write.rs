//! Replaces files atomically and durably: every reader sees the old file or the new one, whole, also after a crash.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The most links that are followed; the kernel has the same limit.
const MAX_LINKS: usize = 40;
/// The most names that are tried for a temporary file. A name that is taken belongs to a living writer, or to one of
/// another host.
const MAX_NAMES: u32 = 1000;

/// Why a file could not be replaced, and which file is there now.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The old file is still there.
    #[error("{0}; whatever was there before is still there: {help}", help = help(.0))]
    Unchanged(#[from] io::Error),
    /// The new file is there, but a crash of the machine may bring the old one back.
    #[error("{0}, after the new file had taken its place: a crash of the machine may bring the old one back")]
    Unsettled(io::Error),
}

impl From<ReplaceError> for io::Error {
    fn from(failed: ReplaceError) -> io::Error {
        let (ReplaceError::Unchanged(error) | ReplaceError::Unsettled(error)) = failed;
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

/// Replaces a file: writes a temporary file beside it, syncs it, renames it, and syncs the folder. Follows links, and
/// replaces the file that they lead to. Removes temporary files of killed writers.
///
/// `tempfile` would not do: its files are not locked, so those of living and of killed writers look alike.
///
/// # Errors
/// Says whether the old file or the new one is there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), ReplaceError> {
    write_with(path, |file| file.write_all(bytes))
}

/// Replaces a file by what `fill` writes; see [`write()`].
///
/// # Errors
/// Says whether the old file or the new one is there.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), ReplaceError> {
    let path = target(path)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name =
        path.file_name().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "not the name of a file"))?;
    let replaced = fs::metadata(&path).ok();
    if replaced.as_ref().is_some_and(|replaced| !replaced.is_file()) {
        // A file that replaced /dev/null would stay there.
        return Err(io::Error::new(ErrorKind::InvalidInput, "there is something that is no file").into());
    }
    remove_leftovers(folder, name);
    let (mut file, temporary) = temporary(folder, name)?;
    let written = (|| {
        if let Some(replaced) = &replaced {
            // Users who may not read the old file must not read the new one either.
            file.set_permissions(replaced.permissions())?;
        }
        fill(&mut file)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    })();
    if let Err(error) = written {
        // The original error is the one that matters; the next writer removes a leftover.
        let _ = fs::remove_file(&temporary);
        return Err(error.into());
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(ReplaceError::Unsettled)
}

/// Follows links to the path of a file, which need not exist.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(next) = fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("")).join(next);
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "links that run in a circle"))
}

/// Creates a temporary file beside the one to be replaced, locked for as long as its writer lives.
fn temporary(folder: &Path, name: &OsStr) -> io::Result<(File, PathBuf)> {
    let pid = std::process::id();
    for attempt in 0..MAX_NAMES {
        let mut temporary = prefix(name);
        temporary.push(format!("{pid}-{attempt}"));
        temporary.push(SUFFIX);
        let temporary = folder.join(temporary);
        let file = match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            opened => opened?,
        };
        // Without locks in a file system, no writer removes temporary files either.
        let _ = file.lock();
        // Before it was locked, another writer may have removed it as a leftover.
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

/// Returns how the names of a file's temporary files begin: `.NAME.PID-ATTEMPT.tmp`.
fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    prefix
}

/// Removes the temporary files of killed writers: the kernel has released their locks. Ignores files that cannot be
/// removed.
fn remove_leftovers(folder: &Path, name: &OsStr) {
    let prefix = prefix(name);
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let middle = found.as_bytes().strip_prefix(prefix.as_bytes());
        let middle = middle.and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes())).unwrap_or_default();
        let ours = !middle.is_empty() && middle.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
        // Never a pipe: opening it would block.
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        // Network file systems lock only what is open for writing; others, files that may only be read.
        let opened = OpenOptions::new().write(true).open(&path).or_else(|_| File::open(&path));
        let Ok(file) = opened else { continue };
        match file.try_lock() {
            // Locked while it is removed, so that no writer uses it.
            Ok(()) => drop(fs::remove_file(&path)),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}
