//! The chain of a query: every step it could fall through, in order, with every account of each.

use switchboard_model::{Condition, Region, Role};
use switchboard_registry::{Account, Ou, OuWithoutPool, Pool};

use crate::sorted::Sorted;

/// What a query turned out to ask, once its names are resolved.
pub struct Asked<'a, 'q> {
    /// Whose it is.
    pub sorted: &'a Sorted<'a>,
    /// The channel's id and its index among the profiles.
    pub channel: (&'a str, u16),
    /// Where the client is invited.
    pub ou: &'a Ou,
    /// The role that holds for all the steps.
    pub role: Role,
    /// The role the channel talks to clients on.
    pub conversation_role: Role,
    /// The client's country; none for a number that belongs to no country.
    pub country: Option<Region>,
    /// Accounts to pass over.
    pub excluded: &'q [String],
    /// Unix seconds.
    pub now: i64,
}

/// Where an account was found.
#[derive(Debug)]
pub struct Found<'a> {
    /// The OU's id.
    pub ou: &'a str,
    /// The pool's id.
    pub pool: &'a str,
    /// Levels above the query's OU.
    pub climbed: usize,
}

/// One step.
pub struct Step<'a> {
    /// Its rule.
    pub rule: &'static str,
    /// The OU it is at.
    pub ou: &'a str,
    /// The pool it tries.
    pub pool: &'a str,
    /// The country whose accounts it tries; under `calling_code`, the client's.
    pub country: Region,
    /// Levels above the query's OU.
    pub climbed: usize,
    /// Every account it has, usable or not.
    pub accounts: Vec<&'a Account>,
}

impl<'a> Step<'a> {
    /// Where its accounts are found.
    pub fn place(&self) -> Found<'a> {
        Found { ou: self.ou, pool: self.pool, climbed: self.climbed }
    }
}

/// One OU on the way up that has pools of the channel.
struct Level<'a> {
    ou: &'a str,
    climbed: usize,
    pools: Vec<&'a Pool>,
}

impl<'a> Asked<'a, '_> {
    /// The whole chain, whatever the query's `fallback`; none where no level has a pool.
    pub fn chain(&self) -> Option<Vec<Step<'a>>> {
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

    /// How far up the first level with pools is.
    pub fn first_level(&self) -> Option<usize> {
        self.levels().first().map(|level| level.climbed)
    }

    fn levels(&self) -> Vec<Level<'a>> {
        let mut levels = Vec::new();
        let mut climbed = 0;
        let mut here = Some(self.ou);
        while let Some(ou) = here {
            let pools = self.pools_of(ou);
            if pools.is_empty() {
                if climbed == 0 && self.sorted.company.ou_without_pool == OuWithoutPool::Error {
                    break;
                }
            } else {
                let goes_on = pools.iter().any(|pool| pool.fallback_upward);
                levels.push(Level { ou: &ou.id, climbed, pools });
                if !goes_on {
                    break;
                }
            }
            here = ou.parent.as_ref().and_then(|above| self.sorted.ou(above));
            climbed += 1;
        }
        levels
    }

    fn pools_of(&self, ou: &Ou) -> Vec<&'a Pool> {
        let all = self.sorted.pools(&ou.id).iter().copied();
        let mut pools: Vec<&Pool> = all.filter(|pool| *pool.channel == *self.channel.0).collect();
        pools.sort_by(|a, b| (a.priority, a.id.as_bytes()).cmp(&(b.priority, b.id.as_bytes())));
        pools
    }

    /// The step of this rule and pool, where there is one.
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
        let all = self.sorted.shared(&pool.id).iter().copied();
        let accounts = all.filter(|account| account.role == Some(self.role)).filter(belongs).collect();
        Some(Step { rule, ou: level.ou, pool: &pool.id, country, climbed: level.climbed, accounts })
    }

    /// Where the client's country is served from: the pool's word, else the company's.
    fn mapped(&self, pool: &Pool) -> Option<Region> {
        let country = self.country?;
        let (to, _) = pool.geography.get(&country).or_else(|| self.sorted.company.geography.get(&country))?;
        (*to != country).then_some(*to)
    }

    /// Why an account is passed over, or that it is not.
    pub fn outcome(&self, account: &Account) -> &'static str {
        match account.state {
            Condition::Suspended => "suspended",
            Condition::Draining => "draining",
            Condition::Active if self.excludes(account) => "excluded",
            Condition::Active if self.rests(account) => "resting",
            Condition::Active => "available",
        }
    }

    /// Whether the query passes it over.
    pub fn excludes(&self, account: &Account) -> bool {
        self.excluded.iter().any(|id| **id == *account.id)
    }

    /// Whether it may not be selected yet.
    pub fn rests(&self, account: &Account) -> bool {
        account.available_from.is_some_and(|from| from.0 > self.now)
    }
}
