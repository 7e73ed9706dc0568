//! Reads snapshots from disk into aligned memory, and replaces files atomically and durably.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use memmap2::{Advice, MmapMut};
use rkyv::util::AlignedVec;
use rustix::fs::{OFlags, XattrFlags, fremovexattr, fsetxattr, getxattr};
use rustix::io::Errno;
use xxhash_rust::xxh3::Xxh3;

use super::header::{self, Header};

/// The minimum ratio of a file's length to its disk space that only a file with holes can have. Compression
/// does not reach the ratio: btrfs stores 4 KiB for 128 KiB at best, and a snapshot compresses to a third.
const MIN_SPARSE_RATIO: u64 = 64;
/// The maximum number of symbolic links that are followed. The kernel has the same limit.
const MAX_LINKS: usize = 40;
/// The maximum number of names that are tried for a temporary file. A name that is in use belongs to another
/// running writer, or to a writer on another host.
const MAX_NAMES: u32 = 1000;
/// The suffix of the names of temporary files.
const SUFFIX: &str = ".tmp";
/// The mode of a new file, before the process's umask.
const NEW_MODE: u32 = 0o666;
/// The mode of a temporary file until it has the owner, group and mode of the file that it replaces.
const PRIVATE_MODE: u32 = 0o600;
/// The extended attribute with the access list of a file.
const ACCESS_LIST: &str = "system.posix_acl_access";
/// The maximum length of an extended attribute on Linux.
const MAX_ATTRIBUTE_BYTES: usize = 1 << 16;

/// The bytes of a snapshot in aligned memory. Complete bytes are never changed.
pub struct Bytes(Memory);

enum Memory {
    /// The bytes of a snapshot that this process compiled.
    Heap(AlignedVec),
    /// Anonymous pages, and the number of bytes in them that are filled.
    Pages(MmapMut, usize),
}

impl Bytes {
    /// Reads `len` bytes: the bytes of `first`, followed by bytes of the source. Reads fewer if the source
    /// ends early.
    ///
    /// Uses huge pages if the system has them. A selection reads a dozen distant places, and with pages of 4
    /// KiB each of these reads also costs a walk through the page tables. Pages without data take no memory.
    ///
    /// # Errors
    /// Returns an error if there is not enough memory, or if the source cannot be read.
    pub fn read(first: &[u8], mut source: impl Read, len: usize) -> io::Result<Bytes> {
        let mut pages = MmapMut::map_anon(len)?;
        // The result is ignored: a system without huge pages uses normal pages.
        let _ = pages.advise(Advice::HugePage);
        let mut first = first;
        let mut filled = first.read(&mut pages)?;
        while let Some(rest) = pages.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match source.read(rest) {
                Ok(0) => break,
                Ok(some) => filled += some,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Bytes(Memory::Pages(pages, filled)))
    }
}

impl From<AlignedVec> for Bytes {
    fn from(bytes: AlignedVec) -> Bytes {
        Bytes(Memory::Heap(bytes))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Memory::Heap(bytes) => bytes,
            Memory::Pages(pages, filled) => pages.get(..*filled).unwrap_or_default(),
        }
    }
}

/// Reads a snapshot file into memory. Does not map the file, because the process would crash if the file were
/// truncated.
///
/// Reads the header first. If the header is invalid, or announces another length than the file has, returns
/// only the bytes of the header, which [`open`](crate::Snapshot::open) rejects. A file that is no snapshot
/// therefore costs no memory. A sparse file can have any length without taking disk space, so its checksum is
/// verified before memory is reserved.
///
/// # Errors
/// Returns an error if the file cannot be read, or if it is not a regular file.
pub fn read(path: &Path) -> io::Result<Bytes> {
    let mut file = open_regular(path)?;
    let metadata = file.metadata()?;
    let mut head = AlignedVec::new();
    head.extend_from_reader(&mut (&mut file).take(header::LEN as u64))?;
    let Ok(header) = Header::read(&head) else { return Ok(head.into()) };
    if header.file_len() != u128::from(metadata.len()) || !header.is_possible() {
        return Ok(head.into());
    }
    if is_sparse(&metadata) && !has_valid_checksum(&header, &head, &mut file)? {
        return Ok(head.into());
    }
    // `is_possible` limits the length to 33 bits.
    Bytes::read(&head, file, metadata.len() as usize)
}

/// Reads the header of a snapshot file. Returns `None` if the file does not begin with a header that this
/// program reads, or if it has another length than the header announces.
///
/// # Errors
/// Returns an error if the file cannot be read, or if it is not a regular file.
pub fn read_header(path: &Path) -> io::Result<Option<Header>> {
    Ok(open_with_header(path)?.map(|(_, header, _)| header))
}

/// Reads the header of a snapshot file like [`read_header`], and verifies the checksum of the whole file with
/// 64 KiB of memory. Returns `None` if it does not match.
///
/// # Errors
/// Returns an error if the file cannot be read, or if it is not a regular file.
pub fn read_intact_header(path: &Path) -> io::Result<Option<Header>> {
    let Some((mut file, header, head)) = open_with_header(path)? else { return Ok(None) };
    Ok(has_valid_checksum(&header, &head, &mut file)?.then_some(header))
}

/// Opens a file and reads its header, of which it also returns the bytes.
fn open_with_header(path: &Path) -> io::Result<Option<(File, Header, Vec<u8>)>> {
    let mut file = open_regular(path)?;
    let mut head = Vec::new();
    (&mut file).take(header::LEN as u64).read_to_end(&mut head)?;
    let Ok(header) = Header::read(&head) else { return Ok(None) };
    let has_its_length = header.file_len() == u128::from(file.metadata()?.len());
    Ok(has_its_length.then_some((file, header, head)))
}

/// Opens a regular file for reading.
fn open_regular(path: &Path) -> io::Result<File> {
    // O_NONBLOCK: opening a pipe must not wait for its writer. The metadata is that of the open file, not of
    // the path.
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"))
    }
}

fn is_sparse(metadata: &Metadata) -> bool {
    // `stat` counts blocks of 512 bytes on every file system.
    metadata.blocks().saturating_mul(512).saturating_mul(MIN_SPARSE_RATIO) < metadata.len()
}

/// Verifies the checksum of a file with 64 KiB of memory. Afterwards, the file is at the end of the header.
fn has_valid_checksum(header: &Header, bytes: &[u8], file: &mut File) -> io::Result<bool> {
    let mut hash = Xxh3::new();
    hash.update(bytes.get(..header::CHECKSUM_AT).unwrap_or_default());
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hash.update(buffer.get(..count).unwrap_or_default()),
        }
    }
    file.seek(SeekFrom::Start(header::LEN as u64))?;
    Ok(hash.digest128() == header.checksum)
}

/// The error of a file that could not be replaced. Says which file is in place now.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The old file is still in place, unchanged.
    #[error("{0}; nothing was replaced: {help}", help = help(.0))]
    Unchanged(#[from] io::Error),
    /// The old file is still in place, because the new one could not get its group, mode or access list.
    #[error(
        "the group {group} and the mode {mode:04o} of the file cannot be kept: {error}; nothing was replaced: run \
         this as root or as a member of the group, or remove the file first"
    )]
    Access {
        /// The id of the group of the old file.
        group: u32,
        /// The permission bits of the old file.
        mode: u32,
        /// The error that the system returned.
        error: io::Error,
    },
    /// The new file is in place, but after a crash of the machine the old file may be back.
    #[error("{0}; the new file is in place, but after a crash of the machine the old file may be back")]
    Unsettled(io::Error),
}

impl From<ReplaceError> for io::Error {
    fn from(failed: ReplaceError) -> io::Error {
        match failed {
            ReplaceError::Unchanged(error) | ReplaceError::Unsettled(error) => error,
            ReplaceError::Access { .. } => io::Error::new(ErrorKind::PermissionDenied, failed.to_string()),
        }
    }
}

fn help(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "free disk space for both the old file and the new one, or write to another folder"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "give this process permission to create files in the folder, or write to another folder"
        }
        ErrorKind::NotFound => "create the folder first",
        _ => "correct the cause, or write to another folder",
    }
}

/// Replaces a file atomically: every reader sees the complete old file or the complete new file, also after a
/// crash.
///
/// Writes a temporary file in the same folder, syncs it, renames it, and syncs the folder. Follows symbolic
/// links, and replaces the file at their end. Keeps the group, the mode and the access list of a file that is
/// replaced, and its owner if the process may. Removes temporary files of writers that were killed. (The crate
/// `tempfile` cannot tell these files from the files of running writers, because it does not lock them.)
///
/// # Errors
/// Returns an error that says which of the two files is in place.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), ReplaceError> {
    write_with(path, |file| file.write_all(bytes))
}

/// Replaces a file like [`write()`], with the content that `fill` writes.
///
/// # Errors
/// Returns an error that says which of the two files is in place.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), ReplaceError> {
    let path = target(path)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the path does not name a file"))?;
    let replaced = fs::metadata(&path).ok();
    if replaced.as_ref().is_some_and(|replaced| !replaced.is_file()) {
        // Replacing a device such as /dev/null would break it for every program.
        return Err(
            io::Error::new(ErrorKind::InvalidInput, "the path exists and is not a regular file").into()
        );
    }
    remove_leftovers(folder, name);
    // Users without permission to read the old file must not be able to open the new one at any time.
    let mode = if replaced.is_some() { PRIVATE_MODE } else { NEW_MODE };
    let (mut file, temporary) = temporary(folder, name, mode)?;
    let written = (|| {
        if let Some(replaced) = &replaced {
            let (group, mode) = (replaced.gid(), replaced.mode() & 0o7777);
            keep_access(&file, &path, replaced).map_err(|error| ReplaceError::Access {
                group,
                mode,
                error,
            })?;
        }
        fill(&mut file)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        Ok(())
    })();
    if let Err(error) = written {
        // The result is ignored: the first error is more important, and the next writer removes the file.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(ReplaceError::Unsettled)
}

/// Gives a new file the group, the mode and the access list of the file that it will replace, and its owner if
/// the process may.
fn keep_access(file: &File, path: &Path, replaced: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (replaced.uid(), replaced.gid())
        && fchown(file, Some(replaced.uid()), Some(replaced.gid())).is_err()
        && new.gid() != replaced.gid()
    {
        // Only root may give a file to another owner. A member of the group may give the file to the group.
        fchown(file, None, Some(replaced.gid()))?;
    }
    // The mode follows the owner, because a change of the owner clears bits of the mode.
    file.set_permissions(replaced.permissions())?;
    let mut list = vec![0; MAX_ATTRIBUTE_BYTES];
    match getxattr(path, ACCESS_LIST, list.as_mut_slice()) {
        Ok(len) => fsetxattr(file, ACCESS_LIST, list.get(..len).unwrap_or_default(), XattrFlags::empty())?,
        Err(Errno::NODATA) => match fremovexattr(file, ACCESS_LIST) {
            // The folder may have given the new file a list that the old file does not have.
            Ok(()) => file.set_permissions(replaced.permissions())?,
            Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        },
        Err(Errno::NOTSUP) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Returns the generation in the header of a snapshot file of any format version. Returns `None` if there is no
/// regular file at the path, or if the file is not a snapshot.
pub fn read_generation(path: &Path) -> Option<u64> {
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut head = Vec::with_capacity(header::LEN);
    file.take(header::LEN as u64).read_to_end(&mut head).ok()?;
    header::generation(&head)
}

/// Follows symbolic links. Returns the path at their end, which need not exist.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(next) = fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("")).join(next);
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "the symbolic links form a cycle"))
}

/// Creates a temporary file in the folder. The file is locked as long as this process runs.
fn temporary(folder: &Path, name: &OsStr, mode: u32) -> io::Result<(File, PathBuf)> {
    let pid = std::process::id();
    for attempt in 0..MAX_NAMES {
        let mut temporary = prefix(name);
        temporary.push(format!("{pid}-{attempt}"));
        temporary.push(SUFFIX);
        let temporary = folder.join(temporary);
        let file = match OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            opened => opened?,
        };
        // The result is ignored: on a file system without locks, no writer removes temporary files.
        let _ = file.lock();
        // Another writer may have removed the file before it was locked.
        let ours = file.metadata()?;
        match fs::symlink_metadata(&temporary) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {
                return Ok((file, temporary));
            }
            _ => continue,
        }
    }
    Err(io::Error::new(ErrorKind::AlreadyExists, "the folder has too many temporary files"))
}

/// Returns the prefix of the names of temporary files. A full name is `.NAME.PID-ATTEMPT.tmp`.
fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    prefix
}

/// Removes temporary files of writers that were killed, which are the ones without a lock. Ignores files that
/// cannot be removed.
fn remove_leftovers(folder: &Path, name: &OsStr) {
    let prefix = prefix(name);
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let middle = found.as_bytes().strip_prefix(prefix.as_bytes());
        let middle = middle.and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes())).unwrap_or_default();
        let ours = !middle.is_empty() && middle.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
        // A pipe is skipped because opening it would block.
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        // Network file systems lock only files that are open for writing. Other file systems also lock
        // read-only files.
        let opened = OpenOptions::new().write(true).open(&path).or_else(|_| File::open(&path));
        let Ok(file) = opened else { continue };
        match file.try_lock() {
            // The lock is held during the removal, so that no writer uses the file.
            Ok(()) => drop(fs::remove_file(&path)),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}
