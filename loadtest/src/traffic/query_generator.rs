//! Generates queries that probably have a given outcome. The oracle then predicts their outcome.

use super::{
    outcome::Outcome::{self, Refused, Selected},
    request::garble,
};
use generator::{ClientNumbers, SeededRng};
use oracle::Query;
use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};
use switchboard_model::{Condition, Region, Role, Rule, SelectError};
use switchboard_registry::{Account, Company, Holder, Pool, Registry};

/// Invalid phones: too short, too long, and with an unassigned calling code.
const INVALID_PHONES: [&str; 3] = ["+123", "+4474001234567890123", "+9991234567"];
/// Invalid countries that occur in practice.
const INVALID_COUNTRIES: [&str; 4] = ["UK", "EN", "EU", "XX"];
/// Largest number of accounts that a query excludes to make all of a country unavailable.
const MAX_EXCLUDED: usize = 60;

/// The optional parts of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parts {
    pub(super) phone: bool,
    pub(super) client: bool,
    pub(super) user: bool,
    pub(super) current_ignored: bool,
    pub(super) exclude: bool,
    pub(super) primary: bool,
    pub(super) strict: bool,
}

/// A pool that has accounts and OUs.
#[derive(Clone)]
struct QueryTarget<'a> {
    company: &'a Company,
    pool: &'a Pool,
    conversation_role: Role,
    accounts: Rc<[&'a Account]>,
}

#[derive(Clone, Copy)]
struct DedicatedAccount<'a> {
    company: &'a Company,
    account: &'a Account,
    user: &'a str,
    channel: &'a str,
    out_of_use: bool,
}

pub(super) struct QueryGenerator<'a> {
    registry: &'a Registry,
    /// The pools that have what a rule needs, and all pools without a rule.
    targets: BTreeMap<Option<Rule>, Vec<QueryTarget<'a>>>,
    dedicated: Vec<DedicatedAccount<'a>>,
    /// Children of each OU by company and id.
    children: HashMap<(&'a str, &'a str), Vec<&'a str>>,
    numbers: ClientNumbers,
    /// Number of clients so far. The id of a client contains its number.
    clients: u64,
}

impl<'a> QueryGenerator<'a> {
    pub(super) fn new(registry: &'a Registry) -> Self {
        let mut generator = QueryGenerator {
            registry,
            targets: BTreeMap::new(),
            dedicated: Vec::new(),
            children: HashMap::new(),
            numbers: ClientNumbers::default(),
            clients: 0,
        };
        registry.companies.iter().for_each(|company| generator.add(company));
        generator
    }

    fn add(&mut self, company: &'a Company) {
        for ou in &company.ous {
            if let Some(parent) = &ou.parent {
                self.children.entry((&company.id, parent)).or_default().push(&ou.id);
            }
        }
        let mut by_pool: HashMap<&str, Vec<&Account>> = HashMap::new();
        for account in &company.accounts {
            match &account.holder {
                Holder::Pool(pool) => by_pool.entry(pool).or_default().push(account),
                Holder::User(user) => {
                    let channel = account.channel.and_then(|at| self.registry.channels.get(usize::from(at)));
                    let Some(channel) = channel.map(|channel| &*channel.id) else { continue };
                    let out_of_use = account.state != Condition::Active || account.available_from.is_some();
                    self.dedicated.push(DedicatedAccount { company, account, user, channel, out_of_use });
                }
                Holder::Spare => {}
            }
        }
        for pool in &company.pools {
            let channel = self.registry.channels.iter().find(|channel| channel.id == pool.channel);
            let accounts = by_pool.remove(&*pool.id).unwrap_or_default();
            let Some(channel) = channel.filter(|_| !accounts.is_empty() && !pool.ous.is_empty()) else {
                continue;
            };
            let conversation_role = channel.conversation_role;
            let target = QueryTarget { company, pool, conversation_role, accounts: accounts.into() };
            let has_geography = !pool.geography.is_empty() || !company.geography.is_empty();
            for (rule, serves) in [
                (None, true),
                (Some(Rule::CallingCode), pool.match_calling_code),
                (Some(Rule::Geography), has_geography),
                (Some(Rule::DefaultRegion), pool.default_country.is_some()),
            ] {
                if serves {
                    self.targets.entry(rule).or_default().push(target.clone());
                }
            }
        }
    }

    pub(super) fn query(&mut self, outcome: Outcome, wanted: Parts, rng: &mut SeededRng) -> Option<Query> {
        let (mut query, country) = match outcome {
            Selected(Rule::Dedicated) | Refused(SelectError::DedicatedUnavailable) => {
                self.dedicated_query(outcome, rng)?
            }
            Refused(SelectError::NoPool) => self.any_channel_query(rng)?,
            _ => self.pool_query(outcome, wanted, rng)?,
        };
        self.clients += 1;
        if wanted.client {
            query.client = Some(format!("client-{:08}", self.clients));
        }
        if wanted.user && query.user.is_none() {
            query.user = Some(format!("employee-{:04}@example.com", rng.below(5_000)));
        }
        self.locate(&mut query, outcome, country, wanted.phone, rng);
        match outcome {
            Refused(SelectError::UnknownCompany) => query.company = Some("no-such-company".to_owned()),
            Refused(SelectError::UnknownChannel) => query.channel = Some("fax".to_owned()),
            Refused(SelectError::UnknownOu) => query.ou = query.ou.map(|ou| ou + "-closed"),
            Refused(SelectError::BadRequest) => garble(&mut query),
            _ => {}
        }
        Some(query)
    }

    /// Returns a query of a user who has an own account, and the client's country.
    fn dedicated_query(&self, outcome: Outcome, rng: &mut SeededRng) -> Option<(Query, Region)> {
        let DedicatedAccount { company, account, user, channel, out_of_use } =
            *rng.choose(&self.dedicated)?;
        let ou = rng.choose(&company.ous)?;
        let mut query = Query { user: Some(user.to_owned()), ..query_for(company, channel, &ou.id) };
        if outcome == Refused(SelectError::DedicatedUnavailable) && !out_of_use {
            query.exclude.push(account.id.to_string());
        }
        let country = if rng.per_mille(700) { account.country? } else { any_region(rng)? };
        Some((query, country))
    }

    /// Returns a query for a random channel and OU. In most registries, some of these have no pool.
    fn any_channel_query(&self, rng: &mut SeededRng) -> Option<(Query, Region)> {
        let company = rng.choose(&self.registry.companies)?;
        let channel = rng.choose(&self.registry.channels)?;
        let ou = rng.choose(&company.ous)?;
        Some((query_for(company, &channel.id, &ou.id), any_region(rng)?))
    }

    fn pool_query(&self, outcome: Outcome, wanted: Parts, rng: &mut SeededRng) -> Option<(Query, Region)> {
        let rule = match outcome {
            Selected(rule @ (Rule::CallingCode | Rule::Geography | Rule::DefaultRegion)) => Some(rule),
            _ => None,
        };
        let target = rng.choose(self.targets.get(&rule)?)?;
        let accounts = &*target.accounts;
        let role = if wanted.primary { Role::Primary } else { target.conversation_role };
        let account = *rng.choose(accounts)?;
        if account.role != Some(role) {
            return None;
        }
        let country = client_country(outcome, target, account, rng)?;
        let mut query = Query {
            role: wanted.primary.then(|| role.as_str().to_owned()),
            fallback: wanted.strict.then(|| "none".to_owned()),
            ..query_for(target.company, &target.pool.channel, self.served_ou(target, rng)?)
        };
        match outcome {
            Selected(Rule::Current) => query.current = Some(account.id.to_string()),
            Refused(SelectError::NoAccount) => query.fallback = Some("none".to_owned()),
            Refused(SelectError::NoAccountAvailable) => {
                query.fallback = Some("none".to_owned());
                let usable = accounts.iter().filter(|other| {
                    other.country == account.country
                        && other.role == account.role
                        && other.state == Condition::Active
                });
                query.exclude = usable.map(|other| other.id.to_string()).take(MAX_EXCLUDED).collect();
            }
            _ => {}
        }
        if wanted.exclude {
            for _ in 0..rng.between(1, 2) {
                query.exclude.extend(rng.choose(accounts).map(|other| other.id.to_string()));
            }
        }
        if wanted.current_ignored {
            query.current = Some(match rng.below(3) {
                0 => format!("{}-old", account.id),
                1 => accounts.get(rng.below(accounts.len()))?.id.to_string(),
                _ => rng.choose(&target.company.accounts)?.id.to_string(),
            });
        }
        Some((query, country))
    }

    /// Returns an OU that the pool serves: one of its own OUs or, with the same probability, one below them.
    fn served_ou(&self, target: &QueryTarget<'a>, rng: &mut SeededRng) -> Option<&'a str> {
        let mut ou: &'a str = rng.choose(&target.pool.ous)?;
        while rng.per_mille(500) {
            match self.children.get(&(&*target.company.id, ou)).and_then(|children| rng.choose(children)) {
                Some(child) => ou = child,
                None => break,
            }
        }
        Some(ou)
    }

    /// Adds the client's phone or country. If the country has no mobile numbers, adds the country.
    fn locate(
        &mut self,
        query: &mut Query,
        outcome: Outcome,
        country: Region,
        phone: bool,
        rng: &mut SeededRng,
    ) {
        match outcome {
            Refused(SelectError::ClientRequired) => {}
            Refused(SelectError::InvalidPhone) => {
                query.phone = rng.choose(&INVALID_PHONES).map(|&text| text.to_owned());
            }
            Refused(SelectError::InvalidCountry) => {
                query.country = rng.choose(&INVALID_COUNTRIES).map(|&text| text.to_owned());
            }
            _ => {
                query.phone = phone.then(|| self.numbers.draw(country.alpha2(), rng)).flatten();
                if query.phone.is_none() {
                    query.country = Some(country.alpha2().to_owned());
                }
            }
        }
    }
}

fn query_for(company: &Company, channel: &str, ou: &str) -> Query {
    let [company, channel, ou] = [&*company.id, channel, ou].map(|id| Some(id.to_owned()));
    Query { company, channel, ou, ..Query::default() }
}

/// Returns a country of a client for which the outcome's rule probably selects the account.
fn client_country(
    outcome: Outcome,
    target: &QueryTarget<'_>,
    account: &Account,
    rng: &mut SeededRng,
) -> Option<Region> {
    match outcome {
        Selected(Rule::CallingCode) => {
            let own = account.country?;
            let code = own.calling_code()?;
            let others: Vec<Region> =
                Region::all().filter(|other| *other != own && other.calling_code() == Some(code)).collect();
            rng.choose(&others).copied()
        }
        Selected(Rule::Geography) => {
            let keys: Vec<Region> =
                target.pool.geography.keys().chain(target.company.geography.keys()).copied().collect();
            rng.choose(&keys).copied()
        }
        Selected(Rule::DefaultRegion) | Refused(SelectError::NoAccount) => any_region(rng),
        _ => account.country,
    }
}

/// Returns a random region, or `None` if it has no calling code.
fn any_region(rng: &mut SeededRng) -> Option<Region> {
    let region = Region::from_index(u8::try_from(rng.below(Region::COUNT)).ok()?)?;
    region.calling_code().map(|_| region)
}
