//! The files of a registry, read from a folder or built in memory. A digest and a stamp detect changes.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::io::Errno;
use xxhash_rust::xxh3::Xxh3;

use crate::redact::quoted;
use crate::suggest::closest_within;
use crate::{Code, Finding, Place, Span};

/// The name of the only file in the registry's own folder.
pub(crate) const CHANNELS_FILE: &str = "channels.toml";
/// The name of the file that makes a folder a company.
pub(crate) const SETTINGS_FILE: &str = "company.toml";
/// The names of the files in a company's folder.
pub(crate) const COMPANY_FILES: [&str; 4] = [SETTINGS_FILE, "ous.csv", "accounts.csv", "tests.toml"];
/// The maximum number of letters in which the name of a misnamed file differs from the right name.
const MAX_EDITS: usize = 2;

/// The files of a registry by their paths relative to its root, such as `acme/company.toml`.
///
/// The files are sorted by path. Everything that is made of them is therefore deterministic.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Files {
    entries: BTreeMap<Arc<str>, Entry>,
}

/// The entry at one path of a registry. Symbolic links are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file with its content. The content is empty if no registry has a file of this name, because such a
    /// file is not read.
    File(Vec<u8>),
    /// A folder in a place where only files are allowed.
    Folder,
    /// A pipe, a socket, a device or a link without a target: the noun with its article. It is never read,
    /// because reading may block.
    Special(&'static str),
    /// A file of a company that cannot be read, or the settings of a company whose folder cannot be listed. It
    /// is a finding of that company, because the files of the other companies can be read.
    Unreadable {
        /// The fault as a clause, with the error of the operating system.
        reason: String,
    },
    /// A file that is larger than [`ReadLimits`] allow. It is not read.
    Oversized {
        /// The size of the file in bytes.
        bytes: u64,
        /// The maximum size of a file in bytes.
        max_bytes: u64,
    },
}

/// The limits within which the files of a registry are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// The maximum size of one file in bytes. The default is 256 MiB.
    pub max_file_bytes: u64,
}

impl Default for ReadLimits {
    fn default() -> ReadLimits {
        ReadLimits { max_file_bytes: 256 << 20 }
    }
}

/// The error of a registry that cannot be read: of its own folder, of `channels.toml`, or an error that may end
/// without a change of the files. [`Entry::Unreadable`] is any other error of a company.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct ReadError {
    /// The path relative to the registry's folder. `.` is the folder itself.
    pub path: Arc<str>,
    /// The error that the operating system reported.
    pub error: io::Error,
}

/// The state of a registry's folder without its contents: path, length, times and inode of every file.
///
/// If two stamps are equal, the folder need not be read again. If they differ, something may have changed,
/// and only [`Files::digest`] can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Vec<FileStamp>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FileStamp {
    path: Arc<str>,
    bytes: u64,
    modified_ns: i128,
    /// The time of the last change of the inode. Detects changes by programs that restore the time of
    /// modification, such as `cp -p` and `rsync -t`.
    changed_ns: i128,
    inode: u64,
}

impl Files {
    /// Reads a registry's folder within the default [`ReadLimits`].
    ///
    /// # Errors
    /// As [`Files::read_dir_within`].
    pub fn read_dir(root: &Path) -> Result<Files, ReadError> {
        Files::read_dir_within(root, ReadLimits::default())
    }

    /// Reads a registry's folder. Follows symbolic links, because mounted volumes publish their files as
    /// links. Skips what [`is_passed_over`] names, but never a folder that has a `company.toml`. Skips names
    /// with two dots in front, in which a mounted volume keeps its versions. Does not read a file that is
    /// larger than the limit.
    ///
    /// # Errors
    /// Returns the first file or folder that cannot be read, unless the error lasts and concerns one company:
    /// see [`Entry::Unreadable`]. Never returns a part of a registry, because a part looks like a registry from
    /// which companies were removed.
    pub fn read_dir_within(root: &Path, limits: ReadLimits) -> Result<Files, ReadError> {
        let mut entries = BTreeMap::new();
        for found in list_registry(root)? {
            let entry = found.read(limits)?;
            entries.insert(found.path, entry);
        }
        Ok(Files { entries })
    }

    /// Creates the files of a registry from a list of all files in a folder, with their paths relative to the
    /// folder. Passes over what [`Files::read_dir`] passes over.
    ///
    /// ```
    /// use switchboard_registry::Files;
    ///
    /// let text = "[[ou]]\nid = \"acme\"\n";
    /// let list = [("acme/company.toml", text), ("README.md", "# Acme"), (".git/HEAD", "ref: x")];
    /// let files = Files::from_list(list.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())));
    /// assert_eq!(files.iter().count(), 1);
    /// ```
    pub fn from_list(list: impl IntoIterator<Item = (String, Vec<u8>)>) -> Files {
        let mut entries = BTreeMap::new();
        let mut folders: BTreeMap<String, Vec<(String, Entry)>> = BTreeMap::new();
        for (path, content) in list {
            let content = |path: &str| Entry::File(if is_known(path) { content } else { Vec::new() });
            let Some((folder, name)) = path.split_once('/') else {
                if !path.starts_with("..") && !is_passed_over(&path) {
                    let entry = content(&path);
                    entries.insert(path.into(), entry);
                }
                continue;
            };
            let (name, entry) = match name.split_once('/') {
                Some((inner, _)) => (inner, Entry::Folder),
                None => (name, content(&path)),
            };
            if !name.starts_with("..") && !is_passed_over(name) {
                folders.entry(folder.to_owned()).or_default().push((name.to_owned(), entry));
            }
        }
        for (folder, inner) in folders {
            let is_company = inner.iter().any(|(name, entry)| {
                *entry != Entry::Folder && almost(name, files_of_company(&folder).iter().copied()).is_some()
            });
            if !folder.starts_with("..") && (!is_passed_over(&folder) || is_company) {
                let path = |name: &str| Arc::from(format!("{folder}/{name}"));
                entries.extend(inner.into_iter().map(|(name, entry)| (path(&name), entry)));
            }
        }
        Files { entries }
    }

    /// Adds a file, or replaces its content.
    pub fn insert(&mut self, path: impl Into<Arc<str>>, content: impl Into<Vec<u8>>) {
        self.entries.insert(path.into(), Entry::File(content.into()));
    }

    /// Removes every path for which `keep` returns false.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.entries.retain(|path, _| keep(path));
    }

    /// Returns the content of the file at a path, if there is one.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        match self.entries.get(path)? {
            Entry::File(content) => Some(content),
            Entry::Folder | Entry::Special(_) | Entry::Unreadable { .. } | Entry::Oversized { .. } => None,
        }
    }

    /// Returns all paths with their entries, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Entry)> {
        self.entries.iter()
    }

    /// Returns the XXH3-128 hash of all paths and contents. Registries with equal digests have equal files.
    pub fn digest(&self) -> u128 {
        let mut hash = Xxh3::new();
        for (path, entry) in &self.entries {
            let path = entry.marked(path);
            let size;
            let content: &[u8] = match entry {
                Entry::File(content) => content,
                Entry::Folder => &[],
                Entry::Special(kind) => kind.as_bytes(),
                Entry::Unreadable { reason } => reason.as_bytes(),
                Entry::Oversized { bytes, .. } => {
                    size = bytes.to_le_bytes();
                    &size
                }
            };
            // The lengths are hashed because ("ab", "c") and ("a", "bc") must differ.
            hash.update(&(path.len() as u64).to_le_bytes());
            hash.update(path.as_bytes());
            hash.update(&(content.len() as u64).to_le_bytes());
            hash.update(content);
        }
        hash.digest128()
    }
}

impl<P: Into<Arc<str>>, C: Into<Vec<u8>>> FromIterator<(P, C)> for Files {
    /// Collects pairs of a path and a content.
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
        } else if metadata.file_type().is_fifo() {
            Entry::Special("a pipe")
        } else if metadata.file_type().is_socket() {
            Entry::Special("a socket")
        } else if metadata.is_symlink() {
            Entry::Special("a link without a target")
        } else {
            Entry::Special("a device")
        }
    }

    /// Returns what the entry is, as a noun.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Entry::Folder => "a folder",
            Entry::Special(kind) => kind,
            Entry::File(_) | Entry::Unreadable { .. } | Entry::Oversized { .. } => "a file",
        }
    }

    /// Returns the path with a mark for the kind of the entry. The digest distinguishes the kinds by it.
    fn marked(&self, path: &Arc<str>) -> Arc<str> {
        match self {
            Entry::File(_) | Entry::Oversized { .. } => path.clone(),
            Entry::Folder => format!("{path}/").into(),
            Entry::Special(_) => format!("{path}|").into(),
            Entry::Unreadable { .. } => format!("{path}!").into(),
        }
    }
}

impl ReadError {
    /// Returns the error as a finding, for a report that contains only this error.
    pub fn finding(&self) -> Finding {
        Finding {
            place: Place::file(self.path.clone()),
            code: Code::Unreadable,
            message: format!("the file or folder cannot be read: {}", self.error),
            help: "check that it exists and that this process has permission to read it".to_owned(),
            span: Span::Line,
            labels: Vec::new(),
        }
    }
}

impl Stamp {
    /// Takes the stamp of a registry's folder. Opens no file.
    ///
    /// # Errors
    /// Returns an error if the registry's own folder cannot be listed, or for an error that may end without a
    /// change of the files.
    pub fn from_dir(root: &Path) -> Result<Stamp, ReadError> {
        let stamp = |found: FoundFile| FileStamp::new(found.path, found.metadata.as_ref());
        Ok(Stamp(list_registry(root)?.into_iter().map(stamp).collect()))
    }

    /// Takes the stamp of a single file. Does not open the file.
    ///
    /// # Errors
    /// Returns an error if the file does not exist.
    pub fn from_file(path: &Path) -> io::Result<Stamp> {
        let name = path.to_string_lossy();
        Ok(Stamp(vec![FileStamp::new(Arc::from(&*name), Some(&fs::metadata(path)?))]))
    }

    /// Adds the stamp of one more file, which may be missing. Does not open the file.
    pub fn add_file(&mut self, path: &Path) {
        let name = path.to_string_lossy();
        self.0.push(FileStamp::new(Arc::from(&*name), fs::metadata(path).ok().as_ref()));
    }
}

impl FileStamp {
    /// Takes the stamp of a file. Without metadata, because the folder does not permit to read them, all values
    /// are zero.
    fn new(path: Arc<str>, metadata: Option<&Metadata>) -> FileStamp {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        FileStamp {
            path,
            bytes: metadata.map_or(0, Metadata::len),
            modified_ns: metadata.map_or(0, |it| nanoseconds(it.mtime(), it.mtime_nsec())),
            changed_ns: metadata.map_or(0, |it| nanoseconds(it.ctime(), it.ctime_nsec())),
            inode: metadata.map_or(0, Metadata::ino),
        }
    }
}

/// Returns whether a registry has a file with this path.
fn is_known(path: &str) -> bool {
    match path.split_once('/') {
        None => path == CHANNELS_FILE,
        Some((_, name)) => COMPANY_FILES.contains(&name),
    }
}

/// Returns the known name that differs from this name in at most two letters, or in the case of letters.
pub(crate) fn almost<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    closest_within(MAX_EDITS, name, known)
}

/// Names that are passed over. All are in lower case, because names are compared without case.
const PASSED_OVER: [&str; 16] = [
    "codeowners",
    // Editors: vim creates the first one to see whether a folder can be written.
    "4913",
    // File managers, file systems and network storage.
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "__macosx",
    "lost+found",
    "$recycle.bin",
    "system volume information",
    "@eadir",
    "@recycle",
    "@recently-snapshot",
    "@tmp",
    "#recycle",
    "#snapshot",
];
/// Beginnings of names that are passed over: documents, and the lock files of office programs.
const PASSED_OVER_STARTS: [&str; 7] = [".", "readme", "license", "licence", "copying", "notice", "~$"];
/// Ends of names that are passed over: notes, compiled snapshots, copies that editors make, and files that a
/// program is still writing or downloading.
const PASSED_OVER_ENDS: [&str; 18] = [
    ".md",
    ".swb",
    "~",
    ".swp",
    ".swo",
    ".swx",
    ".kate-swp",
    "___jb_tmp___",
    "___jb_old___",
    ".tmp",
    ".temp",
    ".part",
    ".partial",
    ".filepart",
    ".crdownload",
    ".download",
    ".!sync",
    ".icloud",
];

/// Returns whether a file with this name in a registry is passed over without a finding: names that begin
/// with a dot, documents, and files that editors, file managers and synchronisers leave. A folder with such a
/// name is a company if it has a `company.toml`.
///
/// ```
/// use switchboard_registry::is_passed_over;
///
/// assert!(is_passed_over("~$accounts.csv") && is_passed_over("README.md"));
/// assert!(!is_passed_over("accounts.csv") && !is_passed_over("accounts (1).csv"));
/// ```
pub fn is_passed_over(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    // Excel writes a workbook to such a name, and then renames it.
    let is_excel_copy =
        name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte));
    PASSED_OVER.contains(&&*lower)
        || PASSED_OVER_STARTS.iter().any(|start| lower.starts_with(start))
        || PASSED_OVER_ENDS.iter().any(|end| lower.ends_with(end))
        || (name.starts_with('#') && name.ends_with('#'))
        || is_excel_copy
}

/// Reads a file of at most the allowed size. Does not block if a pipe has replaced the file after the folder
/// was listed.
fn read_entry(path: &Path, limits: ReadLimits) -> io::Result<Entry> {
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Entry::without_content(&metadata));
    }
    let max_bytes = limits.max_file_bytes;
    let oversized = |bytes: u64| Entry::Oversized { bytes, max_bytes };
    if metadata.len() > max_bytes {
        return Ok(oversized(metadata.len()));
    }
    let mut content = Vec::new();
    // A buffer that grows by doubling would take up to three times the file.
    content.try_reserve_exact(usize::try_from(metadata.len()).unwrap_or(usize::MAX))?;
    // The file may grow while it is read.
    let read = file.take(max_bytes.saturating_add(1)).read_to_end(&mut content)? as u64;
    Ok(if read > max_bytes { oversized(read) } else { Entry::File(content) })
}

/// A file of a registry's folder, or another entry in place of a file.
struct FoundFile {
    /// The path relative to the root, `/`-separated.
    path: Arc<str>,
    absolute_path: PathBuf,
    /// The metadata of the target. If there is an error, of the link or of the folder, if they can be read.
    metadata: Option<Metadata>,
    /// The error of an entry that exists and whose metadata or content cannot be read.
    error: Option<io::Error>,
    /// Whether the entry stands for the folder of a company that cannot be listed.
    is_folder_of_company: bool,
}

impl FoundFile {
    fn is_dir(&self) -> bool {
        self.error.is_none() && self.metadata.as_ref().is_some_and(Metadata::is_dir)
    }

    fn is_file(&self) -> bool {
        self.error.is_none() && self.metadata.as_ref().is_some_and(Metadata::is_file)
    }

    /// Returns whether the entry has one of these names or almost such a name, and is no folder.
    fn is_meant_as(&self, names: &[&str]) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        !self.is_dir() && almost(name, names.iter().copied()).is_some()
    }

    /// Returns the settings of the company that this folder of the registry is meant to be, with the error of
    /// its list or its own.
    fn into_unreadable_company(self, error: Option<io::Error>) -> FoundFile {
        let path = format!("{}/{SETTINGS_FILE}", self.path).into();
        FoundFile { path, error: error.or(self.error), is_folder_of_company: true, ..self }
    }

    /// Reads the file if a registry has a file of this name.
    fn read(&self, limits: ReadLimits) -> Result<Entry, ReadError> {
        let failed = |error: &io::Error| {
            let error =
                error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
            Err(ReadError { path: self.path.clone(), error })
        };
        let (is_of_company, is_known) = (self.path.contains('/'), is_known(&self.path));
        match &self.error {
            None if is_known && self.is_file() => match read_entry(&self.absolute_path, limits) {
                Ok(entry) => Ok(entry),
                // A file that vanished after the folder was listed is no fault of the company.
                Err(error) if error.kind() == io::ErrorKind::NotFound => failed(&error),
                Err(error) if is_lasting(&error) && is_of_company => Ok(self.unreadable(&error)),
                Err(error) => failed(&error),
            },
            None => Ok(self.without_content()),
            Some(error) if is_known && is_of_company && is_lasting(error) => Ok(self.unreadable(error)),
            Some(_) if !is_known && is_of_company => Ok(self.without_content()),
            Some(error) if !is_known && is_dangling(error) && self.metadata.is_some() => {
                Ok(self.without_content())
            }
            Some(error) => failed(error),
        }
    }

    fn without_content(&self) -> Entry {
        let unreadable = Entry::Special("a file that cannot be read");
        match (&self.error, &self.metadata) {
            (Some(error), _) if !is_dangling(error) => unreadable,
            (_, Some(metadata)) => Entry::without_content(metadata),
            (_, None) => unreadable,
        }
    }

    fn unreadable(&self, error: &io::Error) -> Entry {
        let (folder, name) = self.path.split_once('/').unwrap_or(("", &self.path));
        let is_link = self.metadata.as_ref().is_some_and(Metadata::is_symlink);
        let reason = if self.is_folder_of_company {
            format!("the folder {} cannot be read: {error}", quoted(folder))
        } else if is_link && is_dangling(error) {
            format!("{} is a link without a target: {error}", quoted(name))
        } else {
            format!("{} cannot be read: {error}", quoted(name))
        };
        Entry::Unreadable { reason }
    }
}

/// Returns whether an error lasts until a file, a link or a permission changes. Other errors, such as a lack of
/// file descriptors or a fault of a network file system, may end without a change that a stamp shows.
fn is_lasting(error: &io::Error) -> bool {
    let lasting = [
        Errno::NOENT,
        Errno::LOOP,
        Errno::ACCESS,
        Errno::PERM,
        Errno::NOTDIR,
        Errno::ISDIR,
        Errno::NAMETOOLONG,
        Errno::NXIO,
    ];
    Errno::from_io_error(error).is_some_and(|error| lasting.contains(&error))
}

/// Returns whether an error means that a link leads nowhere.
fn is_dangling(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::LOOP))
}

/// Lists a registry's folder and the companies' folders in it, sorted by path. Goes no deeper, because a link
/// to a folder above would make the list endless.
fn list_registry(root: &Path) -> Result<Vec<FoundFile>, ReadError> {
    let mut found = Vec::new();
    for entry in list_folder(root, None).map_err(|error| ReadError { path: ".".into(), error })? {
        let is_skipped = is_passed_over(&entry.path);
        if !entry.is_dir() || &*entry.path == CHANNELS_FILE {
            let is_link_to_a_target = entry.metadata.is_some()
                && entry.error.as_ref().is_some_and(|error| is_lasting(error) && !is_dangling(error));
            if is_link_to_a_target && !is_skipped && !is_known(&entry.path) {
                // Here, a target is only useful as the folder of a company.
                found.push(entry.into_unreadable_company(None));
            } else if !is_skipped {
                found.push(entry);
            }
            continue;
        }
        let of_company = files_of_company(&entry.path);
        match list_folder(&entry.absolute_path, Some(&entry.path)) {
            // A folder with a file of a company is a company, whatever its name.
            Ok(inner) if !is_skipped || inner.iter().any(|file| file.is_meant_as(of_company)) => {
                found.extend(inner);
            }
            Ok(_) => {}
            Err(_) if is_skipped => {}
            Err(error) if is_lasting(&error) && error.kind() != io::ErrorKind::NotFound => {
                found.push(entry.into_unreadable_company(Some(error)));
            }
            Err(error) => return Err(ReadError { path: entry.path, error }),
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Returns the names of the files that make a folder a company although its name is passed over. Tools keep many
/// kinds of files in folders with a dot, so that only the settings make such a folder a company.
fn files_of_company(folder: &str) -> &'static [&'static str] {
    if folder.starts_with('.') { &[SETTINGS_FILE] } else { &COMPANY_FILES }
}

/// Lists the registry's own folder or the folder of a company. Of the registry's own folder, also lists
/// entries that are passed over, because they may be companies. Never lists the entries with two dots in front
/// in which a mounted volume keeps its versions.
fn list_folder(folder: &Path, company: Option<&str>) -> io::Result<Vec<FoundFile>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("..") || (company.is_some() && is_passed_over(&name)) {
            continue;
        }
        let absolute_path = entry.path();
        let path: Arc<str> = match company {
            Some(company) => format!("{company}/{name}").into(),
            None => (*name).into(),
        };
        let (metadata, error) = match fs::metadata(&absolute_path) {
            Ok(metadata) => (Some(metadata), None),
            Err(error) => {
                let link = fs::symlink_metadata(&absolute_path);
                // The file was removed after the folder was listed, such as a temporary file of an editor.
                if link.as_ref().is_err_and(|link| link.kind() == io::ErrorKind::NotFound) {
                    continue;
                }
                (link.ok(), Some(error))
            }
        };
        found.push(FoundFile { path, absolute_path, metadata, error, is_folder_of_company: false });
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
        let entry = read_entry(&path, ReadLimits::default());
        fs::remove_file(&path).unwrap();
        assert_eq!(entry.unwrap(), Entry::Special("a pipe"));
    }
}
