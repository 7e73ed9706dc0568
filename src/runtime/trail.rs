//! The trail to a source: every folder that its path leads through, symbolic links included. An entry of
//! one of these folders is what changes when a file is replaced, a link is turned, or a folder is put in
//! the place of another.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::source::Source;

/// Links on one path, as many as Linux follows.
const MOST_LINKS: usize = 40;

/// Folders and entries, by physical path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Trail {
    /// The folders, each before those in it.
    pub(super) folders: BTreeMap<PathBuf, Folder>,
    /// The entries that count, in folders where others do not.
    pub(super) names: BTreeSet<PathBuf>,
}

/// One folder of a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Folder {
    /// Device and inode: another folder of the same name is another folder.
    identity: (u64, u64),
    /// Whether it holds the source itself: a folder that only leads there may be closed to this process.
    pub(super) holds: bool,
    /// Whether every entry counts.
    pub(super) whole: bool,
}

impl Trail {
    /// As it is now. Where something is missing, it ends in the folder that it is missing from.
    pub(super) fn of(source: &Source) -> Trail {
        let mut trail = Trail::default();
        // What the system takes relative paths from, by its own name.
        let here = || std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        match source {
            Source::Embedded(_) => {}
            Source::Snapshot(path) => drop(trail.follow(here(), path)),
            Source::Registry(path) => {
                if let Some(root) = trail.follow(here(), path) {
                    for company in trail.list(&root) {
                        trail.list(&company);
                    }
                }
            }
        }
        trail
    }

    /// Follows a path from a folder to what it leads to; none where that is not there.
    fn follow(&mut self, mut at: PathBuf, path: &Path) -> Option<PathBuf> {
        let mut rest = Vec::new();
        push(&mut rest, path);
        let mut links = 0;
        let mut last = None;
        let mut there = true;
        while let Some(part) = rest.pop() {
            if part == "/" {
                at = PathBuf::from("/");
            } else if part == ".." {
                // `at` is physical: the parent's name is the one before.
                at.pop();
            } else if part != "." {
                let entry = at.join(&part);
                self.enter(&at, false, false);
                self.names.insert(entry.clone());
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
                        Ok(to) if links <= MOST_LINKS => push(&mut rest, &to),
                        _ => there = false,
                    }
                }
                if meta.is_err() || !there {
                    there = false;
                    break;
                }
            }
        }
        if let Some(folder) = last {
            self.enter(&folder, true, false);
        }
        there.then_some(at)
    }

    /// Takes a folder whole: follows the links in it, and returns the folders that it leads to.
    fn list(&mut self, folder: &Path) -> Vec<PathBuf> {
        let mut inner = Vec::new();
        self.enter(folder, true, true);
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Ok(kind) = entry.file_type() else { continue };
            // Hidden entries belong to no registry; those that links lead through are found by following.
            if name.as_encoded_bytes().starts_with(b".") {
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

    fn enter(&mut self, path: &Path, holds: bool, whole: bool) {
        let Ok(meta) = fs::metadata(path) else { return };
        if !meta.is_dir() {
            return;
        }
        let folder = Folder { identity: (meta.dev(), meta.ino()), holds, whole };
        let known = self.folders.entry(path.to_owned()).or_insert(folder);
        known.holds |= holds;
        known.whole |= whole;
    }
}

/// The parts of a path, the first on top.
fn push(rest: &mut Vec<OsString>, path: &Path) {
    let parts: Vec<&OsStr> = path.components().map(|part| part.as_os_str()).collect();
    rest.extend(parts.into_iter().rev().map(OsStr::to_owned));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_trail_leads_through_every_link_and_ends_where_something_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for inner in ["mount/..1", "elsewhere"] {
            fs::create_dir_all(root.join(inner)).unwrap();
        }
        symlink("..1", root.join("mount/..data")).unwrap();
        symlink("..data/file", root.join("mount/file")).unwrap();
        symlink(root.join("elsewhere/real"), root.join("mount/..1/file")).unwrap();
        let snapshot = Source::Snapshot(root.join("elsewhere/../mount/file"));

        let missing = Trail::of(&snapshot);
        fs::write(root.join("elsewhere/real"), "").unwrap();
        let trail = Trail::of(&snapshot);
        assert_eq!(missing, trail, "what is missing is awaited where it will be");
        for name in ["mount", "mount/file", "mount/..data", "mount/..1", "mount/..1/file", "elsewhere/real"] {
            assert!(trail.names.contains(&root.join(name)), "{name} not in {trail:?}");
        }
        let holds: Vec<_> = trail.folders.iter().filter(|(_, folder)| folder.holds).collect();
        assert_eq!(holds.len(), 1);
        assert_eq!(holds[0].0, &root.join("elsewhere"));
        assert!(trail.folders.contains_key(Path::new("/")));
    }

    #[test]
    fn links_that_go_in_circles_end() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(Trail::default().follow(folder.path().to_owned(), Path::new("a")).is_none());
    }

    #[test]
    fn a_registry_is_its_companies_wherever_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for inner in ["registry/acme", "registry/.git", "far/globex"] {
            fs::create_dir_all(root.join(inner)).unwrap();
        }
        fs::write(root.join("far/accounts.csv"), "").unwrap();
        symlink("../far/globex", root.join("registry/globex")).unwrap();
        symlink("../../far/accounts.csv", root.join("registry/acme/accounts.csv")).unwrap();
        let trail = Trail::of(&Source::Registry(root.join("registry")));
        let whole: Vec<_> =
            trail.folders.iter().filter(|(_, folder)| folder.whole).map(|(path, _)| path.clone()).collect();
        assert_eq!(whole, ["far/globex", "registry", "registry/acme"].map(|name| root.join(name)));
        assert!(trail.names.contains(&root.join("far/accounts.csv")));
    }
}
