//! The files of the audit log and the chain of their records. A record is one line. Each record has the hash of
//! the record before it, so that a record that is changed or removed later is found.
//!
//! | file | content |
//! |---|---|
//! | `audit.ndjson` | the newest records; written by the process that holds the lock of the folder |
//! | `audit-N.ndjson` | older records, of which the first has the number N |
//! | `audit-damaged-K.ndjson` | a file that had the place of `audit.ndjson` and did not end with a sound record |

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write as _};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The name of the file that is written.
pub const FILE: &str = "audit.ndjson";
/// Mode of the files. Their records name people and the addresses of their machines.
const MODE: u32 = 0o640;
/// The hash before the first record.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The text before the hash of a record, which ends the record with `"}`.
const BEFORE_HASH: &str = ",\"hash\":\"";
/// The bytes with which a record begins.
const START: &[u8] = b"{\"seq\":";
/// Number of bytes from [`BEFORE_HASH`] to the end of a line without its line feed.
const HASH_BYTES: usize = BEFORE_HASH.len() + 64 + "\"}".len();
/// Maximum number of bytes of a line. A record has at most half of it: three reasons of 1,024 bytes, which JSON
/// may write as six bytes each, and the limited reason of a rejection.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// The settings of the audit log.
#[derive(Debug, Clone)]
pub struct AuditSettings {
    /// The folder of the log.
    pub folder: PathBuf,
    /// Size in bytes at which the file gets another name, and a new one begins.
    pub max_bytes: u64,
    /// Number of older files that are kept. 0 keeps all.
    pub keep: usize,
}

/// The number and the hash of a record, which the next record continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEnd {
    /// Number of the record. 0 before the first.
    pub seq: u64,
    /// SHA-256 of the record in hexadecimal digits.
    pub hash: String,
}

/// A fault of the files that does not stop the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainFault {
    /// An incomplete last record of this many bytes was removed. It was never answered.
    Torn(u64),
    /// Another program changed the file. The text is the change.
    Changed(String),
    /// The file was renamed, because it does not end with the last record of the chain. The log goes on in a new
    /// file.
    SetAside {
        /// The new path of the file.
        path: PathBuf,
    },
    /// A file beyond the number of kept files cannot be removed. The text is its path and the error.
    NotRemoved(String),
}

/// The files of the log, and the end of their chain.
pub(super) struct Chain {
    settings: AuditSettings,
    path: PathBuf,
    /// `None` after the file was renamed and before the next one is made.
    file: Option<File>,
    /// Number of bytes of whole records in the file.
    len: u64,
    /// Number of the first record in the file. `None` if it has none.
    first_seq: Option<u64>,
    end: ChainEnd,
    /// Whether the file may have bytes behind `len`.
    is_uncertain: bool,
    faults: Vec<ChainFault>,
}

/// A line of the log without its hash.
#[derive(Serialize)]
struct Line<'r, R> {
    seq: u64,
    #[serde(flatten)]
    record: &'r R,
    previous: &'r str,
}

impl Chain {
    /// Opens the log, and finds the end of its chain. Removes an incomplete last record.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub(super) fn open(settings: AuditSettings) -> io::Result<Chain> {
        let mut chain = Chain {
            path: settings.folder.join(FILE),
            settings,
            file: None,
            len: 0,
            first_seq: None,
            end: ChainEnd { seq: 0, hash: NO_HASH.to_owned() },
            is_uncertain: false,
            faults: Vec::new(),
        };
        // A process may have ended between the renaming of a file and the first record of the next.
        let OlderFiles { mut rotated, damaged } = OlderFiles::find(&chain.settings.folder)?;
        for path in damaged.into_iter().chain(rotated.pop().map(|(_, path)| path)) {
            chain.continue_after(Tail::read(&File::open(path)?)?.end);
        }
        chain.open_file(false)?;
        Ok(chain)
    }

    /// Returns the newest record.
    pub(super) fn end(&self) -> &ChainEnd {
        &self.end
    }

    /// Returns the faults since the last call.
    pub(super) fn take_faults(&mut self) -> Vec<ChainFault> {
        std::mem::take(&mut self.faults)
    }

    fn continue_after(&mut self, end: Option<ChainEnd>) {
        if let Some(end) = end.filter(|end| end.seq > self.end.seq) {
            self.end = end;
        }
    }

    /// Opens or creates the file. `is_known` is whether this process has written the end of the chain, so that
    /// the file must end with it. Puts a file aside that does not end with a sound record of the chain.
    fn open_file(&mut self, is_known: bool) -> io::Result<()> {
        let open =
            |path: &Path| OpenOptions::new().create(true).append(true).read(true).mode(MODE).open(path);
        let mut file = open(&self.path)?;
        let mut tail = Tail::read(&file)?;
        let fits = match &tail.end {
            Some(end) if is_known => *end == self.end,
            Some(end) => end.seq > self.end.seq,
            None => true,
        };
        if !(tail.is_sound && fits) {
            if !is_known {
                self.continue_after(tail.end.take());
            }
            let aside = (1_u32..).map(|number| self.beside(&format!("audit-damaged-{number}.ndjson")));
            let aside = free(aside)?;
            fs::rename(&self.path, &aside)?;
            self.faults.push(ChainFault::SetAside { path: aside });
            file = open(&self.path)?;
            tail = Tail::read(&file)?;
        } else if tail.torn > 0 {
            file.set_len(tail.whole)?;
            file.sync_data()?;
            self.faults.push(ChainFault::Torn(tail.torn));
        }
        File::open(&self.settings.folder)?.sync_all()?;
        self.continue_after(tail.end);
        self.first_seq = tail.first_seq;
        (self.file, self.len, self.is_uncertain) = (Some(file), tail.whole, false);
        Ok(())
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.settings.folder.join(name)
    }

    /// Appends records and syncs them to the disk.
    ///
    /// # Errors
    /// Returns the error of the system. Then no record is in the chain.
    pub(super) fn append<R: Serialize>(&mut self, records: &[&R]) -> io::Result<()> {
        let change = self.foreign_change()?;
        let is_changed = change.is_some();
        self.faults.extend(change.map(ChainFault::Changed));
        if is_changed || self.file.is_none() {
            self.file = None;
            self.open_file(true)?;
        }
        if let Some(file) = self.file.as_ref().filter(|_| self.is_uncertain) {
            file.set_len(self.len)?;
            self.is_uncertain = false;
        }
        let (mut lines, mut end) = (String::new(), self.end.clone());
        for record in records {
            end.seq = end.seq.checked_add(1).ok_or_else(|| io::Error::other("there is no higher number"))?;
            let mut line =
                serde_json::to_string(&Line { seq: end.seq, record: *record, previous: &end.hash })?;
            line.pop();
            end.hash = sha256(line.as_bytes());
            // Writing into a `String` cannot fail.
            let _ = writeln!(lines, "{line}{BEFORE_HASH}{}\"}}", end.hash);
        }
        if self.len > 0 && self.len + lines.len() as u64 > self.settings.max_bytes {
            self.rotate()?;
        }
        let Some(file) = &mut self.file else { return Err(ErrorKind::NotFound.into()) };
        if let Err(error) = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()) {
            // A part of a record would damage the next one.
            self.is_uncertain = file.set_len(self.len).is_err();
            return Err(error);
        }
        self.first_seq.get_or_insert(self.end.seq + 1);
        self.len += lines.len() as u64;
        self.end = end;
        Ok(())
    }

    /// Compares the file at the path with the file that this process wrote.
    fn foreign_change(&self) -> io::Result<Option<String>> {
        let Some(file) = self.file.as_ref() else { return Ok(None) };
        let open = file.metadata()?;
        Ok(match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Some("removed".to_owned()),
            Err(error) => return Err(error),
            Ok(found) if (found.dev(), found.ino()) != (open.dev(), open.ino()) => {
                Some("replaced by another file".to_owned())
            }
            Ok(found) if found.len() != self.len && !self.is_uncertain => {
                Some(format!("{} bytes long instead of {}", found.len(), self.len))
            }
            Ok(_) => None,
        })
    }

    /// Gives the full file the number of its first record, begins a new file, and removes the oldest files.
    fn rotate(&mut self) -> io::Result<()> {
        let first = self.first_seq.unwrap_or(self.end.seq);
        let names = (1_u32..).map(|copy| match copy {
            1 => format!("audit-{first}.ndjson"),
            _ => format!("audit-{first}-{copy}.ndjson"),
        });
        let target = free(names.map(|name| self.beside(&name)))?;
        fs::rename(&self.path, target)?;
        (self.file, self.len, self.first_seq) = (None, 0, None);
        self.open_file(true)?;
        if self.settings.keep > 0 {
            let rotated = OlderFiles::find(&self.settings.folder)?.rotated;
            let excess = rotated.len().saturating_sub(self.settings.keep);
            for (_, path) in rotated.into_iter().take(excess) {
                if let Err(error) = fs::remove_file(&path) {
                    self.faults.push(ChainFault::NotRemoved(format!("{}: {error}", path.display())));
                }
            }
        }
        Ok(())
    }
}

/// Returns the first path that no file has.
fn free(mut paths: impl Iterator<Item = PathBuf>) -> io::Result<PathBuf> {
    let is_free =
        |path: &PathBuf| fs::symlink_metadata(path).is_err_and(|it| it.kind() == ErrorKind::NotFound);
    paths.find(is_free).ok_or_else(|| ErrorKind::AlreadyExists.into())
}

/// The other files of the log.
struct OlderFiles {
    /// With the numbers of their first records, oldest first.
    rotated: Vec<(u64, PathBuf)>,
    damaged: Vec<PathBuf>,
}

impl OlderFiles {
    fn find(folder: &Path) -> io::Result<OlderFiles> {
        let mut files = OlderFiles { rotated: Vec::new(), damaged: Vec::new() };
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_damaged = name.as_encoded_bytes().starts_with(b"audit-damaged-");
            if is_damaged && name.as_encoded_bytes().ends_with(b".ndjson") {
                files.damaged.push(entry.path());
            } else if let Some(first) = seq_of_name(&entry.path()) {
                files.rotated.push((first, entry.path()));
            }
        }
        files.rotated.sort();
        Ok(files)
    }
}

/// The beginning and the end of a file of the log.
struct Tail {
    first_seq: Option<u64>,
    /// Number of bytes of whole lines.
    whole: u64,
    /// Number of bytes behind the last whole line.
    torn: u64,
    /// The last record, without regard to whether its hash is right. Lines behind it that are no records count.
    end: Option<ChainEnd>,
    /// Whether the first and the last line are sound records, and the bytes behind them not more than one.
    is_sound: bool,
}

impl Tail {
    fn read(file: &File) -> io::Result<Tail> {
        let len = file.metadata()?.len();
        let read = |start: u64, end: u64| {
            let bytes = (end - start).min(MAX_LINE_BYTES as u64);
            let mut bytes = vec![0; usize::try_from(bytes).unwrap_or_default()];
            file.read_exact_at(&mut bytes, start).map(|()| bytes)
        };
        let head = read(0, len)?;
        // After a power failure, a file may end with many bytes that were never written.
        let mut whole_len = len;
        while whole_len > 0 {
            let start = whole_len.saturating_sub(MAX_LINE_BYTES as u64);
            if let Some(at) = memchr::memrchr(b'\n', &read(start, whole_len)?) {
                whole_len = start + at as u64 + 1;
                break;
            }
            whole_len = start;
        }
        let torn = read(whole_len, len)?;
        let whole = read(whole_len.saturating_sub(MAX_LINE_BYTES as u64), whole_len)?;
        let mut last = None;
        for (later, line) in whole.split(|byte| *byte == b'\n').rev().skip(1).enumerate() {
            if let Ok(link) = serde_json::from_slice::<Link>(line) {
                last = Some(ChainEnd { seq: link.seq.saturating_add(later as u64), hash: link.hash });
                break;
            }
        }
        let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let last_line = whole.strip_suffix(b"\n").map(|whole| {
            whole.get(memchr::memrchr(b'\n', whole).map_or(0, |at| at + 1)..).unwrap_or_default()
        });
        let (first_seq, is_sound) = match last_line {
            None => (None, true),
            Some(last) => {
                let first = Link::parse(first);
                (first.as_ref().ok().map(|link| link.seq), first.is_ok() && Link::parse(last).is_ok())
            }
        };
        let is_sound = is_sound && !has_text_behind_hash(&torn);
        Ok(Tail { first_seq, whole: whole_len, torn: len - whole_len, end: last, is_sound })
    }
}

/// Returns whether bytes without a line feed are more than a whole record. Then the line feed of an answered record
/// was changed. Any other bytes at the end of a file were never answered.
fn has_text_behind_hash(bytes: &[u8]) -> bool {
    let hash = memchr::memmem::rfind(bytes, BEFORE_HASH.as_bytes());
    hash.is_some_and(|at| bytes.len() - at > HASH_BYTES)
}

/// Returns the number that a line states, whether or not it is a sound record.
fn stated_seq(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(START)?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

/// Returns the number of the first record by the name of a file, such as `audit-7.ndjson`.
fn seq_of_name(path: &Path) -> Option<u64> {
    let number = path.file_name()?.to_str()?.strip_prefix("audit-")?.strip_suffix(".ndjson")?;
    number.split('-').next()?.parse().ok()
}

/// The members of a record that connect it with its neighbors.
#[derive(Deserialize)]
struct Link {
    seq: u64,
    previous: String,
    hash: String,
}

impl Link {
    /// Reads a line without its line feed.
    ///
    /// # Errors
    /// Returns the reason why the line is not a sound record.
    fn parse(line: &[u8]) -> Result<Link, String> {
        let (text, end) = line.split_at(line.len().saturating_sub(HASH_BYTES));
        if end != format!("{BEFORE_HASH}{}\"}}", sha256(text)).as_bytes() {
            return Err("its hash is not that of its bytes: it was changed, or is no record".to_owned());
        }
        serde_json::from_slice(line).map_err(|error| format!("it is no record: {error}"))
    }
}

/// Returns the SHA-256 in lower-case hexadecimal digits.
pub(super) fn sha256(text: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text) {
        // Writing into a `String` cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// A chain of records that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedChain {
    /// Number of the first record. Greater than 1 if the chain begins later.
    pub first: u64,
    /// The last record.
    pub end: ChainEnd,
    /// Number of bytes of an incomplete last record.
    pub torn: usize,
}

/// The reason why a chain cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error("cannot read {path}: {error}", path = .path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The error that the system returned.
        error: io::Error,
    },
    /// A record breaks the chain.
    #[error("{path}:{line}: record {}: {reason}", .seq.map_or("?".to_owned(), |seq| seq.to_string()), path = .path.display())]
    Broken {
        /// The path of the file.
        path: PathBuf,
        /// Number of the line of the record, from 1.
        line: usize,
        /// Number of the record, if it is known.
        seq: Option<u64>,
        /// What is wrong with the record.
        reason: String,
    },
    /// The files have no record.
    #[error("the files have no record, so nothing is proved; name the files of the log")]
    Empty,
}

/// A file that is verified line by line.
struct Lines<'p> {
    path: &'p Path,
    reader: BufReader<File>,
    number: usize,
    line: Vec<u8>,
}

impl<'p> Lines<'p> {
    fn open(path: &'p Path) -> Result<(Lines<'p>, (u64, u64)), VerifyError> {
        let open = || {
            let found = fs::metadata(path)?;
            if !found.is_file() {
                return Err(io::Error::other("not a regular file"));
            }
            Ok((File::open(path)?, (found.dev(), found.ino())))
        };
        let (file, inode) =
            open().map_err(|error| VerifyError::Unreadable { path: path.to_owned(), error })?;
        Ok((Lines { path, reader: BufReader::new(file), number: 0, line: Vec::new() }, inode))
    }

    /// Reads the next line with its line feed. Returns whether there is one. `expected` is the number of its record,
    /// for messages.
    fn next(&mut self, expected: Option<u64>) -> Result<bool, VerifyError> {
        self.line.clear();
        self.number += 1;
        let mut bounded = self.reader.by_ref().take(MAX_LINE_BYTES as u64);
        let read = bounded.read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| VerifyError::Unreadable { path: self.path.to_owned(), error })?;
        if read == MAX_LINE_BYTES {
            return Err(self.broken(
                expected,
                format!("the line has {MAX_LINE_BYTES} bytes or more, and no record has"),
            ));
        }
        Ok(read > 0)
    }

    fn broken(&self, seq: Option<u64>, reason: String) -> VerifyError {
        VerifyError::Broken { path: self.path.to_owned(), line: self.number, seq, reason }
    }

    /// Returns the record of the line, or `None` for the beginning of a record, which a process that ended while
    /// it wrote leaves at the end of the file. `expected` is the number of the record, for messages.
    fn record(&self, expected: Option<u64>) -> Result<Option<Link>, VerifyError> {
        match self.line.strip_suffix(b"\n") {
            Some(line) => Link::parse(line).map(Some).map_err(|reason| self.broken(expected, reason)),
            // A whole record without its line feed was not answered either.
            None if !has_text_behind_hash(&self.line) => Ok(None),
            None => Err(self.broken(expected, "its line feed was changed".to_owned())),
        }
    }
}

/// Verifies the chain of the records in these files, in the order of their first records. A file that is named
/// twice is verified once. Needs memory for one record at a time.
///
/// # Errors
/// Returns the first record that breaks the chain, or the file that cannot be read.
pub fn verify(files: &[PathBuf]) -> Result<VerifiedChain, VerifyError> {
    let (mut ordered, mut inodes) = (Vec::new(), Vec::new());
    for path in files {
        let (mut lines, inode) = Lines::open(path)?;
        if inodes.contains(&inode) {
            continue;
        }
        inodes.push(inode);
        match lines.next(None) {
            Ok(false) => continue,
            Err(error @ VerifyError::Unreadable { .. }) => return Err(error),
            Ok(true) | Err(_) => {}
        }
        // A first record that was changed may state another number than it had.
        let sound = lines.record(None).ok().flatten().map(|link| link.seq);
        let first = sound.or_else(|| seq_of_name(path)).or_else(|| stated_seq(&lines.line));
        ordered.push((first.unwrap_or(u64::MAX), path));
    }
    ordered.sort_by_key(|(first, _)| *first);
    let (mut chain, mut torn): (Option<VerifiedChain>, Option<VerifyError>) = (None, None);
    for (first, path) in ordered {
        let (mut lines, _) = Lines::open(path)?;
        loop {
            let expected = match &chain {
                Some(chain) => chain.end.seq.checked_add(1),
                None => Some(if first == u64::MAX { 1 } else { first }),
            };
            if !lines.next(expected)? {
                break;
            }
            if let Some(torn) = torn.take() {
                return Err(torn);
            }
            let Some(link) = lines.record(expected)? else {
                torn = Some(lines.broken(expected, "it is incomplete, and records follow it".to_owned()));
                match &mut chain {
                    Some(chain) => chain.torn = lines.line.len(),
                    None => return Err(VerifyError::Empty),
                }
                continue;
            };
            let broken = |reason| Err(lines.broken(Some(link.seq), reason));
            let Link { seq, previous, hash } = &link;
            match &chain {
                Some(chain) if *seq > chain.end.seq.saturating_add(1) => {
                    let (from, to) = (chain.end.seq + 1, seq - 1);
                    return broken(match from == to {
                        true => format!("record {from} is missing before it"),
                        false => format!("records {from} to {to} are missing before it"),
                    });
                }
                Some(chain) if *seq <= chain.end.seq => {
                    let end = chain.end.seq;
                    return broken(format!("it follows record {end}; name each file once, and no copies"));
                }
                Some(chain) if chain.end.hash != *previous => {
                    return broken("its `previous` is not the hash of the record before it".to_owned());
                }
                None if *seq == 0 => return broken("the number of a first record is 1".to_owned()),
                None if *seq == 1 && previous != NO_HASH => {
                    return broken("it is the first record, but its `previous` is not 64 zeros".to_owned());
                }
                _ => {}
            }
            let first = chain.as_ref().map_or(*seq, |chain| chain.first);
            chain = Some(VerifiedChain { first, end: ChainEnd { seq: *seq, hash: hash.clone() }, torn: 0 });
        }
    }
    chain.ok_or(VerifyError::Empty)
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    #[derive(Serialize)]
    struct Event {
        event: &'static str,
    }

    const EVENT: Event = Event { event: "start" };

    fn settings(folder: &Path) -> AuditSettings {
        AuditSettings { folder: folder.to_owned(), max_bytes: 64 << 20, keep: 16 }
    }

    /// Opens the log of a folder, and appends this number of records one by one.
    fn append(settings: &AuditSettings, count: usize) -> Chain {
        let mut chain = Chain::open(settings.clone()).unwrap();
        (0..count).for_each(|_| chain.append(&[&EVENT]).unwrap());
        chain
    }

    /// Returns the numbers of the first and the last record of files that verify.
    fn verified(files: &[PathBuf]) -> (u64, u64) {
        let chain = verify(files).unwrap();
        (chain.first, chain.end.seq)
    }

    fn broken(files: &[PathBuf]) -> String {
        verify(files).unwrap_err().to_string()
    }

    /// Returns the names of the files of the log.
    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    fn all(folder: &Path) -> Vec<PathBuf> {
        names(folder).into_iter().map(|name| folder.join(name)).collect()
    }

    #[test]
    fn chain_continues_over_starts_and_after_a_torn_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let torn = b"{\"seq\":99,\"";
        for start in 1..4 {
            let mut chain = append(&settings(folder.path()), 2);
            let removed = if start == 1 { vec![] } else { vec![ChainFault::Torn(torn.len() as u64)] };
            assert_eq!(chain.take_faults(), removed);
            assert_eq!(verified(slice::from_ref(&path)), (1, 2 * start));
            OpenOptions::new().append(true).open(&path).unwrap().write_all(torn).unwrap();
            assert_eq!(verify(slice::from_ref(&path)).unwrap().torn, torn.len());
        }
        let text = fs::read_to_string(&path).unwrap();
        let (body, hash) = text.lines().next().unwrap().split_once(BEFORE_HASH).unwrap();
        assert_eq!(format!("{}\"}}", sha256(body.as_bytes())), hash);
        assert_eq!(body, format!("{{\"seq\":1,\"event\":\"start\",\"previous\":\"{NO_HASH}\""));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
    }

    #[test]
    fn bytes_behind_the_last_line_feed_are_removed_whatever_they_are() {
        let zeros = vec![0; MAX_LINE_BYTES + 100];
        for torn in [&b"{\"torn"[..], b"half a line", &zeros[..100], &zeros] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(FILE);
            append(&settings(folder.path()), 3);
            OpenOptions::new().append(true).open(&path).unwrap().write_all(torn).unwrap();
            let mut chain = append(&settings(folder.path()), 1);
            assert_eq!(chain.take_faults(), [ChainFault::Torn(torn.len() as u64)]);
            assert_eq!(
                (verified(slice::from_ref(&path)), names(folder.path())),
                ((1, 4), vec![FILE.to_owned()])
            );
        }
        // The line feed of the last record was changed. The record was answered, so it is not removed.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        append(&settings(folder.path()), 3);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() = b'x';
        fs::write(&path, bytes).unwrap();
        append(&settings(folder.path()), 1);
        assert!(broken(&all(folder.path())).contains("line feed was changed"), "{:?}", names(folder.path()));
    }

    #[test]
    fn first_of_several_broken_records_is_named_with_its_number() {
        let folder = tempfile::tempdir().unwrap();
        append(&settings(folder.path()), 9);
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let files = |flipped: &[usize]| {
            let mut files = Vec::new();
            for (name, numbers) in [("c", 7..10), ("a", 1..4), ("b", 4..7)] {
                let line = |number: usize| {
                    let event = if flipped.contains(&number) { "stARt" } else { "start" };
                    lines[number - 1].replace("start", event) + "\n"
                };
                let path = folder.path().join(name);
                fs::write(&path, numbers.map(line).collect::<String>()).unwrap();
                files.push(path);
            }
            files
        };
        assert_eq!(verified(&files(&[])), (1, 9));
        for (flipped, named) in [
            (&[2, 4][..], "a:2: record 2: "),
            (&[4], "b:1: record 4: "),
            (&[1, 4, 7], "a:1: record 1: "),
            (&[7], "c:1: record 7: "),
        ] {
            let error = broken(&files(flipped));
            assert!(error.contains(named), "{flipped:?}: {error}");
        }
        let intact = files(&[]);
        fs::write(&intact[1], lines[..3].join("\n") + "\n" + "{\"torn").unwrap();
        assert!(broken(&intact).contains("a:4: record 4: it is incomplete"), "{}", broken(&intact));
    }

    #[test]
    fn highest_number_ends_a_chain() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let record = |previous: &str| {
            let text = format!("{{\"seq\":{},\"event\":\"start\",\"previous\":\"{previous}\"", u64::MAX);
            let hash = sha256(text.as_bytes());
            (format!("{text}{BEFORE_HASH}{hash}\"}}\n"), hash)
        };
        let (first, hash) = record(NO_HASH);
        fs::write(&path, &first).unwrap();
        assert_eq!(verified(slice::from_ref(&path)), (u64::MAX, u64::MAX));
        let mut chain = Chain::open(settings(folder.path())).unwrap();
        assert!(chain.append(&[&EVENT]).is_err());
        fs::write(&path, first + &record(&hash).0).unwrap();
        assert!(broken(slice::from_ref(&path)).contains(":2: record "));
    }

    #[test]
    fn log_that_is_cut_at_any_byte_goes_on_and_verifies() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        append(&settings(folder.path()), 2);
        let sound = fs::read(&path).unwrap();
        let first_line = memchr::memchr(b'\n', &sound).unwrap() + 1;
        for len in (0..sound.len()).filter(|len| len % 5 == 0 || len.abs_diff(first_line) < 3) {
            fs::write(&path, &sound[..len]).unwrap();
            append(&settings(folder.path()), 1);
            let last = if len < first_line { 1 } else { 2 };
            assert_eq!(
                (verified(slice::from_ref(&path)), names(folder.path())),
                ((1, last), vec![FILE.to_owned()])
            );
        }
    }

    #[test]
    fn every_flipped_bit_and_every_moved_line_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        append(&settings(folder.path()), 4);
        let sound = fs::read(&path).unwrap();
        for at in 0..sound.len() {
            for bit in 0..8 {
                let mut changed = sound.clone();
                changed[at] ^= 1 << bit;
                fs::write(&path, &changed).unwrap();
                let line = sound[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
                let error = broken(slice::from_ref(&path));
                assert!(error.contains(&format!("{FILE}:{line}: record ")), "byte {at}, bit {bit}: {error}");
            }
        }
        let lines: Vec<&[u8]> = sound.split_inclusive(|byte| *byte == b'\n').collect();
        let mut forged = lines[1].to_vec();
        forged.splice(7..8, *b"3");
        for (order, place) in [
            (vec![lines[0], lines[2], lines[3]], ":2: record 3: record 2 is missing before it"),
            (vec![lines[0], lines[3]], ":2: record 4: records 2 to 3 are missing before it"),
            (vec![lines[0], lines[2], lines[1], lines[3]], ":2: record 3: record 2 is missing"),
            (vec![lines[0], lines[1], lines[1], lines[2]], ":3: record 2: it follows record 2; "),
            (vec![lines[0], &forged, lines[1]], ":2: record 2: its hash is not that of its bytes"),
            (vec![lines[0], b"\n", lines[1]], ":2: record 2: its hash"),
            (vec![lines[0], b"{}\n", lines[1]], ":2: record 2: its hash"),
            (vec![lines[0], b"{\"seq\":2", lines[1]], ":2: record 2: its hash"),
        ] {
            fs::write(&path, order.concat()).unwrap();
            let error = broken(slice::from_ref(&path));
            assert!(error.contains(place), "{place}: {error}");
        }
        // A chain may begin later. A last record that is missing is found only by a copy of its hash.
        fs::write(&path, lines[1..3].concat()).unwrap();
        assert_eq!(verified(slice::from_ref(&path)), (2, 3));
        fs::write(&path, vec![b'x'; MAX_LINE_BYTES + 9]).unwrap();
        assert!(broken(slice::from_ref(&path)).contains(":1: record 1: the line has 65536 bytes or more"));
        fs::write(&path, "").unwrap();
        assert!(matches!(verify(slice::from_ref(&path)), Err(VerifyError::Empty)));
        for unreadable in [folder.path().to_owned(), folder.path().join("none")] {
            assert!(matches!(verify(&[unreadable]), Err(VerifyError::Unreadable { .. })));
        }
    }

    #[test]
    fn files_verify_in_any_order_and_a_missing_one_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let small = AuditSettings { max_bytes: 500, keep: 0, ..settings(folder.path()) };
        append(&small, 9);
        assert_eq!(
            names(folder.path()),
            ["audit-1.ndjson", "audit-3.ndjson", "audit-5.ndjson", "audit-7.ndjson", FILE]
        );
        let mut files = all(folder.path());
        files.reverse();
        assert_eq!(verified(&files), (1, 9));
        files.push(files[0].clone());
        assert_eq!(verified(&files), (1, 9), "a file that is named twice");
        let copy = folder.path().join("copy");
        fs::copy(&files[1], &copy).unwrap();
        files[0] = copy;
        assert!(broken(&files).contains("name each file once, and no copies"));
        let without = [all(folder.path())[0].clone(), all(folder.path())[2].clone()];
        assert!(broken(&without).contains("audit-5.ndjson:1: record 5: records 3 to 4 are missing"));
        // A chain that was rewritten from a record on does not continue the file before it.
        fs::remove_file(folder.path().join("copy")).unwrap();
        let other = tempfile::tempdir().unwrap();
        append(&AuditSettings { folder: other.path().to_owned(), ..small }, 1);
        fs::copy(other.path().join(FILE), folder.path().join("audit-1.ndjson")).unwrap();
        assert!(broken(&all(folder.path())).contains("audit-3.ndjson:1: record 3: record 2 is missing"));
    }

    #[test]
    fn newest_files_are_kept_and_every_step_of_a_rotation_can_be_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let small = AuditSettings { max_bytes: 500, keep: 2, ..settings(folder.path()) };
        append(&small, 10);
        assert_eq!(names(folder.path()), ["audit-5.ndjson", "audit-7.ndjson", FILE]);
        assert_eq!(verified(&all(folder.path())), (5, 10));
        // Ended after the file was renamed, and after the new file was made.
        fs::rename(folder.path().join(FILE), folder.path().join("audit-9.ndjson")).unwrap();
        append(&small, 1);
        assert_eq!(verified(&all(folder.path())), (5, 11));
        fs::rename(folder.path().join(FILE), folder.path().join("audit-11.ndjson")).unwrap();
        fs::write(folder.path().join(FILE), "").unwrap();
        append(&small, 3);
        assert_eq!(names(folder.path()), ["audit-11.ndjson", "audit-12.ndjson", FILE]);
        assert_eq!(verified(&all(folder.path())), (11, 14));
        // No file is overwritten.
        fs::write(folder.path().join("audit-14.ndjson"), "kept").unwrap();
        append(&AuditSettings { keep: 0, ..small }, 2);
        assert_eq!(fs::read(folder.path().join("audit-14.ndjson")).unwrap(), b"kept");
        assert!(folder.path().join("audit-14-2.ndjson").exists(), "{:?}", names(folder.path()));
    }

    #[test]
    fn damaged_file_is_kept_aside_and_the_chain_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        append(&settings(folder.path()), 3);
        let sound = fs::read(&path).unwrap();
        let last = sound.len() - 90;
        let mut changed = sound.clone();
        changed[last] ^= 1;
        let damaged_ends: [(&[u8], u64); 3] =
            [(&changed, 4), (&[&*sound, b"one line\n"].concat(), 5), (&[b"x", &*sound].concat(), 4)];
        for (bytes, next) in damaged_ends {
            for aside in names(folder.path()) {
                fs::remove_file(folder.path().join(aside)).unwrap();
            }
            fs::write(&path, bytes).unwrap();
            let mut chain = append(&settings(folder.path()), 1);
            let aside = folder.path().join("audit-damaged-1.ndjson");
            assert_eq!(chain.take_faults(), [ChainFault::SetAside { path: aside.clone() }]);
            assert_eq!(
                (fs::read(&aside).unwrap(), verified(slice::from_ref(&path))),
                (bytes.to_vec(), (next, next))
            );
            // A start after that continues, whether or not the new file has a record already.
            append(&settings(folder.path()), 1);
            assert_eq!(verified(slice::from_ref(&path)), (next, next + 1));
            fs::remove_file(&path).unwrap();
            append(&settings(folder.path()), 1);
            assert_eq!(verified(slice::from_ref(&path)), (next, next));
        }
    }

    #[test]
    fn change_by_another_program_is_reported_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut chain = append(&settings(folder.path()), 2);
        fs::rename(&path, folder.path().join("moved")).unwrap();
        chain.append(&[&EVENT]).unwrap();
        assert_eq!(chain.take_faults(), [ChainFault::Changed("removed".to_owned())]);
        assert_eq!(verified(&all(folder.path())), (1, 3));
        // As logrotate does with `copytruncate`.
        fs::copy(&path, folder.path().join("copied")).unwrap();
        fs::write(&path, "").unwrap();
        chain.append(&[&EVENT]).unwrap();
        assert!(matches!(&*chain.take_faults(), [ChainFault::Changed(it)] if it.starts_with("0 bytes long")));
        assert_eq!(verified(&all(folder.path())), (1, 4));
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"note\n").unwrap();
        chain.append(&[&EVENT]).unwrap();
        assert!(matches!(&*chain.take_faults(), [ChainFault::Changed(_), ChainFault::SetAside { .. }]));
        assert_eq!(verified(&[path]), (5, 5));
        assert!(fs::read(folder.path().join("audit-damaged-1.ndjson")).unwrap().ends_with(b"note\n"));
    }

    #[test]
    fn failed_write_leaves_no_part_of_a_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut chain = append(&settings(folder.path()), 1);
        let whole = chain.file.replace(File::open(&path).unwrap());
        assert!(chain.append(&[&EVENT]).is_err(), "a file that is open for reading cannot be written");
        chain.file = whole;
        chain.append(&[&EVENT, &EVENT]).unwrap();
        assert_eq!(verified(&[path]), (1, 3));
    }
}
