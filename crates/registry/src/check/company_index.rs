//! An index of everything that has an id in a company.

use std::collections::HashMap;

use crate::{Account, ChannelProfile, Company, Holder, Ou, Pool, Registry};

/// A company with an index by id. The empty id, which stands for an id that could not be read, is not in it.
pub(super) struct CompanyIndex<'r> {
    pub(super) registry: &'r Registry,
    pub(super) company: &'r Company,
    /// OUs by id. Of several with the same id, the first.
    pub(super) ous: HashMap<&'r str, usize>,
    /// Pools by id. Of several with the same id, the first.
    pub(super) pools: HashMap<&'r str, usize>,
    channels: HashMap<&'r str, u16>,
    /// The accounts of each pool.
    members: Vec<Vec<usize>>,
}

impl<'r> CompanyIndex<'r> {
    pub(super) fn new(registry: &'r Registry, company: &'r Company) -> CompanyIndex<'r> {
        let pools = first_by_id(company.pools.iter().map(|pool| &*pool.id));
        let mut members = vec![Vec::new(); company.pools.len()];
        for (at, account) in company.accounts.iter().enumerate() {
            let Holder::Pool(pool) = &account.holder else { continue };
            if let Some(members) = pools.get(&**pool).and_then(|&pool| members.get_mut(pool)) {
                members.push(at);
            }
        }
        CompanyIndex {
            registry,
            company,
            ous: first_by_id(company.ous.iter().map(|ou| &*ou.id)),
            pools,
            channels: (0..).zip(&registry.channels).map(|(at, channel)| (&*channel.id, at)).collect(),
            members,
        }
    }

    /// Returns the OUs that can be referred to: the first of each id.
    pub(super) fn first_ous(&self) -> impl Iterator<Item = (usize, &'r Ou)> {
        let is_first = |(at, ou): &(usize, &'r Ou)| self.ous.get(&*ou.id) == Some(at);
        self.company.ous.iter().enumerate().filter(is_first)
    }

    /// Returns the pools that can be referred to: the first of each id.
    pub(super) fn first_pools(&self) -> impl Iterator<Item = &'r Pool> {
        let is_first = |(at, pool): &(usize, &'r Pool)| self.pools.get(&*pool.id) == Some(at);
        self.company.pools.iter().enumerate().filter(is_first).map(|(_, pool)| pool)
    }

    /// Returns the index and the profile of a channel.
    pub(super) fn channel(&self, id: &str) -> Option<(u16, &'r ChannelProfile)> {
        let at = *self.channels.get(id)?;
        Some((at, self.profile(at)?))
    }

    /// Returns the profile of a channel by its index.
    pub(super) fn profile(&self, channel: u16) -> Option<&'r ChannelProfile> {
        self.registry.channels.get(usize::from(channel))
    }

    /// Returns the accounts that refer to a pool by its id.
    pub(super) fn members_of(&self, pool: &Pool) -> impl Iterator<Item = &'r Account> {
        let members = self.pools.get(&*pool.id).and_then(|&at| self.members.get(at));
        members.into_iter().flatten().filter_map(|&at| self.company.accounts.get(at))
    }
}

fn first_by_id<'r>(ids: impl Iterator<Item = &'r str>) -> HashMap<&'r str, usize> {
    let mut index = HashMap::with_capacity(ids.size_hint().0);
    for (at, id) in ids.enumerate().filter(|(_, id)| !id.is_empty()) {
        index.entry(id).or_insert(at);
    }
    index
}
