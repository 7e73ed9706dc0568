//! Verifies runs of steps. For every level and every client that uses a run, the run has the right rules at
//! the right pools, and each step has exactly the candidates of its rule.

use super::super::format::*;
use super::super::header::Rejection;
use super::super::view::Run;
use super::groups::{Groups, PoolCountries};
use super::{inconsistent, is_country_or_none, record, require};
use switchboard_model::{Region, RegionSet, Rule};

/// The clients for which a run is verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RunClient {
    /// The run is for clients of this country.
    Of(Region),
    /// The run is for clients of any country except these, which are the level's overridden countries.
    Elsewhere(RegionSet),
    /// The run is for clients of no country.
    NoCountry,
}

/// The properties of a level that its runs must fit.
#[derive(Clone, Copy)]
pub(super) struct LevelPools<'a> {
    pub(super) channel: u16,
    pub(super) role: u8,
    pub(super) pools: &'a [ArchivedLevelPool],
}

/// All runs, after the checks that do not depend on a client.
pub(super) struct Runs<'a> {
    all: &'a ArchivedTables,
    groups: Groups,
    pool_countries: PoolCountries,
    /// For each step, whether a run begins with it.
    first: Vec<bool>,
}

impl<'a> Runs<'a> {
    /// Checks everything that does not depend on the client.
    pub(super) fn new(all: &'a ArchivedTables, groups: Groups) -> Result<Runs<'a>, Rejection> {
        let pool_countries = PoolCountries::new(all, &groups)?;
        let mut first = Vec::with_capacity(all.steps.len());
        let mut previous = None;
        for step in all.steps.iter() {
            first.push(previous.is_none());
            let Some(rule) = step.rule() else { return Err(inconsistent("a step has an unknown rule")) };
            let slot = step.slot.to_native();
            // Ordered by rule and then by pool, so a run has at most four steps per pool.
            require(previous < Some((rule, slot)), "the steps of a run are not in order")?;
            previous = if step.is_last() { None } else { Some((rule, slot)) };
            let named = step.country != NO_COUNTRY;
            let names_country = matches!(rule, Rule::Geography | Rule::DefaultRegion);
            require(
                named == names_country && is_country_or_none(step.country),
                "the country of a step does not fit its rule",
            )?;
            let members = |range: &ArchivedRange| (range.start.to_native(), range.len.to_native());
            let copied = match step.group.to_native() {
                NONE => (0, 0),
                group => members(&record(&all.groups, group, "group")?.members),
            };
            require(members(&step.members) == copied, "a step does not have the members of its group")?;
        }
        require(previous.is_none(), "the last run has no end")?;
        Ok(Runs { all, groups, pool_countries, first })
    }

    /// Checks a run for a level that uses it, and for the clients of the run.
    pub(super) fn check(&self, run: u32, client: RunClient, level: LevelPools<'_>) -> Result<(), Rejection> {
        let begins = run == NONE && client == RunClient::NoCountry || *record(&self.first, run, "step")?;
        require(begins, "a level refers to a step inside a run")?;
        let mut country_steps = 0;
        for step in Run::new(self.all, run) {
            let pool = record(level.pools, u32::from(step.slot.to_native()), "pool of a level")?;
            let pool = pool.pool.to_native();
            let pool_countries = self.pool_countries.countries(pool, level.role);
            country_steps += usize::from(step.rule() == Some(Rule::Country));
            let expected = expected_countries(step, client, pool_countries)?;
            let found = match step.group.to_native() {
                NONE => RegionSet::EMPTY,
                group => {
                    let common = record(&self.groups.common, group, "group")?;
                    let fits =
                        (common.pool, common.channel, common.role) == (pool, level.channel, level.role);
                    require(fits, "a step has a group of another pool, channel or role")?;
                    common.countries
                }
            };
            require(found == expected, "a step has candidates of wrong countries")?;
        }
        let pools = if client == RunClient::NoCountry { 0 } else { level.pools.len() };
        require(country_steps == pools, "a run lacks a country step of a pool")
    }
}

/// Returns the countries that the candidates of a step must have. `pool_countries` are the countries of
/// the pool's accounts.
fn expected_countries(
    step: &ArchivedStep,
    client: RunClient,
    pool_countries: RegionSet,
) -> Result<RegionSet, Rejection> {
    use RunClient::{Elsewhere, Of};
    let of_step: RegionSet = step.country().into_iter().collect();
    let rule = step.rule().ok_or_else(|| inconsistent("a step has an unknown rule"))?;
    let expected = match (rule, client) {
        (Rule::DefaultRegion, _) | (Rule::Geography, Of(_)) => pool_countries.intersection(of_step),
        (Rule::Country, Of(country)) => pool_countries.intersection(country.into()),
        (Rule::CallingCode, Of(country)) => {
            pool_countries.intersection(RegionSet::with_calling_code_of(country)).difference(country.into())
        }
        (Rule::Country, Elsewhere(overridden)) => pool_countries.difference(overridden),
        (Rule::CallingCode, Elsewhere(overridden)) => {
            // Every country that shares a calling code with an account must be overridden.
            let served = pool_countries
                .iter()
                .map(RegionSet::with_calling_code_of)
                .fold(RegionSet::EMPTY, RegionSet::union);
            served.difference(overridden)
        }
        _ => return Err(inconsistent("a step has a rule that does not apply to its clients")),
    };
    let elsewhere = matches!(client, Elsewhere(_)) && rule != Rule::DefaultRegion;
    require(!elsewhere || expected.is_empty(), "a country with candidates of its own is not overridden")?;
    Ok(expected)
}

/// Returns the pools of a level, which end where the pools of the next level begin.
pub(super) fn pools_of(all: &ArchivedTables, level: u32) -> &[ArchivedLevelPool] {
    let first = |level: u32| all.levels.get(level as usize).map(|level| level.pools.to_native() as usize);
    let end = first(level + 1).unwrap_or(all.level_pools.len());
    first(level).and_then(|start| all.level_pools.get(start..end)).unwrap_or_default()
}
