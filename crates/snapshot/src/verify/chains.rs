//! Verifies chains. Every level belongs to one OU, one channel and one role, and continues at a level of the
//! same company that is less deep. A chain therefore never visits an OU twice.

use super::super::format::*;
use super::super::header::Rejection;
use super::super::view::{Records, Run};
use super::runs::{LevelPools, RunClient, Runs, pools_of};
use super::texts::{Texts, without_escaped};
use super::{Partition, record, require};

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
