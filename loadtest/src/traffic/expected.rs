//! The answers that a query may have. They are prepared for a comparison byte by byte.

use super::outcome::Outcome;
use oracle::{Selected, Verdict};
use std::{collections::HashMap, sync::Arc};
use switchboard_model::{Rule, SelectError};
use switchboard_registry::{Account, Registry};

#[derive(PartialEq)]
pub(super) enum Expected {
    Selection(ExpectedSelection),
    Problem(ExpectedProblem),
}

/// A selection without the choice among equal accounts, and without the generation.
#[derive(PartialEq)]
pub(super) struct ExpectedSelection {
    pub(super) rule: Rule,
    pub(super) candidates: Arc<CandidateSet>,
    /// Bytes of the answer behind the account's fields: from the rule to `"generation":`.
    pub(super) rest: Box<[u8]>,
    /// Whether the query has a client or a phone. Such a query must always get the same account.
    keyed: bool,
    /// Index of the account that the first answer named, if the query is keyed.
    pub(super) pinned: Option<u32>,
}

#[derive(PartialEq)]
pub(super) struct ExpectedProblem {
    pub(super) code: SelectError,
    /// Bytes to `"generation":` of an answer that was parsed and found right. The load test does not
    /// prescribe the texts for people.
    pub(super) known: Option<Box<[u8]>>,
}

/// The result of the comparison of an answer's bytes with an expected answer.
pub(super) enum Match {
    Right,
    /// The answer names this churned candidate. It is right if the account is not suspended.
    Churned(u32),
    /// The answer is right, and the first that names the client's account.
    First,
    /// The client had the first candidate in an earlier answer, and has the second in this one.
    Moved(u32, u32),
    /// The bytes differ. The answer must be parsed.
    Unknown,
}

impl Expected {
    /// Returns `None` if the oracle's rule or code is unknown.
    pub(super) fn from_verdict<'a>(
        verdict: &Verdict<'a>,
        keyed: bool,
        sets: &mut CandidateSets<'a>,
    ) -> Option<Expected> {
        Some(match (Outcome::from_verdict(verdict)?, verdict) {
            (Outcome::Refused(code), _) => Expected::Problem(ExpectedProblem { code, known: None }),
            (Outcome::Selected(_), Verdict::Refused(_)) => return None,
            (Outcome::Selected(rule), Verdict::Selected(selected)) => {
                Expected::Selection(ExpectedSelection {
                    rule,
                    candidates: sets.get(
                        &selected.company.id,
                        &selected.candidates,
                        selected.found.is_some(),
                    ),
                    rest: rest(selected).into_bytes().into(),
                    keyed,
                    pinned: None,
                })
            }
        })
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Expected::Selection(selection) => Outcome::Selected(selection.rule),
            Expected::Problem(problem) => Outcome::Refused(problem.code),
        }
    }

    /// Compares the bytes of an answer before the digits of the generation.
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
        // The client's account changes while a churned account is suspended, so it is not pinned.
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

/// Returns the part of an answer from the rule to `"generation":`.
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

/// Accounts of which an answer names one, sorted by [`CandidateAccount::start`]. Requests with the same
/// accounts share one set.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CandidateSet(pub(super) Box<[CandidateAccount]>);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct CandidateAccount {
    /// First bytes of an answer: `{"account":"…","address":"…","channel":"…"`, then role and country if it
    /// has them.
    pub(super) start: Box<[u8]>,
    /// Index among the accounts whose standings change during the run.
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

    /// Returns the set of these accounts. `with_role` is false for a user's own account, which has no role in
    /// answers.
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
