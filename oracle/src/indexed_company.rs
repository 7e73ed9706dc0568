use std::collections::HashMap;

use switchboard_registry::{Account, Company, Holder, Ou, Pool};

/// A company with its lists indexed by id, OU and holder, so that registries of a million accounts can be
/// queried. No rule is in it. Of two entries with one id, the first counts.
pub(crate) struct IndexedCompany<'a> {
    pub(crate) company: &'a Company,
    ous: HashMap<&'a str, &'a Ou>,
    pools: HashMap<&'a str, Vec<&'a Pool>>,
    accounts: HashMap<&'a str, &'a Account>,
    shared: HashMap<&'a str, Vec<&'a Account>>,
    dedicated: HashMap<&'a str, Vec<&'a Account>>,
}

impl<'a> IndexedCompany<'a> {
    pub(crate) fn new(company: &'a Company) -> IndexedCompany<'a> {
        let mut indexed = IndexedCompany {
            company,
            ous: HashMap::new(),
            pools: HashMap::new(),
            accounts: HashMap::new(),
            shared: HashMap::new(),
            dedicated: HashMap::new(),
        };
        for ou in &company.ous {
            indexed.ous.entry(&ou.id).or_insert(ou);
        }
        for pool in &company.pools {
            for ou in &pool.ous {
                indexed.pools.entry(ou).or_default().push(pool);
            }
        }
        for account in &company.accounts {
            indexed.accounts.entry(&account.id).or_insert(account);
            match &account.holder {
                Holder::Pool(pool) => indexed.shared.entry(pool).or_default().push(account),
                Holder::User(user) => indexed.dedicated.entry(user).or_default().push(account),
                Holder::Spare => {}
            }
        }
        indexed
    }

    pub(crate) fn ou(&self, id: &str) -> Option<&'a Ou> {
        self.ous.get(id).copied()
    }

    /// Returns the pools that are allocated to an OU, in the order of the files.
    pub(crate) fn pools(&self, ou: &str) -> &[&'a Pool] {
        self.pools.get(ou).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn account(&self, id: &str) -> Option<&'a Account> {
        self.accounts.get(id).copied()
    }

    /// Returns a pool's accounts, in the order of the file.
    pub(crate) fn shared(&self, pool: &str) -> &[&'a Account] {
        self.shared.get(pool).map_or(&[], Vec::as_slice)
    }

    /// Returns a user's dedicated accounts.
    pub(crate) fn dedicated(&self, user: &str) -> &[&'a Account] {
        self.dedicated.get(user).map_or(&[], Vec::as_slice)
    }
}
