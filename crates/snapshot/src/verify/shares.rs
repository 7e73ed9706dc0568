//! Shares: which countries each pool has accounts of, and that no account of a pool is left out. The walk
//! finds a `current` by its pool and country alone, and trusts that the step's group has it.

use std::collections::HashMap;

use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::super::format::*;
use super::super::rejection::Rejection;
use super::countries::Countries;
use super::groups::{Common, Groups};
use super::{record, require};

/// Countries by pool and role.
pub(super) struct Shares {
    /// For each pool and role, which of `countries`, or [`NONE`].
    of_pool: Vec<[u32; 2]>,
    countries: Vec<Countries>,
}

impl Shares {
    pub(super) fn new(all: &ArchivedContents, groups: &Groups) -> Result<Shares, Rejection> {
        let mut shares = Shares { of_pool: vec![[NONE; 2]; all.pools.len()], countries: Vec::new() };
        let mut sizes: HashMap<(u32, u8, u8), u32, Xxh3DefaultBuilder> = HashMap::default();
        let mut grouped = 0;
        let with_len =
            || groups.common.iter().zip(all.groups.iter().map(|group| group.members.len.to_native()));
        for (common, len) in with_len().filter(|(common, _)| common.country != NO_COUNTRY) {
            let countries = shares.own(common)?;
            require(!countries.contains(common.country), "two groups of one country")?;
            countries.insert(common.country);
            sizes.insert((common.pool, common.role, common.country), len);
            grouped += u64::from(len);
        }
        // As many as there are, and none twice: all of them.
        require(grouped == in_service(all)?, "account of no group")?;
        for (common, len) in with_len().filter(|(common, _)| common.country == NO_COUNTRY) {
            let size = |country| sizes.get(&(common.pool, common.role, country)).copied().unwrap_or_default();
            let whole: u64 = groups.countries(common).iter().map(|country| u64::from(size(country))).sum();
            require(u64::from(len) == whole, "account of a calling code's group")?;
        }
        Ok(shares)
    }

    /// The countries that a pool has accounts of in a role.
    pub(super) fn countries(&self, pool: u32, role: u8) -> Countries {
        let at = self.of_pool.get(pool as usize).and_then(|roles| roles.get(usize::from(role)));
        at.and_then(|&at| self.countries.get(at as usize)).copied().unwrap_or_default()
    }

    fn own(&mut self, common: &Common) -> Result<&mut Countries, Rejection> {
        let roles = self.of_pool.get_mut(common.pool as usize);
        let Some(at) = roles.and_then(|roles| roles.get_mut(usize::from(common.role))) else {
            return Err(super::refusal("pool of a group"));
        };
        if *at == NONE {
            *at = self.countries.len() as u32;
            self.countries.push(Countries::default());
        }
        let at = *at as usize;
        self.countries.get_mut(at).ok_or_else(|| super::refusal("pool of a group"))
    }
}

/// Accounts of the pools that any level has; those of other pools are in no group.
fn in_service(all: &ArchivedContents) -> Result<u64, Rejection> {
    let mut used = vec![false; all.pools.len()];
    for pool in all.level_pools.iter() {
        let pool = pool.pool.to_native();
        record(&all.pools, pool, "pool")?;
        if let Some(used) = used.get_mut(pool as usize) {
            *used = true;
        }
    }
    let shared = all.accounts.iter().filter(|account| {
        account.country != NO_COUNTRY && used.get(account.pool.to_native() as usize) == Some(&true)
    });
    Ok(shared.count() as u64)
}
