//! Steps 6 to 8 of a selection: the chain, level by level and step by step.

use switchboard_snapshot::view::{Candidate, LevelRef};

use super::Walk;
use crate::pick::pick;
use crate::query::Fallback;
use crate::tracer::{Level, Step, Tracer};
use crate::{Code, Found, Rule};

impl<'a> Walk<'a> {
    /// Steps 6 to 8: the chain, to the first step with an available account.
    pub(super) fn chain(&self, tracer: &mut impl Tracer) -> Result<(Candidate<'a>, Rule, Found), Code> {
        self.first.ok_or(Code::NoPool)?;
        tracer.chain(self.levels());
        let (winner, any) = self.walk_chain(tracer, true);
        winner.ok_or(if any { Code::NoAccountAvailable } else { Code::NoAccount })
    }

    /// The chain for the tracer's eyes alone, where the answer is known without it.
    pub(super) fn trace<T: Tracer>(&self, tracer: &mut T) {
        tracer.chain(self.levels());
        if T::WHOLE_CHAIN {
            self.walk_chain(tracer, false);
        }
    }

    /// The winner, where one is wanted, and whether any step that was tried had accounts.
    fn walk_chain<T: Tracer>(
        &self,
        tracer: &mut T,
        wanted: bool,
    ) -> (Option<(Candidate<'a>, Rule, Found)>, bool) {
        let mut winner = None;
        let mut any = false;
        let first_climb = self.first.map_or(0, |level| self.climbed(level));
        self.each_step(|step| {
            tracer.step(step, |account| self.outcome(account));
            let tried = self.query.fallback == Fallback::All
                || (step.rule == Rule::Country && step.found.climbed == first_climb);
            let has_candidates = step.stored.group().is_some();
            if has_candidates && wanted && tried && winner.is_none() {
                any = true;
                let picked = pick(step.stored, self.seed, |account| self.available(account));
                winner = picked.map(|member| (member, step.rule, step.found));
            }
            T::WHOLE_CHAIN || (winner.is_none() && (tried || self.query.fallback == Fallback::All))
        });
        (winner, any)
    }

    /// Every step of the whole chain in order, for as long as `visit` wants more.
    pub(super) fn each_step(&self, mut visit: impl FnMut(Step<'a>) -> bool) {
        let mut next = self.first.zip(self.steps.clone());
        while let Some((level, steps)) = next {
            let climbed = self.climbed(level);
            for stored in steps {
                let found = Found { ou: level.ou(), pool: stored.pool(), place: stored.place(), climbed };
                let rule = Rule::of_step(stored.rule_number());
                if !visit(Step { stored, rule, found, country: stored.country().or(self.country()) }) {
                    return;
                }
            }
            next = level.next().map(|level| (level, level.steps(self.country())));
        }
    }

    /// How far above the query's OU a level of its chain is.
    fn climbed(&self, level: LevelRef<'_>) -> u32 {
        self.depth.saturating_sub(level.depth())
    }

    fn levels(&self) -> impl Iterator<Item = Level> {
        let levels = std::iter::successors(self.first, |level| level.next());
        levels.map(|level| Level { ou: level.ou(), climbed: self.climbed(level) })
    }
}
