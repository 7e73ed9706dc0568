//! Snapshots on disk: read whole into aligned memory, replaced atomically and durably.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use memmap2::{Advice, MmapMut};
use rkyv::util::AlignedVec;
use rustix::fs::OFlags;
use xxhash_rust::xxh3::Xxh3;

use super::header::{self, Header};

/// From this many bytes of a file per stored byte on, the file must have holes: file systems that compress store at best
/// 4 KiB for 128 KiB (btrfs), and snapshots shrink to a third.
const MIN_SPARSE_RATIO: u64 = 64;
/// The most links that are followed; the kernel has the same limit.
const MAX_LINKS: usize = 40;
/// The most names that are tried for a temporary file. A name that is taken belongs to a living writer, or to one of
/// another host.
const MAX_NAMES: u32 = 1000;
/// The end of the names of temporary files.
const SUFFIX: &str = ".tmp";

/// The bytes of a snapshot, aligned, and never written to once they are complete.
pub struct Bytes(Memory);

enum Memory {
    /// The bytes of a build.
    Heap(AlignedVec),
    /// Anonymous pages, and the number of bytes that are filled.
    Pages(MmapMut, usize),
}

impl Bytes {
    /// Reads `len` bytes: first those of `first`, then those of the source; fewer if the source ends early.
    ///
    /// Uses huge pages if the system has them, because a selection reads from a dozen places far apart, and with pages of
    /// 4 KiB each read costs a walk through the page tables, too. Pages that nothing is read into take no memory.
    ///
    /// # Errors
    /// There is not enough memory, or the source cannot be read.
    pub fn read(first: &[u8], mut source: impl Read, len: usize) -> io::Result<Bytes> {
        let mut pages = MmapMut::map_anon(len)?;
        // A system without huge pages uses those of the usual size.
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

/// Reads a file whole. The file is never mapped: a truncated mapping kills the process, a written one is undefined.
///
/// The header is read first. If it is no header, or announces another length than the file has, only its bytes are
/// returned, and [`open`](crate::Snapshot::open) rejects them: no other file costs memory. The checksum of a sparse
/// file, which can be of any length without disk space, is checked before memory is reserved.
///
/// # Errors
/// The file cannot be read, or is no regular file.
pub fn read(path: &Path) -> io::Result<Bytes> {
    // Without waiting for a pipe's writer; of the file that was opened, whatever takes its place meanwhile.
    let mut file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut head = AlignedVec::new();
    head.extend_from_reader(&mut (&mut file).take(header::LEN as u64))?;
    let Ok(header) = Header::read(&head) else { return Ok(head.into()) };
    if header.file_len() != u128::from(metadata.len()) || !header.is_possible() {
        return Ok(head.into());
    }
    if is_sparse(&metadata) && !has_valid_checksum(&header, &head, &mut file)? {
        return Ok(head.into());
    }
    // Possible lengths fit 33 bits.
    Bytes::read(&head, file, metadata.len() as usize)
}

fn is_sparse(metadata: &Metadata) -> bool {
    // A block of `stat` has 512 bytes on every file system.
    metadata.blocks().saturating_mul(512).saturating_mul(MIN_SPARSE_RATIO) < metadata.len()
}

/// Checks the checksum in a few pages of memory, and seeks back to the end of the header.
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
