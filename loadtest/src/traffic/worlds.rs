//! The registries that are served in turn, as the oracle sees them.

use super::{Ground, answer::Answer, candidates::Sets};
use crate::error::{Error, Result};
use oracle::{Oracle, Query, Verdict};
use std::{collections::HashSet, path::Path};
use switchboard_model::Condition;
use switchboard_registry::{self as registry, Files, Registry};

/// Before now, by which clocks may differ; and after, as long as a run may take. What changes in between by
/// itself, as numbers at rest do, is not asked for.
const BEFORE: i64 = 3_600;
const AFTER: i64 = 86_400;

/// One registry as its files say it, and as it is while every account whose standing changes is suspended.
pub(super) struct Read {
    pub(super) calm: Registry,
    churned: Option<Registry>,
}

impl Read {
    /// Reads the folder, which must be free of errors.
    pub(super) fn folder(folder: &Path, churned: &[(String, String)]) -> Result<Read> {
        let calm = self::sound(folder)?;
        let churned = if churned.is_empty() { None } else { Some(suspended(sound(folder)?, churned)) };
        Ok(Read { calm, churned })
    }
}

fn suspended(mut registry: Registry, accounts: &[(String, String)]) -> Registry {
    let all: HashSet<(&str, &str)> = accounts.iter().map(|(company, id)| (&**company, &**id)).collect();
    for company in &mut registry.companies {
        for account in &mut company.accounts {
            if all.contains(&(&*company.id, &*account.id)) {
                account.state = Condition::Suspended;
            }
        }
    }
    registry
}

/// Reads a registry's folder.
pub(super) fn sound(folder: &Path) -> Result<Registry> {
    let files = Files::read_dir(folder).map_err(|unreadable| Error::Io {
        doing: "read",
        path: folder.join(&*unreadable.path),
        source: unreadable.error,
    })?;
    let (registry, mut findings) = registry::read(&files);
    registry::check(&registry, &mut findings);
    match findings.errors() {
        0 => Ok(registry),
        errors => Err(Error::Refused(format!(
            "{} has {errors} errors: `switchboard check` shows them",
            folder.display()
        ))),
    }
}

/// One registry, and what is foretold by it.
pub(super) struct World<'a> {
    calm: Oracle<'a>,
    churned: Option<Oracle<'a>>,
    /// Some account comes to the end of its rest during the run.
    restless: bool,
    now: i64,
}

impl<'a> World<'a> {
    pub(super) fn new(read: &'a Read, ground: &Ground<'_>) -> World<'a> {
        let now = ground.now;
        let comes = |from: i64| (now - BEFORE..=now + AFTER).contains(&from);
        let mut accounts = read.calm.companies.iter().flat_map(|company| &company.accounts);
        World {
            calm: Oracle::new(&read.calm),
            churned: read.churned.as_ref().map(Oracle::new),
            restless: accounts.any(|account| account.available_from.is_some_and(|from| comes(from.0))),
            now,
        }
    }

    /// What the query comes to now.
    pub(super) fn verdict(&self, query: &Query) -> Verdict<'_> {
        self.calm.answer(query, self.now)
    }

    /// All that the query may be answered during the run; none where that changes by itself.
    pub(super) fn answers<'s>(&'s self, query: &Query, sets: &mut Sets<'s>) -> Option<Vec<Answer>> {
        let mut answers = vec![self.lasting(&self.calm, query, sets)?];
        let Some(churned) = &self.churned else { return Some(answers) };
        let other = self.lasting(churned, query, sets)?;
        match (answers.first(), other) {
            // The accounts left are the same, but for those that come and go.
            (Some(Answer::Selection(all)), Answer::Selection(left)) if all.rest == left.rest => {}
            (Some(one), other) if *one == other => {}
            (_, Answer::Selection(mut left)) => {
                // The current account is one of those: without it, the accounts are those of all states.
                let fresh = Query { current: None, ..query.clone() };
                if let Answer::Selection(all) = self.lasting(&self.calm, &fresh, sets)?
                    && left.candidates.all().iter().all(|candidate| all.candidates.has(candidate))
                {
                    left.candidates = all.candidates;
                }
                answers.push(Answer::Selection(left));
            }
            (_, other) => answers.push(other),
        }
        Some(answers)
    }

    fn lasting<'s>(&self, oracle: &'s Oracle<'a>, query: &Query, sets: &mut Sets<'s>) -> Option<Answer> {
        let answer = Answer::of(&oracle.answer(query, self.now), query.keyed(), sets)?;
        if self.restless {
            for now in [self.now - BEFORE, self.now + AFTER] {
                if Answer::of(&oracle.answer(query, now), query.keyed(), sets)? != answer {
                    return None;
                }
            }
        }
        Some(answer)
    }
}
