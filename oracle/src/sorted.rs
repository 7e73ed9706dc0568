//! A company's lists, sorted once: by id, by place, by holder. Nothing is decided here.

use std::collections::HashMap;

use switchboard_registry::{Account, Company, Holder, Ou, Pool};

/// A company, and where to find what it has. Of things that should be one, the first.
pub struct Sorted<'a> {
    /// As its files say it.
    pub company: &'a Company,
    ous: HashMap<&'a str, &'a Ou>,
    pools: HashMap<&'a str, Vec<&'a Pool>>,
    accounts: HashMap<&'a str, &'a Account>,
    shared: HashMap<&'a str, Vec<&'a Account>>,
    dedicated: HashMap<&'a str, Vec<&'a Account>>,
}

impl<'a> Sorted<'a> {
    /// Sorts a company's lists.
    pub fn of(company: &'a Company) -> Sorted<'a> {
        let mut sorted = Sorted {
            company,
            ous: HashMap::new(),
            pools: HashMap::new(),
            accounts: HashMap::new(),
            shared: HashMap::new(),
            dedicated: HashMap::new(),
        };
        for ou in &company.ous {
            sorted.ous.entry(&ou.id).or_insert(ou);
        }
        for pool in &company.pools {
            for ou in &pool.ous {
                sorted.pools.entry(ou).or_default().push(pool);
            }
        }
        for account in &company.accounts {
            sorted.accounts.entry(&account.id).or_insert(account);
            match &account.holder {
                Holder::Pool(pool) => sorted.shared.entry(pool).or_default().push(account),
                Holder::User(user) => sorted.dedicated.entry(user).or_default().push(account),
                Holder::Spare => {}
            }
        }
        sorted
    }

    /// The OU of this id.
    pub fn ou(&self, id: &str) -> Option<&'a Ou> {
        self.ous.get(id).copied()
    }

    /// The pools that are allocated to an OU, in the order of the files.
    pub fn pools(&self, ou: &str) -> &[&'a Pool] {
        self.pools.get(ou).map_or(&[], Vec::as_slice)
    }

    /// The account of this id.
    pub fn account(&self, id: &str) -> Option<&'a Account> {
        self.accounts.get(id).copied()
    }

    /// A pool's accounts, in the order of the file.
    pub fn shared(&self, pool: &str) -> &[&'a Account] {
        self.shared.get(pool).map_or(&[], Vec::as_slice)
    }

    /// A user's own accounts.
    pub fn dedicated(&self, user: &str) -> &[&'a Account] {
        self.dedicated.get(user).map_or(&[], Vec::as_slice)
    }
}
