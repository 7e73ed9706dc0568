//! Reads snapshots from the disk, into no more memory than a file is worth, whatever its header says.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rkyv::util::AlignedVec;
use rustix::fs::OFlags;
use xxhash_rust::xxh3::Xxh3;

use super::super::Bytes;
use super::super::header::{self, Header};

/// From this many bytes of a file per stored byte on, the file must have holes: file systems that compress store at best
/// 4 KiB for 128 KiB (btrfs), and snapshots shrink to a third.
const MIN_SPARSE_RATIO: u64 = 64;

/// Reads a file whole. The file is never mapped: a truncated mapping kills the process, a written one is undefined.
///
/// The header is read first. If it is no header, or announces another length than the file has, only its bytes are
/// returned, and [`open`](super::super::Snapshot::open) rejects them: no other file costs memory. The checksum of a sparse
/// file, which can be of any length without disk space, is checked before memory is reserved.
///
/// # Errors
/// The file cannot be read, or is no regular file.
pub fn read(path: &Path) -> io::Result<Bytes> {
    // Without waiting for a pipe's writer; of the file that was opened, whatever takes its place meanwhile.
    let mut file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
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
