//! Compiles a checked registry to a snapshot. `company` compiles one company after the other, with `chains`
//! for levels, steps and groups of equal candidates. This file has the arena of text: plain ids, and the
//! parts of answers, which are already escaped as JSON.
//!
//! Equal registries and generations give equal bytes: records are sorted by id before they get an index, and
//! no hash map is iterated. The compiler is not on the answer path.
#![allow(clippy::indexing_slicing, reason = "this folder only uses indices that it created itself")]

mod chains;
mod company;

use std::collections::HashMap;

use rkyv::rancor;
use rkyv::util::AlignedVec;

use super::decompile::write_definitions;
use super::format::{Channel, IdAndAddress, NONE, Span, Tables};
use super::hash_index;
use super::header::{self, Header};
use super::view::SnapshotTest;
use switchboard_model::{Region, Role};
use switchboard_registry::{Code, Findings, Place, Registry};

/// A receiver of the progress of a build. A receiver may end the build by unwinding, as
/// [`std::panic::resume_unwind`] does without a message.
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
        let conversation_role = channel.conversation_role as u8;
        builder.tables.channels.push(Channel { id, conversation_role, address_kind: channel.address as u8 });
    }
    for company in &registry.companies {
        company::CompanyCompiler::new(&mut builder, registry, company).store();
    }
    Ok(builder.finish(generation)?.with_definitions(registry))
}

/// The tables while companies are compiled, with the state that all companies share.
struct TableBuilder<'p> {
    progress: &'p dyn Progress,
    /// The number of accounts of the registry.
    total: usize,
    tables: Tables,
    text: TextArena,
    runs: chains::StoredRuns,
    company_hashes: Vec<u64>,
    ou_hashes: Vec<u64>,
    account_hashes: Vec<u64>,
    address_hashes: Vec<u64>,
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
            text: TextArena::default(),
            runs: chains::StoredRuns::default(),
            company_hashes: Vec::new(),
            ou_hashes: Vec::new(),
            account_hashes: Vec::new(),
            address_hashes: Vec::new(),
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
        tables.address_index = hash_index::build_without_fingerprints(&self.address_hashes);
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

    fn limits(&self) -> [Limit; 10] {
        let tables = &self.tables;
        let index = |what, count| Limit { what, count, end: NONE as usize };
        let short_index = |what, count| Limit { what, count, end: usize::from(u16::MAX) };
        [
            index("bytes of text", tables.text.len()),
            index("accounts", tables.accounts.len()),
            index("chain starts", tables.chain_starts.len()),
            index("steps of chains", tables.steps.len()),
            index("pools of levels", tables.level_pools.len()),
            index("OUs of pools", tables.pool_ous.len()),
            index("candidates", tables.members.len()),
            index("cells", tables.cells.len()),
            short_index("pools of one OU on one channel", self.runs.max_level_pools),
            short_index("kinds of account by channel, role and country", tables.suffixes.len()),
        ]
    }
}

/// All texts of a snapshot, one after the other.
#[derive(Default)]
struct TextArena {
    bytes: Vec<u8>,
    suffixes: Vec<Span>,
    suffix_of: HashMap<(u16, Option<Role>, Option<Region>), usize>,
}

impl TextArena {
    /// Stores a text without escaping it.
    fn plain(&mut self, text: &str) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        self.span(start)
    }

    /// Stores the id and the address of an account, escaped. Also returns the offset of the unescaped id,
    /// which is the same text if nothing is escaped.
    fn id_and_address(&mut self, id: &str, address: &str) -> (IdAndAddress, u32) {
        let start = self.bytes.len();
        write_escaped(&mut self.bytes, id);
        let id_len = self.bytes.len() - start;
        write_escaped(&mut self.bytes, address);
        let len = self.bytes.len() - start;
        // Fits into 16 bits: an id has at most 128 bytes, and an address at most 128 characters or 254 bytes.
        let id_and_address = IdAndAddress { start: start as u32, len: len as u16, id_len: id_len as u16 };
        let id = if id_len == id.len() { id_and_address.start } else { self.plain(id).start };
        (id_and_address, id)
    }

    /// Stores the JSON of a location: the OU and the pool at which an answer finds its account.
    fn location(&mut self, ou: &str, pool: &str) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(br#","ou":""#);
        write_escaped(&mut self.bytes, ou);
        self.bytes.extend_from_slice(br#"","pool":""#);
        write_escaped(&mut self.bytes, pool);
        self.bytes.extend_from_slice(br#"","climbed":"#);
        self.span(start)
    }

    /// Stores the JSON that follows the address in an answer. Equal texts are stored once.
    fn suffix(&mut self, number: u16, channel: &str, role: Option<Role>, country: Option<Region>) -> usize {
        if let Some(&suffix) = self.suffix_of.get(&(number, role, country)) {
            return suffix;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(br#"","channel":""#);
        write_escaped(&mut self.bytes, channel);
        self.bytes.push(b'"');
        if let Some(role) = role {
            self.bytes.extend_from_slice(format!(r#","role":"{}""#, role.as_str()).as_bytes());
        }
        if let Some(country) = country {
            self.bytes.extend_from_slice(format!(r#","country":"{}""#, country.alpha2()).as_bytes());
        }
        self.bytes.extend_from_slice(br#","rule":""#);
        let span = self.span(start);
        self.suffixes.push(span);
        let suffix = self.suffixes.len() - 1;
        self.suffix_of.insert((number, role, country), suffix);
        suffix
    }

    /// Returns the span from `start` to the end. Wraps beyond 4 GiB, where `finish` rejects the registry.
    fn span(&self, start: usize) -> Span {
        Span { start: start as u32, len: (self.bytes.len() - start) as u32 }
    }
}

/// Appends a text as a JSON string without its quotes.
fn write_escaped(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.extend_from_slice(text.as_bytes());
    } else {
        let quoted = serde_json::Value::from(text).to_string();
        out.extend_from_slice(quoted.get(1..quoted.len() - 1).unwrap_or_default().as_bytes());
    }
}

/// A compiled registry without its tests and its checksum.
pub struct UnsealedSnapshot {
    generation: u64,
    /// Zeros in place of the header, followed by the archive and the definitions.
    bytes: AlignedVec,
    definitions_len: u64,
}

#[allow(clippy::expect_used, reason = "writing plain records to memory cannot fail")]
impl UnsealedSnapshot {
    fn new(tables: &Tables, generation: u64) -> UnsealedSnapshot {
        let mut bytes = AlignedVec::new();
        bytes.resize(header::LEN, 0);
        let bytes = rkyv::api::high::to_bytes_in::<_, rancor::Error>(tables, bytes).expect(
            "cannot fail: the records hold no pointers, and the process aborts if it has no memory left",
        );
        UnsealedSnapshot { generation, bytes, definitions_len: 0 }
    }

    fn with_definitions(mut self, registry: &Registry) -> UnsealedSnapshot {
        let contents_len = self.bytes.len();
        write_definitions(registry, |line| self.bytes.extend_from_slice(line));
        self.definitions_len = (self.bytes.len() - contents_len) as u64;
        self
    }

    /// Adds the tests that the snapshot carries, and the header. Returns the bytes of the snapshot file.
    pub fn finish(mut self, tests: &[SnapshotTest]) -> AlignedVec {
        let body_len = (self.bytes.len() - header::LEN) as u64;
        for test in tests {
            let line = serde_json::to_vec(test).expect("cannot fail: a test is four strings");
            self.bytes.extend_from_slice(&line);
            self.bytes.push(b'\n');
        }
        let tests_len = (self.bytes.len() - header::LEN) as u64 - body_len;
        let UnsealedSnapshot { generation, definitions_len, .. } = self;
        let contents_len = body_len - definitions_len;
        let header = Header { generation, contents_len, definitions_len, tests_len, checksum: 0 };
        let sealed = header.seal(&self.bytes[header::LEN..]);
        self.bytes[..header::LEN].copy_from_slice(&sealed);
        self.bytes
    }

    /// Returns the bytes of a copy without tests, against which the tests can run.
    pub fn with_no_tests(&self) -> AlignedVec {
        let UnsealedSnapshot { generation, ref bytes, definitions_len } = *self;
        UnsealedSnapshot { generation, bytes: bytes.clone(), definitions_len }.finish(&[])
    }
}
