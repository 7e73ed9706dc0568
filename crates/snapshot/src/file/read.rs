//! From the disk. Whatever a file says of itself, reading it costs no more memory than it is worth.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rkyv::util::AlignedVec;
use xxhash_rust::xxh3::Xxh3;

use super::super::Bytes;
use super::super::header::{self, Header};

/// Bytes of a file for each that its disk holds, from which on it must be made of holes. File systems that
/// compress store at best 4 KiB for 128 KiB (btrfs), and snapshots shrink to a third.
const HOLLOW: u64 = 64;

/// Reads a file whole. The file is never mapped: a truncated mapping kills the process, a written one is undefined.
///
/// The header comes first: where it is none, or announces another length than the file has, only its
/// bytes are returned, for [`open`](super::super::Snapshot::open) to refuse. So no file, however large,
/// costs memory before it has shown to be a snapshot. What a header announces is believed only as far as
/// bytes arrive; and a file of holes, which has bytes without end for nothing, must show its checksum first.
pub fn read(path: &Path) -> io::Result<Bytes> {
    // Opening a pipe would wait for whoever writes into it.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut file = File::open(path)?;
    let mut head = AlignedVec::new();
    head.extend_from_reader(&mut (&mut file).take(header::LEN as u64))?;
    let Ok(header) = Header::read(&head) else { return Ok(head.into()) };
    if header.file_len() != u128::from(metadata.len()) || !header.is_possible() {
        return Ok(head.into());
    }
    if is_hollow(&metadata) && !is_sound(&header, &head, &mut file)? {
        return Ok(head.into());
    }
    // Possible lengths fit 33 bits.
    Bytes::read(&head, file, metadata.len() as usize)
}

fn is_hollow(metadata: &Metadata) -> bool {
    // 512 bytes a block, whatever the file system's own are.
    metadata.blocks().saturating_mul(512).saturating_mul(HOLLOW) < metadata.len()
}

/// Whether the checksum holds, found out in a few pages of memory. The file then stands behind its header again.
fn is_sound(header: &Header, bytes: &[u8], file: &mut File) -> io::Result<bool> {
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
