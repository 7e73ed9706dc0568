//! A snapshot in memory, read in place. `lookup` finds records by id, `records` and `chain` say what they hold,
//! `prefetch` requests memory that a selection needs next. The only `unsafe` of the workspace is here.

mod chain;
mod lookup;
mod records;

use std::ptr::NonNull;

use super::format::{ArchivedRange, ArchivedSpan, ArchivedTables};
use super::{Bytes, Header};

pub(crate) use chain::Run;
pub use chain::{Candidate, Candidates, CellDirectory, Class, LevelRef, RunClients, StepRef, Steps};
pub use lookup::OuProbe;
pub use records::{
    AccountJson, AccountPieces, AccountRef, ChannelRef, CompanyRef, OuRef, PoolRef, RecordCounts,
};

/// A verified snapshot: immutable bytes, whose records are read in place.
pub struct Snapshot {
    /// INVARIANT `verified`: these bytes passed [`Snapshot::open`], in full, and are never written to.
    bytes: Bytes,
    /// INVARIANT `inside`: points into `bytes`, which own their memory and never move it. Kept because every access
    /// begins here; not a reference, because its target would have to outlive the snapshot.
    tables: NonNull<ArchivedTables>,
    header: Header,
    /// The generation in digits, as every answer has it.
    generation: Box<str>,
}

// SAFETY: by `verified` and `inside`, `tables` is read and never written, and goes where its bytes go.
#[allow(unsafe_code, reason = "a pointer into bytes of its own")]
unsafe impl Send for Snapshot {}
// SAFETY: as above; memory that is only read may be read by several threads.
#[allow(unsafe_code, reason = "a pointer into bytes of its own")]
unsafe impl Sync for Snapshot {}

/// An expected selection that a snapshot carries, so that each process that loads the snapshot can repeat the test.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SnapshotTest {
    /// The company's id.
    pub company: String,
    /// The test's name, for people.
    pub name: String,
    /// The query's fields, a JSON object without the company.
    pub query: String,
    /// The fields that the answer must have, a JSON object.
    pub expect: String,
}

/// Splits the bytes behind the archive into tests: one JSON object a line.
pub(super) fn test_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

impl Snapshot {
    /// For [`open`](super::open) alone, which upholds `verified`.
    #[allow(unsafe_code, reason = "the archive was checked when the file was opened")]
    pub(super) fn verified(bytes: Bytes, header: Header) -> Snapshot {
        let end = super::header::LEN + header.contents_len as usize;
        let archive = bytes.get(super::header::LEN..end).unwrap_or_default();
        // SAFETY: by `verified`, `rkyv::access` accepted exactly these bytes as an `ArchivedTables`, and
        // they have not changed since.
        let tables = NonNull::from(unsafe { rkyv::access_unchecked::<ArchivedTables>(archive) });
        let generation = header.generation.to_string().into();
        Snapshot { bytes, tables, header, generation }
    }

    /// The records.
    #[allow(unsafe_code, reason = "a pointer into bytes of its own")]
    #[inline]
    pub(crate) fn tables(&self) -> &ArchivedTables {
        // SAFETY: by `inside`, they lie where they lay, for as long as `self` owns them.
        unsafe { self.tables.as_ref() }
    }

    /// The header of the file.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The number of this snapshot.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.header.generation
    }

    /// The number of this snapshot in decimal digits.
    #[inline]
    pub fn generation_digits(&self) -> &str {
        &self.generation
    }

    /// XXH3-128 of the whole file, in hexadecimal.
    pub fn digest(&self) -> String {
        format!("{:032x}", self.header.checksum)
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The expected selections that the snapshot carries.
    #[allow(clippy::expect_used, reason = "`open` read every test; off the answer path")]
    pub fn tests(&self) -> impl Iterator<Item = SnapshotTest> {
        let start = super::header::LEN + self.header.contents_len as usize;
        let lines = test_lines(self.bytes.get(start..).unwrap_or_default());
        lines.map(|line| {
            serde_json::from_slice(line).expect("cannot fail: by `verified`, every line is a test")
        })
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Snapshot").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Texts by their place in the arena, which was proved when the file was opened.
impl ArchivedTables {
    #[inline]
    fn slice(&self, start: u32, len: u32) -> &[u8] {
        self.text.get(start as usize..start as usize + len as usize).unwrap_or_default()
    }

    #[inline]
    fn span(&self, span: &ArchivedSpan) -> &[u8] {
        self.slice(span.start.to_native(), span.len.to_native())
    }

    fn id(&self, span: &ArchivedSpan) -> &str {
        as_id(self.span(span))
    }
}

/// Ids are printable ASCII, as was proved when the file was opened.
fn as_id(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_default()
}

/// Records by verified index.
pub(crate) trait Records<T> {
    /// Returns the record at an index that `open` proved to be in range.
    fn at(&self, index: u32) -> &T;
    /// Returns the records of a range that `open` proved to be in range.
    fn range(&self, range: &ArchivedRange) -> &[T];
}

impl<T> Records<T> for [T] {
    #[allow(clippy::indexing_slicing, reason = "every stored index was checked when the file was opened")]
    #[inline]
    fn at(&self, index: u32) -> &T {
        &self[index as usize]
    }

    #[allow(clippy::indexing_slicing, reason = "every stored range was checked when the file was opened")]
    #[inline]
    fn range(&self, range: &ArchivedRange) -> &[T] {
        let start = range.start.to_native() as usize;
        &self[start..start + range.len.to_native() as usize]
    }
}

/// Requests a record's cache line. In a large snapshot every record is 40 to 160 ns away, which is most of the time that
/// a selection takes; lines that are requested side by side take that time once.
#[allow(unsafe_code, reason = "there is no safe prefetch")]
#[inline]
fn prefetch_record<T>(record: Option<&T>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(record) = record {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint to the cache, valid for any address; nothing is read.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(record).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = record;
}
