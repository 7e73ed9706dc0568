//! A snapshot in memory, read in place. The only `unsafe` of the crate is here.

use std::ptr::NonNull;

use super::format::*;
use super::rendezvous::SCANNED;
use super::{Bytes, Header, index};
use crate::account::{Condition, Role};
use crate::numbering::Region;

/// A verified snapshot: bytes that nobody changes, and records read where they lie.
pub struct Snapshot {
    /// INVARIANT `verified`: these bytes passed [`Snapshot::open`], in full, and are never written to.
    bytes: Bytes,
    /// INVARIANT `inside`: points into `bytes`, which own their memory and never move it. Found once, since
    /// every look at the records begins here; no `&`, whose target would have to outlive the snapshot.
    contents: NonNull<ArchivedContents>,
    header: Header,
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
        Snapshot { bytes, contents, header }
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

    /// The company with this id.
    pub fn company(&self, id: &str) -> Option<u32> {
        let contents = self.contents();
        let hash = index::hash(0, id.as_bytes());
        index::find(&contents.company_index, hash, |at| {
            self.text(&contents.companies.at(at).id) == id.as_bytes()
        })
    }

    /// The channel with this id. There are a handful: a scan is quicker than a hash.
    pub fn channel(&self, id: &str) -> Option<u32> {
        self.contents()
            .channels
            .iter()
            .position(|channel| {
                // Most are told apart by their lengths, without a look at their text.
                channel.id.len.to_native() as usize == id.len() && self.text(&channel.id) == id.as_bytes()
            })
            .map(|at| at as u32)
    }

    /// Where to look for the company's OU with this id: is fetched while whoever asks does something else.
    pub fn seek_ou(&self, company: u32, id: &str) -> Sought {
        let hash = index::hash(u64::from(company), id.as_bytes());
        let slots = &self.contents().ou_index;
        fetch(slots.get(index::position(hash, slots.len())));
        Sought { hash }
    }

    /// The company's OU with this id, which was sought.
    pub fn ou(&self, company: u32, id: &str, Sought { hash }: Sought) -> Option<u32> {
        let contents = self.contents();
        index::find(&contents.ou_index, hash, |at| {
            let ou = contents.ous.at(at);
            let same = match ou.head.get(..id.len()) {
                // All of a short id stands in the record.
                Some(head) => ou.id.len.to_native() as usize == id.len() && head == id.as_bytes(),
                None => self.text(&ou.id) == id.as_bytes(),
            };
            same && ou.company.to_native() == company
        })
    }

    /// The company's account with this id.
    pub fn account(&self, company: u32, id: &str) -> Option<u32> {
        let contents = self.contents();
        let hash = index::hash(u64::from(company), id.as_bytes());
        index::find(&contents.account_index, hash, |at| {
            let account = contents.accounts.at(at);
            account.company.to_native() == company && self.account_id(account) == id.as_bytes()
        })
    }

    /// Of every account, whether the registry has it as active from always on.
    pub fn free_accounts(&self) -> impl Iterator<Item = bool> {
        self.contents().accounts.iter().map(|account| {
            account.condition() == Condition::Active && account.available_from.to_native() == i64::MIN
        })
    }

    /// The user's own account on this channel.
    pub fn dedicated(&self, company: u32, channel: u32, user: &str) -> Option<u32> {
        let contents = self.contents();
        let hash = index::hash(index::user_scope(company, channel), user.as_bytes());
        let found = index::find(&contents.user_index, hash, |at| {
            let dedicated = contents.dedicated.at(at);
            dedicated.company.to_native() == company
                && dedicated.channel.to_native() == channel
                && self.text(&dedicated.user) == user.as_bytes()
        })?;
        Some(contents.dedicated.at(found).account.to_native())
    }

    /// Begins to fetch the OU that is sought there, whichever it is.
    pub fn near_ou(&self, Sought { hash }: Sought) {
        let contents = self.contents();
        let slot = contents.ou_index.get(index::position(hash, contents.ou_index.len()));
        fetch(slot.and_then(|slot| contents.ous.get(slot.record.to_native() as usize)));
    }

    /// Which of the entries says where the chain of (OU, channel, role) begins: is fetched.
    pub fn seek_chain(&self, company: u32, ou: u32, channel: u32, role: Role) -> Option<u32> {
        let contents = self.contents();
        let company = contents.companies.at(company);
        let column = contents.columns.at(company.columns.to_native() + channel).to_native();
        if column == NO_COLUMN {
            return None;
        }
        let ou = ou - company.ous.start.to_native();
        let row = role as u32 * company.ous.len.to_native() + ou;
        let entry = row * u32::from(company.column_count.to_native()) + u32::from(column);
        let entry = company.entries.to_native() + entry;
        fetch(contents.entries.get(entry as usize));
        Some(entry)
    }

    /// The level where the chain of (OU, channel, role) begins.
    pub fn chain(&self, company: u32, ou: u32, channel: u32, role: Role) -> Option<&ArchivedLevel> {
        self.first_level(self.seek_chain(company, ou, channel, role)?)
    }

    /// The level where the chain of this entry begins.
    pub fn first_level(&self, entry: u32) -> Option<&ArchivedLevel> {
        let contents = self.contents();
        let entry = contents.entries.at(entry);
        // Nearly all levels have few enough of them for two cache lines.
        let exceptions = entry.exceptions.to_native();
        for at in [exceptions, exceptions.saturating_add(8)] {
            fetch(contents.exceptions.get(at as usize));
        }
        let level = self.level(entry.level.to_native());
        fetch(level);
        level
    }

    /// Begins to fetch the first of these steps.
    pub fn near_step(&self, steps: &Run<'_>) {
        fetch(steps.steps.first());
    }

    /// Begins to fetch the candidates of the level's first step, and its pool.
    pub fn near_members(&self, level: &ArchivedLevel, steps: &Run<'_>) {
        let contents = self.contents();
        let Some(step) = steps.steps.first() else { return };
        let start = step.members.start.to_native() as usize;
        let lines = step.members.len.to_native().div_ceil(MEMBERS_A_LINE).min(LINES_AHEAD) as usize;
        for line in 0..lines {
            fetch(contents.members.get(start + line * MEMBERS_A_LINE as usize));
        }
        fetch(contents.level_pools.get(self.step_pool(level, step) as usize));
    }

    /// Begins to fetch a run of bytes of the text.
    pub fn near_text(&self, start: u32) {
        fetch(self.contents().text.get(start as usize));
    }

    /// The level that a chain goes on at.
    pub fn next(&self, level: &ArchivedLevel) -> Option<&ArchivedLevel> {
        self.level(level.next.to_native())
    }

    fn level(&self, at: u32) -> Option<&ArchivedLevel> {
        (at != NONE).then(|| self.contents().levels.at(at))
    }

    /// The level's steps for a client of this country, in order.
    pub fn steps(&self, level: &ArchivedLevel, country: Option<Region>) -> Run<'_> {
        let contents = self.contents();
        let first = match country {
            None => level.stateless.to_native(),
            Some(region) => match rank(&level.excepted, region.index()) {
                Some(rank) => {
                    let exception = contents.exceptions.at(level.exceptions.to_native() + rank);
                    let members = exception.members.to_native();
                    fetch(contents.members.get(members as usize));
                    exception.run.to_native()
                }
                None => level.otherwise.to_native(),
            },
        };
        self.run(first)
    }

    /// The run that begins with this step; none does with [`NONE`].
    pub fn run(&self, first: u32) -> Run<'_> {
        Run::of(self.contents(), first)
    }

    /// Which of [`ArchivedContents::level_pools`] a step is about.
    pub fn step_pool(&self, level: &ArchivedLevel, step: &ArchivedStep) -> u32 {
        level.pools.to_native() + u32::from(step.slot.to_native())
    }

    /// The step's candidates.
    pub fn members(&self, step: &ArchivedStep) -> &[ArchivedMember] {
        self.contents().members.range(&step.members)
    }

    /// The classes of the step's candidates, where they are too many to scan.
    pub fn classes(&self, step: &ArchivedStep) -> &[ArchivedClass] {
        let contents = self.contents();
        if (step.members.len.to_native() as usize) < SCANNED {
            return &[];
        }
        contents.classes.range(&contents.groups.at(step.group.to_native()).classes)
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

/// The steps of a run, in order.
#[derive(Clone, Default)]
pub struct Run<'s> {
    /// It and, behind its last step, others.
    steps: &'s [ArchivedStep],
}

impl<'s> Run<'s> {
    /// The run that begins with this step; none does with [`NONE`].
    pub(super) fn of(contents: &'s ArchivedContents, first: u32) -> Run<'s> {
        Run { steps: contents.steps.get(first as usize..).unwrap_or_default() }
    }
}

impl<'s> Iterator for Run<'s> {
    type Item = &'s ArchivedStep;

    fn next(&mut self) -> Option<&'s ArchivedStep> {
        let (step, rest) = self.steps.split_first()?;
        self.steps = if step.is_last() { &[] } else { rest };
        Some(step)
    }
}

impl ArchivedStep {
    /// Its rule, as stored.
    pub fn rule(&self) -> u8 {
        self.rule & !LAST
    }

    /// Whether its run ends with it.
    pub fn is_last(&self) -> bool {
        self.rule & LAST != 0
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Snapshot").field("header", &self.header).finish_non_exhaustive()
    }
}

/// What [`Snapshot::ou`] looks for.
#[derive(Debug, Clone, Copy)]
pub struct Sought {
    hash: u64,
}

/// Candidates in a cache line, about.
const MEMBERS_A_LINE: u32 = 64 / size_of::<ArchivedMember>() as u32;
/// Lines of candidates that are fetched at once: the processor itself goes on with those behind them.
const LINES_AHEAD: u32 = 4;

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

/// Records by verified index.
pub trait Records<T> {
    /// The record at an index that `open` proved to be in range.
    fn at(&self, index: u32) -> &T;
    /// The records of a range that `open` proved to be in range.
    fn range(&self, range: &ArchivedRange) -> &[T];
}

impl<T> Records<T> for [T] {
    #[allow(clippy::indexing_slicing, reason = "every stored index was checked when the file was opened")]
    fn at(&self, index: u32) -> &T {
        &self[index as usize]
    }

    #[allow(clippy::indexing_slicing, reason = "every stored range was checked when the file was opened")]
    fn range(&self, range: &ArchivedRange) -> &[T] {
        let start = range.start.to_native() as usize;
        &self[start..start + range.len.to_native() as usize]
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

/// How many bits before this one are set, where this one is.
#[allow(clippy::indexing_slicing, reason = "a u8 over 64 is below four")]
fn rank(bits: &[rkyv::rend::u64_le; 4], bit: u8) -> Option<u32> {
    let (word, mask) = (usize::from(bit / 64), 1u64 << (bit % 64));
    if bits[word].to_native() & mask == 0 {
        return None;
    }
    let before: u32 = bits[..word].iter().map(|word| word.to_native().count_ones()).sum();
    Some(before + (bits[word].to_native() & (mask - 1)).count_ones())
}
