//! A checked registry to bytes. The same registry and generation give the same bytes: everything is
//! put in order of its id before it gets a number, and hash maps are asked, never walked.
//!
//! Off the serving path, and every index in here was made in here.
#![allow(clippy::indexing_slicing, reason = "indices of slices that the same function filled")]

mod chains;
mod company;
mod groups;
mod seal;
mod text;

pub use seal::Draft;

use super::format::{Channel, Contents, NONE};
use super::hash_index;
use switchboard_registry::{Code, Findings, Place, Registry};

/// What a compile tells whoever waits for it: what it does, and how many of how many accounts are done.
pub type Progress<'a> = &'a (dyn Fn(&'static str, usize, usize) + Sync);

/// Accounts between two reports: about 10 ms of work.
const REPORT: usize = 1 << 14;

/// Compiles a registry that [`switchboard_registry::check()`] found no error in.
///
/// The only finding left to make is that it is larger than the format holds.
pub fn compile(registry: &Registry, generation: u64, progress: Progress<'_>) -> Result<Draft, Findings> {
    let total = registry.companies.iter().map(|company| company.accounts.len()).sum();
    let mut builder = Builder::new(progress, total);
    for channel in &registry.channels {
        let id = builder.text.plain(&channel.id);
        builder.contents.channels.push(Channel { id, conversation_role: channel.conversation_role as u8 });
    }
    for company in &registry.companies {
        company::compile(&mut builder, registry, company);
    }
    builder.finish(generation)
}

/// What grows while companies are compiled one after the other.
struct Builder<'p> {
    progress: Progress<'p>,
    /// Accounts in all.
    total: usize,
    contents: Contents,
    text: text::Arena,
    chains: chains::Interned,
    company_hashes: Vec<u64>,
    ou_hashes: Vec<u64>,
    account_hashes: Vec<u64>,
    user_hashes: Vec<u64>,
}

impl<'p> Builder<'p> {
    fn new(progress: Progress<'p>, total: usize) -> Builder<'p> {
        Builder {
            progress,
            total,
            contents: Contents::default(),
            text: text::Arena::default(),
            chains: chains::Interned::default(),
            company_hashes: Vec::new(),
            ou_hashes: Vec::new(),
            account_hashes: Vec::new(),
            user_hashes: Vec::new(),
        }
    }

    /// Says now and then how far it is.
    fn report(&self) {
        let done = self.contents.accounts.len();
        if done.is_multiple_of(REPORT) {
            (self.progress)("compiling", done, self.total);
        }
    }

    fn finish(mut self, generation: u64) -> Result<Draft, Findings> {
        let contents = &mut self.contents;
        contents.company_index = hash_index::build(&self.company_hashes);
        contents.ou_index = hash_index::build(&self.ou_hashes);
        contents.account_index = hash_index::build(&self.account_hashes);
        contents.user_index = hash_index::build(&self.user_hashes);
        contents.tails = std::mem::take(&mut self.text.tails);
        contents.text = std::mem::take(&mut self.text.bytes);
        let most = [
            ("bytes of text", contents.text.len()),
            ("accounts", contents.accounts.len()),
            ("chain entries", contents.entries.len()),
            ("chain steps", contents.steps.len()),
            ("pools of levels", contents.level_pools.len()),
            ("candidates", contents.members.len()),
            ("cells", contents.cells.len()),
            ("pools of one OU on one channel", self.chains.most_slots),
            ("kinds of account by channel, role and country", contents.tails.len()),
        ];
        let mut findings = Findings::default();
        for (what, count) in most {
            let few = what.starts_with("pools of one") || what.starts_with("kinds");
            let limit = if few { usize::from(u16::MAX) } else { NONE as usize };
            if count >= limit {
                let place = Place::file("");
                let message = format!("{count} {what}, but a snapshot holds fewer than {limit}");
                findings.add(&place, Code::Limit, message, "split the registry");
            }
        }
        if findings.is_empty() { Ok(Draft::new(&self.contents, generation)) } else { Err(findings) }
    }
}
