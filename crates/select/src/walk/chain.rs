//! Steps 6 to 8 of a selection: the chain, level by level and step by step.

use switchboard_model::{Condition, Rule, SelectError};
use switchboard_snapshot::AccountIdx;
use switchboard_snapshot::view::{AccountRef, Candidate, LevelRef};

use super::Walk;
use crate::Location;
use crate::pick::pick;
use crate::query::Fallback;
use crate::tracer::{Availability, ChainStep, TracedLevel, Tracer};

impl<'a> Walk<'a> {
    /// Visits the chain up to the first step with an available account, and picks one of the step's candidates.
    pub(super) fn chain(
        &self,
        tracer: &mut impl Tracer,
    ) -> Result<(Candidate<'a>, Rule, Location), SelectError> {
        self.first.ok_or(SelectError::NoPool)?;
        tracer.chain(self.levels());
        let (winner, any) = self.visit_chain(tracer, true);
        winner.ok_or(if any { SelectError::NoAccountAvailable } else { SelectError::NoAccount })
    }

    /// Reports the chain to the tracer, where the answer is known without it.
    pub(super) fn trace<T: Tracer>(&self, tracer: &mut T) {
        tracer.chain(self.levels());
        if T::WHOLE_CHAIN {
            self.visit_chain(tracer, false);
        }
    }

    /// Returns the winner, if one is wanted, and whether any step that was tried had accounts.
    fn visit_chain<T: Tracer>(
        &self,
        tracer: &mut T,
        wanted: bool,
    ) -> (Option<(Candidate<'a>, Rule, Location)>, bool) {
        let mut winner = None;
        let mut any = false;
        self.each_step(|step| {
            tracer.step(step, |account| self.availability(account));
            let has_candidates = step.stored.group().is_some();
            if has_candidates && wanted && step.is_allowed && winner.is_none() {
                any = true;
                let picked = pick(step.stored, self.seed, |account| self.is_available(account));
                winner = picked.map(|candidate| (candidate, step.rule, step.location));
            }
            T::WHOLE_CHAIN || (winner.is_none() && step.is_allowed)
        });
        (winner, any)
    }

    /// Visits every step of the whole chain in order, until `visit` returns false.
    pub(super) fn each_step(&self, mut visit: impl FnMut(ChainStep<'a>) -> bool) {
        let first_climbed = self.first.map_or(0, |level| self.climbed(level));
        let mut next = self.first.zip(self.steps.clone());
        while let Some((level, steps)) = next {
            let climbed = self.climbed(level);
            for stored in steps {
                let location = Location {
                    ou: level.ou(),
                    pool: stored.pool(),
                    level_pool: stored.level_pool(),
                    climbed,
                };
                let rule = stored.rule();
                let is_allowed = self.query.fallback == Fallback::All
                    || (rule == Rule::Country && climbed == first_climbed);
                let country = stored.country().or(self.country());
                if !visit(ChainStep { stored, rule, location, country, is_allowed }) {
                    return;
                }
            }
            next = level.next().map(|level| (level, level.steps(self.country())));
        }
    }

    /// Returns how many levels above the query's OU a level of its chain is.
    fn climbed(&self, level: LevelRef<'_>) -> u32 {
        self.depth.saturating_sub(level.depth())
    }

    fn levels(&self) -> impl Iterator<Item = TracedLevel> {
        let levels = std::iter::successors(self.first, |level| level.next());
        levels.map(|level| TracedLevel { ou: level.ou(), climbed: self.climbed(level) })
    }
}

impl Walk<'_> {
    /// Returns whether an account can be selected; a dedicated account is checked like any other. The excluded accounts
    /// are compared last, because their list is the longest.
    pub(super) fn is_available(&self, idx: AccountIdx) -> bool {
        // Fast path: the overlay says "active, no restrictions", so the account's record, a cache miss, is not read.
        if self.context.standings.is_free(idx) && self.query.exclude.is_empty() {
            return true;
        }
        let account = self.snapshot.account(idx);
        !account.is_resting(self.context.now)
            && self.condition(idx, account) == Condition::Active
            && !self.is_excluded(account)
    }

    pub(super) fn availability(&self, idx: AccountIdx) -> Availability {
        let account = self.snapshot.account(idx);
        match self.condition(idx, account) {
            Condition::Draining => Availability::Draining,
            Condition::Suspended => Availability::Suspended,
            Condition::Active if self.is_excluded(account) => Availability::Excluded,
            Condition::Active if account.is_resting(self.context.now) => Availability::Resting,
            Condition::Active => Availability::Available,
        }
    }

    /// Returns the more restrictive of the registry's state and the live standing.
    pub(super) fn condition(&self, idx: AccountIdx, account: AccountRef<'_>) -> Condition {
        account.condition().max(self.context.standings.condition(idx))
    }

    /// Compares by id: only accounts that would win are checked, so most excluded ids are never looked up. All accounts of
    /// a chain are of the query's company.
    pub(super) fn is_excluded(&self, account: AccountRef<'_>) -> bool {
        let exclude = &self.query.exclude;
        !exclude.is_empty() && {
            let id = account.id_bytes();
            exclude.ids().any(|excluded| excluded.as_bytes() == id)
        }
    }
}
