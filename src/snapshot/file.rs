//! Snapshots on disk: read whole into aligned memory, replaced atomically and durably.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use rkyv::util::AlignedVec;

use super::header::{self, Header};

/// Reads a file whole. Never mapped: a truncated mapping kills the process, a written one is undefined.
///
/// The header comes first: where it is none, or announces another length than the file has, only its
/// bytes are returned, for [`open`](super::Snapshot::open) to refuse. So no file, however large, costs
/// memory before it has shown to be a snapshot.
pub fn read(path: &Path) -> io::Result<AlignedVec> {
    // Opening a pipe would wait for whoever writes into it.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut file = File::open(path)?;
    let mut bytes = AlignedVec::new();
    bytes.extend_from_reader(&mut (&mut file).take(header::LEN as u64))?;
    let whole = Header::read(&bytes).ok().map(|header| header.file_len());
    if whole == Some(u128::from(metadata.len())) {
        let rest = metadata.len().saturating_sub(header::LEN as u64);
        bytes.reserve_exact(usize::try_from(rest).unwrap_or(usize::MAX));
        bytes.extend_from_reader(&mut file.take(rest))?;
    }
    Ok(bytes)
}

/// Writes a file so that whoever looks sees the old one or the new one, whole, also after a crash:
/// temporary file beside it, fsync, rename, fsync of the folder.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))?;
    let mut temporary_name = std::ffi::OsString::from(".");
    temporary_name.push(name);
    temporary_name.push(format!(".{}.tmp", std::process::id()));
    let temporary = folder.join(temporary_name);
    let written = (|| {
        let mut file = File::create(&temporary)?;
        if let Ok(replaced) = fs::metadata(path) {
            // Who could not read the old one shall not read the new one either.
            file.set_permissions(replaced.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        // The original error is the one that matters; a leftover is only litter.
        let _ = fs::remove_file(&temporary);
    }
    written
}
