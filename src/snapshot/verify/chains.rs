//! Chains: every level is one OU's, for one channel and role, and leads to one of the same company further
//! up. So a chain never meets an OU twice, and none is longer than its company has OUs.

use std::collections::HashMap;

use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::super::format::*;
use super::super::open::Rejection;
use super::super::view::Records;
use super::runs::{Client, Runs};
use super::{Tiles, is_country_or_none, record, require};

/// The channel and role of a level.
type Of = (u16, u8);

pub(super) fn verify(all: &ArchivedContents, mut runs: Runs<'_>) -> Result<(), Rejection> {
    let of = owners(all)?;
    let mut lists = Lists::default();
    let mut pools = Tiles::new(&all.level_pools, "pools of a level");
    let mut exceptions = Tiles::new(&all.exceptions, "exceptions of a level");
    // How far above each level its chain ends.
    let mut heights: Vec<u64> = Vec::with_capacity(all.levels.len());
    let ends = all.levels.iter().skip(1).map(|level| level.pools.to_native() as usize);
    for (at, (level, end)) in all.levels.iter().zip(ends.chain([all.level_pools.len()])).enumerate() {
        let start = level.pools.to_native();
        let own = pools.take(start, end.saturating_sub(start as usize) as u64)?;
        let company = company_of(all, level.ou.to_native())?;
        let foreign =
            |pool: u32| pool.wrapping_sub(company.pools.start.to_native()) >= company.pools.len.to_native();
        require(!own.is_empty() && !own.iter().any(|pool| foreign(pool.to_native())), "pools of a level")?;
        let of_level = *record(&of, at as u32, "level")?;
        require(of_level.is_some(), "level of nobody")?;
        let Some(role) = of_level else { continue };

        let list = (lists.number(own), own);
        let mut hold = |run, client| runs.hold(run, client, role, list);
        hold(level.otherwise.to_native(), Client::Elsewhere)?;
        hold(level.stateless.to_native(), Client::Stateless)?;
        let bits: u32 = level.excepted.iter().map(|word| word.to_native().count_ones()).sum();
        let own = exceptions.take(level.exceptions.to_native(), u64::from(bits))?;
        for (country, run) in countries(&level.excepted).zip(own) {
            require(country != NO_COUNTRY && is_country_or_none(country), "excepted country")?;
            hold(run.to_native(), Client::Of(country))?;
        }

        let (next, climbed) = (level.next.to_native(), level.next_climbed.to_native());
        let height = if next == NONE {
            require(climbed == 0, "climb to nowhere")?;
            0
        } else {
            // A level lies behind the one that it leads to: so no chain can run in a circle.
            require((next as usize) < at && climbed > 0, "next level")?;
            let above = all.levels.at(next);
            let same = record(&of, next, "level")? == &of_level;
            require(
                same && all.ous.at(above.ou.to_native()).company == all.ous.at(level.ou.to_native()).company,
                "next level",
            )?;
            record(&heights, next, "level")? + u64::from(climbed)
        };
        require(height < u64::from(company.ous.len.to_native()), "height of a chain")?;
        heights.push(height);
    }
    pools.finish()?;
    exceptions.finish()?;
    inherited(all, &of, &heights)
}

/// Whose each level is: it begins the chain of its own OU, on one channel and for one role.
fn owners(all: &ArchivedContents) -> Result<Vec<Option<Of>>, Rejection> {
    let mut of = vec![None; all.levels.len()];
    each_entry(all, |ou, role, entry| {
        let (level, climbed) = (entry.level.to_native(), entry.climbed.to_native());
        if level == NONE {
            return require(climbed == 0, "climb to nowhere");
        }
        let own = record(&all.levels, level, "level")?;
        if climbed == 0 {
            require(own.ou.to_native() == ou, "OU of a level")?;
            let owner = of.get_mut(level as usize).and_then(|of| of.replace(role));
            require(owner.is_none(), "level of two")?;
        }
        Ok(())
    })?;
    Ok(of)
}

/// Chains that begin above their OU: at a level of the same company, channel and role, not too far up.
fn inherited(all: &ArchivedContents, of: &[Option<Of>], heights: &[u64]) -> Result<(), Rejection> {
    each_entry(all, |ou, role, entry| {
        let (at, climbed) = (entry.level.to_native(), entry.climbed.to_native());
        if at == NONE || climbed == 0 {
            return Ok(());
        }
        let company = company_of(all, ou)?;
        let level = all.levels.at(at);
        let same = all.ous.at(level.ou.to_native()).company == all.ous.at(ou).company;
        require(same && level.ou.to_native() != ou, "OU of a level")?;
        require(record(of, at, "level")? == &Some(role), "role of a chain")?;
        let height = record(heights, at, "level")? + u64::from(climbed);
        require(height < u64::from(company.ous.len.to_native()), "height of a chain")
    })
}

/// Every entry with its OU, channel and role.
fn each_entry(
    all: &ArchivedContents,
    mut see: impl FnMut(u32, Of, &ArchivedEntry) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    for company in all.companies.iter() {
        let columns = (company.columns.to_native()..).take(all.channels.len()).map(|at| all.columns.at(at));
        let used = (0u16..).zip(columns).filter(|(_, column)| column.to_native() != NO_COLUMN);
        let of: Vec<Of> = used.flat_map(|(channel, _)| [(channel, 0), (channel, 1)]).collect();
        let ous = company.ous.start.to_native()..company.ous.start.to_native() + company.ous.len.to_native();
        let mut at = company.entries.to_native();
        for ou in ous {
            for role in &of {
                see(ou, *role, all.entries.at(at))?;
                at += 1;
            }
        }
    }
    Ok(())
}

fn company_of(all: &ArchivedContents, ou: u32) -> Result<&ArchivedCompany, Rejection> {
    let ou = record(&all.ous, ou, "OU")?;
    record(&all.companies, ou.company.to_native(), "company")
}

/// The countries of a set, in order.
fn countries(set: &[rkyv::rend::u64_le; 4]) -> impl Iterator<Item = u8> {
    (0..=u8::MAX).filter(|country| {
        set.get(usize::from(country / 64)).is_some_and(|word| word.to_native() & (1 << (country % 64)) != 0)
    })
}

/// Lists of pools by number: two levels with the same pools have the same runs, and those are held against
/// the pools once.
#[derive(Default)]
struct Lists<'a>(HashMap<&'a [rkyv::rend::u32_le], u32, Xxh3DefaultBuilder>);

impl<'a> Lists<'a> {
    fn number(&mut self, pools: &'a [rkyv::rend::u32_le]) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(pools).or_insert(next)
    }
}
