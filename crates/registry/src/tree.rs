//! The folder of a registry as the file system has it: which files there are, and their stamp.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layout::{self, Level};
use super::{Code, Finding, Mark, Place};

/// A file or folder that could not be read. Nothing is known about the registry then.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct Unreadable {
    /// Relative to the registry's folder; `.` is the folder itself.
    pub path: Arc<str>,
    /// What the system says.
    pub error: io::Error,
}

impl Unreadable {
    /// The same as a finding, for reports that hold nothing else.
    pub fn finding(&self) -> Finding {
        Finding {
            place: Place { file: self.path.clone(), line: 0 },
            code: Code::Unreadable,
            message: format!("cannot be read: {}", self.error),
            help: "see that it exists and that this process may read it".to_owned(),
            mark: Mark::Line,
            beside: Vec::new(),
        }
    }
}

/// What a registry's folder looks like from outside: every file's path, length, times and inode.
///
/// Two equal stamps mean that nothing needs to be read again. Two different ones mean only that
/// something may have changed; [`digest`](super::Files::digest) decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Vec<FileStamp>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FileStamp {
    name: Arc<str>,
    len: u64,
    modified_ns: i128,
    // Catches what restores the time of modification, as `cp -p` and `rsync -t` do.
    changed_ns: i128,
    inode: u64,
}

impl Stamp {
    /// Takes the stamp of a registry's folder without opening any file.
    ///
    /// # Errors
    /// A folder that cannot be listed, or a link that leads nowhere.
    pub fn of(root: &Path) -> Result<Stamp, Unreadable> {
        Ok(Stamp(walk(root)?.into_iter().map(|entry| FileStamp::of(entry.name, &entry.meta)).collect()))
    }

    /// Takes the stamp of a single file without opening it.
    ///
    /// # Errors
    /// A file that is not there.
    pub fn of_file(path: &Path) -> io::Result<Stamp> {
        let name = path.to_string_lossy();
        Ok(Stamp(vec![FileStamp::of(Arc::from(&*name), &fs::metadata(path)?)]))
    }
}

impl FileStamp {
    fn of(name: Arc<str>, meta: &Metadata) -> FileStamp {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        FileStamp {
            name,
            len: meta.len(),
            modified_ns: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            changed_ns: nanoseconds(meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
        }
    }
}

/// One entry that is neither a company's folder nor litter.
pub(super) struct Entry {
    /// Relative to the root, `/`-separated. What is no file has no file's name: a folder where none belongs ends
    /// in `/`, a pipe or a socket in `|`.
    pub(super) name: Arc<str>,
    pub(super) path: PathBuf,
    pub(super) meta: Metadata,
    pub(super) kind: Kind,
}

/// What an entry is once links are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// A folder too deep, a pipe, a socket: reported, never opened, since opening a pipe blocks.
    Other,
}

/// Lists a registry's folder and the companies' folders in it, sorted by name. It goes no deeper,
/// so a link that leads back up cannot keep it busy.
pub(super) fn walk(root: &Path) -> Result<Vec<Entry>, Unreadable> {
    let mut entries = Vec::new();
    list(root, Level::Root, "", &mut entries)?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn list(dir: &Path, level: Level, prefix: &str, into: &mut Vec<Entry>) -> Result<(), Unreadable> {
    let dir_name = || Arc::from(if prefix.is_empty() { "." } else { prefix.trim_end_matches('/') });
    let unreadable = |error| Unreadable { path: dir_name(), error };
    for found in fs::read_dir(dir).map_err(unreadable)? {
        let found = found.map_err(unreadable)?;
        let name = found.file_name();
        let name = name.to_string_lossy();
        if layout::is_litter(&name) {
            continue;
        }
        let path = found.path();
        let name = format!("{prefix}{name}");
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            // Gone between listing and looking, as an editor's temporary file is.
            Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(&path).is_err() => {
                continue;
            }
            Err(error) => return Err(Unreadable { path: name.into(), error }),
        };
        match (level, meta.is_dir()) {
            (Level::Root, true) => list(&path, Level::Company, &format!("{name}/"), into)?,
            (Level::Company, true) => {
                into.push(Entry { name: format!("{name}/").into(), path, meta, kind: Kind::Other });
            }
            (_, false) if meta.is_file() => {
                into.push(Entry { name: name.into(), path, meta, kind: Kind::File });
            }
            (_, false) => {
                into.push(Entry { name: format!("{name}|").into(), path, meta, kind: Kind::Other });
            }
        }
    }
    Ok(())
}
