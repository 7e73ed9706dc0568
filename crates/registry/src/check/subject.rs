//! A company with everything found by its id.

use std::collections::HashMap;

use crate::{Account, ChannelProfile, Company, Holder, Ou, Place, Pool, Registry};

/// What the rules look at.
pub(super) struct Subject<'r> {
    pub(super) registry: &'r Registry,
    pub(super) company: &'r Company,
    /// OUs by id; of those with the same id, the first.
    pub(super) ous: HashMap<&'r str, usize>,
    /// Pools by id; of those with the same id, the first.
    pub(super) pools: HashMap<&'r str, usize>,
    channels: HashMap<&'r str, u16>,
    /// The accounts of each pool.
    members: Vec<Vec<usize>>,
    /// A file of OUs could not be read.
    pub(super) ous_unread: bool,
    /// The file of pools could not be read.
    pub(super) pools_unread: bool,
    /// The file of accounts could not be read.
    pub(super) accounts_unread: bool,
}

impl<'r> Subject<'r> {
    pub(super) fn of(registry: &'r Registry, company: &'r Company) -> Subject<'r> {
        let pools = by_id(company.pools.iter().map(|pool| &*pool.id));
        let mut members = vec![Vec::new(); company.pools.len()];
        for (at, account) in company.accounts.iter().enumerate() {
            let Holder::Pool(pool) = &account.holder else { continue };
            if let Some(members) = pools.get(&**pool).and_then(|&pool| members.get_mut(pool)) {
                members.push(at);
            }
        }
        // What stands for the entries of such a file stands on no line.
        let unread = |id: &str, place: &Place| id.is_empty() && place.line == 0;
        Subject {
            registry,
            company,
            ous: by_id(company.ous.iter().map(|ou| &*ou.id)),
            channels: (0..).zip(&registry.channels).map(|(at, channel)| (&*channel.id, at)).collect(),
            members,
            ous_unread: company.ous.iter().any(|it| unread(&it.id, &it.place)),
            pools_unread: company.pools.iter().any(|it| unread(&it.id, &it.place)),
            accounts_unread: company.accounts.iter().any(|it| unread(&it.id, &it.place)),
            pools,
        }
    }

    /// The OUs that can be named: each id once.
    pub(super) fn first_ous(&self) -> impl Iterator<Item = (usize, &'r Ou)> {
        let first = |(at, ou): &(usize, &'r Ou)| self.ous.get(&*ou.id) == Some(at);
        self.company.ous.iter().enumerate().filter(first)
    }

    /// The pools that can be named: each id once.
    pub(super) fn first_pools(&self) -> impl Iterator<Item = &'r Pool> {
        let first = |(at, pool): &(usize, &'r Pool)| self.pools.get(&*pool.id) == Some(at);
        self.company.pools.iter().enumerate().filter(first).map(|(_, pool)| pool)
    }

    /// A channel and its profile.
    pub(super) fn channel(&self, id: &str) -> Option<(u16, &'r ChannelProfile)> {
        let at = *self.channels.get(id)?;
        Some((at, self.profile(at)?))
    }

    /// The profile at an account's index.
    pub(super) fn profile(&self, channel: u16) -> Option<&'r ChannelProfile> {
        self.registry.channels.get(usize::from(channel))
    }

    /// The accounts that name a pool by its id.
    pub(super) fn members_of(&self, pool: &Pool) -> impl Iterator<Item = &'r Account> {
        let members = self.pools.get(&*pool.id).and_then(|&at| self.members.get(at));
        members.map_or(&[][..], Vec::as_slice).iter().filter_map(|&at| self.company.accounts.get(at))
    }
}

/// Ids to their first places in a list. The empty id stands for what could not be read.
fn by_id<'r>(ids: impl Iterator<Item = &'r str>) -> HashMap<&'r str, usize> {
    let mut index = HashMap::with_capacity(ids.size_hint().0);
    for (at, id) in ids.enumerate().filter(|(_, id)| !id.is_empty()) {
        index.entry(id).or_insert(at);
    }
    index
}
