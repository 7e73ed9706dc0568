//! Opens untrusted bytes as a [`Snapshot`]: checks the header, the length, the checksum, the archive, the
//! records, the definitions and the tests. rkyv checks that the archive has the shape of the records. This
//! folder checks what the records refer to: each other file verifies one kind of record.
//!
//! A checksum only shows that the bytes are unchanged. The file may still come from a faulty or hostile
//! writer, and after this check all readers use stored indices without checking them.
//!
//! The check requires every property that the compiler guarantees. Owners divide the tables without gaps or
//! overlaps. Ids ascend. Every text is UTF-8, and every piece of JSON is exactly what an answer needs. The
//! candidates of a step are exactly the accounts of its pool, channel, role and country. Each record is
//! visited once, and each run once for every level and country that uses it, so the check takes about as long
//! as compiling.

mod chains;
mod groups;
mod records;

use std::panic::resume_unwind;
use std::thread;

use rkyv::rancor;

use super::Bytes;
use super::decompile::check_definitions;
use super::format::*;
use super::header::{self, Header, Rejection, RejectionStage};
use super::view::{Snapshot, SnapshotTest, lines};
use chains::Runs;
use groups::Groups;
use switchboard_model::{Region, is_id};

/// The maximum length of a test in bytes: 16 times `MAX_QUERY_BYTES`. A test contains its query as an escaped
/// JSON string.
const MAX_TEST_BYTES: usize = 1 << 20;

/// The remedy for a file with a valid checksum whose contents are malformed.
const COMPILE_AGAIN: &str = "compile the registry again; if the error returns, report a bug";
/// The minimum number of accounts for two threads. Half of the time is spent waiting for memory, so two
/// threads are faster: a million accounts take 125 ms instead of 180 ms.
const MIN_ACCOUNTS_FOR_TWO_THREADS: usize = 1 << 16;

impl Snapshot {
    /// Verifies the bytes of a snapshot, and takes ownership of them. The bytes may come from a faulty or
    /// hostile writer.
    ///
    /// Takes time in proportion to the length: 125 ms for a million accounts. Does not run the tests that the
    /// snapshot carries.
    ///
    /// # Errors
    /// Returns the stage that rejects the bytes, and the reason.
    ///
    /// ```
    /// use rkyv::util::AlignedVec;
    /// use switchboard_snapshot::{RejectionStage, Snapshot};
    ///
    /// let mut bytes = AlignedVec::new();
    /// bytes.extend_from_slice(&[0; 100]);
    /// let rejection = Snapshot::open(bytes).unwrap_err();
    /// assert_eq!(rejection.stage, RejectionStage::Header);
    /// assert_eq!(rejection.reason, "not a snapshot: the file does not begin with the magic bytes");
    /// ```
    pub fn open(bytes: impl Into<Bytes>) -> Result<Snapshot, Rejection> {
        let bytes = bytes.into();
        let header = Header::read(&bytes)?;
        let body = bytes.get(header::LEN..).unwrap_or_default();
        if bytes.len() as u128 != header.file_len() {
            let reason = if header.is_possible() {
                // The file's length is not known here: of such a file, only the header is read.
                format!(
                    "the header announces {} bytes in total, but the file has another length: wait until the \
                     copy is complete, or copy the file again",
                    header.file_len()
                )
            } else {
                format!(
                    "the header announces {} bytes in total, which is more than a snapshot can have",
                    header.file_len()
                )
            };
            return Err(RejectionStage::Length.rejection(reason));
        }
        if header::checksum(&bytes, body) != header.checksum {
            let reason = "the checksum does not match, so the file is damaged: copy it again, or compile the registry \
                          again";
            return Err(RejectionStage::Checksum.rejection(reason));
        }
        let (archive, rest) = body.split_at(header.contents_len as usize);
        let (_, tests) = rest.split_at(header.definitions_len as usize);
        let contents = rkyv::access::<ArchivedTables, rancor::Error>(archive).map_err(|error| {
            RejectionStage::Archive
                .rejection(format!("the archive of the records is malformed: {error}: {COMPILE_AGAIN}"))
        })?;
        verify(contents)?;
        check_tests(tests)?;
        let snapshot = Snapshot::verified(bytes, header);
        check_definitions(&snapshot)?;
        Ok(snapshot)
    }
}

/// Verifies every index, order and limit of all tables.
fn verify(all: &ArchivedTables) -> Result<(), Rejection> {
    let texts = Texts::new(&all.text)?;
    records::verify_companies(all, &texts)?;
    let records = || {
        let hashes = records::verify_accounts(all, &texts)?;
        records::verify_indices(all, &texts, &hashes)
    };
    let chains = || {
        let runs = Runs::new(all, Groups::new(all)?)?;
        chains::verify(all, &texts, &runs)
    };
    if all.accounts.len() < MIN_ACCOUNTS_FOR_TWO_THREADS {
        return records().and_then(|()| chains());
    }
    thread::scope(|scope| match thread::Builder::new().spawn_scoped(scope, chains) {
        Ok(other) => {
            let records = records();
            records.and(other.join().unwrap_or_else(|panic| resume_unwind(panic)))
        }
        Err(_) => records().and_then(|()| chains()),
    })
}

/// Checks that every test can be parsed. The parsed tests are not kept, because they can take more memory
/// than the file.
fn check_tests(tests: &[u8]) -> Result<(), Rejection> {
    for line in lines(tests) {
        if line.len() > MAX_TEST_BYTES {
            let reason =
                format!("a test of the snapshot is longer than {MAX_TEST_BYTES} bytes: {COMPILE_AGAIN}");
            return Err(RejectionStage::Archive.rejection(reason));
        }
        serde_json::from_slice::<SnapshotTest>(line).map_err(|error| {
            RejectionStage::Archive
                .rejection(format!("a test of the snapshot is malformed: {error}: {COMPILE_AGAIN}"))
        })?;
    }
    Ok(())
}

/// Rejects the snapshot with the fault, unless the condition holds.
fn require(holds: bool, fault: &str) -> Result<(), Rejection> {
    if holds { Ok(()) } else { Err(inconsistent(fault)) }
}

/// Returns the rejection of inconsistent records. `fault` is a statement about them.
fn inconsistent(fault: &str) -> Rejection {
    RejectionStage::Index.rejection(format!("the records are inconsistent: {fault}"))
}

/// Returns the record at an index. Rejects an index beyond the end of the table.
fn record<'a, T>(records: &'a [T], at: u32, what: &str) -> Result<&'a T, Rejection> {
    records.get(at as usize).ok_or_else(|| {
        inconsistent(&format!("a record refers to {what} {at}, but there are {}", records.len()))
    })
}

/// Returns a range of records. Rejects a range beyond the end of the table.
fn run<'a, T>(records: &'a [T], start: u32, len: u64, what: &str) -> Result<&'a [T], Rejection> {
    let end = u64::from(start) + len;
    records.get(start as usize..end as usize).ok_or_else(|| {
        inconsistent(&format!("a record refers to {what} {start}..{end}, but there are {}", records.len()))
    })
}

/// Checks that owners divide a table completely: each part begins where the previous one ends, and the last
/// part ends with the table. `what` names the records of the table.
struct Partition<'a, T> {
    records: &'a [T],
    next: usize,
    what: &'static str,
}

impl<'a, T> Partition<'a, T> {
    fn new(records: &'a [T], what: &'static str) -> Partition<'a, T> {
        Partition { records, next: 0, what }
    }

    /// Returns the next part, which must begin at `start`.
    fn take(&mut self, start: u32, len: u64) -> Result<&'a [T], Rejection> {
        let part = run(self.records, start, len, self.what)?;
        if start as usize != self.next {
            return Err(inconsistent(&format!("two ranges of {} overlap or leave a gap", self.what)));
        }
        self.next += part.len();
        Ok(part)
    }

    fn take_range(&mut self, range: &ArchivedRange) -> Result<&'a [T], Rejection> {
        self.take(range.start.to_native(), u64::from(range.len.to_native()))
    }

    fn finish(self) -> Result<(), Rejection> {
        if self.next != self.records.len() {
            return Err(inconsistent(&format!("some {} belong to no record", self.what)));
        }
        Ok(())
    }
}

/// Returns whether a stored country is the index of a region, or [`NO_COUNTRY`].
fn is_country_or_none(stored: u8) -> bool {
    stored == NO_COUNTRY || Region::from_index(stored).is_some()
}

/// The arena of text, which is valid UTF-8.
struct Texts<'a>(&'a str);

impl<'a> Texts<'a> {
    fn new(bytes: &'a [u8]) -> Result<Texts<'a>, Rejection> {
        let text = std::str::from_utf8(bytes).map_err(|_| inconsistent("a text is not UTF-8"))?;
        Ok(Texts(text))
    }

    fn span(&self, span: &ArchivedSpan) -> Result<&'a str, Rejection> {
        self.run(span.start.to_native(), span.len.to_native())
    }

    /// Returns a text. Rejects a text that is not an id.
    fn id(&self, span: &ArchivedSpan) -> Result<&'a str, Rejection> {
        let id = self.span(span)?;
        require(is_id(id), "an id has a character that is not allowed in ids")?;
        Ok(id)
    }

    /// Returns a range of the arena. Rejects a range beyond its end, or one that begins or ends inside a
    /// character.
    fn run(&self, start: u32, len: u32) -> Result<&'a str, Rejection> {
        let end = u64::from(start) + u64::from(len);
        self.0.get(start as usize..end as usize).ok_or_else(|| {
            let all = self.0.len();
            inconsistent(&format!(
                "a record refers to text {start}..{end} of {all}, which is no text of whole characters"
            ))
        })
    }

    /// Checks that the text has this id, escaped as JSON, and then an address that is valid inside a JSON
    /// string. Returns the escaped address.
    fn address(&self, id_and_address: &ArchivedIdAndAddress, id: &str) -> Result<&'a str, Rejection> {
        let both = self.run(id_and_address.start.to_native(), u32::from(id_and_address.len.to_native()))?;
        let (escaped, address) =
            both.split_at_checked(usize::from(id_and_address.id_len.to_native())).unzip();
        require(
            escaped.and_then(|escaped| without_escaped(escaped, id)) == Some(""),
            "the JSON of an account does not begin with its id",
        )?;
        let address = address.filter(|address| is_escaped(address));
        address.ok_or_else(|| inconsistent("an address is not escaped as JSON"))
    }
}

/// Returns the rest of the text after an id that is escaped as JSON. Returns `None` if the text does not
/// begin with it.
fn without_escaped<'j>(json: &'j str, id: &str) -> Option<&'j str> {
    if is_plain(id) {
        return json.strip_prefix(id);
    }
    // The only character of ids that JSON escapes is the backslash.
    let quoted = serde_json::Value::from(id).to_string();
    json.strip_prefix(quoted.strip_prefix('"')?.strip_suffix('"')?)
}

/// Returns whether a text is valid inside a JSON string. Accepts `\u` only for control characters, as the
/// compiler does.
fn is_escaped(text: &str) -> bool {
    if is_plain(text) {
        return true;
    }
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let sound = match byte {
            b'\\' => match bytes.next() {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => true,
                Some(b'u') => {
                    let digits = [bytes.next(), bytes.next(), bytes.next(), bytes.next()]
                        .map(Option::unwrap_or_default);
                    digits.starts_with(b"00")
                        && matches!(digits, [_, _, b'0' | b'1', last] if last.is_ascii_hexdigit())
                }
                _ => false,
            },
            other => other >= 0x20 && other != b'"',
        };
        if !sound {
            return false;
        }
    }
    true
}

/// Returns whether a text needs no escapes in JSON. Has no early return, so that the compiler vectorizes the
/// loop.
fn is_plain(text: &str) -> bool {
    !text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
}
