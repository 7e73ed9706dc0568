//! The journal keeps standings on the disk. Every change is appended and synced before it is answered. The
//! file is rewritten with the current standings when most of its records are obsolete.
//!
//! Only the process that holds the lock of `FILE.lock` writes. A process that is going to take over reads the
//! journal until it gets the lock.
//!
//! A record is one line: a checksum, a space, a JSON object. The line before it may be a comment with the time
//! at which the standing was set, and with the principal that set it. The format is text, so that operators can read
//! the journal with `less`.
//!
//! In a fleet the journal has format 2: a record is what this replica knows of an account, with the values of the
//! broker and the pending one, or the position to which the broker's values were read.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::json;
use switchboard_fleet::shared::{Key, Record as SharedRecord, SharedStandings};
use switchboard_fleet::watch::Position;
use switchboard_model::UnixMillis;
use switchboard_snapshot::file;
use xxhash_rust::xxh3::xxh3_64;

use super::standing::{AccountKey, Standing, StandingFields};

/// The first line of a journal. A file without it is never overwritten.
const MAGIC: &[u8] = b"switchboard standings 1\n";
/// The first line of the journal of a replica of a fleet.
const SHARED_MAGIC: &[u8] = b"switchboard standings 2\n";
/// The comment before a record, up to the time at which the standing was set. A comment instead of a field,
/// because earlier versions reject records with other fields, and a downgrade must not lose a suspension.
const SINCE: &[u8] = b"# since ";
/// The text between the time and the principal in the comment.
const BY: &str = " by ";
/// The suffix of the journal of a fleet that is kept by a process without one.
const LEFT_FLEET: &str = ".fleet";
/// The largest file in the place of the journal that is copied before it is replaced.
const MAX_COPIED_BYTES: u64 = 64 << 20;
/// A journal is rewritten when its obsolete records outnumber its current standings by more than this.
/// Reading this many takes about a millisecond.
const MAX_OBSOLETE_RECORDS: usize = 1_000;
/// Number of hexadecimal digits of a checksum, the XXH3-64 of the JSON object.
const CHECKSUM_DIGITS: usize = 16;

/// A change of the standing of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StandingChange {
    pub(super) key: AccountKey,
    /// New standing. `None` removes the current one.
    pub(super) standing: Option<Standing>,
}

/// A journal that is open for writing and locked by this process.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Number of bytes of whole records that are known to be on the disk.
    len: u64,
    records: usize,
    /// Whether the file may differ from `len` bytes of whole records, or has the other format.
    is_uncertain: bool,
    /// The lock, held until it is dropped.
    _lock: File,
}

/// The result of opening a journal for writing.
#[derive(Debug)]
pub(super) struct OpenedJournal {
    pub(super) journal: Journal,
    pub(super) contents: JournalContents,
    /// Path of the copy of the file, if the file was damaged.
    pub(super) damaged_copy: Option<PathBuf>,
}

/// The content of a journal.
#[derive(Debug, Default)]
pub struct JournalContents {
    /// The standings after all changes. Empty in the format of a fleet.
    pub standings: HashMap<AccountKey, Standing>,
    /// What a replica of a fleet knows of each account. `None` in the other format.
    pub shared: Option<SharedContents>,
    /// Number of bytes after the last whole record. They belong to a change that was being written when the
    /// process ended, so the change was never answered.
    pub torn: usize,
    /// Numbers of damaged lines before the last whole record. The first line is 1.
    pub damaged: Vec<usize>,
    records: usize,
    len: u64,
}

/// The content of the journal of a replica of a fleet.
#[derive(Debug, Default)]
pub struct SharedContents {
    /// What is known of each account.
    pub accounts: HashMap<Key, SharedRecord>,
    /// The position to which the broker's values are in the records.
    pub position: Option<Position>,
}

/// A record of the format of a fleet.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
enum SharedLine {
    Account(Box<SharedRecord>),
    Position(Position),
}

impl Journal {
    /// Opens or creates a journal for writing. Returns `None` while another process holds the journal.
    /// Removes a torn end, and copies a damaged file before it changes the file. A journal of the other format is
    /// rewritten before the next change.
    ///
    /// # Errors
    /// Fails on errors of the system, and if the file is not a journal.
    pub(super) fn open(path: &Path, is_shared: bool) -> io::Result<Option<OpenedJournal>> {
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(beside(path, ".lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let contents = JournalContents::read(path)?;
        let damaged_copy = if contents.damaged.is_empty() {
            None
        } else {
            let copy = beside(path, ".damaged");
            fs::copy(path, &copy)?;
            Some(copy)
        };
        if contents.shared.is_some() && !is_shared {
            // The revisions are needed when the process returns to the fleet.
            file::write(&beside(path, LEFT_FLEET), &fs::read(path)?)?;
        }
        let is_empty = contents.len == 0;
        if is_empty {
            file::write(path, magic(is_shared))?;
        }
        let has_other_format = !is_empty && contents.shared.is_some() != is_shared;
        let len = contents.len.max(MAGIC.len() as u64);
        let mut journal = Journal {
            path: path.to_owned(),
            file: append_to(path)?,
            len,
            records: contents.records,
            is_uncertain: contents.torn > 0 || !contents.damaged.is_empty() || has_other_format,
            _lock: lock,
        };
        if !is_shared && journal.needs_rewrite(contents.standings.len()) {
            journal.rewrite(contents.in_force().iter())?;
        }
        Ok(Some(OpenedJournal { journal, contents, damaged_copy }))
    }

    /// Appends changes and syncs them to the disk.
    ///
    /// # Errors
    /// Returns the error of the system. Then the changes are not in force.
    pub(super) fn append(&mut self, changes: &[StandingChange]) -> io::Result<()> {
        let mut lines = Vec::with_capacity(changes.len() * 256);
        for StandingChange { key, standing } in changes {
            write_record(&mut lines, key, standing.as_ref());
        }
        self.append_lines(&lines, changes.len())
    }

    /// Appends records of a fleet, and then the position, and syncs them to the disk.
    ///
    /// # Errors
    /// Returns the error of the system. Then the records are not on the disk.
    pub(super) fn append_shared(
        &mut self,
        records: &[SharedRecord],
        position: Option<&Position>,
    ) -> io::Result<()> {
        let mut lines = Vec::with_capacity((records.len() + 1) * 512);
        records
            .iter()
            .cloned()
            .for_each(|record| write_shared(&mut lines, &SharedLine::Account(Box::new(record))));
        if let Some(position) = position {
            write_shared(&mut lines, &SharedLine::Position(position.clone()));
        }
        self.append_lines(&lines, records.len() + usize::from(position.is_some()))
    }

    fn append_lines(&mut self, lines: &[u8], records: usize) -> io::Result<()> {
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.len += lines.len() as u64;
                self.records += records;
            }
            Err(_) => {
                // A partial record would corrupt the next one. Truncating may fail too, and the disk may have
                // lost data. Therefore the file is rewritten before the next change.
                self.is_uncertain = true;
                let _ = self.file.set_len(self.len);
            }
        }
        written
    }

    /// Returns whether the file must be rewritten before the next change. `standings` is the number of
    /// current standings.
    pub(super) fn needs_rewrite(&self, standings: usize) -> bool {
        self.is_uncertain || self.records > 2 * standings + MAX_OBSOLETE_RECORDS
    }

    /// Compares the file at the path with what this process wrote. Returns the change that another program
    /// made, such as a rotation of logs, if there is one.
    pub(super) fn foreign_change(&self) -> Option<String> {
        if self.is_uncertain {
            // The length is not known. The file is rewritten before the next change in any case.
            return None;
        }
        let open = self.file.metadata().ok()?;
        let at_path = match fs::metadata(&self.path) {
            Ok(at_path) => at_path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Some("removed".to_owned()),
            Err(error) => return Some(error.to_string()),
        };
        if (at_path.dev(), at_path.ino()) != (open.dev(), open.ino()) {
            return Some("replaced by another file".to_owned());
        }
        let (found, written) = (at_path.len(), self.len);
        (found != written).then(|| format!("{found} bytes long instead of {written}"))
    }

    /// Copies the file that another program put in the place of the journal, or changed. Returns the path of
    /// the copy. Returns `None` if there is nothing to copy.
    pub(super) fn copy_foreign(&self) -> io::Result<Option<PathBuf>> {
        let found = fs::metadata(&self.path).ok();
        let is_copied =
            |found: &fs::Metadata| found.is_file() && (1..=MAX_COPIED_BYTES).contains(&found.len());
        if !found.as_ref().is_some_and(is_copied) {
            return Ok(None);
        }
        let copy = beside(&self.path, ".damaged");
        fs::copy(&self.path, &copy)?;
        Ok(Some(copy))
    }

    /// Replaces the file atomically by a file with only these standings.
    ///
    /// # Errors
    /// Returns the error of the system. Then the old file is unchanged.
    pub(super) fn rewrite<'s>(
        &mut self,
        standings: impl ExactSizeIterator<Item = (&'s AccountKey, &'s Standing)>,
    ) -> io::Result<()> {
        let records = standings.len();
        let mut bytes = MAGIC.to_vec();
        for (key, standing) in standings {
            write_record(&mut bytes, key, Some(standing));
        }
        self.replace(&bytes, records)
    }

    /// Replaces the file atomically by a file with only these records of a fleet.
    ///
    /// # Errors
    /// Returns the error of the system. Then the old file is unchanged.
    pub(super) fn rewrite_shared(&mut self, standings: &SharedStandings) -> io::Result<()> {
        let mut bytes = SHARED_MAGIC.to_vec();
        let mut records = 0;
        for record in standings.records() {
            write_shared(&mut bytes, &SharedLine::Account(Box::new(record)));
            records += 1;
        }
        if let Some(position) = standings.position() {
            write_shared(&mut bytes, &SharedLine::Position(position.clone()));
        }
        self.replace(&bytes, records)?;
        // Its content is in the file.
        let _ = fs::remove_file(beside(&self.path, LEFT_FLEET));
        Ok(())
    }

    fn replace(&mut self, bytes: &[u8], records: usize) -> io::Result<()> {
        file::write(&self.path, bytes)?;
        self.file = append_to(&self.path)?;
        self.len = bytes.len() as u64;
        self.records = records;
        self.is_uncertain = false;
        Ok(())
    }
}

impl JournalContents {
    /// Reads a journal, even if another process holds it. A missing file is an empty journal.
    ///
    /// # Errors
    /// Fails on errors of the system, and if the file is not a journal.
    pub fn read(path: &Path) -> io::Result<JournalContents> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(JournalContents::default()),
            Err(error) => return Err(error),
        };
        if bytes.is_empty() {
            return Ok(JournalContents::default());
        }
        let mut contents = JournalContents { len: bytes.len() as u64, ..JournalContents::default() };
        let mut rest = if let Some(rest) = bytes.strip_prefix(MAGIC) {
            rest
        } else if let Some(rest) = bytes.strip_prefix(SHARED_MAGIC) {
            contents.shared = Some(SharedContents::default());
            rest
        } else {
            let reason =
                "the file is not a journal of standings; give another file, or one that does not exist";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        };
        let mut unreadable = Vec::new();
        let mut set = None;
        let mut line_number = 1;
        while !rest.is_empty() {
            line_number += 1;
            let end = memchr::memchr(b'\n', rest);
            let (line, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            if let Some(shared) = &mut contents.shared {
                rest = after;
                match line
                    .strip_suffix(b"\n")
                    .and_then(read_json)
                    .and_then(|json| serde_json::from_slice(json).ok())
                {
                    Some(record) => {
                        contents.damaged.append(&mut unreadable);
                        contents.torn = 0;
                        contents.records += 1;
                        match record {
                            SharedLine::Account(record) => {
                                drop(shared.accounts.insert(record.key.clone(), *record));
                            }
                            SharedLine::Position(position) => shared.position = Some(position),
                        }
                    }
                    None => {
                        unreadable.push(line_number);
                        contents.torn += line.len();
                    }
                }
                continue;
            }
            match line.strip_suffix(b"\n").and_then(read_record) {
                Some(StandingChange { key, standing }) => {
                    // A whole record follows, so the unreadable lines before it are not a torn end.
                    contents.damaged.append(&mut unreadable);
                    contents.torn = 0;
                    contents.records += 1;
                    match standing {
                        Some(standing) => {
                            let (since, by) = set.take().unzip();
                            let standing = Standing { since, by: by.flatten(), ..standing };
                            contents.standings.insert(key, standing);
                        }
                        None => drop(contents.standings.remove(&key)),
                    }
                }
                None => {
                    set = read_set(line);
                    if set.is_none() {
                        unreadable.push(line_number);
                    }
                    contents.torn += line.len();
                    rest = after;
                    continue;
                }
            }
            set = None;
            rest = after;
        }
        Ok(contents)
    }

    /// Returns the standings that restrict an account now.
    pub fn in_force(&self) -> HashMap<AccountKey, Standing> {
        let Some(SharedContents { accounts, .. }) = &self.shared else { return self.standings.clone() };
        let now = SystemTime::now().into();
        let shared = SharedStandings::restore(accounts.values().cloned(), None);
        let in_force = shared.all_in_force(now);
        in_force
            .filter_map(|(key, value)| Some((AccountKey::from(key), Standing::from_value(value)?)))
            .collect()
    }
}

/// Returns what was known of the fleet when this journal got the format without one. `None` if that is not known.
pub(super) fn left_fleet(path: &Path) -> Option<SharedContents> {
    let JournalContents { shared, damaged, .. } = JournalContents::read(&beside(path, LEFT_FLEET)).ok()?;
    let mut shared = shared?;
    if let Some(position) = shared.position.as_mut().filter(|_| !damaged.is_empty()) {
        position.revision = 0;
    }
    Some(shared)
}

/// Appends the record of a change, which is one line of the journal, and a line before it with the time of the
/// change and the principal that made it, if they are known.
pub fn write_record(out: &mut Vec<u8>, key: &AccountKey, standing: Option<&Standing>) {
    let since = standing.and_then(|standing| standing.since);
    if let Some(since) = since.and_then(|since| jiff::Timestamp::from_millisecond(since.0).ok()) {
        out.extend_from_slice(SINCE);
        let by = standing.and_then(|standing| standing.by.as_deref());
        let by = by.map(|by| format!("{BY}{by}")).unwrap_or_default();
        out.extend_from_slice(format!("{since}{by}\n").as_bytes());
    }
    let AccountKey { company, account } = key;
    let json = json!({"company": company, "account": account, "standing": standing.map(Standing::fields)});
    let json = json.to_string();
    out.extend_from_slice(format!("{:016x} {json}\n", xxh3_64(json.as_bytes())).as_bytes());
}

fn magic(is_shared: bool) -> &'static [u8] {
    if is_shared { SHARED_MAGIC } else { MAGIC }
}

fn write_shared(out: &mut Vec<u8>, line: &SharedLine) {
    // Texts and numbers alone, so that the JSON cannot fail.
    let json = serde_json::to_string(line).unwrap_or_default();
    out.extend_from_slice(format!("{:016x} {json}\n", xxh3_64(json.as_bytes())).as_bytes());
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    company: Box<str>,
    account: Box<str>,
    standing: Option<StandingFields>,
}

/// Reads a line without its line feed. Returns `None` if the line is not a valid record.
fn read_record(line: &[u8]) -> Option<StandingChange> {
    let Record { company, account, standing } = serde_json::from_slice(read_json(line)?).ok()?;
    let standing = standing.map(Standing::from_fields).transpose().ok()?;
    Some(StandingChange { key: AccountKey { company, account }, standing })
}

/// Returns the JSON of a line without its line feed, if its checksum is right.
fn read_json(line: &[u8]) -> Option<&[u8]> {
    let (checksum, json) = line.split_at_checked(CHECKSUM_DIGITS)?;
    let json = json.strip_prefix(b" ")?;
    let checksum = u64::from_str_radix(str::from_utf8(checksum).ok()?, 16).ok()?;
    (checksum == xxh3_64(json)).then_some(json)
}

/// Reads a comment with the time at which a standing was set, and the principal that set it.
fn read_set(line: &[u8]) -> Option<(UnixMillis, Option<Box<str>>)> {
    let text = str::from_utf8(line.strip_suffix(b"\n")?.strip_prefix(SINCE)?).ok()?;
    let (time, by) = text.split_once(BY).map_or((text, None), |(time, by)| (time, Some(by.into())));
    Some((UnixMillis::from_rfc3339(time)?, by))
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(path)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_a_standing_is_kept_in_a_comment_that_no_other_line_can_spoil() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let standing = Standing::from_json(br#"{"standing":"suspended","reason":"x"}"#).unwrap();
        let since = UnixMillis::from_rfc3339("2026-11-28T20:00:00.125Z");
        let key = |account: &str| AccountKey { company: "c".into(), account: account.into() };
        let mut bytes = MAGIC.to_vec();
        let by: Option<Box<str>> = Some("ops-1".into());
        write_record(&mut bytes, &key("a"), Some(&Standing { since, by: by.clone(), ..standing.clone() }));
        write_record(&mut bytes, &key("b"), Some(&standing));
        let whole = bytes.len();
        write_record(&mut bytes, &key("b"), Some(&Standing { since, ..standing.clone() }));
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let contents = JournalContents::read(&path).unwrap();
            let since = |account| contents.standings.get(&key(account)).map(|it| it.since);
            (since("a"), since("b"), contents.torn, contents.damaged)
        };
        assert_eq!(read(&bytes), (Some(since), Some(since), 0, vec![]));
        let standings = JournalContents::read(&path).unwrap().standings;
        let set_by = |account| standings.get(&key(account)).unwrap().by.clone();
        assert_eq!((set_by("a"), set_by("b")), (by, None));
        for end in whole..bytes.len() {
            assert_eq!(read(&bytes[..end]), (Some(since), Some(None), end - whole, vec![]), "{end}");
        }
        // A comment belongs to the record that follows at once.
        let text = String::from_utf8(bytes.clone()).unwrap();
        let spoiled = text.replacen("ops-1\n", "ops-1\ngarbage\n", 1);
        assert_eq!(read(spoiled.as_bytes()), (Some(None), Some(since), 0, vec![3]));
        let spoiled = text.replacen("# since 2", "# since x", 1);
        assert_eq!(read(spoiled.as_bytes()), (Some(None), Some(since), 0, vec![2]));
    }

    #[test]
    fn record_is_read_as_written_and_not_when_any_byte_differs() {
        let key = AccountKey { company: "acme".into(), account: "wa-gb-1".into() };
        let standing = br#"{"standing":"suspended","reason":"line\nbreak","until":"2030-01-01T00:00:00Z"}"#;
        for standing in [None, Some(Standing::from_json(standing).unwrap())] {
            let mut line = Vec::new();
            write_record(&mut line, &key, standing.as_ref());
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            let whole = line.strip_suffix(b"\n").unwrap();
            assert_eq!(
                read_record(whole),
                Some(StandingChange { key: key.clone(), standing: standing.clone() })
            );
            for len in 0..whole.len() {
                assert_eq!(read_record(&whole[..len]), None);
            }
            for at in 0..whole.len() {
                let mut altered = whole.to_vec();
                altered[at] ^= 1;
                assert_eq!(read_record(&altered), None, "byte {at}");
            }
        }
    }
}
