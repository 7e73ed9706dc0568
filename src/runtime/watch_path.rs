//! The folders to watch for a source: every folder on its path, including the targets of symbolic links. An
//! entry of one of these folders changes when a file, a link or a folder on the path is replaced. Reads a file
//! on such a path up to a limit.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use switchboard_pipeline::SnapshotSource;

/// Maximum number of symbolic links on one path. Linux has the same limit.
const MAX_LINKS: usize = 40;

/// The folders to watch and their relevant entries, by physical path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct WatchedDirs {
    /// Folders by path. A folder comes before its subfolders.
    pub(super) folders: BTreeMap<PathBuf, Folder>,
    /// Relevant entries of folders that also have irrelevant ones.
    pub(super) entries: BTreeSet<PathBuf>,
}

/// A folder to watch, and which of its entries are relevant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Folder {
    /// Device and inode, to notice that another folder has taken the name.
    identity: (u64, u64),
    /// Whether the source is in the folder. This process may lack permission to read other folders on the
    /// path.
    pub(super) contains_source: bool,
    /// Whether all entries are relevant.
    pub(super) any_entry: bool,
}

impl WatchedDirs {
    /// Follows the current path of a source. If an entry does not exist, following ends at the folder that
    /// should contain it.
    pub(super) fn from_source(source: &SnapshotSource) -> WatchedDirs {
        let mut dirs = WatchedDirs::default();
        // The physical path that relative paths start from.
        let here = || std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        match source {
            SnapshotSource::Demo | SnapshotSource::Database(_) => {}
            SnapshotSource::Snapshot(path) | SnapshotSource::Fleet { file: path, .. } => {
                drop(dirs.follow(here(), path));
            }
            SnapshotSource::Registry(path) => {
                if let Some(root) = dirs.follow(here(), path) {
                    for company in dirs.add_with_links(&root) {
                        dirs.add_with_links(&company);
                    }
                }
            }
        }
        dirs
    }

    /// Adds the path of one more file.
    pub(super) fn add_file(&mut self, path: &Path) {
        self.follow(std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")), path);
    }

    /// Follows a path from a folder. Returns the physical path of the target, or `None` if an entry does not
    /// exist.
    fn follow(&mut self, mut at: PathBuf, path: &Path) -> Option<PathBuf> {
        let mut rest = Vec::new();
        push(&mut rest, path);
        let mut links = 0;
        let mut last = None;
        let mut exists = true;
        while let Some(part) = rest.pop() {
            if part == "/" {
                at = PathBuf::from("/");
            } else if part == ".." {
                // `at` is a physical path, so that its parent is the previous component.
                at.pop();
            } else if part != "." {
                let entry = at.join(&part);
                self.add(&at, false, false);
                self.entries.insert(entry.clone());
                let meta = fs::symlink_metadata(&entry);
                let link = meta.as_ref().is_ok_and(|meta| meta.is_symlink());
                last = Some(if link || meta.is_err() {
                    at.clone()
                } else {
                    std::mem::replace(&mut at, entry.clone())
                });
                if link {
                    links += 1;
                    match fs::read_link(&entry) {
                        Ok(to) if links <= MAX_LINKS => push(&mut rest, &to),
                        _ => exists = false,
                    }
                }
                if meta.is_err() || !exists {
                    exists = false;
                    break;
                }
            }
        }
        if let Some(folder) = last {
            self.add(&folder, true, false);
        }
        exists.then_some(at)
    }

    /// Adds a folder with all its entries and follows its links. Returns its subfolders.
    fn add_with_links(&mut self, folder: &Path) -> Vec<PathBuf> {
        let mut inner = Vec::new();
        self.add(folder, true, true);
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Ok(kind) = entry.file_type() else { continue };
            // `follow` adds hidden entries on the path of a link. Others are parts of a registry only if they are
            // the folders of companies. A poll finds one that becomes a company later.
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            if is_hidden && !folder.join(&name).join("company.toml").exists() {
                continue;
            }
            if kind.is_dir() {
                inner.push(folder.join(name));
            } else if kind.is_symlink() {
                let to = self.follow(folder.to_owned(), Path::new(&name));
                inner.extend(to.filter(|to| to.is_dir()));
            }
        }
        inner
    }

    fn add(&mut self, path: &Path, contains_source: bool, any_entry: bool) {
        let Ok(meta) = fs::metadata(path) else { return };
        if !meta.is_dir() {
            return;
        }
        let folder = Folder { identity: (meta.dev(), meta.ino()), contains_source, any_entry };
        let known = self.folders.entry(path.to_owned()).or_insert(folder);
        known.contains_source |= contains_source;
        known.any_entry |= any_entry;
    }
}

/// Pushes the components of a path in reverse, so that the first is on top.
fn push(rest: &mut Vec<OsString>, path: &Path) {
    let parts: Vec<&OsStr> = path.components().map(|part| part.as_os_str()).collect();
    rest.extend(parts.into_iter().rev().map(OsStr::to_owned));
}

/// Reads a whole file of at most `max_bytes`. A pipe in the place of the file does not block.
///
/// # Errors
/// Returns the error of the system, or an error for a larger file and for something other than a file.
pub fn read_bounded(path: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
    const O_NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut content = Vec::new();
    file.take(max_bytes as u64 + 1).read_to_end(&mut content)?;
    if content.len() > max_bytes {
        return Err(io::Error::other(format!("the file has more than {max_bytes} bytes")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn path_is_followed_through_every_link_to_the_folder_of_a_missing_entry() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for inner in ["mount/..1", "elsewhere"] {
            fs::create_dir_all(root.join(inner)).unwrap();
        }
        symlink("..1", root.join("mount/..data")).unwrap();
        symlink("..data/file", root.join("mount/file")).unwrap();
        symlink(root.join("elsewhere/real"), root.join("mount/..1/file")).unwrap();
        let snapshot = SnapshotSource::Snapshot(root.join("elsewhere/../mount/file"));

        let missing = WatchedDirs::from_source(&snapshot);
        fs::write(root.join("elsewhere/real"), "").unwrap();
        let dirs = WatchedDirs::from_source(&snapshot);
        assert_eq!(missing, dirs, "the folder of a missing file is watched");
        for name in ["mount", "mount/file", "mount/..data", "mount/..1", "mount/..1/file", "elsewhere/real"] {
            assert!(dirs.entries.contains(&root.join(name)), "{name} not in {dirs:?}");
        }
        let holders: Vec<_> = dirs.folders.iter().filter(|(_, folder)| folder.contains_source).collect();
        assert_eq!(holders.len(), 1);
        assert_eq!(holders[0].0, &root.join("elsewhere"));
        assert!(dirs.folders.contains_key(Path::new("/")));
    }

    #[test]
    fn circular_links_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(WatchedDirs::default().follow(folder.path().to_owned(), Path::new("a")).is_none());
    }

    #[test]
    fn registry_is_watched_in_the_folders_of_all_its_companies() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for inner in ["registry/acme", "registry/.git", "far/globex"] {
            fs::create_dir_all(root.join(inner)).unwrap();
        }
        fs::write(root.join("far/accounts.csv"), "").unwrap();
        symlink("../far/globex", root.join("registry/globex")).unwrap();
        symlink("../../far/accounts.csv", root.join("registry/acme/accounts.csv")).unwrap();
        let dirs = WatchedDirs::from_source(&SnapshotSource::Registry(root.join("registry")));
        let whole: Vec<_> = dirs
            .folders
            .iter()
            .filter(|(_, folder)| folder.any_entry)
            .map(|(path, _)| path.clone())
            .collect();
        assert_eq!(whole, ["far/globex", "registry", "registry/acme"].map(|name| root.join(name)));
        assert!(dirs.entries.contains(&root.join("far/accounts.csv")));
    }
}
