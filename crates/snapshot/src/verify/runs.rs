//! Runs of steps, held against every level and client that uses them: each rule at each pool, with exactly
//! the accounts that the rule says.

use super::super::format::*;
use super::super::rejection::Rejection;
use super::super::view::Run;
use super::groups::{Groups, Shares};
use super::{is_country_or_none, record, refusal, require};
use switchboard_model::{Region, RegionSet, Rule};

/// For whom a run is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ProvedClient {
    /// A client of this country.
    Of(Region),
    /// A client of any other country than the level's overridden ones, which are given.
    Elsewhere(RegionSet),
    /// A client of no country.
    NoCountry,
}

/// What the runs of a level must fit.
#[derive(Clone, Copy)]
pub(super) struct LevelPools<'a> {
    pub(super) channel: u16,
    pub(super) role: u8,
    pub(super) pools: &'a [ArchivedLevelPool],
}

/// All runs.
pub(super) struct Runs<'a> {
    all: &'a ArchivedTables,
    groups: Groups,
    shares: Shares,
    /// Whether a run begins with a step.
    first: Vec<bool>,
}

impl<'a> Runs<'a> {
    /// Checks what does not depend on the client.
    pub(super) fn new(all: &'a ArchivedTables, groups: Groups) -> Result<Runs<'a>, Rejection> {
        let shares = Shares::new(all, &groups)?;
        let mut first = Vec::with_capacity(all.steps.len());
        let mut previous = None;
        for step in all.steps.iter() {
            first.push(previous.is_none());
            let Some(rule) = step.rule() else { return Err(refusal("order of steps")) };
            let slot = step.slot.to_native();
            // Rule by rule over all the pools: so a run has four steps for each pool at most.
            require(previous < Some((rule, slot)), "order of steps")?;
            previous = if step.is_last() { None } else { Some((rule, slot)) };
            let named = step.country != NO_COUNTRY;
            let names_country = matches!(rule, Rule::Geography | Rule::DefaultRegion);
            require(named == names_country && is_country_or_none(step.country), "country of a step")?;
            let members = |range: &ArchivedRange| (range.start.to_native(), range.len.to_native());
            let copied = match step.group.to_native() {
                NONE => (0, 0),
                group => members(&record(&all.groups, group, "group")?.members),
            };
            require(members(&step.members) == copied, "members of a step")?;
        }
        require(previous.is_none(), "end of a run")?;
        Ok(Runs { all, groups, shares, first })
    }

    /// Checks a run against a level that uses it, and against the client that it is for.
    pub(super) fn check(
        &self,
        run: u32,
        client: ProvedClient,
        level: LevelPools<'_>,
    ) -> Result<(), Rejection> {
        let begins = run == NONE && client == ProvedClient::NoCountry || *record(&self.first, run, "step")?;
        require(begins, "beginning of a run")?;
        let mut country_steps = 0;
        for step in Run::new(self.all, run) {
            let pool = record(level.pools, u32::from(step.slot.to_native()), "pool of a level")?;
            let pool = pool.pool.to_native();
            let there = self.shares.countries(pool, level.role);
            country_steps += usize::from(step.rule() == Some(Rule::Country));
            let wanted = wanted(step, client, there)?;
            let found = match step.group.to_native() {
                NONE => RegionSet::EMPTY,
                group => {
                    let common = record(&self.groups.common, group, "group")?;
                    let fits =
                        (common.pool, common.channel, common.role) == (pool, level.channel, level.role);
                    require(fits, "group of another pool")?;
                    common.countries
                }
            };
            require(found == wanted, "countries of a step")?;
        }
        let pools = if client == ProvedClient::NoCountry { 0 } else { level.pools.len() };
        require(country_steps == pools, "steps of a client")
    }
}

/// Returns which of the countries that a pool has accounts of a step is about.
fn wanted(step: &ArchivedStep, client: ProvedClient, there: RegionSet) -> Result<RegionSet, Rejection> {
    use ProvedClient::{Elsewhere, Of};
    let of_step: RegionSet = step.country().into_iter().collect();
    let rule = step.rule().ok_or_else(|| refusal("order of steps"))?;
    let wanted = match (rule, client) {
        (Rule::DefaultRegion, _) | (Rule::Geography, Of(_)) => there.intersection(of_step),
        (Rule::Country, Of(country)) => there.intersection(country.into()),
        (Rule::CallingCode, Of(country)) => {
            there.intersection(RegionSet::with_calling_code_of(country)).difference(country.into())
        }
        (Rule::Country, Elsewhere(overridden)) => there.difference(overridden),
        (Rule::CallingCode, Elsewhere(overridden)) => {
            // No client from elsewhere shares a code with any account: else its country would be overridden.
            let served =
                there.iter().map(RegionSet::with_calling_code_of).fold(RegionSet::EMPTY, RegionSet::union);
            served.difference(overridden)
        }
        _ => return Err(refusal("step of no client")),
    };
    let elsewhere = matches!(client, Elsewhere(_)) && rule != Rule::DefaultRegion;
    require(!elsewhere || wanted.is_empty(), "country that is not overridden")?;
    Ok(wanted)
}

/// Returns the pools of a level: those before the next level's.
pub(super) fn pools_of(all: &ArchivedTables, level: u32) -> &[ArchivedLevelPool] {
    let first = |level: u32| all.levels.get(level as usize).map(|level| level.pools.to_native() as usize);
    let end = first(level + 1).unwrap_or(all.level_pools.len());
    first(level).and_then(|start| all.level_pools.get(start..end)).unwrap_or_default()
}
