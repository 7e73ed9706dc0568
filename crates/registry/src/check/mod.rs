//! Checks the rules of a registry that concern more than one line. This file has the index by id that all
//! checks share, and the checks of ids: they are unique, references have a target, and a company has an OU. The
//! other files of this folder have the checks of one subject each.
//!
//! A finding is reported at the line that causes it. A check skips what another finding on the same line
//! already reports, and consequences of a file that could not be read.

mod accounts;
mod ous_and_pools;

use std::collections::{HashMap, HashSet};

use switchboard_model::is_id;

use crate::redact::quoted;
use crate::suggest::did_you_mean;
use crate::{Account, ChannelProfile, Code, Company, Findings, Holder, Ou, Place, Pool, Registry, Span};

/// Checks a registry as a whole, and adds what it finds to the findings of [`read`](crate::read()). Sorts all
/// findings by file and line.
///
/// ```
/// use switchboard_registry::{Code, Files, check, read};
///
/// let pool = "[[ou]]\nid = \"acme\"\n\n[[pool]]\nid = \"line\"\nchannel = \"line\"\nous = [\"acme\"]\n";
/// let (registry, mut findings) = read(&Files::from_iter([("acme/company.toml", pool)]));
/// assert!(findings.is_empty());
///
/// check(&registry, &mut findings);
/// let finding = findings.iter().next().unwrap();
/// assert_eq!(finding.code, Code::MissingRole);
/// assert_eq!(finding.help, "add an account with this pool and role `secondary` to `accounts.csv`");
/// ```
pub fn check(registry: &Registry, findings: &mut Findings) {
    let has_unknown_files = findings.iter().any(|finding| finding.code == Code::UnknownFile);
    if registry.companies.is_empty() && !has_unknown_files {
        let help = "create a folder named after the company, with a `company.toml` in it";
        findings.add(&Place::file("."), Code::Empty, "the registry has no company", help);
    }
    for company in &registry.companies {
        let index = CompanyIndex::new(registry, company);
        check_ids(&index, findings);
        let tree = ous_and_pools::check_tree(&index, findings);
        check_references(&index, findings);
        accounts::check(&index, findings);
        ous_and_pools::check_pools(&index, findings);
        ous_and_pools::check_mappings(&index, findings);
        ous_and_pools::check_served_ous(&index, &tree, findings);
    }
    findings.sort_and_fold();
}

/// A company with its index by id. Entries with an empty id are not in the index, because their id could not
/// be read.
struct CompanyIndex<'r> {
    registry: &'r Registry,
    company: &'r Company,
    /// The position of each OU by its id. If several OUs have the same id, the first one counts.
    ous: HashMap<&'r str, usize>,
    /// The position of each pool by its id. If several pools have the same id, the first one counts.
    pools: HashMap<&'r str, usize>,
    channels: HashMap<&'r str, u16>,
    /// The positions of the accounts of each pool.
    members: Vec<Vec<usize>>,
    /// Whether an OU has an id that could not be read. An unknown OU may be this one.
    has_unread_ou: bool,
    /// The channels of the pools whose ids could not be read. `None` for a channel that is not known.
    unread_pools: HashSet<Option<u16>>,
}

impl<'r> CompanyIndex<'r> {
    fn new(registry: &'r Registry, company: &'r Company) -> CompanyIndex<'r> {
        let pools = first_by_id(company.pools.iter().map(|pool| &*pool.id));
        let mut members = vec![Vec::new(); company.pools.len()];
        for (at, account) in company.accounts.iter().enumerate() {
            let Holder::Pool(pool) = &account.holder else { continue };
            if let Some(members) = pools.get(&**pool).and_then(|&pool| members.get_mut(pool)) {
                members.push(at);
            }
        }
        let channels: HashMap<&str, u16> =
            (0..).zip(&registry.channels).map(|(at, channel)| (&*channel.id, at)).collect();
        let unread_pools = company.pools.iter().filter(|pool| !is_id(&pool.id));
        CompanyIndex {
            registry,
            company,
            ous: first_by_id(company.ous.iter().map(|ou| &*ou.id)),
            pools,
            unread_pools: unread_pools.map(|pool| channels.get(&*pool.channel).copied()).collect(),
            channels,
            members,
            has_unread_ou: company.ous.iter().any(|ou| !is_id(&ou.id)),
        }
    }

    /// Returns whether an OU with this id may exist, although its id could not be read.
    fn may_be_unread_ou(&self, id: &str) -> bool {
        self.has_unread_ou || self.company.unread.ous.may_contain(id)
    }

    /// Returns whether the pool that an account names may be one whose id could not be read. The pool then has
    /// the channel of the account, or a channel that could not be read.
    fn may_be_in_unread_pool(&self, account: &Account) -> bool {
        self.company.unread.pools
            || self.unread_pools.contains(&account.channel)
            || self.unread_pools.contains(&None)
            || account.channel.is_none() && !self.unread_pools.is_empty()
    }

    /// Returns whether the accounts of a pool are known: the id of the pool could be read, and no unread text
    /// names the pool.
    fn knows_members_of(&self, pool: &Pool) -> bool {
        is_id(&pool.id) && !self.company.unread.accounts.may_contain(&pool.id)
    }

    /// Returns the OUs that references can reach, which are the first ones of each id.
    fn first_ous(&self) -> impl Iterator<Item = (usize, &'r Ou)> {
        let is_first = |(at, ou): &(usize, &'r Ou)| self.ous.get(&*ou.id) == Some(at);
        self.company.ous.iter().enumerate().filter(is_first)
    }

    /// Returns the pools that references can reach, which are the first ones of each id.
    fn first_pools(&self) -> impl Iterator<Item = &'r Pool> {
        let is_first = |(at, pool): &(usize, &'r Pool)| self.pools.get(&*pool.id) == Some(at);
        self.company.pools.iter().enumerate().filter(is_first).map(|(_, pool)| pool)
    }

    /// Finds a channel by its id. Returns its index and its profile.
    fn channel(&self, id: &str) -> Option<(u16, &'r ChannelProfile)> {
        let at = *self.channels.get(id)?;
        Some((at, self.profile(at)?))
    }

    /// Returns the profile of the channel at an index.
    fn profile(&self, channel: u16) -> Option<&'r ChannelProfile> {
        self.registry.channels.get(usize::from(channel))
    }

    /// Returns whether any account names this pool.
    fn has_members(&self, pool: &Pool) -> bool {
        self.members_of(pool).next().is_some()
    }

    /// Returns the accounts whose `pool` is the id of this pool.
    fn members_of(&self, pool: &Pool) -> impl Iterator<Item = &'r Account> {
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

fn check_ids(index: &CompanyIndex<'_>, findings: &mut Findings) {
    let company = index.company;
    if company.ous.is_empty() && company.unread.ous.is_empty() {
        let message = format!("company {} has no organizational unit", quoted(&company.id));
        let help = "add an `[[ou]]` to `company.toml`, or add an `ous.csv`; every query names an OU";
        findings.add(&company.place, Code::Empty, message, help);
    }
    check_unique("OU", company.ous.iter().map(|ou| (&*ou.id, &ou.place)), findings);
    check_unique("pool", company.pools.iter().map(|pool| (&*pool.id, &pool.place)), findings);
    check_unique("account", company.accounts.iter().map(|account| (&*account.id, &account.place)), findings);
}

fn check_unique<'r>(what: &str, ids: impl Iterator<Item = (&'r str, &'r Place)>, findings: &mut Findings) {
    let mut seen: HashMap<&str, &Place> = HashMap::with_capacity(ids.size_hint().0);
    for (id, place) in ids.filter(|(id, _)| !id.is_empty()) {
        match seen.get(id) {
            None => drop(seen.insert(id, place)),
            Some(first) => {
                let message = format!("{what} id {} is already used at {first}", quoted(id));
                let help = format!("give this {what} another id, or remove it");
                let label = format!("the first {what} with this id");
                findings.add(place, Code::DuplicateId, message, help).primary(Span::value("id")).secondary(
                    first,
                    Span::value("id"),
                    label,
                );
            }
        }
    }
}

/// Checks that pools name known OUs and accounts name known pools.
fn check_references(index: &CompanyIndex<'_>, findings: &mut Findings) {
    check_ous_of_pools(index, findings);
    check_pools_of_accounts(index, findings);
}

fn check_ous_of_pools(index: &CompanyIndex<'_>, findings: &mut Findings) {
    for pool in &index.company.pools {
        let places = pool.ous_places.iter().map(Some).chain(std::iter::repeat(None));
        let is_unknown =
            |ou: &str| !ou.is_empty() && !index.ous.contains_key(ou) && !index.may_be_unread_ou(ou);
        for (ou, place) in pool.ous.iter().zip(places).filter(|(ou, _)| is_unknown(ou)) {
            let message =
                format!("pool {} is allocated to OU {}, which does not exist", quoted(&pool.id), quoted(ou));
            let help = did_you_mean(ou, index.ous.keys().copied(), || {
                format!("add an OU {}, or remove it from `ous`", quoted(ou))
            });
            findings
                .add(place.unwrap_or(&pool.place), Code::UnknownOu, message, help)
                .primary(Span::Item(ou.clone()));
        }
    }
}

fn check_pools_of_accounts(index: &CompanyIndex<'_>, findings: &mut Findings) {
    // Cached because a million lines may have the same wrong name, and the search for a close name is slow.
    let mut helps: HashMap<&str, String> = HashMap::new();
    for account in &index.company.accounts {
        let Holder::Pool(pool) = &account.holder else { continue };
        if index.pools.contains_key(&**pool) || index.may_be_in_unread_pool(account) {
            continue;
        }
        let help = helps.entry(pool).or_insert_with(|| {
            did_you_mean(pool, index.pools.keys().copied(), || {
                format!(
                    "add a `[[pool]]` with the id {} to `company.toml`, or name another pool",
                    quoted(pool)
                )
            })
        });
        let message =
            format!("account {} names pool {}, which does not exist", quoted(&account.id), quoted(pool));
        findings.add(&account.place, Code::UnknownPool, message, help.clone()).primary(Span::value("pool"));
    }
}
