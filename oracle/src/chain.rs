//! The chain of a query: every step in order, with every account of each step. Also the company's entries by
//! id.

use std::collections::HashMap;

use switchboard_model::{Condition, Region, Role};
use switchboard_registry::{Account, Company, Holder, Ou, OuWithoutPool, Pool};

/// A query whose names are resolved.
pub(crate) struct ResolvedQuery<'a, 'q> {
    pub(crate) company: &'a IndexedCompany<'a>,
    /// The channel's id, and its index among the profiles.
    pub(crate) channel: (&'a str, u16),
    /// The OU that the client is invited to.
    pub(crate) ou: &'a Ou,
    /// The role of the accounts in all steps.
    pub(crate) role: Role,
    pub(crate) conversation_role: Role,
    /// The client's country. `None` for a number that belongs to no country.
    pub(crate) country: Option<Region>,
    /// The ids of accounts to pass over.
    pub(crate) excluded: &'q [String],
    /// The time of the query, in Unix seconds.
    pub(crate) now: i64,
}

/// The place in the chain at which an account was found.
#[derive(Debug)]
pub struct Found<'a> {
    /// The id of the OU.
    pub ou: &'a str,
    /// The id of the pool.
    pub pool: &'a str,
    /// Number of OUs that this level is above the query's OU. 0 is the query's own OU.
    pub climbed: usize,
}

/// A step of a chain, with all of its accounts.
pub struct Step<'a> {
    /// The rule of the step.
    pub rule: &'static str,
    /// The id of the OU.
    pub ou: &'a str,
    /// The id of the pool that the step tries.
    pub pool: &'a str,
    /// The country whose accounts the step tries. Under the rule `calling_code`, the client's country.
    pub country: Region,
    /// Number of OUs that this level is above the query's OU. 0 is the query's own OU.
    pub climbed: usize,
    /// Every account of the step, whether available or not.
    pub accounts: Vec<&'a Account>,
}

impl<'a> Step<'a> {
    pub(crate) fn place(&self) -> Found<'a> {
        Found { ou: self.ou, pool: self.pool, climbed: self.climbed }
    }
}

/// An OU on the way up that has pools of the channel.
struct Level<'a> {
    ou: &'a str,
    climbed: usize,
    pools: Vec<&'a Pool>,
}

impl<'a> ResolvedQuery<'a, '_> {
    /// Returns the whole chain, regardless of the query's `fallback`. Returns `None` if no level has a pool.
    pub(crate) fn chain(&self) -> Option<Vec<Step<'a>>> {
        let levels = self.levels();
        if levels.is_empty() {
            return None;
        }
        let mut steps = Vec::new();
        for level in &levels {
            for rule in ["country", "calling_code", "geography", "default_region"] {
                for pool in &level.pools {
                    steps.extend(self.step(rule, level, pool));
                }
            }
        }
        Some(steps)
    }

    /// Returns how many OUs the first level that has pools is above the query's OU. 0 is the query's own OU.
    pub(crate) fn first_level(&self) -> Option<usize> {
        self.levels().first().map(|level| level.climbed)
    }

    fn levels(&self) -> Vec<Level<'a>> {
        let mut levels = Vec::new();
        let mut climbed = 0;
        let mut next = Some(self.ou);
        while let Some(ou) = next {
            let pools = self.pools_of(ou);
            if pools.is_empty() {
                if climbed == 0 && self.company.company.ou_without_pool == OuWithoutPool::Error {
                    break;
                }
            } else {
                let goes_on = pools.iter().any(|pool| pool.fallback_upward);
                levels.push(Level { ou: &ou.id, climbed, pools });
                if !goes_on {
                    break;
                }
            }
            next = ou.parent.as_ref().and_then(|above| self.company.ou(above));
            climbed += 1;
        }
        levels
    }

    fn pools_of(&self, ou: &Ou) -> Vec<&'a Pool> {
        let all = self.company.pools(&ou.id).iter().copied();
        let mut pools: Vec<&Pool> = all.filter(|pool| *pool.channel == *self.channel.0).collect();
        pools.sort_by(|a, b| (a.priority, a.id.as_bytes()).cmp(&(b.priority, b.id.as_bytes())));
        pools
    }

    /// Returns the step of this rule and pool, if there is one.
    fn step(&self, rule: &'static str, level: &Level<'a>, pool: &'a Pool) -> Option<Step<'a>> {
        let country = match rule {
            "country" => self.country?,
            "calling_code" if pool.match_calling_code => self.country?,
            "calling_code" => return None,
            "geography" => self.mapped(pool)?,
            _ => pool.default_country?,
        };
        let belongs = |account: &&Account| match (rule, account.country) {
            (_, None) => false,
            ("calling_code", Some(its)) => {
                its != country && its.calling_code().is_some() && its.calling_code() == country.calling_code()
            }
            (_, Some(its)) => its == country,
        };
        let all = self.company.shared(&pool.id).iter().copied();
        let accounts = all.filter(|account| account.role == Some(self.role)).filter(belongs).collect();
        Some(Step { rule, ou: level.ou, pool: &pool.id, country, climbed: level.climbed, accounts })
    }

    /// Returns the country that serves the client's country, by the pool's geography or else the company's.
    fn mapped(&self, pool: &Pool) -> Option<Region> {
        let country = self.country?;
        let (to, _) =
            pool.geography.get(&country).or_else(|| self.company.company.geography.get(&country))?;
        (*to != country).then_some(*to)
    }

    /// Returns the reason why an account is passed over, or `available`.
    pub(crate) fn outcome(&self, account: &Account) -> &'static str {
        match account.state {
            Condition::Suspended => "suspended",
            Condition::Draining => "draining",
            Condition::Active if self.excludes(account) => "excluded",
            Condition::Active if self.rests(account) => "resting",
            Condition::Active => "available",
        }
    }

    pub(crate) fn excludes(&self, account: &Account) -> bool {
        self.excluded.iter().any(|id| **id == *account.id)
    }

    /// Returns whether the account's `available_from` is in the future.
    pub(crate) fn rests(&self, account: &Account) -> bool {
        account.available_from.is_some_and(|from| from.0 > self.now)
    }
}

/// A company with its lists indexed by id, OU and holder, so that registries of a million accounts can be
/// queried. Contains no rule. If two entries have the same id, the first one counts.
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

    /// Returns the accounts of a pool, in the order of the file.
    pub(crate) fn shared(&self, pool: &str) -> &[&'a Account] {
        self.shared.get(pool).map_or(&[], Vec::as_slice)
    }

    /// Returns the accounts that are dedicated to a user.
    pub(crate) fn dedicated(&self, user: &str) -> &[&'a Account] {
        self.dedicated.get(user).map_or(&[], Vec::as_slice)
    }
}
