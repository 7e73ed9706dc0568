//! A checked registry to bytes. The same registry and generation give the same bytes: everything is
//! put in order of its id before it gets an index, and hash maps are looked up in, never iterated.
//!
//! Off the serving path, and every index in here was made in here.
#![allow(clippy::indexing_slicing, reason = "indices of slices that the same function filled")]

mod chains;
mod company;
mod groups;
mod text;

use rkyv::rancor;
use rkyv::util::AlignedVec;

use super::format::{Channel, NONE, Tables};
use super::hash_index;
use super::header::{self, Header};
use super::view::SnapshotTest;
use switchboard_registry::{Code, Findings, Place, Registry};

/// Receives the progress of a build.
pub trait Progress: Sync {
    /// A stage is under way. `done` of `total` accounts are processed; both are 0 in stages that are not counted.
    fn report(&self, stage: BuildStage, done: usize, total: usize);
}

/// A stage of a build, in the order in which they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildStage {
    /// The registry's files are read.
    Reading,
    /// The registry is checked.
    Checking,
    /// The registry is compiled.
    Compiling,
    /// The snapshot is opened and tested.
    Verifying,
}

/// Reports nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn report(&self, _stage: BuildStage, _done: usize, _total: usize) {}
}

/// Accounts between two reports: about 10 ms of work.
const ACCOUNTS_PER_REPORT: usize = 1 << 14;

/// Compiles a registry that [`switchboard_registry::check()`] found no error in.
///
/// # Errors
/// The registry is larger than the format holds.
pub fn compile(
    registry: &Registry,
    generation: u64,
    progress: &dyn Progress,
) -> Result<UnsealedSnapshot, Findings> {
    let total = registry.companies.iter().map(|company| company.accounts.len()).sum();
    let mut builder = TableBuilder::new(progress, total);
    for channel in &registry.channels {
        let id = builder.text.plain(&channel.id);
        builder.tables.channels.push(Channel { id, conversation_role: channel.conversation_role as u8 });
    }
    for company in &registry.companies {
        company::CompanyCompiler::new(&mut builder, registry, company).store();
    }
    builder.finish(generation)
}

/// The tables while companies are compiled one after the other.
struct TableBuilder<'p> {
    progress: &'p dyn Progress,
    /// Accounts in all.
    total: usize,
    tables: Tables,
    text: text::TextArena,
    runs: chains::StoredRuns,
    company_hashes: Vec<u64>,
    ou_hashes: Vec<u64>,
    account_hashes: Vec<u64>,
    user_hashes: Vec<u64>,
}

/// A number of records, and the number that the format does not hold any more.
struct Limit {
    what: &'static str,
    count: usize,
    end: usize,
}

impl<'p> TableBuilder<'p> {
    fn new(progress: &'p dyn Progress, total: usize) -> TableBuilder<'p> {
        TableBuilder {
            progress,
            total,
            tables: Tables::default(),
            text: text::TextArena::default(),
            runs: chains::StoredRuns::default(),
            company_hashes: Vec::new(),
            ou_hashes: Vec::new(),
            account_hashes: Vec::new(),
            user_hashes: Vec::new(),
        }
    }

    fn report(&self) {
        let done = self.tables.accounts.len();
        if done.is_multiple_of(ACCOUNTS_PER_REPORT) {
            self.progress.report(BuildStage::Compiling, done, self.total);
        }
    }

    fn finish(mut self, generation: u64) -> Result<UnsealedSnapshot, Findings> {
        let tables = &mut self.tables;
        tables.company_index = hash_index::build(&self.company_hashes);
        tables.ou_index = hash_index::build(&self.ou_hashes);
        tables.account_index = hash_index::build(&self.account_hashes);
        tables.user_index = hash_index::build(&self.user_hashes);
        tables.suffixes = std::mem::take(&mut self.text.suffixes);
        tables.text = std::mem::take(&mut self.text.bytes);
        let mut findings = Findings::default();
        for Limit { what, count, end } in self.limits().into_iter().filter(|limit| limit.count >= limit.end) {
            let place = Place::file("");
            let message = format!("{count} {what}, but a snapshot holds fewer than {end}");
            findings.add(&place, Code::Limit, message, "split the registry");
        }
        if findings.is_empty() { Ok(UnsealedSnapshot::new(&self.tables, generation)) } else { Err(findings) }
    }

    fn limits(&self) -> [Limit; 9] {
        let tables = &self.tables;
        let index = |what, count| Limit { what, count, end: NONE as usize };
        let short_index = |what, count| Limit { what, count, end: usize::from(u16::MAX) };
        [
            index("bytes of text", tables.text.len()),
            index("accounts", tables.accounts.len()),
            index("chain entries", tables.chain_starts.len()),
            index("chain steps", tables.steps.len()),
            index("pools of levels", tables.level_pools.len()),
            index("candidates", tables.members.len()),
            index("cells", tables.cells.len()),
            short_index("pools of one OU on one channel", self.runs.max_level_pools),
            short_index("kinds of account by channel, role and country", tables.suffixes.len()),
        ]
    }
}

/// A compiled registry whose tests have not run yet.
pub struct UnsealedSnapshot {
    generation: u64,
    /// Room for the header, then the archive.
    bytes: AlignedVec,
}

#[allow(clippy::expect_used, reason = "plain records are written to memory: cannot fail")]
impl UnsealedSnapshot {
    fn new(tables: &Tables, generation: u64) -> UnsealedSnapshot {
        let mut bytes = AlignedVec::new();
        bytes.resize(header::LEN, 0);
        let bytes = rkyv::api::high::to_bytes_in::<_, rancor::Error>(tables, bytes).expect(
            "cannot fail: the records hold no pointers and memory has no end before the process does",
        );
        UnsealedSnapshot { generation, bytes }
    }

    /// Returns the bytes of the snapshot, with these tests.
    pub fn finish(mut self, tests: &[SnapshotTest]) -> AlignedVec {
        let contents_len = self.bytes.len().saturating_sub(header::LEN) as u64;
        for test in tests {
            let line = serde_json::to_vec(test).expect("cannot fail: a test is four strings");
            self.bytes.extend_from_slice(&line);
            self.bytes.push(b'\n');
        }
        let tests_len = (self.bytes.len() as u64).saturating_sub(header::LEN as u64 + contents_len);
        let header = Header { generation: self.generation, contents_len, tests_len, checksum: 0 };
        let sealed = header.seal(&self.bytes[header::LEN..]);
        self.bytes[..header::LEN].copy_from_slice(&sealed);
        self.bytes
    }

    /// Returns the bytes of a copy without tests, to run the tests against.
    pub fn with_no_tests(&self) -> AlignedVec {
        UnsealedSnapshot { generation: self.generation, bytes: self.bytes.clone() }.finish(&[])
    }
}
