//! The folder of a web server with snapshots. Several fleets may share a folder, so each one has a list of the files
//! that it wrote, and removes nothing else.
//!
//! The list of a fleet is the file `.switchboard-` and the epoch of the fleet. Only its owner can read it, because
//! names of snapshots must not be guessed. A name is in the list before its file is written.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use switchboard_snapshot::file;

const LIST_PREFIX: &str = ".switchboard-";

/// A folder of snapshots, as one fleet uses it.
pub(crate) struct Folder {
    path: PathBuf,
    list: PathBuf,
}

impl Folder {
    /// Opens a folder for the fleet with this epoch.
    pub(crate) fn new(path: &Path, epoch: &str) -> Folder {
        // The epoch comes from the broker. Any text has one name without a slash.
        let name = format!("{LIST_PREFIX}{}", crate::bus::encode_token(epoch));
        Folder { path: path.to_owned(), list: path.join(name) }
    }

    /// Returns the length of a file that was written within this time.
    pub(crate) fn find(&self, name: &str, age: Duration) -> Option<u64> {
        let there = fs::metadata(self.path.join(name)).ok().filter(fs::Metadata::is_file)?;
        (there.modified().ok()?.elapsed().ok()? < age).then_some(there.len())
    }

    /// Adds a name to the list of the fleet.
    pub(crate) fn add(&self, name: &str) -> io::Result<()> {
        if names_of(&self.list)?.contains(name) {
            return Ok(());
        }
        let mut list = File::options().append(true).create(true).mode(0o600).open(&self.list)?;
        list.write_all(format!("{name}\n").as_bytes())?;
        list.sync_all()
    }

    /// Writes a file, after its name was added to the list.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.add(name)?;
        file::write(&self.path.join(name), bytes).map_err(io::Error::from)
    }

    /// Removes the files of the fleet that no release names and that are older than `age`, unless another fleet wrote
    /// them as well. Removes what killed publishers left of any fleet. Returns the number of snapshots.
    pub(crate) fn sweep(
        &self,
        named: &HashSet<&str>,
        age: Duration,
        is_snapshot: fn(&str) -> bool,
    ) -> io::Result<usize> {
        let own = names_of(&self.list)?;
        let mut others = BTreeSet::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(LIST_PREFIX) && entry.path() != self.list {
                others.append(&mut names_of(&entry.path())?);
            }
            // A temporary file has the name of its file between a dot and a number.
            let temporary = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
            let temporary = temporary.and_then(|name| name.rsplit_once('.')).map(|(name, _)| name);
            if temporary.is_some_and(is_snapshot) && is_old(&entry.path(), age) {
                let _ = fs::remove_file(entry.path());
            }
        }
        let mut removed = 0;
        let mut kept = String::new();
        for name in &own {
            let path = self.path.join(name);
            // A name that is no snapshot was not written by a publisher.
            let is_unused = is_snapshot(name) && !named.contains(&**name);
            if is_unused && !path.exists() {
                continue;
            }
            if is_unused && is_old(&path, age) {
                if others.contains(name) {
                    continue;
                }
                if fs::remove_file(&path).is_ok() {
                    removed += 1;
                    continue;
                }
            }
            kept += &format!("{name}\n");
        }
        if kept.lines().count() < own.len() {
            file::write(&self.list, kept.as_bytes()).map_err(io::Error::from)?;
        }
        Ok(removed)
    }
}

fn names_of(list: &Path) -> io::Result<BTreeSet<String>> {
    match fs::read_to_string(list) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", list.display()))),
    }
}

fn is_old(path: &Path, age: Duration) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|found| found >= age))
}
