//! Queries that should come to a given outcome. Whether they do is for the oracle to say.

use super::{
    kind::Kind,
    request::garble,
    targets::{Own, Target, Targets, anywhere},
};
use crate::{dice::Dice, numbers::Clients};
use oracle::Query;
use switchboard_model::{Condition, Region, Role};
use switchboard_registry::Account;

/// What a request should have beside its outcome.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wants {
    pub(super) phone: bool,
    pub(super) client: bool,
    pub(super) user: bool,
    pub(super) current_ignored: bool,
    pub(super) exclude: bool,
    pub(super) primary: bool,
    pub(super) strict: bool,
}

/// Where queries are aimed from.
pub(super) struct Aim<'a> {
    pub(super) targets: Targets<'a>,
    numbers: Clients,
    /// Clients so far: each has an id of its own.
    clients: u64,
}

/// Numbers that are none: too short, too long, of a calling code that is not assigned.
const NO_PHONES: [&str; 3] = ["+123", "+4474001234567890123", "+9991234567"];
/// Countries that are none, and that people write all the same.
const NO_COUNTRIES: [&str; 4] = ["UK", "EN", "EU", "XX"];
/// Of the accounts that are all excluded, at most so many.
const MOST_EXCLUDED: usize = 60;

impl<'a> Aim<'a> {
    pub(super) fn new(targets: Targets<'a>) -> Aim<'a> {
        Aim { targets, numbers: Clients::default(), clients: 0 }
    }

    /// A query that may come to this.
    pub(super) fn query(&mut self, kind: Kind, wants: Wants, dice: &mut Dice) -> Option<Query> {
        let (mut query, country) = match kind {
            Kind::Dedicated | Kind::DedicatedUnavailable => self.own(kind, dice)?,
            Kind::NoPool => self.without_pool(dice)?,
            _ => self.shared(kind, wants, dice)?,
        };
        self.clients += 1;
        if wants.client {
            query.client = Some(format!("client-{:08}", self.clients));
        }
        if wants.user && query.user.is_none() {
            query.user = Some(format!("employee-{:04}@example.com", dice.below(5_000)));
        }
        self.locate(&mut query, kind, country, wants.phone, dice);
        match kind {
            Kind::UnknownCompany => query.company = Some("no-such-company".to_owned()),
            Kind::UnknownChannel => query.channel = Some("fax".to_owned()),
            Kind::UnknownOu => query.ou = query.ou.map(|ou| ou + "-closed"),
            Kind::BadRequest => garble(&mut query),
            _ => {}
        }
        Some(query)
    }

    /// An invite by somebody who has an account of their own.
    fn own(&self, kind: Kind, dice: &mut Dice) -> Option<(Query, Region)> {
        let Own { company, account, user, channel, out_of_use } = *dice.one_of(&self.targets.own)?;
        let ou = dice.one_of(&company.ous)?;
        let mut query = Query {
            company: Some(company.id.to_string()),
            channel: Some(channel.to_owned()),
            ou: Some(ou.id.to_string()),
            user: Some(user.to_owned()),
            ..Query::default()
        };
        if kind == Kind::DedicatedUnavailable && !out_of_use {
            query.exclude.push(account.id.to_string());
        }
        let country = if dice.per_mille(700) { account.country? } else { anywhere(dice)? };
        Some((query, country))
    }

    /// Any channel at any OU: most registries have no pool of some.
    fn without_pool(&self, dice: &mut Dice) -> Option<(Query, Region)> {
        let company = dice.one_of(&self.targets.registry.companies)?;
        let channel = dice.one_of(&self.targets.registry.channels)?;
        let query = Query {
            company: Some(company.id.to_string()),
            channel: Some(channel.id.to_string()),
            ou: Some(dice.one_of(&company.ous)?.id.to_string()),
            ..Query::default()
        };
        Some((query, anywhere(dice)?))
    }

    /// An invite that a pool should serve.
    fn shared(&self, kind: Kind, wants: Wants, dice: &mut Dice) -> Option<(Query, Region)> {
        let targets = match kind {
            Kind::CallingCode => &self.targets.by_calling_code,
            Kind::Geography => &self.targets.mapped,
            Kind::DefaultRegion => &self.targets.with_default,
            _ => &self.targets.all,
        };
        let target = dice.one_of(targets)?;
        let role = if wants.primary { Role::Primary } else { target.conversation };
        let accounts = self.targets.accounts(target);
        let account = *dice.one_of(accounts)?;
        if account.role != Some(role) {
            return None;
        }
        let country = self.country(kind, target, account, dice)?;
        let mut query = Query {
            company: Some(target.company.id.to_string()),
            channel: Some(target.pool.channel.to_string()),
            ou: Some(self.targets.ou(target, dice)?.to_owned()),
            role: wants.primary.then(|| role.as_str().to_owned()),
            fallback: wants.strict.then(|| "none".to_owned()),
            ..Query::default()
        };
        match kind {
            Kind::Current => query.current = Some(account.id.to_string()),
            Kind::NoAccount => query.fallback = Some("none".to_owned()),
            Kind::NoAccountAvailable => {
                query.fallback = Some("none".to_owned());
                let its = |other: &&&Account| other.country == account.country && other.role == account.role;
                let usable = accounts.iter().filter(its).filter(|other| other.state == Condition::Active);
                query.exclude = usable.map(|other| other.id.to_string()).take(MOST_EXCLUDED).collect();
            }
            _ => {}
        }
        if wants.exclude {
            for _ in 0..dice.between(1, 2) {
                query.exclude.extend(dice.one_of(accounts).map(|other| other.id.to_string()));
            }
        }
        if wants.current_ignored {
            query.current = Some(match dice.below(3) {
                0 => format!("{}-old", account.id),
                1 => accounts.get(dice.below(accounts.len()))?.id.to_string(),
                _ => dice.one_of(&target.company.accounts)?.id.to_string(),
            });
        }
        Some((query, country))
    }

    /// The client's, for the account to be found by this rule.
    fn country(&self, kind: Kind, target: &Target<'a>, account: &Account, dice: &mut Dice) -> Option<Region> {
        match kind {
            Kind::CallingCode => {
                let its = account.country?;
                let code = its.calling_code()?;
                let others: Vec<Region> = Region::all()
                    .filter(|other| *other != its && other.calling_code() == Some(code))
                    .collect();
                dice.one_of(&others).copied()
            }
            Kind::Geography => self.targets.mapped(target, dice),
            Kind::DefaultRegion | Kind::NoAccount => anywhere(dice),
            _ => account.country,
        }
    }

    /// Says where the client is, in the way that is wanted. A phone does, where there are numbers to be had.
    fn locate(&mut self, query: &mut Query, kind: Kind, country: Region, phone: bool, dice: &mut Dice) {
        match kind {
            Kind::ClientRequired => {}
            Kind::InvalidPhone => query.phone = dice.one_of(&NO_PHONES).map(|&text| text.to_owned()),
            Kind::InvalidCountry => query.country = dice.one_of(&NO_COUNTRIES).map(|&text| text.to_owned()),
            _ => {
                query.phone = phone.then(|| self.numbers.draw(country.alpha2(), dice)).flatten();
                if query.phone.is_none() {
                    query.country = Some(country.alpha2().to_owned());
                }
            }
        }
    }
}
