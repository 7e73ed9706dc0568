//! The journal: what makes standings outlive the process. A change is appended and on the disk before
//! it is answered; now and then the file is written anew with what still holds.
//!
//! One process writes at a time: it holds the lock of the file beside it, `FILE.lock`. Another, started to
//! take over, reads along until it gets the lock.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::record::{self, Change};
use super::standing::{Key, Standing};
use switchboard_snapshot::file;

/// The first line: what the file is, so that no other is ever written over.
const MAGIC: &[u8] = b"switchboard standings 1\n";
/// Records beyond which a journal is written anew where most of them hold no more. Reading so many
/// takes about a millisecond.
const MOST_PAST: usize = 1_000;

/// A journal that this process alone writes.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes that are known to be on the disk, whole.
    len: u64,
    records: usize,
    /// Whether the disk may hold something else than `len` bytes of records.
    uncertain: bool,
    /// Locked for as long as it is open.
    _lock: File,
}

/// What a journal holds.
#[derive(Debug, Default)]
pub struct Contents {
    /// The standings at its end.
    pub standings: HashMap<Key, Standing>,
    /// Bytes after the last whole record: one that was being written when the process ended, and so was
    /// not answered.
    pub torn: usize,
    /// Lines (from 1) before it that are not what was written: the disk's fault.
    pub damaged: Vec<usize>,
    records: usize,
    len: u64,
}

impl Journal {
    /// Takes a journal over, or begins one; `None` while another process holds it. A torn end is cut
    /// off; a damaged file is kept beside the new one, and its path returned.
    ///
    /// # Errors
    /// What could not be read or written, and a file that is no journal.
    pub fn take(path: &Path) -> io::Result<Option<(Journal, Contents, Option<PathBuf>)>> {
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(beside(path, ".lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let contents = Contents::read(path)?;
        let kept = if contents.damaged.is_empty() {
            None
        } else {
            let to = beside(path, ".damaged");
            fs::copy(path, &to)?;
            Some(to)
        };
        if contents.len == 0 {
            file::write(path, MAGIC)?;
        }
        let len = contents.len.max(MAGIC.len() as u64);
        let mut journal = Journal {
            path: path.to_owned(),
            file: append_to(path)?,
            len,
            records: contents.records,
            uncertain: contents.torn > 0 || !contents.damaged.is_empty(),
            _lock: lock,
        };
        if journal.wants_rewrite(contents.standings.len()) {
            journal.rewrite(contents.standings.iter())?;
        }
        Ok(Some((journal, contents, kept)))
    }

    /// Appends changes, and returns once they are on the disk.
    ///
    /// # Errors
    /// What the system says; the changes do not count then.
    pub fn append(&mut self, changes: &[Change]) -> io::Result<()> {
        let mut lines = Vec::with_capacity(changes.len() * 256);
        for Change { key, standing } in changes {
            record::write(&mut lines, key, standing.as_ref());
        }
        let written = self.file.write_all(&lines).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.len += lines.len() as u64;
                self.records += changes.len();
            }
            Err(_) => {
                // Half a record would swallow the next one. Where this fails as well, or the disk has lost
                // what it could not keep, the file is written anew before anything else is.
                self.uncertain = true;
                let _ = self.file.set_len(self.len);
            }
        }
        written
    }

    /// Whether it should be written anew before more is appended, where so many standings hold.
    pub fn wants_rewrite(&self, hold: usize) -> bool {
        self.uncertain || self.records > 2 * hold + MOST_PAST || !self.is_in_its_place()
    }

    /// Whether the path still leads to the file that is open: one that was deleted or replaced takes what
    /// is appended to it along.
    fn is_in_its_place(&self) -> bool {
        let place = fs::metadata(&self.path).map(|metadata| (metadata.dev(), metadata.ino()));
        let open = self.file.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
        matches!((place, open), (Ok(place), Ok(open)) if place == open)
    }

    /// Writes what holds, and nothing else, to a new file that takes the place of the old one at once.
    ///
    /// # Errors
    /// What the system says; the old file is as it was.
    pub fn rewrite<'s>(
        &mut self,
        standings: impl ExactSizeIterator<Item = (&'s Key, &'s Standing)>,
    ) -> io::Result<()> {
        let records = standings.len();
        let mut bytes = MAGIC.to_vec();
        for (key, standing) in standings {
            record::write(&mut bytes, key, Some(standing));
        }
        file::write(&self.path, &bytes)?;
        self.file = append_to(&self.path)?;
        (self.len, self.records, self.uncertain) = (bytes.len() as u64, records, false);
        Ok(())
    }
}

impl Contents {
    /// Reads a journal, whoever writes it; one that is not there is empty.
    ///
    /// # Errors
    /// What the system says, and a file that is no journal.
    pub fn read(path: &Path) -> io::Result<Contents> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
            Err(error) => return Err(error),
        };
        if bytes.is_empty() {
            return Ok(Contents::default());
        }
        let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
            let reason = "not a journal of standings; name another file, or one that does not exist yet";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        };
        let mut contents = Contents { len: bytes.len() as u64, ..Contents::default() };
        let mut unreadable = Vec::new();
        let mut line_number = 1;
        while !rest.is_empty() {
            line_number += 1;
            let end = memchr::memchr(b'\n', rest);
            let (line, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            match line.strip_suffix(b"\n").and_then(record::read) {
                Some(Change { key, standing }) => {
                    // A whole record after it: what could not be read was no torn end.
                    contents.damaged.append(&mut unreadable);
                    contents.torn = 0;
                    contents.records += 1;
                    match standing {
                        Some(standing) => drop(contents.standings.insert(key, standing)),
                        None => drop(contents.standings.remove(&key)),
                    }
                }
                None => {
                    unreadable.push(line_number);
                    contents.torn += line.len();
                }
            }
            rest = after;
        }
        Ok(contents)
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(path)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
