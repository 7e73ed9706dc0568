//! Chains: every level is one OU's, for one channel and role, and leads to one of the same company further
//! up. So a chain never meets an OU twice, and none is longer than its company has OUs.

use super::super::format::*;
use super::super::rejection::Rejection;
use super::super::view::{Records, Run};
use super::runs::{LevelPools, ProvedClient, Runs, pools_of};
use super::texts::{Texts, without_escaped};
use super::{Partition, record, require};

/// The owner of a level: the OU whose chain begins with it, on one channel and for one role.
#[derive(Clone, Copy)]
struct Owner {
    ou: u32,
    chain: ChainKey,
}

/// What all levels of a chain have in common: company, channel, role.
type ChainKey = (u32, u16, u8);

pub(super) fn verify(all: &ArchivedTables, texts: &Texts<'_>, runs: &Runs<'_>) -> Result<(), Rejection> {
    let owners = owners(all)?;
    let mut level_pools = Partition::new(&all.level_pools, "pools of a level");
    let mut overrides = Partition::new(&all.overrides, "overrides of a level");
    for (at, level) in (0u32..).zip(all.levels.iter()) {
        let owner = *record(&owners, at, "level")?;
        require(owner.ou != NONE, "level not referenced by its OU")?;
        let (company, channel, role) = owner.chain;
        let company = all.companies.at(company);
        let ou = all.ous.at(owner.ou);
        require(level.depth == ou.depth, "depth of a level")?;
        let pools = pools_of(all, at);
        level_pools.take(level.pools.to_native(), pools.len() as u64)?;
        require(!pools.is_empty(), "pools of a level")?;
        let (ou_id, first) = (texts.span(&ou.id)?, company.pools.start.to_native());
        for pool in pools {
            let own = pool.pool.to_native().wrapping_sub(first) < company.pools.len.to_native();
            require(own, "pool of a level")?;
            let pool_id = texts.span(&all.pools.at(pool.pool.to_native()).id)?;
            require(is_location(texts.span(&pool.location)?, ou_id, pool_id), "JSON of a location")?;
        }

        let overridden = level.overridden();
        require(overridden.iter().count() == overridden.len() as usize, "overridden country")?;
        let own = overrides.take(level.overrides.to_native(), u64::from(overridden.len()))?;
        let check = |run, client| runs.check(run, client, LevelPools { channel, role, pools });
        check(level.default_run.to_native(), ProvedClient::Elsewhere(overridden))?;
        check(level.no_country_run.to_native(), ProvedClient::NoCountry)?;
        for (country, run) in overridden.iter().zip(own) {
            check(run.run.to_native(), ProvedClient::Of(country))?;
            let members = Run::new(all, run.run.to_native()).find(|step| step.group.to_native() != NONE);
            let members = members.map_or(0, |step| step.members.start.to_native());
            require(run.members.to_native() == members, "members of an exception")?;
        }

        let next = level.next.to_native();
        if next != NONE {
            // Each is less deep than the one before it: so no chain can run in a circle.
            let above = record(&owners, next, "level")?;
            let depth = record(&all.levels, next, "level")?.depth.to_native();
            require(depth < level.depth.to_native() && above.chain == owner.chain, "next level")?;
        }
    }
    level_pools.finish()?;
    overrides.finish()?;
    check_inherited(all, &owners)
}

/// Whether a text is `,"ou":"…","pool":"…","climbed":`.
fn is_location(text: &str, ou: &str, pool: &str) -> bool {
    let rest = text.strip_prefix(r#","ou":""#).and_then(|rest| without_escaped(rest, ou));
    let rest = rest.and_then(|rest| rest.strip_prefix(r#"","pool":""#));
    rest.and_then(|rest| without_escaped(rest, pool)) == Some(r#"","climbed":"#)
}

/// Returns the owner of each level: every level is reached from its own OU, by one start.
fn owners(all: &ArchivedTables) -> Result<Vec<Owner>, Rejection> {
    let unowned = Owner { ou: NONE, chain: (NONE, 0, 0) };
    let mut owners = vec![unowned; all.levels.len()];
    each_chain_start(all, |ou, chain, start| {
        let at = start.level.to_native();
        if record(&all.levels, at, "level")?.ou.to_native() == ou {
            let owner =
                owners.get_mut(at as usize).map(|owner| std::mem::replace(owner, Owner { ou, chain }));
            require(owner.is_some_and(|owner| owner.ou == NONE), "level of two OUs")?;
        }
        Ok(())
    })?;
    Ok(owners)
}

/// Checks chains that begin above their OU: at a level of the same company, channel and role.
fn check_inherited(all: &ArchivedTables, owners: &[Owner]) -> Result<(), Rejection> {
    each_chain_start(all, |ou, chain, start| {
        let at = start.level.to_native();
        let owner = record(owners, at, "level")?;
        let level = all.levels.at(at);
        let above = level.depth.to_native() < all.ous.at(ou).depth.to_native();
        require(owner.chain == chain && (owner.ou == ou || above), "level of a chain")?;
        require(start.overrides == level.overrides, "overrides of a chain")
    })
}

/// Visits every chain start that has a level, with its OU and the key of its chain.
fn each_chain_start(
    all: &ArchivedTables,
    mut see: impl FnMut(u32, ChainKey, &ArchivedChainStart) -> Result<(), Rejection>,
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
                        see(ou, (number, *channel, role), start)?;
                    }
                }
            }
        }
    }
    Ok(())
}
