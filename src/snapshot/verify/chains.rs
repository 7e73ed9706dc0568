//! Chains: every level is one OU's, for one channel and role, and leads to one of the same company further
//! up. So a chain never meets an OU twice, and none is longer than its company has OUs.

use super::super::format::*;
use super::super::open::Rejection;
use super::super::view::Records;
use super::countries::Countries;
use super::runs::{Client, Level, Runs, pools_of};
use super::{Tiles, is_country_or_none, record, require};

/// Whose a level is: it begins the chain of its own OU, on one channel and for one role.
#[derive(Clone, Copy)]
struct Owner {
    ou: u32,
    of: Of,
    /// How far above the level its chain ends.
    height: u32,
}

/// What all levels of a chain have in common: company, channel, role.
type Of = (u32, u16, u8);

pub(super) fn verify(all: &ArchivedContents, runs: &Runs<'_>) -> Result<(), Rejection> {
    let mut owners = owners(all)?;
    let mut level_pools = Tiles::new(&all.level_pools, "pools of a level");
    let mut exceptions = Tiles::new(&all.exceptions, "exceptions of a level");
    for (at, level) in (0u32..).zip(all.levels.iter()) {
        let owner = *record(&owners, at, "level")?;
        require(owner.ou != NONE, "level of nobody")?;
        let (company, channel, role) = owner.of;
        let company = all.companies.at(company);
        let pools = pools_of(all, at);
        level_pools.take(level.pools.to_native(), pools.len() as u64)?;
        let first = company.pools.start.to_native();
        let foreign = |pool: u32| pool.wrapping_sub(first) >= company.pools.len.to_native();
        require(
            !pools.is_empty() && !pools.iter().any(|pool| foreign(pool.to_native())),
            "pools of a level",
        )?;

        let excepted = Countries::stored(&level.excepted);
        let own = exceptions.take(level.exceptions.to_native(), u64::from(excepted.len()))?;
        let hold = |run, client| runs.hold(run, client, Level { channel, role, pools });
        hold(level.otherwise.to_native(), Client::Elsewhere(excepted))?;
        hold(level.stateless.to_native(), Client::Stateless)?;
        for (country, run) in excepted.iter().zip(own) {
            require(country != NO_COUNTRY && is_country_or_none(country), "excepted country")?;
            hold(run.to_native(), Client::Of(country))?;
        }

        let (next, climbed) = (level.next.to_native(), level.next_climbed.to_native());
        if next == NONE {
            require(climbed == 0, "climb to nowhere")?;
        } else {
            // A level lies behind the one that it leads to: so no chain can run in a circle.
            let above = *record(&owners, next, "level")?;
            require(next < at && climbed > 0 && above.of == owner.of, "next level")?;
            let height =
                above.height.checked_add(climbed).filter(|&height| height < company.ous.len.to_native());
            let (Some(height), Some(owner)) = (height, owners.get_mut(at as usize)) else {
                return require(false, TOO_HIGH);
            };
            owner.height = height;
        }
    }
    level_pools.finish()?;
    exceptions.finish()?;
    inherited(all, &owners)
}

/// A way up meets each OU once at most.
const TOO_HIGH: &str = "chain higher than its company's tree";

fn owners(all: &ArchivedContents) -> Result<Vec<Owner>, Rejection> {
    let nobody = Owner { ou: NONE, of: (NONE, 0, 0), height: 0 };
    let mut owners = vec![nobody; all.levels.len()];
    each_entry(all, |ou, of, entry| {
        let (at, climbed) = (entry.level.to_native(), entry.climbed.to_native());
        if at == NONE {
            return require(climbed == 0, "climb to nowhere");
        }
        if climbed == 0 {
            require(record(&all.levels, at, "level")?.ou.to_native() == ou, "OU of a level")?;
            let owner = owners
                .get_mut(at as usize)
                .map(|owner| std::mem::replace(owner, Owner { ou, of, height: 0 }));
            require(owner.is_some_and(|owner| owner.ou == NONE), "level of two")?;
        }
        Ok(())
    })?;
    Ok(owners)
}

/// Chains that begin above their OU: at a level of the same company, channel and role, not too far up.
fn inherited(all: &ArchivedContents, owners: &[Owner]) -> Result<(), Rejection> {
    each_entry(all, |ou, of, entry| {
        let (at, climbed) = (entry.level.to_native(), entry.climbed.to_native());
        if at == NONE || climbed == 0 {
            return Ok(());
        }
        let owner = record(owners, at, "level")?;
        require(owner.of == of && owner.ou != ou, "level of a chain")?;
        let height = u64::from(owner.height) + u64::from(climbed);
        require(height < u64::from(all.companies.at(of.0).ous.len.to_native()), TOO_HIGH)
    })
}

/// Every entry with its OU, and whose it is.
fn each_entry(
    all: &ArchivedContents,
    mut see: impl FnMut(u32, Of, &ArchivedEntry) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    for (number, company) in (0u32..).zip(all.companies.iter()) {
        let columns = (company.columns.to_native()..).take(all.channels.len()).map(|at| all.columns.at(at));
        let used = (0u16..).zip(columns).filter(|(_, column)| column.to_native() != NO_COLUMN);
        let of: Vec<Of> =
            used.flat_map(|(channel, _)| [(number, channel, 0), (number, channel, 1)]).collect();
        let ous = (company.ous.start.to_native()..).take(company.ous.len.to_native() as usize);
        let mut entries = all.entries.iter().skip(company.entries.to_native() as usize);
        for ou in ous {
            for (of, entry) in of.iter().zip(&mut entries) {
                see(ou, *of, entry)?;
            }
        }
    }
    Ok(())
}
