//! Verifies chains and their runs of steps. Every level belongs to one OU, one channel and one role, and
//! continues at a level of the same company that is less deep. A chain therefore never visits an OU twice.
//! For every level and every client that uses a run, the run has the right rules at the right pools, and each
//! step has exactly the candidates of its rule.

use super::super::format::*;
use super::super::header::Rejection;
use super::super::view::{Records, Run};
use super::groups::{Groups, PoolCountries};
use super::{Partition, Texts, inconsistent, is_country_or_none, record, require, without_escaped};
use switchboard_model::{Region, RegionSet, Rule};

/// The owner of a level: the OU whose chain begins with the level, for one channel and one role.
#[derive(Clone, Copy)]
struct Owner {
    ou: u32,
    chain: ChainKey,
}

/// The properties that all levels of a chain have in common: company, channel and role.
type ChainKey = (u32, u16, u8);

pub(super) fn verify(all: &ArchivedTables, texts: &Texts<'_>, runs: &Runs<'_>) -> Result<(), Rejection> {
    let owners = owners(all)?;
    let mut level_pools = Partition::new(&all.level_pools, "pools of levels");
    let mut overrides = Partition::new(&all.overrides, "country overrides");
    // For each OU of a pool, one bit for each role whose level has the pool.
    let mut roles_of_pool_ous = vec![0u8; all.pool_ous.len()];
    for (at, level) in (0u32..).zip(all.levels.iter()) {
        let owner = *record(&owners, at, "level")?;
        require(owner.ou != NONE, "a level is not the start of a chain of its OU")?;
        let (company, channel, role) = owner.chain;
        let company = all.companies.at(company);
        let ou = all.ous.at(owner.ou);
        require(level.depth == ou.depth, "the depth of a level is not the depth of its OU")?;
        let pools = pools_of(all, at);
        level_pools.take(level.pools.to_native(), pools.len() as u64)?;
        require(!pools.is_empty(), "a level has no pool")?;
        let (ou_id, first) = (texts.span(&ou.id)?, company.pools.start.to_native());
        for pool in pools {
            let own = pool.pool.to_native().wrapping_sub(first) < company.pools.len.to_native();
            require(own, "a level has a pool of another company")?;
            let ous = &all.pools.at(pool.pool.to_native()).ous;
            let position = all.pool_ous.range(ous).binary_search_by_key(&owner.ou, |ou| ou.to_native());
            let seen =
                position.ok().and_then(|at| roles_of_pool_ous.get_mut(ous.start.to_native() as usize + at));
            let Some(seen) = seen.filter(|seen| **seen & (1 << role) == 0) else {
                return Err(inconsistent(
                    "a level has a pool that is not allocated to its OU, or a pool twice",
                ));
            };
            *seen |= 1 << role;
            let pool_id = texts.span(&all.pools.at(pool.pool.to_native()).id)?;
            require(
                is_location(texts.span(&pool.location)?, ou_id, pool_id),
                "the JSON of a location does not name its OU and pool",
            )?;
        }

        let overridden = level.overridden();
        require(overridden.iter().count() == overridden.len() as usize, "an overridden country is unknown")?;
        let own = overrides.take(level.overrides.to_native(), u64::from(overridden.len()))?;
        let check = |run, client| runs.check(run, client, LevelPools { channel, role, pools });
        check(level.default_run.to_native(), RunClient::Elsewhere(overridden))?;
        check(level.no_country_run.to_native(), RunClient::NoCountry)?;
        for (country, run) in overridden.iter().zip(own) {
            check(run.run.to_native(), RunClient::Of(country))?;
            let members = Run::new(all, run.run.to_native()).find(|step| step.group.to_native() != NONE);
            let members = members.map_or(0, |step| step.members.start.to_native());
            require(
                run.members.to_native() == members,
                "a country override does not have the candidates of its run",
            )?;
        }

        let next = level.next.to_native();
        if next != NONE {
            // The depth decreases from level to level, so a chain cannot form a cycle.
            let above = record(&owners, next, "level")?;
            let depth = record(&all.levels, next, "level")?.depth.to_native();
            require(
                depth < level.depth.to_native() && above.chain == owner.chain,
                "a level continues at a level of another chain, or at one that is not above it",
            )?;
        }
    }
    level_pools.finish()?;
    overrides.finish()?;
    let is_complete = roles_of_pool_ous.iter().all(|roles| *roles == 0b11);
    require(is_complete, "a pool is allocated to an OU whose level does not have the pool")?;
    check_inherited(all, &owners)
}

/// Returns whether a text is `,"ou":"…","pool":"…","climbed":` with these two ids.
fn is_location(text: &str, ou: &str, pool: &str) -> bool {
    let rest = text.strip_prefix(r#","ou":""#).and_then(|rest| without_escaped(rest, ou));
    let rest = rest.and_then(|rest| rest.strip_prefix(r#"","pool":""#));
    rest.and_then(|rest| without_escaped(rest, pool)) == Some(r#"","climbed":"#)
}

/// Returns the owner of each level. Requires that at most one chain start of the level's own OU refers to the
/// level.
fn owners(all: &ArchivedTables) -> Result<Vec<Owner>, Rejection> {
    let unowned = Owner { ou: NONE, chain: (NONE, 0, 0) };
    let mut owners = vec![unowned; all.levels.len()];
    each_chain_start(all, |ou, chain, start| {
        let at = start.level.to_native();
        if record(&all.levels, at, "level")?.ou.to_native() == ou {
            let owner =
                owners.get_mut(at as usize).map(|owner| std::mem::replace(owner, Owner { ou, chain }));
            require(
                owner.is_some_and(|owner| owner.ou == NONE),
                "two chain starts of an OU refer to one level",
            )?;
        }
        Ok(())
    })?;
    Ok(owners)
}

/// Checks chains that begin at a level above their OU. The level must have the same company, channel and
/// role.
fn check_inherited(all: &ArchivedTables, owners: &[Owner]) -> Result<(), Rejection> {
    each_chain_start(all, |ou, chain, start| {
        let at = start.level.to_native();
        let owner = record(owners, at, "level")?;
        let level = all.levels.at(at);
        let above = level.depth.to_native() < all.ous.at(ou).depth.to_native();
        require(
            owner.chain == chain && (owner.ou == ou || above),
            "a chain begins at a level of another chain, or at one that is not above its OU",
        )?;
        require(
            start.overrides == level.overrides,
            "the start of a chain does not have the overrides of its level",
        )
    })
}

/// Calls `visit` with every chain start that has a level, with its OU and the key of its chain.
fn each_chain_start(
    all: &ArchivedTables,
    mut visit: impl FnMut(u32, ChainKey, &ArchivedChainStart) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    for (number, company) in (0u32..).zip(all.companies.iter()) {
        let columns = (company.columns.to_native()..).take(all.channels.len()).map(|at| all.columns.at(at));
        let used = (0u16..).zip(columns).filter(|(_, column)| column.to_native() != NO_COLUMN);
        let channels: Vec<u16> = used.map(|(channel, _)| channel).collect();
        let mut chain_starts = all.chain_starts.iter().skip(company.chain_starts.to_native() as usize);
        for role in [0, 1] {
            for ou in (company.ous.start.to_native()..).take(company.ous.len.to_native() as usize) {
                for (channel, start) in channels.iter().zip(&mut chain_starts) {
                    if start.level.to_native() != NONE {
                        visit(ou, (number, *channel, role), start)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// The clients for which a run is verified.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RunClient {
    /// The run is for clients of this country.
    Of(Region),
    /// The run is for clients of any country except these, which are the level's overridden countries.
    Elsewhere(RegionSet),
    /// The run is for clients of no country.
    NoCountry,
}

/// The properties of a level that its runs must fit.
#[derive(Clone, Copy)]
struct LevelPools<'a> {
    channel: u16,
    role: u8,
    pools: &'a [ArchivedLevelPool],
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
    fn check(&self, run: u32, client: RunClient, level: LevelPools<'_>) -> Result<(), Rejection> {
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
fn pools_of(all: &ArchivedTables, level: u32) -> &[ArchivedLevelPool] {
    let first = |level: u32| all.levels.get(level as usize).map(|level| level.pools.to_native() as usize);
    let end = first(level + 1).unwrap_or(all.level_pools.len());
    first(level).and_then(|start| all.level_pools.get(start..end)).unwrap_or_default()
}
