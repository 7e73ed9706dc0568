//! Chains: every level is one OU's, for one channel and role, and leads to one of the same company further
//! up. So a chain never meets an OU twice, and none is longer than its company has OUs.

use super::super::format::*;
use super::super::rejection::Rejection;
use super::super::view::{Records, Run};
use super::countries::Countries;
use super::runs::{Client, Level, Runs, pools_of};
use super::texts::{Texts, without_escaped};
use super::{Tiles, is_country_or_none, record, require};

/// Whose a level is: it begins the chain of its own OU, on one channel and for one role.
#[derive(Clone, Copy)]
struct Owner {
    ou: u32,
    of: Of,
}

/// What all levels of a chain have in common: company, channel, role.
type Of = (u32, u16, u8);

pub(super) fn verify(all: &ArchivedContents, texts: &Texts<'_>, runs: &Runs<'_>) -> Result<(), Rejection> {
    let owners = owners(all)?;
    let mut level_pools = Tiles::new(&all.level_pools, "pools of a level");
    let mut exceptions = Tiles::new(&all.exceptions, "exceptions of a level");
    for (at, level) in (0u32..).zip(all.levels.iter()) {
        let owner = *record(&owners, at, "level")?;
        require(owner.ou != NONE, "level of nobody")?;
        let (company, channel, role) = owner.of;
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
            require(is_place(texts.span(&pool.place)?, ou_id, pool_id), "JSON of a place")?;
        }

        let excepted = Countries::stored(&level.excepted);
        let own = exceptions.take(level.exceptions.to_native(), u64::from(excepted.len()))?;
        let hold = |run, client| runs.hold(run, client, Level { channel, role, pools });
        hold(level.otherwise.to_native(), Client::Elsewhere(excepted))?;
        hold(level.stateless.to_native(), Client::Stateless)?;
        for (country, run) in excepted.iter().zip(own) {
            require(country != NO_COUNTRY && is_country_or_none(country), "excepted country")?;
            hold(run.run.to_native(), Client::Of(country))?;
            let members = Run::new(all, run.run.to_native()).find(|step| step.group.to_native() != NONE);
            let members = members.map_or(0, |step| step.members.start.to_native());
            require(run.members.to_native() == members, "members of an exception")?;
        }

        let next = level.next.to_native();
        if next != NONE {
            // Each is less deep than the one before it: so no chain can run in a circle.
            let above = record(&owners, next, "level")?;
            let depth = record(&all.levels, next, "level")?.depth.to_native();
            require(depth < level.depth.to_native() && above.of == owner.of, "next level")?;
        }
    }
    level_pools.finish()?;
    exceptions.finish()?;
    inherited(all, &owners)
}

/// Whether a text is `,"ou":"…","pool":"…","climbed":`.
fn is_place(text: &str, ou: &str, pool: &str) -> bool {
    let rest = text.strip_prefix(r#","ou":""#).and_then(|rest| without_escaped(rest, ou));
    let rest = rest.and_then(|rest| rest.strip_prefix(r#"","pool":""#));
    rest.and_then(|rest| without_escaped(rest, pool)) == Some(r#"","climbed":"#)
}

/// Every level is reached from its own OU, by one entry.
fn owners(all: &ArchivedContents) -> Result<Vec<Owner>, Rejection> {
    let nobody = Owner { ou: NONE, of: (NONE, 0, 0) };
    let mut owners = vec![nobody; all.levels.len()];
    each_entry(all, |ou, of, entry| {
        let at = entry.level.to_native();
        if record(&all.levels, at, "level")?.ou.to_native() == ou {
            let owner = owners.get_mut(at as usize).map(|owner| std::mem::replace(owner, Owner { ou, of }));
            require(owner.is_some_and(|owner| owner.ou == NONE), "level of two")?;
        }
        Ok(())
    })?;
    Ok(owners)
}

/// Chains that begin above their OU: at a level of the same company, channel and role.
fn inherited(all: &ArchivedContents, owners: &[Owner]) -> Result<(), Rejection> {
    each_entry(all, |ou, of, entry| {
        let at = entry.level.to_native();
        let owner = record(owners, at, "level")?;
        let level = all.levels.at(at);
        let above = level.depth.to_native() < all.ous.at(ou).depth.to_native();
        require(owner.of == of && (owner.ou == ou || above), "level of a chain")?;
        require(entry.exceptions == level.exceptions, "exceptions of a chain")
    })
}

/// Every entry that leads to a level, with its OU, and whose it is.
fn each_entry(
    all: &ArchivedContents,
    mut see: impl FnMut(u32, Of, &ArchivedEntry) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    for (number, company) in (0u32..).zip(all.companies.iter()) {
        let columns = (company.columns.to_native()..).take(all.channels.len()).map(|at| all.columns.at(at));
        let used = (0u16..).zip(columns).filter(|(_, column)| column.to_native() != NO_COLUMN);
        let channels: Vec<u16> = used.map(|(channel, _)| channel).collect();
        let mut entries = all.entries.iter().skip(company.entries.to_native() as usize);
        for role in [0, 1] {
            for ou in (company.ous.start.to_native()..).take(company.ous.len.to_native() as usize) {
                for (channel, entry) in channels.iter().zip(&mut entries) {
                    if entry.level.to_native() != NONE {
                        see(ou, (number, *channel, role), entry)?;
                    }
                }
            }
        }
    }
    Ok(())
}
