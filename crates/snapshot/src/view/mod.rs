//! The typed view of a snapshot, which reads the records in place. This file finds records by id, `records`
//! reads companies to accounts, and `chain` reads levels, steps and candidates.
//!
//! This folder has the only `unsafe` code of the workspace. Methods with `prefetch` in their names request
//! memory that a selection needs soon, so that it arrives while another selection of the batch continues.

mod chain;
mod records;

use std::ptr::NonNull;
use std::sync::OnceLock;

use super::format::{ArchivedRange, ArchivedSpan, ArchivedTables};
use super::{Bytes, Digests, Header, hash_index};
use crate::{AccountIdx, ChannelIdx, CompanyIdx, OuIdx};
use switchboard_model::AddressBuffer;

pub(crate) use chain::Run;
pub use chain::{Candidate, Candidates, CellDirectory, Class, LevelRef, RunClients, StepRef, Steps};
pub(crate) use records::unescaped;
pub use records::{
    AccountJson, AccountPieces, AccountRef, ChannelRef, CompanyRef, OuRef, PoolRef, RecordCounts,
};

/// A verified snapshot, whose records are read in place. The bytes never change.
///
/// [`Snapshot::open`] is the only way to create one. Look up ids with the `find_…` methods, which return
/// typed indices, and read records by index with [`company`](Snapshot::company), [`ou`](Snapshot::ou),
/// [`account`](Snapshot::account) and so on.
///
/// ```
/// use switchboard_registry::{Files, read};
/// use switchboard_snapshot::{NoProgress, Snapshot, compile};
///
/// let ous = "id,parent\nacme,\nemea,acme\n";
/// let (registry, _) = read(&Files::from_iter([("acme/company.toml", ""), ("acme/ous.csv", ous)]));
/// let snapshot = Snapshot::open(compile(&registry, 1, &NoProgress).unwrap().finish(&[])).unwrap();
///
/// let company = snapshot.find_company("acme").unwrap();
/// let ou = snapshot.find_ou(company, "emea", snapshot.probe_ou(company, "emea")).unwrap();
/// assert_eq!(snapshot.ou(ou).depth(), 1);
/// assert!(snapshot.find_account(company, "wa-gb-1").is_none());
/// ```
pub struct Snapshot {
    /// INVARIANT `verified`: all of these bytes passed [`Snapshot::open`], and they never change.
    bytes: Bytes,
    /// INVARIANT `inside`: points into `bytes`, which own their memory and never move it. Stored because
    /// every access needs it. Not a reference, because a struct cannot borrow from itself.
    tables: NonNull<ArchivedTables>,
    header: Header,
    /// The generation in decimal digits, which every answer contains.
    generation: Box<str>,
    /// Computed at the first request, because a publish must not wait for them.
    digests: OnceLock<Digests>,
}

// SAFETY: by `verified` and `inside`, `tables` is only read, and moves to another thread together with its
// bytes.
#[allow(unsafe_code, reason = "a pointer into its own bytes")]
unsafe impl Send for Snapshot {}
// SAFETY: as above, and several threads may read memory that is never written.
#[allow(unsafe_code, reason = "a pointer into its own bytes")]
unsafe impl Sync for Snapshot {}

/// An expected selection that a snapshot carries. Every process that loads the snapshot repeats the test.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SnapshotTest {
    /// The id of the company that the query names.
    pub company: String,
    /// The name of the test, for display.
    pub name: String,
    /// The query as a JSON object, without the company.
    pub query: String,
    /// The fields that the answer must have, as a JSON object.
    pub expect: String,
}

/// The look-up of an OU, which [`Snapshot::probe_ou`] begins and [`Snapshot::find_ou`] completes.
#[derive(Debug, Clone, Copy)]
pub struct OuProbe {
    hash: u64,
}

/// The result of the search for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressMatch {
    /// No account has the address, or the channel has no such addresses.
    None,
    /// This account has the address.
    Account(AccountIdx),
    /// Accounts of several companies have the address.
    SeveralCompanies,
}

/// Splits definitions or tests, which are one JSON object per line.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

impl Snapshot {
    /// Creates the view. Only [`open`](Snapshot::open) calls this function, because it upholds `verified`.
    #[allow(unsafe_code, reason = "`open` verified the archive")]
    pub(super) fn verified(bytes: Bytes, header: Header) -> Snapshot {
        let end = super::header::LEN + header.contents_len as usize;
        let archive = bytes.get(super::header::LEN..end).unwrap_or_default();
        // SAFETY: by `verified`, `rkyv::access` accepted exactly these bytes as an `ArchivedTables`, and they
        // have not changed since then.
        let tables = NonNull::from(unsafe { rkyv::access_unchecked::<ArchivedTables>(archive) });
        let generation = header.generation.to_string().into();
        Snapshot { bytes, tables, header, generation, digests: OnceLock::new() }
    }

    /// Returns all tables of the snapshot.
    #[allow(unsafe_code, reason = "a pointer into its own bytes")]
    #[inline]
    pub(crate) fn tables(&self) -> &ArchivedTables {
        // SAFETY: by `inside`, the pointer is valid as long as `self` owns the bytes.
        unsafe { self.tables.as_ref() }
    }

    /// Returns the header of the snapshot file.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the generation, which is the number of this snapshot.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.header.generation
    }

    /// Returns the generation in decimal digits.
    #[inline]
    pub fn generation_digits(&self) -> &str {
        &self.generation
    }

    /// Returns the SHA-256 digests of the snapshot. The first call takes about a second for each GB. Later
    /// calls return the stored result.
    pub fn digests(&self) -> &Digests {
        self.digests.get_or_init(|| Digests::of(&self.bytes))
    }

    /// Returns the digest of the file as 64 hexadecimal digits.
    pub fn digest(&self) -> String {
        self.digests().file.to_string()
    }

    /// Returns the digest of the content as 64 hexadecimal digits. Equal registries have equal ones, whatever
    /// their generations are.
    pub fn content_digest(&self) -> String {
        self.digests().content.to_string()
    }

    /// Returns the bytes of the whole snapshot file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the definitions of all companies as lines of JSON.
    pub(super) fn definitions(&self) -> &[u8] {
        let start = self.definitions_start();
        self.bytes.get(start..start + self.header.definitions_len as usize).unwrap_or_default()
    }

    fn definitions_start(&self) -> usize {
        super::header::LEN + self.header.contents_len as usize
    }

    /// Returns the expected selections that the snapshot carries. Parses them at each call.
    #[allow(clippy::expect_used, reason = "`open` parsed every test; not on the answer path")]
    pub fn tests(&self) -> impl Iterator<Item = SnapshotTest> {
        let start = self.definitions_start() + self.header.definitions_len as usize;
        lines(self.bytes.get(start..).unwrap_or_default()).map(|line| {
            serde_json::from_slice(line).expect("cannot fail: by `verified`, every line is a test")
        })
    }
}

impl Snapshot {
    /// Finds the company with this id. Takes constant time.
    #[inline]
    pub fn find_company(&self, id: &str) -> Option<CompanyIdx> {
        let tables = self.tables();
        let hash = hash_index::hash(0, id.as_bytes());
        let found = hash_index::find(&tables.company_index, hash, |at| {
            tables.span(&tables.companies.at(at).id) == id.as_bytes()
        });
        found.map(CompanyIdx::new)
    }

    /// Finds the channel with this id. Compares all channels, because that is faster than hashing for a few
    /// channels.
    #[inline]
    pub fn find_channel(&self, id: &str) -> Option<ChannelIdx> {
        let tables = self.tables();
        let found = tables.channels.iter().position(|channel| {
            // Most ids differ in length, so their text need not be read.
            channel.id.len.to_native() as usize == id.len() && tables.span(&channel.id) == id.as_bytes()
        });
        found.map(|at| ChannelIdx::new(at as u32))
    }

    /// Begins to look up an OU: hashes its id, and prefetches the slot of the hash. Pass the result to
    /// [`find_ou`](Snapshot::find_ou).
    #[inline]
    pub fn probe_ou(&self, company: CompanyIdx, id: &str) -> OuProbe {
        let hash = hash_index::hash(u64::from(company.get()), id.as_bytes());
        let slots = &self.tables().ou_index;
        prefetch_record(slots.get(hash_index::position(hash, slots.len())));
        OuProbe { hash }
    }

    /// Prefetches the record of the OU that a probe will probably find.
    #[inline]
    pub fn prefetch_ou(&self, OuProbe { hash }: OuProbe) {
        let tables = self.tables();
        let slot = tables.ou_index.get(hash_index::position(hash, tables.ou_index.len()));
        prefetch_record(slot.and_then(|slot| tables.ous.get(slot.record.to_native() as usize)));
    }

    /// Finds the company's OU with this id. The probe must be the one of this company and id. Takes constant
    /// time.
    #[inline]
    pub fn find_ou(&self, company: CompanyIdx, id: &str, OuProbe { hash }: OuProbe) -> Option<OuIdx> {
        let tables = self.tables();
        let found = hash_index::find(&tables.ou_index, hash, |at| {
            let ou = tables.ous.at(at);
            let same = match ou.id_prefix.get(..id.len()) {
                // The record contains the whole id if the id is short.
                Some(id_prefix) => ou.id.len.to_native() as usize == id.len() && id_prefix == id.as_bytes(),
                None => tables.span(&ou.id) == id.as_bytes(),
            };
            same && ou.company.to_native() == company.get()
        });
        found.map(OuIdx::new)
    }

    /// Finds the company's account with this id. Takes constant time.
    #[inline]
    pub fn find_account(&self, company: CompanyIdx, id: &str) -> Option<AccountIdx> {
        let tables = self.tables();
        let hash = hash_index::hash(u64::from(company.get()), id.as_bytes());
        let found = hash_index::find(&tables.account_index, hash, |at| {
            tables.accounts.at(at).company.to_native() == company.get()
                && self.account(AccountIdx::new(at)).id_bytes() == id.as_bytes()
        });
        found.map(AccountIdx::new)
    }

    /// Finds the account that has an address on a channel. Addresses are compared in their normal form. Takes
    /// constant time, if few companies have the same address.
    ///
    /// `company` restricts the search to one company. Without it, several companies can have the address.
    pub fn find_address(
        &self,
        company: Option<CompanyIdx>,
        channel: ChannelIdx,
        address: &str,
    ) -> AddressMatch {
        let tables = self.tables();
        let kind = self.channel(channel).address_kind();
        let (mut buffer, mut other_buffer) = (AddressBuffer::new(), AddressBuffer::new());
        let Some(normal) = kind.normal_form(address, &mut buffer) else { return AddressMatch::None };
        let hash = hash_index::hash(hash_index::address_scope(channel.get()), normal.as_bytes());
        let mut first = None;
        let second = hash_index::find(&tables.address_index, hash, |at| {
            let record = tables.accounts.at(at);
            let is_it = u32::from(record.channel.to_native()) == channel.get()
                && company.is_none_or(|company| record.company.to_native() == company.get())
                && kind.normal_form(&self.account(AccountIdx::new(at)).address(), &mut other_buffer)
                    == Some(normal);
            // A company has an address once.
            is_it && (first.replace(at).is_some() || company.is_some())
        });
        match (first, second) {
            (None, _) => AddressMatch::None,
            (Some(_), Some(_)) if company.is_none() => AddressMatch::SeveralCompanies,
            (Some(account), _) => AddressMatch::Account(AccountIdx::new(account)),
        }
    }

    /// Finds the dedicated account of a user on a channel. Takes constant time.
    #[inline]
    pub fn find_dedicated(&self, company: CompanyIdx, channel: ChannelIdx, user: &str) -> Option<AccountIdx> {
        let tables = self.tables();
        let hash = hash_index::hash(hash_index::user_scope(company.get(), channel.get()), user.as_bytes());
        let found = hash_index::find(&tables.user_index, hash, |at| {
            let dedicated = tables.dedicated.at(at);
            dedicated.company.to_native() == company.get()
                && dedicated.channel.to_native() == channel.get()
                && tables.span(&dedicated.user) == user.as_bytes()
        })?;
        Some(AccountIdx::new(tables.dedicated.at(found).account.to_native()))
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Snapshot").field("header", &self.header).finish_non_exhaustive()
    }
}

// Texts by their position in the arena. `open` verified all positions.
impl ArchivedTables {
    #[inline]
    fn slice(&self, start: u32, len: u32) -> &[u8] {
        self.text.get(start as usize..start as usize + len as usize).unwrap_or_default()
    }

    #[inline]
    fn span(&self, span: &ArchivedSpan) -> &[u8] {
        self.slice(span.start.to_native(), span.len.to_native())
    }

    pub(crate) fn id(&self, span: &ArchivedSpan) -> &str {
        as_id(self.span(span))
    }
}

/// Returns bytes of the arena as an id. `open` verified that ids are printable ASCII.
fn as_id(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_default()
}

/// Reads the records of a table by indices that `open` verified.
pub(crate) trait Records<T> {
    /// Returns the record at an index that `open` verified to be in range.
    fn at(&self, index: u32) -> &T;
    /// Returns the records of a range that `open` verified to be in range.
    fn range(&self, range: &ArchivedRange) -> &[T];
}

impl<T> Records<T> for [T] {
    #[allow(clippy::indexing_slicing, reason = "`open` verified every stored index")]
    #[inline]
    fn at(&self, index: u32) -> &T {
        &self[index as usize]
    }

    #[allow(clippy::indexing_slicing, reason = "`open` verified every stored range")]
    #[inline]
    fn range(&self, range: &ArchivedRange) -> &[T] {
        let start = range.start.to_native() as usize;
        &self[start..start + range.len.to_native() as usize]
    }
}

/// Prefetches the cache line of a record. In a large snapshot, a cache miss takes 40 to 160 ns, and cache
/// misses are most of the time of a selection. Several lines that are prefetched together arrive in the time
/// of one.
#[allow(unsafe_code, reason = "the standard library has no safe prefetch")]
#[inline]
fn prefetch_record<T>(record: Option<&T>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(record) = record {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint to the cache. It is valid for any address and reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(record).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = record;
}
