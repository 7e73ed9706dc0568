//! The index of a company's OUs, pools and accounts by id, which all checks share.

use std::collections::HashMap;

use crate::{Account, ChannelProfile, Company, Holder, Ou, Pool, Registry};

/// A company with its index by id. Entries with an empty id are not in the index, because their id could not
/// be read.
pub(super) struct CompanyIndex<'r> {
    pub(super) registry: &'r Registry,
    pub(super) company: &'r Company,
    /// The position of each OU by its id. If several OUs have the same id, the first one counts.
    pub(super) ous: HashMap<&'r str, usize>,
    /// The position of each pool by its id. If several pools have the same id, the first one counts.
    pub(super) pools: HashMap<&'r str, usize>,
    channels: HashMap<&'r str, u16>,
    /// The positions of the accounts of each pool.
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

    /// Returns the OUs that references can reach, which are the first ones of each id.
    pub(super) fn first_ous(&self) -> impl Iterator<Item = (usize, &'r Ou)> {
        let is_first = |(at, ou): &(usize, &'r Ou)| self.ous.get(&*ou.id) == Some(at);
        self.company.ous.iter().enumerate().filter(is_first)
    }

    /// Returns the pools that references can reach, which are the first ones of each id.
    pub(super) fn first_pools(&self) -> impl Iterator<Item = &'r Pool> {
        let is_first = |(at, pool): &(usize, &'r Pool)| self.pools.get(&*pool.id) == Some(at);
        self.company.pools.iter().enumerate().filter(is_first).map(|(_, pool)| pool)
    }

    /// Finds a channel by its id. Returns its index and its profile.
    pub(super) fn channel(&self, id: &str) -> Option<(u16, &'r ChannelProfile)> {
        let at = *self.channels.get(id)?;
        Some((at, self.profile(at)?))
    }

    /// Returns the profile of the channel at an index.
    pub(super) fn profile(&self, channel: u16) -> Option<&'r ChannelProfile> {
        self.registry.channels.get(usize::from(channel))
    }

    /// Returns the accounts whose `pool` is the id of this pool.
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
