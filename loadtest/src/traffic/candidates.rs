//! The accounts that an answer may name, as the bytes that it begins with.

use std::{collections::HashMap, sync::Arc};
use switchboard_registry::{Account, Registry};

/// Accounts of which an answer names one. Shared by all requests that these are the candidates of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidates(Box<[Candidate]>);

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// `{"account":"…","address":"…","channel":"…"`, and role and country where it has them.
    start: Box<[u8]>,
    /// Its place among the accounts whose standing changes during the run.
    pub(super) churned: Option<u32>,
}

impl Candidates {
    /// The one that this answer begins with. Each start has an id with its end in it, so that none begins
    /// another, and the one to look at is the last that sorts before the answer.
    pub(super) fn find(&self, answer: &[u8]) -> Option<u32> {
        let at = self.0.partition_point(|candidate| *candidate.start <= *answer).checked_sub(1)?;
        self.0.get(at).filter(|candidate| answer.starts_with(&candidate.start))?;
        u32::try_from(at).ok()
    }

    pub(super) fn get(&self, at: u32) -> Option<&Candidate> {
        self.0.get(at as usize)
    }

    /// Whether this one is also among the others, in every byte.
    pub(super) fn has(&self, one: &Candidate) -> bool {
        self.0.binary_search_by(|candidate| candidate.start.cmp(&one.start)).is_ok()
    }

    pub(super) fn all(&self) -> &[Candidate] {
        &self.0
    }
}

impl Candidate {
    pub(super) fn start(&self) -> &[u8] {
        &self.start
    }

    /// Its id, for people.
    pub(super) fn id(&self) -> &str {
        let text = str::from_utf8(&self.start).unwrap_or_default();
        text.split('"').nth(3).unwrap_or_default()
    }
}

/// Makes candidates of accounts, each set once.
pub(super) struct Sets<'a> {
    registry: &'a Registry,
    churned: HashMap<(&'a str, &'a str), u32>,
    made: HashMap<(&'a str, bool, Vec<&'a str>), Arc<Candidates>>,
}

impl<'a> Sets<'a> {
    pub(super) fn new(registry: &'a Registry, churned: &'a [(String, String)]) -> Sets<'a> {
        let churned = (0..).zip(churned).map(|(at, (company, id))| ((&**company, &**id), at)).collect();
        Sets { registry, churned, made: HashMap::new() }
    }

    /// Of these accounts of a company. A user's own account is shown without a role.
    pub(super) fn of(
        &mut self,
        company: &'a str,
        accounts: &[&'a Account],
        with_role: bool,
    ) -> Arc<Candidates> {
        let key = (company, with_role, accounts.iter().map(|account| &*account.id).collect());
        let (registry, churned) = (self.registry, &self.churned);
        let made = self.made.entry(key).or_insert_with(|| {
            let candidate = |account: &&Account| Candidate {
                start: start(registry, account, with_role).into_bytes().into(),
                churned: churned.get(&(company, &*account.id)).copied(),
            };
            let mut candidates: Vec<Candidate> = accounts.iter().map(candidate).collect();
            candidates.sort_by(|a, b| a.start.cmp(&b.start));
            Arc::new(Candidates(candidates.into()))
        });
        Arc::clone(made)
    }
}

/// As an answer begins.
fn start(registry: &Registry, account: &Account, with_role: bool) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let channel = account.channel.and_then(|at| registry.channels.get(usize::from(at)));
    let mut start = format!(
        "{{\"account\":{},\"address\":{},\"channel\":{}",
        text(&account.id),
        text(&account.address),
        text(channel.map_or("", |profile| &*profile.id)),
    );
    if let Some(role) = account.role.filter(|_| with_role) {
        start += &format!(",\"role\":\"{}\"", role.as_str());
    }
    if let Some(country) = account.country {
        start += &format!(",\"country\":\"{country}\"");
    }
    start
}
