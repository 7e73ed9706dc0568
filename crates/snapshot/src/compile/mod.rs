//! Compiles a checked registry to a snapshot. `company` compiles one company after the other, with `groups`
//! for equal candidates, `chains` for levels and steps, and `text` for the arena of text.
//!
//! Equal registries and generations give equal bytes: records are sorted by id before they get an index, and
//! no hash map is iterated. The compiler is not on the answer path.
#![allow(clippy::indexing_slicing, reason = "this folder only uses indices that it created itself")]

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

/// A receiver of the progress of a build.
pub trait Progress: Sync {
    /// Receives the current stage. `done` of `total` accounts are processed. Both are 0 in a stage that does
    /// not count accounts.
    fn report(&self, stage: BuildStage, done: usize, total: usize);
}

/// A stage of a build. The stages are in the order in which they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildStage {
    /// The build reads the files of the registry.
    Reading,
    /// The build checks the registry as a whole.
    Checking,
    /// The build compiles the registry to a snapshot.
    Compiling,
    /// The build opens the snapshot and runs its tests.
    Verifying,
}

/// The receiver that ignores the progress of a build.
#[derive(Debug, Clone, Copy)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn report(&self, _stage: BuildStage, _done: usize, _total: usize) {}
}

/// The number of accounts between two reports of progress, which is about 10 ms of work.
const ACCOUNTS_PER_REPORT: usize = 1 << 14;

/// Compiles a registry in which [`switchboard_registry::check()`] found no error.
///
/// The result has no tests and no checksum yet: run the registry's tests against
/// [`UnsealedSnapshot::with_no_tests`], then call [`UnsealedSnapshot::finish`]. The function
/// `switchboard_pipeline::build_snapshot` does all of this.
///
/// # Errors
/// Returns findings with the code `limit` if the registry is larger than the format allows.
///
/// ```
/// use switchboard_registry::{Files, check, read};
/// use switchboard_snapshot::{NoProgress, Snapshot, compile};
///
/// let files = Files::from_iter([("acme/company.toml", "[[ou]]\nid = \"acme\"\n")]);
/// let (registry, mut findings) = read(&files);
/// check(&registry, &mut findings);
///
/// let unsealed = compile(&registry, 1, &NoProgress).unwrap();
/// let snapshot = Snapshot::open(unsealed.finish(&[])).unwrap();
/// assert_eq!(snapshot.counts().ous, 1);
/// ```
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

/// The tables while companies are compiled, with the state that all companies share.
struct TableBuilder<'p> {
    progress: &'p dyn Progress,
    /// The number of accounts of the registry.
    total: usize,
    tables: Tables,
    text: text::TextArena,
    runs: chains::StoredRuns,
    company_hashes: Vec<u64>,
    ou_hashes: Vec<u64>,
    account_hashes: Vec<u64>,
    user_hashes: Vec<u64>,
}

/// A number of records, and the smallest number that exceeds the format.
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
            let message = format!("the registry has {count} {what}, but a snapshot holds fewer than {end}");
            findings.add(&place, Code::Limit, message, "split the registry into several");
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
            index("chain starts", tables.chain_starts.len()),
            index("steps of chains", tables.steps.len()),
            index("pools of levels", tables.level_pools.len()),
            index("candidates", tables.members.len()),
            index("cells", tables.cells.len()),
            short_index("pools of one OU on one channel", self.runs.max_level_pools),
            short_index("kinds of account by channel, role and country", tables.suffixes.len()),
        ]
    }
}

/// A compiled registry without its tests and its checksum.
pub struct UnsealedSnapshot {
    generation: u64,
    /// Zeros in place of the header, followed by the archive.
    bytes: AlignedVec,
}

#[allow(clippy::expect_used, reason = "writing plain records to memory cannot fail")]
impl UnsealedSnapshot {
    fn new(tables: &Tables, generation: u64) -> UnsealedSnapshot {
        let mut bytes = AlignedVec::new();
        bytes.resize(header::LEN, 0);
        let bytes = rkyv::api::high::to_bytes_in::<_, rancor::Error>(tables, bytes).expect(
            "cannot fail: the records hold no pointers, and the process aborts if it has no memory left",
        );
        UnsealedSnapshot { generation, bytes }
    }

    /// Adds the tests that the snapshot carries, and the header. Returns the bytes of the snapshot file.
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

    /// Returns the bytes of a copy without tests, against which the tests can run.
    pub fn with_no_tests(&self) -> AlignedVec {
        UnsealedSnapshot { generation: self.generation, bytes: self.bytes.clone() }.finish(&[])
    }
}
