//! The files of a registry: read whole from a folder or built in memory, with a digest and a stamp that show
//! changes.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use xxhash_rust::xxh3::Xxh3;

use crate::{Code, Finding, Place, Span};

/// The only file in the registry's own folder.
pub(crate) const CHANNELS_FILE: &str = "channels.toml";
/// The files in a company's folder.
pub(crate) const COMPANY_FILES: [&str; 4] = ["company.toml", "ous.csv", "accounts.csv", "tests.toml"];

/// The files of a registry by their paths relative to its root, such as `acme/company.toml`.
///
/// They are sorted, so that everything made of them is deterministic.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Files {
    entries: BTreeMap<Arc<str>, Entry>,
}

/// What stands at a path, after symbolic links are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file and its content. The content of a file that no registry has is not read and is empty.
    File(Vec<u8>),
    /// A folder where only files belong.
    Folder,
    /// A pipe, a socket or a device. It is never read, because reading may block.
    Special,
}

/// A file or folder that cannot be read. Nothing is known about the registry then.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct ReadError {
    /// The path relative to the registry's folder; `.` is the folder itself.
    pub path: Arc<str>,
    /// The error of the operating system.
    pub error: io::Error,
}

/// The state of a registry's folder without its contents: path, length, times and inode of every file.
///
/// Equal stamps mean that nothing needs to be read again. Different stamps mean that something may have
/// changed; [`Files::digest`] decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Vec<FileStamp>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FileStamp {
    path: Arc<str>,
    bytes: u64,
    modified_ns: i128,
    /// Detects changes that restore the time of modification, such as `cp -p` and `rsync -t`.
    changed_ns: i128,
    inode: u64,
}

impl Files {
    /// Reads a registry's folder. Follows symbolic links, because mounted volumes publish their files by
    /// links. Skips hidden entries, what editors leave behind, and notes (`*.md`, `README*`).
    ///
    /// # Errors
    /// The first file or folder that cannot be read. An incomplete registry is never returned: it would look
    /// like one from which companies were removed.
    pub fn read_dir(root: &Path) -> Result<Files, ReadError> {
        let mut entries = BTreeMap::new();
        for found in list_registry(root)? {
            let entry = if found.metadata.is_file() && is_known(&found.path) {
                read_entry(&found.absolute_path)
                    .map_err(|error| ReadError { path: found.path.clone(), error })?
            } else {
                Entry::without_content(&found.metadata)
            };
            entries.insert(found.path, entry);
        }
        Ok(Files { entries })
    }

    /// Sets the content of a file.
    pub fn insert(&mut self, path: impl Into<Arc<str>>, content: impl Into<Vec<u8>>) {
        self.entries.insert(path.into(), Entry::File(content.into()));
    }

    /// Removes all paths for which `keep` returns false.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.entries.retain(|path, _| keep(path));
    }

    /// Returns the content of a file.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        match self.entries.get(path)? {
            Entry::File(content) => Some(content),
            Entry::Folder | Entry::Special => None,
        }
    }

    /// Returns all paths and their entries, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Entry)> {
        self.entries.iter()
    }

    /// Returns the XXH3-128 hash of all paths and contents. Equal digests mean equal registries.
    pub fn digest(&self) -> u128 {
        let mut hash = Xxh3::new();
        for (path, entry) in &self.entries {
            let path = entry.marked(path);
            let content: &[u8] = if let Entry::File(content) = entry { content } else { &[] };
            // The lengths distinguish ("ab", "c") from ("a", "bc").
            hash.update(&(path.len() as u64).to_le_bytes());
            hash.update(path.as_bytes());
            hash.update(&(content.len() as u64).to_le_bytes());
            hash.update(content);
        }
        hash.digest128()
    }
}

impl<P: Into<Arc<str>>, C: Into<Vec<u8>>> FromIterator<(P, C)> for Files {
    /// Collects files by their paths and contents.
    fn from_iter<I: IntoIterator<Item = (P, C)>>(files: I) -> Files {
        let entry = |(path, content): (P, C)| (path.into(), Entry::File(content.into()));
        Files { entries: files.into_iter().map(entry).collect() }
    }
}

impl Entry {
    fn without_content(metadata: &Metadata) -> Entry {
        if metadata.is_file() {
            Entry::File(Vec::new())
        } else if metadata.is_dir() {
            Entry::Folder
        } else {
            Entry::Special
        }
    }

    /// Returns the path as findings have it: that of a folder ends with `/`, that of a pipe or a socket with
    /// `|`.
    pub(crate) fn marked(&self, path: &Arc<str>) -> Arc<str> {
        match self {
            Entry::File(_) => path.clone(),
            Entry::Folder => format!("{path}/").into(),
            Entry::Special => format!("{path}|").into(),
        }
    }
}

impl ReadError {
    /// Returns the error as a finding, for reports that contain nothing else.
    pub fn finding(&self) -> Finding {
        Finding {
            place: Place::file(self.path.clone()),
            code: Code::Unreadable,
            message: format!("cannot be read: {}", self.error),
            help: "see that it exists and that this process may read it".to_owned(),
            span: Span::Line,
            labels: Vec::new(),
        }
    }
}

impl Stamp {
    /// Takes the stamp of a registry's folder without opening any file.
    ///
    /// # Errors
    /// A folder that cannot be listed, or a link without a target.
    pub fn from_dir(root: &Path) -> Result<Stamp, ReadError> {
        let stamp = |found: FoundFile| FileStamp::new(found.path, &found.metadata);
        Ok(Stamp(list_registry(root)?.into_iter().map(stamp).collect()))
    }

    /// Takes the stamp of a single file without opening it.
    ///
    /// # Errors
    /// A file that does not exist.
    pub fn from_file(path: &Path) -> io::Result<Stamp> {
        let name = path.to_string_lossy();
        Ok(Stamp(vec![FileStamp::new(Arc::from(&*name), &fs::metadata(path)?)]))
    }
}

impl FileStamp {
    fn new(path: Arc<str>, metadata: &Metadata) -> FileStamp {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        FileStamp {
            path,
            bytes: metadata.len(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
}

/// Returns whether a path is one of those that a registry consists of.
fn is_known(path: &str) -> bool {
    match path.split_once('/') {
        None => path == CHANNELS_FILE,
        Some((_, name)) => COMPANY_FILES.contains(&name),
    }
}

/// Returns whether a name is skipped: hidden files (mounted volumes keep their versions in them), what
/// editors and file systems leave behind, notes for people, and snapshots compiled into the registry's own
/// folder.
fn is_ignored(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    name.starts_with('.')
        || name.ends_with('~')
        || (name.starts_with('#') && name.ends_with('#'))
        || ["lost+found", "thumbs.db", "desktop.ini"].contains(&lower.as_str())
        || [".swp", ".swo", ".swx", ".md", ".swb"].iter().any(|end| lower.ends_with(end))
        || lower.starts_with("readme")
}

/// Reads a file. If a pipe has replaced the file since the folder was listed, neither opening nor reading
/// blocks.
fn read_entry(path: &Path) -> io::Result<Entry> {
    let mut file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Entry::without_content(&metadata));
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(Entry::File(content))
}

/// An entry of a registry's folder that is not a company's folder.
struct FoundFile {
    /// The path relative to the root, `/`-separated.
    path: Arc<str>,
    absolute_path: PathBuf,
    metadata: Metadata,
}

/// Lists a registry's folder and the companies' folders in it, sorted by path. Goes no deeper, so that a link
/// to a folder above cannot make the list endless.
fn list_registry(root: &Path) -> Result<Vec<FoundFile>, ReadError> {
    let mut found = Vec::new();
    for entry in list_folder(root, None)? {
        if entry.metadata.is_dir() {
            found.extend(list_folder(&entry.absolute_path, Some(&entry.path))?);
        } else {
            found.push(entry);
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn list_folder(folder: &Path, company: Option<&str>) -> Result<Vec<FoundFile>, ReadError> {
    let unreadable = |error| ReadError { path: company.unwrap_or(".").into(), error };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if is_ignored(&name) {
            continue;
        }
        let absolute_path = entry.path();
        let path: Arc<str> = match company {
            Some(company) => format!("{company}/{name}").into(),
            None => (*name).into(),
        };
        match fs::metadata(&absolute_path) {
            Ok(metadata) => found.push(FoundFile { path, absolute_path, metadata }),
            // Removed since the folder was listed, such as an editor's temporary file.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && fs::symlink_metadata(&absolute_path).is_err() => {}
            Err(error) => return Err(ReadError { path, error }),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn reading_a_pipe_in_place_of_a_file_does_not_block() {
        let path = std::env::temp_dir().join(format!("switchboard-registry-{}.csv", std::process::id()));
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let entry = read_entry(&path);
        fs::remove_file(&path).unwrap();
        assert_eq!(entry.unwrap(), Entry::Special);
    }
}
