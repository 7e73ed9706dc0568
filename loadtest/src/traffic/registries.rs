//! The registries that are served in turn, and the oracle's predictions of their answers.

use super::{
    TrafficConfig,
    expected::{CandidateSets, Expected},
};
use crate::error::{Error, Result};
use generator::SeededRng;
use oracle::{Oracle, Query, Verdict};
use std::{
    collections::{HashMap, HashSet},
    path::Path,
};
use switchboard_model::{Condition, Region, Role};
use switchboard_registry::{self as registry, Files, Holder, Registry};

/// Seconds by which clocks may differ. A query is not sent if its answer changes between this time before now
/// and [`AFTER`], because an account becomes available.
const BEFORE: i64 = 3_600;
/// Longest duration of a run in seconds.
const AFTER: i64 = 86_400;

/// Number of available accounts of the same pool, role and country that a churned account must have. No
/// request excludes as many, so the same step serves every client, whatever the standings are.
const MIN_STABLE: usize = 3;

/// Reads the folder of a registry. A registry with errors is refused.
pub(super) fn load(folder: &Path) -> Result<Registry> {
    let files = Files::read_dir(folder)
        .map_err(|unreadable| Error::io("read", folder.join(&*unreadable.path))(unreadable.error))?;
    let (registry, mut findings) = registry::read(&files);
    registry::check(&registry, &mut findings);
    match findings.errors() {
        0 => Ok(registry),
        errors => Err(Error::Refused(format!(
            "{} has {errors} errors: run `switchboard check` and correct them",
            folder.display()
        ))),
    }
}

/// A registry and, if there are churned accounts, the same registry with all of them suspended.
pub(super) struct LoadedRegistry {
    pub(super) normal: Registry,
    suspended: Option<Registry>,
}

impl LoadedRegistry {
    pub(super) fn read(folder: &Path, churned: &[(String, String)]) -> Result<LoadedRegistry> {
        let normal = load(folder)?;
        let suspended = if churned.is_empty() { None } else { Some(suspend(load(folder)?, churned)) };
        Ok(LoadedRegistry { normal, suspended })
    }
}

fn suspend(mut registry: Registry, accounts: &[(String, String)]) -> Registry {
    let accounts: HashSet<(&str, &str)> = accounts.iter().map(|(company, id)| (&**company, &**id)).collect();
    for company in &mut registry.companies {
        for account in &mut company.accounts {
            if accounts.contains(&(&*company.id, &*account.id)) {
                account.state = Condition::Suspended;
            }
        }
    }
    registry
}

pub(super) struct Predictor<'a> {
    normal: Oracle<'a>,
    suspended: Option<Oracle<'a>>,
    /// Whether an account becomes available during the run.
    changes_by_itself: bool,
    now: i64,
}

impl<'a> Predictor<'a> {
    pub(super) fn new(registry: &'a LoadedRegistry, config: &TrafficConfig<'_>) -> Predictor<'a> {
        let now = config.now;
        let is_near = |from: i64| (now - BEFORE..=now + AFTER).contains(&from);
        let mut accounts = registry.normal.companies.iter().flat_map(|company| &company.accounts);
        Predictor {
            normal: Oracle::new(&registry.normal),
            suspended: registry.suspended.as_ref().map(Oracle::new),
            changes_by_itself: accounts
                .any(|account| account.available_from.is_some_and(|from| is_near(from.0))),
            now,
        }
    }

    /// Returns the verdict if no account has a standing.
    pub(super) fn verdict(&self, query: &Query) -> Verdict<'_> {
        self.normal.answer(query, self.now)
    }

    /// Returns every answer that the query may have during the run. Returns `None` if an answer changes
    /// without a change of the standings.
    pub(super) fn answers<'s>(
        &'s self,
        query: &Query,
        sets: &mut CandidateSets<'s>,
    ) -> Option<Vec<Expected>> {
        let mut answers = vec![self.lasting(&self.normal, query, sets)?];
        let Some(suspended) = &self.suspended else { return Some(answers) };
        let other = self.lasting(suspended, query, sets)?;
        match (answers.first(), other) {
            // The candidates with suspensions are a part of the candidates without.
            (Some(Expected::Selection(all)), Expected::Selection(left)) if all.rest == left.rest => {}
            (Some(one), other) if *one == other => {}
            (_, Expected::Selection(mut left)) => {
                // The current account is churned. Without it, the candidates of every state are in `all`.
                let fresh = Query { current: None, ..query.clone() };
                if let Expected::Selection(all) = self.lasting(&self.normal, &fresh, sets)?
                    && left.candidates.0.iter().all(|candidate| all.candidates.has(candidate))
                {
                    left.candidates = all.candidates;
                }
                answers.push(Expected::Selection(left));
            }
            (_, other) => answers.push(other),
        }
        Some(answers)
    }

    /// Returns the answer of the oracle. Returns `None` if it changes during the run.
    fn lasting<'s>(
        &self,
        oracle: &'s Oracle<'a>,
        query: &Query,
        sets: &mut CandidateSets<'s>,
    ) -> Option<Expected> {
        let mut at = |now| Expected::from_verdict(&oracle.answer(query, now), query.keyed(), sets);
        let answer = at(self.now)?;
        if self.changes_by_itself {
            for now in [self.now - BEFORE, self.now + AFTER] {
                (at(now)? == answer).then_some(())?;
            }
        }
        Some(answer)
    }
}

/// Returns up to `most` accounts (company, id) whose standings a run may change.
///
/// Answers stay predictable, because each account is the only one of its pool, role and country, and there
/// are at least `MIN_STABLE` available accounts of the same pool, role and country.
///
/// # Errors
/// The folder cannot be read, or the registry has errors.
pub fn churnable(folder: &Path, most: usize, seed: u64) -> Result<Vec<(String, String)>> {
    let registry = load(folder)?;
    let mut groups: HashMap<(&str, &str, Option<Role>, Region), Vec<&str>> = HashMap::new();
    let mut large_groups = Vec::new();
    for company in &registry.companies {
        for account in &company.accounts {
            let (Holder::Pool(pool), Some(country)) = (&account.holder, account.country) else { continue };
            if account.state != Condition::Active || account.available_from.is_some() {
                continue;
            }
            let key = (&*company.id, &**pool, account.role, country);
            let group = groups.entry(key).or_default();
            group.push(&account.id);
            if group.len() == MIN_STABLE + 1 {
                large_groups.push(key);
            }
        }
    }
    let rng = &mut SeededRng::new(seed, 5);
    let mut chosen = Vec::new();
    while chosen.len() < most && !large_groups.is_empty() {
        let key = large_groups.swap_remove(rng.below(large_groups.len()));
        if let Some(id) = groups.get(&key).and_then(|group| rng.choose(group)) {
            chosen.push((key.0.to_owned(), (*id).to_owned()));
        }
    }
    Ok(chosen)
}
