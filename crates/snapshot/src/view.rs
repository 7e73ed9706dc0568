//! A snapshot in memory, read in place: here its bytes, and what single records say. `find` goes by id, `chain` by OU, and
//! `near` brings records near before they are needed. The only `unsafe` of the crate is here.

mod chain;
mod find;
mod near;
mod records;

use std::ptr::NonNull;

use super::format::*;
use super::{Bytes, Header};
use switchboard_model::Region;
use switchboard_model::{Condition, Role};

pub use chain::Run;
pub use find::Sought;
pub use records::Records;

/// A verified snapshot: bytes that nobody changes, and records read where they lie.
pub struct Snapshot {
    /// INVARIANT `verified`: these bytes passed [`Snapshot::open`], in full, and are never written to.
    bytes: Bytes,
    /// INVARIANT `inside`: points into `bytes`, which own their memory and never move it. Found once, since
    /// every look at the records begins here; no `&`, whose target would have to outlive the snapshot.
    contents: NonNull<ArchivedContents>,
    header: Header,
    /// Its number in digits, as every answer has it.
    generation: Box<str>,
}

// SAFETY: by `verified` and `inside`, `contents` is read and never written, and goes where its bytes go.
#[allow(unsafe_code, reason = "a pointer into bytes of its own")]
unsafe impl Send for Snapshot {}
// SAFETY: as above; what is only read may be read by many.
#[allow(unsafe_code, reason = "a pointer into bytes of its own")]
unsafe impl Sync for Snapshot {}

/// One of the expected selections that a snapshot carries, so that whoever loads it can ask again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SnapshotTest {
    /// The company's id.
    pub company: String,
    /// For people.
    pub name: String,
    /// The query's fields, a JSON object without the company.
    pub query: String,
    /// The answer's fields that must be so, a JSON object.
    pub expect: String,
}

/// One JSON object a line.
pub(super) fn test_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

impl Snapshot {
    /// For [`open`](super::open) alone, which upholds `verified`.
    #[allow(unsafe_code, reason = "the archive was checked when the file was opened")]
    pub(super) fn verified(bytes: Bytes, header: Header) -> Snapshot {
        let end = super::header::LEN + header.contents_len as usize;
        let archive = bytes.get(super::header::LEN..end).unwrap_or_default();
        // SAFETY: by `verified`, `rkyv::access` accepted exactly these bytes as an `ArchivedContents`, and
        // they have not changed since.
        let contents = NonNull::from(unsafe { rkyv::access_unchecked::<ArchivedContents>(archive) });
        let generation = header.generation.to_string().into();
        Snapshot { bytes, contents, header, generation }
    }

    /// The records.
    #[allow(unsafe_code, reason = "a pointer into bytes of its own")]
    pub fn contents(&self) -> &ArchivedContents {
        // SAFETY: by `inside`, they lie where they lay, for as long as `self` owns them.
        unsafe { self.contents.as_ref() }
    }

    /// What the header says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The number of this snapshot.
    pub fn generation(&self) -> u64 {
        self.header.generation
    }

    /// The same in decimal digits.
    pub fn generation_digits(&self) -> &str {
        &self.generation
    }

    /// XXH3-128 of everything, in hexadecimal.
    pub fn digest(&self) -> String {
        format!("{:032x}", self.header.checksum)
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The expected selections it carries.
    pub fn tests(&self) -> impl Iterator<Item = SnapshotTest> {
        let start = super::header::LEN + self.header.contents_len as usize;
        let lines = test_lines(self.bytes.get(start..).unwrap_or_default());
        // By `verified`, every line is a test.
        lines.filter_map(|line| serde_json::from_slice(line).ok())
    }

    /// A text of the snapshot.
    pub fn text(&self, span: &ArchivedSpan) -> &[u8] {
        self.slice(span.start.to_native(), span.len.to_native())
    }

    /// An account's id.
    pub fn account_id(&self, account: &ArchivedAccount) -> &[u8] {
        self.slice(account.id.to_native(), u32::from(account.id_len))
    }

    /// A run of bytes of the text.
    pub fn slice(&self, start: u32, len: u32) -> &[u8] {
        self.contents().text.get(start as usize..start as usize + len as usize).unwrap_or_default()
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Snapshot").field("header", &self.header).finish_non_exhaustive()
    }
}

impl ArchivedAccount {
    /// Its condition in the registry.
    pub fn condition(&self) -> Condition {
        match self.state {
            0 => Condition::Active,
            1 => Condition::Draining,
            _ => Condition::Suspended,
        }
    }

    /// Its country.
    pub fn country(&self) -> Option<Region> {
        Region::from_index(self.country)
    }

    /// Its role; a dedicated account has none, nor need a spare one.
    pub fn role(&self) -> Option<Role> {
        role(self.role)
    }

    /// Whether it is one user's own.
    pub fn is_dedicated(&self) -> bool {
        self.role == CONVERSATION
    }
}

impl ArchivedChannel {
    /// The role that clients are talked to on.
    pub fn conversation_role(&self) -> Role {
        role(self.conversation_role).unwrap_or(Role::Secondary)
    }
}

fn role(stored: u8) -> Option<Role> {
    match stored {
        0 => Some(Role::Primary),
        1 => Some(Role::Secondary),
        _ => None,
    }
}

/// Begins to bring a record near that will be needed. In a large snapshot every record is 40 to 160 ns away, which is
/// what a selection takes its time for; what is asked for side by side takes that time once.
#[allow(unsafe_code, reason = "there is no safe prefetch")]
fn fetch<T>(record: Option<&T>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(record) = record {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint to the cache, valid for any address; nothing is read.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(record).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = record;
}
