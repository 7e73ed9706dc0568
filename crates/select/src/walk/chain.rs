//! Steps 4, 6 and 7 of a selection (`docs/selection.md`): decides whether the client's current account is
//! kept, searches the chain level by level, checks availability, and picks an account.

use switchboard_model::{Condition, Region, Rule, SelectError};
use switchboard_snapshot::AccountIdx;
use switchboard_snapshot::view::{AccountRef, Candidate, LevelRef};

use super::Walk;
use crate::answer::{Availability, ChainStep, TracedLevel, Tracer};
use crate::pick::pick;
use crate::query::Fallback;
use crate::{CurrentIgnored, Location};

impl Walk<'_> {
    /// Returns the query's `current` account and its location in the chain, or the reason why it is not kept.
    pub(super) fn current(
        &self,
        id: &str,
        dedicated: Option<AccountIdx>,
    ) -> Result<(AccountIdx, Option<Location>), CurrentIgnored> {
        let idx = self.snapshot.find_account(self.company, id).ok_or(CurrentIgnored::Unknown)?;
        let account = self.snapshot.account(idx);
        if account.channel() != self.channel {
            return Err(CurrentIgnored::OtherChannel);
        }
        let of_role = match account.role() {
            Some(role) => role == self.role,
            // A dedicated account has the conversation role; a spare account has none.
            None => self.is_conversation && account.is_dedicated(),
        };
        if !of_role {
            return Err(CurrentIgnored::OtherRole);
        }
        if self.context.condition(idx, account) == Condition::Suspended {
            return Err(CurrentIgnored::Suspended);
        }
        if self.is_excluded(account) {
            return Err(CurrentIgnored::Excluded);
        }
        if account.is_resting(self.context.now) {
            return Err(CurrentIgnored::Resting);
        }
        if dedicated == Some(idx) {
            return Ok((idx, None));
        }
        match self.location_in_chain(account) {
            Some(location) => Ok((idx, Some(location))),
            None => Err(CurrentIgnored::NotInChain),
        }
    }

    /// Returns the location of the first step of the chain that has the account.
    fn location_in_chain(&self, account: AccountRef<'_>) -> Option<Location> {
        let pool = account.pool()?;
        let country = account.country()?;
        let mut found = None;
        self.each_step(|step| {
            let client = self.country();
            let is_member = match step.rule {
                Rule::CallingCode => Some(country) != client && shares_calling_code(country, client),
                // A step never has the rule `current` or `dedicated`.
                Rule::Country | Rule::Geography | Rule::DefaultRegion | Rule::Current | Rule::Dedicated => {
                    step.country == Some(country)
                }
            };
            if step.location.pool == pool && is_member {
                found = Some(step.location);
            }
            found.is_none()
        });
        found
    }
}

fn shares_calling_code(country: Region, client: Option<Region>) -> bool {
    client.is_some_and(|client| {
        client.calling_code().is_some() && client.calling_code() == country.calling_code()
    })
}

impl<'a> Walk<'a> {
    /// Visits the chain up to the first step with an available account, and picks one of that step's
    /// candidates.
    pub(super) fn chain(
        &self,
        tracer: &mut impl Tracer,
    ) -> Result<(Candidate<'a>, Rule, Location), SelectError> {
        self.first.ok_or(SelectError::NoPool)?;
        tracer.chain(self.levels());
        let (winner, any) = self.visit_chain(tracer, true);
        winner.ok_or(if any { SelectError::NoAccountAvailable } else { SelectError::NoAccount })
    }

    /// Reports the chain to the tracer. Called when the current or dedicated account decides the answer. Also
    /// visits the steps if the tracer wants the whole chain.
    pub(super) fn trace_chain<T: Tracer>(&self, tracer: &mut T) {
        tracer.chain(self.levels());
        if T::WHOLE_CHAIN {
            self.visit_chain(tracer, false);
        }
    }

    /// Returns the winner, if `picks`, and whether any step that was tried has accounts.
    fn visit_chain<T: Tracer>(
        &self,
        tracer: &mut T,
        picks: bool,
    ) -> (Option<(Candidate<'a>, Rule, Location)>, bool) {
        let mut winner = None;
        let mut any = false;
        self.each_step(|step| {
            tracer.step(step, |account| self.availability(account));
            let has_candidates = step.stored.group().is_some();
            if has_candidates && picks && step.is_allowed && winner.is_none() {
                any = true;
                let picked = pick(step.stored, self.seed, |account| self.is_available(account));
                winner = picked.map(|candidate| (candidate, step.rule, step.location));
            }
            T::WHOLE_CHAIN || (winner.is_none() && step.is_allowed)
        });
        (winner, any)
    }

    /// Visits every step of the chain in order, until `visit` returns false.
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

    /// Returns how many OUs `level` is above the query's OU. 0 is the query's own OU.
    fn climbed(&self, level: LevelRef<'_>) -> u32 {
        self.depth.saturating_sub(level.depth())
    }

    fn levels(&self) -> impl Iterator<Item = TracedLevel> {
        let levels = std::iter::successors(self.first, |level| level.next());
        levels.map(|level| TracedLevel { ou: level.ou(), climbed: self.climbed(level) })
    }
}

impl Walk<'_> {
    /// Returns whether an account can be selected. A dedicated account is checked like any other. Excluded
    /// ids are compared last, because their list may be long.
    pub(super) fn is_available(&self, idx: AccountIdx) -> bool {
        // Fast path: the overlay says "active, no restrictions", so the account's record, a cache miss, is
        // not read.
        if self.context.standings.is_free(idx) && self.query.exclude.is_empty() {
            return true;
        }
        let account = self.snapshot.account(idx);
        account.is_available_at(self.context.now)
            && self.context.standings.condition(idx) == Condition::Active
            && !self.is_excluded(account)
    }

    /// Returns whether the query can select an account. A restriction counts before the query's `exclude`, and
    /// `exclude` before a rest.
    pub(super) fn availability(&self, idx: AccountIdx) -> Availability {
        match self.context.availability(self.snapshot, idx) {
            restricted @ (Availability::Draining | Availability::Suspended) => restricted,
            _ if self.is_excluded(self.snapshot.account(idx)) => Availability::Excluded,
            other => other,
        }
    }

    /// Returns whether the query excludes the account. Compares ids, because few accounts are checked and
    /// most excluded ids need no lookup. All accounts of a chain belong to the query's company.
    pub(super) fn is_excluded(&self, account: AccountRef<'_>) -> bool {
        let exclude = &self.query.exclude;
        !exclude.is_empty() && {
            let id = account.id_bytes();
            exclude.ids().any(|excluded| excluded.as_bytes() == id)
        }
    }
}
