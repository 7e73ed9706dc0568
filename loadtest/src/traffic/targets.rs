//! Where in a registry requests can be aimed.

use crate::dice::Dice;
use std::collections::HashMap;
use switchboard_model::{Condition, Region, Role};
use switchboard_registry::{Account, Company, Holder, Pool, Registry};

/// A pool that has accounts, at an OU that has it.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) company: &'a Company,
    pub(super) pool: &'a Pool,
    /// The role that its channel talks to clients on.
    pub(super) conversation: Role,
    /// All there are, in and out of use.
    first: usize,
    count: usize,
}

/// An account of a user's own.
#[derive(Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) company: &'a Company,
    pub(super) account: &'a Account,
    pub(super) user: &'a str,
    pub(super) channel: &'a str,
    /// By its state alone.
    pub(super) out_of_use: bool,
}

/// What there is.
pub(super) struct Targets<'a> {
    pub(super) registry: &'a Registry,
    pub(super) all: Vec<Target<'a>>,
    pub(super) by_calling_code: Vec<Target<'a>>,
    pub(super) mapped: Vec<Target<'a>>,
    pub(super) with_default: Vec<Target<'a>>,
    pub(super) own: Vec<Own<'a>>,
    /// Of the targets, one after the other.
    accounts: Vec<&'a Account>,
    /// The OUs directly below each, by company and id.
    below: HashMap<(&'a str, &'a str), Vec<&'a str>>,
}

impl<'a> Targets<'a> {
    pub(super) fn of(registry: &'a Registry) -> Targets<'a> {
        let mut targets = Targets {
            registry,
            all: Vec::new(),
            by_calling_code: Vec::new(),
            mapped: Vec::new(),
            with_default: Vec::new(),
            own: Vec::new(),
            accounts: Vec::new(),
            below: HashMap::new(),
        };
        registry.companies.iter().for_each(|company| targets.add(company));
        targets
    }

    fn add(&mut self, company: &'a Company) {
        for ou in &company.ous {
            if let Some(parent) = &ou.parent {
                self.below.entry((&company.id, parent)).or_default().push(&ou.id);
            }
        }
        let mut shared: HashMap<&str, Vec<&Account>> = HashMap::new();
        for account in &company.accounts {
            match &account.holder {
                Holder::Pool(pool) => shared.entry(pool).or_default().push(account),
                Holder::User(user) => {
                    let channel = account.channel.and_then(|at| self.registry.channels.get(usize::from(at)));
                    let Some(channel) = channel.map(|channel| &*channel.id) else { continue };
                    let out_of_use = account.state != Condition::Active || account.available_from.is_some();
                    self.own.push(Own { company, account, user, channel, out_of_use });
                }
                Holder::Spare => {}
            }
        }
        for pool in &company.pools {
            let channel = self.registry.channels.iter().find(|channel| channel.id == pool.channel);
            let accounts = shared.remove(&*pool.id).unwrap_or_default();
            let Some(channel) = channel.filter(|_| !accounts.is_empty() && !pool.ous.is_empty()) else {
                continue;
            };
            let (first, count) = (self.accounts.len(), accounts.len());
            self.accounts.extend(accounts);
            let target = Target { company, pool, conversation: channel.conversation_role, first, count };
            self.all.push(target);
            if pool.match_calling_code {
                self.by_calling_code.push(target);
            }
            if !pool.geography.is_empty() || !company.geography.is_empty() {
                self.mapped.push(target);
            }
            if pool.default_country.is_some() {
                self.with_default.push(target);
            }
        }
    }

    /// The accounts of a target.
    pub(super) fn accounts(&self, target: &Target<'a>) -> &[&'a Account] {
        self.accounts.get(target.first..target.first + target.count).unwrap_or_default()
    }

    /// An OU that the target serves: one of its own or, as likely as not, one below.
    pub(super) fn ou(&self, target: &Target<'a>, dice: &mut Dice) -> Option<&'a str> {
        let mut ou: &'a str = dice.one_of(&target.pool.ous)?;
        while dice.per_mille(500) {
            match self.below.get(&(&*target.company.id, ou)).and_then(|below| dice.one_of(below)) {
                Some(below) => ou = below,
                None => break,
            }
        }
        Some(ou)
    }

    /// A country that is mapped, by the pool or else by the company.
    pub(super) fn mapped(&self, target: &Target<'a>, dice: &mut Dice) -> Option<Region> {
        let keys: Vec<Region> =
            target.pool.geography.keys().chain(target.company.geography.keys()).copied().collect();
        dice.one_of(&keys).copied()
    }
}

/// Any country that has numbers.
pub(super) fn anywhere(dice: &mut Dice) -> Option<Region> {
    let region = Region::from_index(u8::try_from(dice.below(Region::COUNT)).ok()?)?;
    region.calling_code().map(|_| region)
}
