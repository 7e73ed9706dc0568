//! The answers that a query may have, prepared for a comparison byte by byte.

use super::outcome::Outcome;
use oracle::{Selected, Verdict};
use std::{collections::HashMap, sync::Arc};
use switchboard_registry::{Account, Registry};

#[derive(PartialEq)]
pub(super) enum Expected {
    Selection(ExpectedSelection),
    Problem(ExpectedProblem),
}

/// A selection, without the choice among equal accounts and without the generation.
#[derive(PartialEq)]
pub(super) struct ExpectedSelection {
    pub(super) rule: Outcome,
    pub(super) candidates: Arc<CandidateSet>,
    /// The bytes behind the account's own fields: from the rule to `"generation":`.
    pub(super) rest: Box<[u8]>,
    /// The query names a client or a phone: it must always get the same account.
    keyed: bool,
    /// The index of that account, from the first answer on.
    pub(super) pinned: Option<u32>,
}

#[derive(PartialEq)]
pub(super) struct ExpectedProblem {
    pub(super) code: Outcome,
    /// The bytes to `"generation":` of an answer that was read and found right: its texts are the daemon's
    /// own.
    pub(super) known: Option<Box<[u8]>>,
}

/// How the bytes of an answer compare with an expected answer.
pub(super) enum Match {
    Right,
    /// Right where this candidate, whose standing changes, is in use.
    Churned(u32),
    /// Right, and the first answer that names the client's account.
    First,
    /// The client had the first candidate before, and has the second now.
    Moved(u32, u32),
    /// The bytes differ: the answer must be parsed.
    Unknown,
}

impl Expected {
    /// Returns none where the oracle names an unknown rule or code.
    pub(super) fn from_verdict<'a>(
        verdict: &Verdict<'a>,
        keyed: bool,
        sets: &mut CandidateSets<'a>,
    ) -> Option<Expected> {
        let outcome = Outcome::from_verdict(verdict)?;
        Some(match verdict {
            Verdict::Refused(_) => Expected::Problem(ExpectedProblem { code: outcome, known: None }),
            Verdict::Selected(selected) => Expected::Selection(ExpectedSelection {
                rule: outcome,
                candidates: sets.get(&selected.company.id, &selected.candidates, selected.found.is_some()),
                rest: rest(selected).into_bytes().into(),
                keyed,
                pinned: None,
            }),
        })
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Expected::Selection(selection) => selection.rule,
            Expected::Problem(problem) => problem.code,
        }
    }

    /// Compares the bytes of an answer up to the generation's digits.
    pub(super) fn compare(&mut self, head: &[u8]) -> Match {
        match self {
            Expected::Selection(selection) => selection.compare(head),
            Expected::Problem(problem) if problem.known.as_deref() == Some(head) => Match::Right,
            Expected::Problem(_) => Match::Unknown,
        }
    }
}

impl ExpectedSelection {
    fn compare(&mut self, head: &[u8]) -> Match {
        let Some(account) = head.strip_suffix(&*self.rest) else { return Match::Unknown };
        if self.pinned.and_then(|at| self.candidates.get(at)).is_some_and(|pinned| *pinned.start == *account)
        {
            return Match::Right;
        }
        let Some(at) = self.candidates.find(account) else { return Match::Unknown };
        // An account whose standing changes comes and goes with it.
        if self.candidates.get(at).is_some_and(|candidate| candidate.churned.is_some()) {
            return Match::Churned(at);
        }
        if !self.keyed {
            return Match::Right;
        }
        match self.pinned {
            Some(before) if before != at => Match::Moved(before, at),
            Some(_) => Match::Right,
            None => {
                self.pinned = Some(at);
                Match::First
            }
        }
    }
}

/// Returns the end of an answer from the rule to `"generation":`.
fn rest(selected: &Selected<'_>) -> String {
    let mut rest = format!(",\"rule\":\"{}\"", selected.rule);
    if let Some(found) = &selected.found {
        let (ou, pool, climbed) = (json(found.ou), json(found.pool), found.climbed);
        rest += &format!(",\"ou\":{ou},\"pool\":{pool},\"climbed\":{climbed}");
    }
    if let Some(country) = selected.client_country {
        rest += &format!(",\"client_country\":\"{country}\"");
    }
    if let Some(ignored) = selected.current_ignored {
        rest += &format!(",\"current_ignored\":\"{ignored}\"");
    }
    rest + ",\"generation\":"
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Accounts of which an answer names one, sorted by [`CandidateAccount::start`]. Requests with the same accounts
/// share them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CandidateSet(Box<[CandidateAccount]>);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct CandidateAccount {
    /// The start of an answer: `{"account":"…","address":"…","channel":"…"`, then role and country where it
    /// has them.
    pub(super) start: Box<[u8]>,
    /// The index among the accounts whose standing changes during the run.
    pub(super) churned: Option<u32>,
}

impl CandidateSet {
    fn find(&self, start: &[u8]) -> Option<u32> {
        let at = self.0.binary_search_by(|candidate| (*candidate.start).cmp(start)).ok()?;
        u32::try_from(at).ok()
    }

    pub(super) fn get(&self, at: u32) -> Option<&CandidateAccount> {
        self.0.get(at as usize)
    }

    pub(super) fn has(&self, candidate: &CandidateAccount) -> bool {
        self.find(&candidate.start).is_some()
    }

    pub(super) fn as_slice(&self) -> &[CandidateAccount] {
        &self.0
    }
}

impl CandidateAccount {
    pub(super) fn id(&self) -> &str {
        let text = str::from_utf8(&self.start).unwrap_or_default();
        text.split('"').nth(3).unwrap_or_default()
    }
}

pub(super) struct CandidateSets<'a> {
    registry: &'a Registry,
    churned: HashMap<(&'a str, &'a str), u32>,
    known: HashMap<(&'a str, bool, Vec<&'a str>), Arc<CandidateSet>>,
}

impl<'a> CandidateSets<'a> {
    pub(super) fn new(registry: &'a Registry, churned: &'a [(String, String)]) -> Self {
        let churned = (0..).zip(churned).map(|(at, (company, id))| ((&**company, &**id), at)).collect();
        Self { registry, churned, known: HashMap::new() }
    }

    /// Answers show a user's own account without a role.
    fn get(&mut self, company: &'a str, accounts: &[&'a Account], with_role: bool) -> Arc<CandidateSet> {
        let key = (company, with_role, accounts.iter().map(|account| &*account.id).collect());
        let (registry, churned) = (self.registry, &self.churned);
        let known = self.known.entry(key).or_insert_with(|| {
            let candidate = |account: &&Account| CandidateAccount {
                start: start(registry, account, with_role).into_bytes().into(),
                churned: churned.get(&(company, &*account.id)).copied(),
            };
            let mut candidates: Vec<CandidateAccount> = accounts.iter().map(candidate).collect();
            candidates.sort_by(|a, b| a.start.cmp(&b.start));
            Arc::new(CandidateSet(candidates.into()))
        });
        Arc::clone(known)
    }
}

fn start(registry: &Registry, account: &Account, with_role: bool) -> String {
    let channel = account.channel.and_then(|at| registry.channels.get(usize::from(at)));
    let mut start = format!(
        "{{\"account\":{},\"address\":{},\"channel\":{}",
        json(&account.id),
        json(&account.address),
        json(channel.map_or("", |profile| &*profile.id)),
    );
    if let Some(role) = account.role.filter(|_| with_role) {
        start += &format!(",\"role\":\"{}\"", role.as_str());
    }
    if let Some(country) = account.country {
        start += &format!(",\"country\":\"{country}\"");
    }
    start
}
