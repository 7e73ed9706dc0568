//! Checks the tree of OUs and the pools that serve it. Every parent exists, no OU is above itself, and the
//! tree is not too deep. A pool is allocated to an OU and has accounts of the roles that its channel requires.
//! Every OU is served by a pool. Mappings and default countries have an effect, and the one that they seem to
//! have.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use switchboard_model::{Condition, E164, Region, Role, is_id};

use super::CompanyIndex;
use crate::redact::{quoted, quoted_list};
use crate::suggest::did_you_mean;
use crate::{
    Account, AddressKind, ChannelProfile, Code, Findings, Holder, Mapping, Ou, OuWithoutPool, Place, Pool,
    Span,
};

/// The maximum number of levels of a tree. A selection may visit all levels above an OU, so this limits its
/// time. 20,000 levels take 150 µs.
const MAX_LEVELS: u32 = 60_000;
/// The maximum number of OUs of a cycle that a message names.
const MAX_NAMED: usize = 10;
/// The maximum number of OUs of a cycle that get a label.
const MAX_LABELLED: usize = 3;

/// The OUs of a company as a tree.
pub(super) struct OuTree {
    /// The parent of each OU. `None` for a root and for an OU whose parent is unknown.
    pub(super) parents: Vec<Option<usize>>,
    /// The OUs that have a valid path to a root, each after its parent.
    pub(super) top_down: Vec<usize>,
}

/// The countries of a pool's accounts in the conversation role. The value says whether any account of the
/// country is active.
type Countries = HashMap<Region, bool>;

#[derive(Clone, Copy, PartialEq)]
enum Visit {
    NotVisited,
    InProgress,
    /// The number of levels above the OU. `None` if the OU has no valid path to a root.
    Done(Option<u32>),
}

pub(super) fn check_tree(index: &CompanyIndex<'_>, findings: &mut Findings) -> OuTree {
    let ous = &index.company.ous;
    let parents: Vec<Parent> = ous.iter().map(|ou| find_parent(index, ou, findings)).collect();
    let depths = depths(index, &parents, findings);
    let mut ordered: Vec<(u32, usize)> =
        index.first_ous().filter_map(|(at, _)| Some((depths.get(at).copied()??, at))).collect();
    ordered.sort_unstable();
    if let Some((depth, at)) = ordered.last().copied().filter(|&(depth, _)| depth >= MAX_LEVELS)
        && let Some(ou) = ous.get(at)
    {
        let level = depth + 1;
        let message =
            format!("OU {} is on level {level}, but a tree has at most {MAX_LEVELS} levels", quoted(&ou.id));
        let help = "reduce the number of levels above this OU";
        findings.add(&ou.place, Code::Limit, message, help).primary(Span::value("id"));
    }
    let parent = |parent| if let Parent::Ou(at) = parent { Some(at) } else { None };
    OuTree {
        parents: parents.into_iter().map(parent).collect(),
        top_down: ordered.into_iter().map(|(_, at)| at).collect(),
    }
}

#[derive(Clone, Copy)]
enum Parent {
    /// The OU is a root.
    None,
    /// The parent does not exist, or its id could not be read.
    Unknown,
    /// The parent is the OU at this index of the company's OUs.
    Ou(usize),
}

fn find_parent(index: &CompanyIndex<'_>, ou: &Ou, findings: &mut Findings) -> Parent {
    let Some(parent) = ou.parent.as_deref() else { return Parent::None };
    if let Some(&at) = index.ous.get(parent) {
        return Parent::Ou(at);
    }
    if !parent.is_empty() && !index.may_be_unread_ou(parent) {
        let message = format!("OU {} names parent {}, which does not exist", quoted(&ou.id), quoted(parent));
        let help = did_you_mean(parent, index.ous.keys().copied().filter(|id| *id != &*ou.id), || {
            format!("add an OU {}, or remove the parent to make this OU a root", quoted(parent))
        });
        let place = ou.parent_place.as_ref().unwrap_or(&ou.place);
        findings.add(place, Code::UnknownParent, message, help).primary(Span::value("parent"));
    }
    Parent::Unknown
}

/// Returns the number of levels above each OU, and reports cycles. Does not recurse, because a tree may have
/// 60,000 levels.
fn depths(index: &CompanyIndex<'_>, parents: &[Parent], findings: &mut Findings) -> Vec<Option<u32>> {
    let mut visits = vec![Visit::NotVisited; parents.len()];
    let mut path = Vec::new();
    for start in 0..parents.len() {
        let mut next = start;
        // The depth of the last OU of the path.
        let mut depth = loop {
            match visits.get(next) {
                Some(Visit::NotVisited) => {
                    set(&mut visits, next, Visit::InProgress);
                    path.push(next);
                    match parents.get(next) {
                        Some(Parent::Ou(parent)) => next = *parent,
                        Some(Parent::None) => break Some(0),
                        Some(Parent::Unknown) | None => break None,
                    }
                }
                Some(Visit::Done(depth)) => break depth.map(|depth| depth + 1),
                Some(Visit::InProgress) | None => {
                    let cycle = path.iter().skip_while(|&&on_path| on_path != next).copied().collect();
                    report_cycle(index, cycle, findings);
                    break None;
                }
            }
        };
        for at in path.drain(..).rev() {
            set(&mut visits, at, Visit::Done(depth));
            depth = depth.map(|depth| depth + 1);
        }
    }
    let depth = |visit| if let Visit::Done(depth) = visit { depth } else { None };
    visits.into_iter().map(depth).collect()
}

/// Reports a cycle at the OU that comes first in the file.
fn report_cycle(index: &CompanyIndex<'_>, mut cycle: Vec<usize>, findings: &mut Findings) {
    let first = cycle.iter().enumerate().min_by_key(|(_, at)| **at).map_or(0, |(first, _)| first);
    cycle.rotate_left(first);
    let members: Vec<&Ou> = cycle.iter().filter_map(|&at| index.company.ous.get(at)).collect();
    let Some(ou) = members.first() else { return };
    let mut names = quoted_list(members.iter().take(MAX_NAMED).map(|ou| &*ou.id));
    if members.len() > MAX_NAMED {
        names += &format!(" and {} more", members.len() - MAX_NAMED);
    }
    let message = match members.len() {
        1 => format!("OU {} is its own parent", quoted(&ou.id)),
        _ => format!("the parents of these OUs form a cycle: {names}"),
    };
    let help = "give one of these OUs a parent outside the cycle, or no parent";
    let mut finding = findings.add(&ou.place, Code::OuCycle, message, help).primary(Span::value("parent"));
    for other in members.iter().skip(1).take(MAX_LABELLED) {
        let label = format!("{} is part of the cycle", quoted(&other.id));
        finding = finding.secondary(&other.place, Span::value("parent"), label);
    }
}

fn set<T>(list: &mut [T], at: usize, value: T) {
    if let Some(slot) = list.get_mut(at) {
        *slot = value;
    }
}

pub(super) fn check_pools(index: &CompanyIndex<'_>, findings: &mut Findings) {
    for pool in index.company.pools.iter().filter(|pool| pool.ous.is_empty()) {
        let message = format!("pool {} is allocated to no OU, so no query can reach it", quoted(&pool.id));
        findings
            .add(&pool.place, Code::PoolWithoutOu, message, "list its OUs in `ous`")
            .primary(Span::value("ous"));
    }
    for pool in index.first_pools().filter(|pool| index.knows_members_of(pool)) {
        let Some((_, profile)) = index.channel(&pool.channel) else { continue };
        let roles =
            [(profile.pool_roles.primary, Role::Primary), (profile.pool_roles.secondary, Role::Secondary)];
        for (_, role) in roles.into_iter().filter(|&(is_required, _)| is_required) {
            // An account of a pool without a role has one that could not be read. It may be this one.
            if index.members_of(pool).any(|account| account.role.is_none_or(|it| it == role)) {
                continue;
            }
            let role = role.as_str();
            let message = format!(
                "pool {} has no account of role `{role}`, but channel {} requires one",
                quoted(&pool.id),
                quoted(&pool.channel)
            );
            let help = format!("add an account with this pool and role `{role}` to `accounts.csv`");
            findings.add(&pool.place, Code::MissingRole, message, help).primary(Span::value("id"));
        }
        if !profile.pool_roles.primary && !profile.pool_roles.secondary && !index.has_members(pool) {
            let message = format!("pool {} has no account", quoted(&pool.id));
            let help = "add an account with this pool to `accounts.csv`, or remove the pool";
            findings.add(&pool.place, Code::UnreachablePool, message, help).primary(Span::value("id"));
        }
        if profile.address == AddressKind::Phone {
            check_reachable(index, pool, findings);
        }
    }
}

/// Reports accounts that no rule can select, because their phone numbers belong to no country and the file
/// states none.
fn check_reachable(index: &CompanyIndex<'_>, pool: &Pool, findings: &mut Findings) {
    let has_no_country = |account: &&Account| {
        account.country.is_none() && E164::parse(&account.address).is_ok_and(|it| it.region().is_none())
    };
    let why = "its phone number belongs to no country, and every rule selects by country";
    let help = "write the country that the account is to serve into the column `country`";
    if index.has_members(pool) && index.members_of(pool).all(|account| has_no_country(&account)) {
        let message = format!(
            "no rule can select an account of pool {}: their phone numbers belong to no country, and every rule \
             selects by country",
            quoted(&pool.id)
        );
        findings.add(&pool.place, Code::UnreachablePool, message, help).primary(Span::value("id"));
        return;
    }
    for account in index.members_of(pool).filter(has_no_country) {
        let message = format!("no rule can select account {}: {why}", quoted(&account.id));
        findings.add(&account.place, Code::UnreachableAccount, message, help).primary(Span::value("country"));
    }
}

/// Reports OUs that no pool serves on a channel of which the company has pools or dedicated accounts.
pub(super) fn check_served_ous(index: &CompanyIndex<'_>, tree: &OuTree, findings: &mut Findings) {
    let company = index.company;
    // A pool whose channel could not be read may serve any OU.
    if company.unread.pools || company.pools.iter().any(|pool| pool.channel.is_empty()) {
        return;
    }
    let of_pools = company.pools.iter().filter_map(|pool| index.channel(&pool.channel));
    let dedicated = company.accounts.iter().filter(|account| matches!(account.holder, Holder::User(_)));
    let numbers = of_pools.map(|(at, _)| at).chain(dedicated.filter_map(|account| account.channel));
    let numbers: BTreeSet<u16> = numbers.collect();
    let used: BTreeSet<&str> =
        numbers.into_iter().filter_map(|at| index.profile(at)).map(|profile| &*profile.id).collect();
    let mut unserved: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for channel in used {
        let Some(served) = served_ous(index, tree, channel) else { continue };
        for &ou in tree.top_down.iter().filter(|&&ou| served.get(ou) == Some(&false)) {
            unserved.entry(ou).or_default().push(channel);
        }
    }

    let help = match index.company.ou_without_pool {
        OuWithoutPool::Inherit => {
            "allocate a pool to this OU or to an OU above it, if the OU invites clients on the channel"
        }
        OuWithoutPool::Error => "allocate a pool to this OU, or set `ou_without_pool` to \"inherit\"",
    };
    for (ou, channels) in unserved {
        // The id of a pool's list may be meant for an OU whose id could not be read.
        let Some(ou) = index.company.ous.get(ou).filter(|ou| is_id(&ou.id)) else { continue };
        let noun = if channels.len() == 1 { "channel" } else { "channels" };
        let message = format!("no pool serves OU {} on {noun} {}", quoted(&ou.id), quoted_list(channels));
        findings.add(&ou.place, Code::UnservedOu, message, help).primary(Span::value("id"));
    }
}

/// Returns for each OU whether a pool of the channel serves it. Returns `None` if the `ous` of a pool could
/// not be read.
fn served_ous(index: &CompanyIndex<'_>, tree: &OuTree, channel: &str) -> Option<Vec<bool>> {
    let mut served = vec![false; index.company.ous.len()];
    for pool in index.company.pools.iter().filter(|pool| &*pool.channel == channel) {
        if pool.ous.iter().any(|ou| ou.is_empty()) {
            return None;
        }
        for ou in pool.ous.iter().filter_map(|ou| index.ous.get(&**ou)) {
            *served.get_mut(*ou)? = true;
        }
    }
    if index.company.ou_without_pool == OuWithoutPool::Inherit {
        for &ou in &tree.top_down {
            let parent = tree.parents.get(ou).copied().flatten();
            if parent.is_some_and(|parent| served.get(parent) == Some(&true)) {
                *served.get_mut(ou)? = true;
            }
        }
    }
    Some(served)
}

pub(super) fn check_mappings(index: &CompanyIndex<'_>, findings: &mut Findings) {
    let company = &index.company.geography;
    let mut served = Vec::new();
    for pool in &index.company.pools {
        check_identity(&pool.geography, &format!("`geography` of pool {}", quoted(&pool.id)), findings);
        let Some((_, profile)) = index.channel(&pool.channel) else { continue };
        let countries = countries_of(index, pool, profile);
        check_pool_mapping(index, pool, &countries, findings);
        served.push((pool, countries));
    }
    check_identity(company, "`geography` of the company", findings);
    check_company_mapping(index, &served, findings);
}

fn countries_of(index: &CompanyIndex<'_>, pool: &Pool, profile: &ChannelProfile) -> Countries {
    let mut countries = Countries::new();
    for account in index.members_of(pool).filter(|it| it.role == Some(profile.conversation_role)) {
        if let Some(country) = account.country {
            *countries.entry(country).or_default() |= account.state == Condition::Active;
        }
    }
    countries
}

fn check_identity(mapping: &Mapping, whose: &str, findings: &mut Findings) {
    for (from, (_, place)) in mapping.iter().filter(|(from, (to, _))| *from == to) {
        let message = format!("{whose} maps `{from}` to itself");
        let help = "remove the mapping: the client's own country is always tried first";
        findings.add(place, Code::MappingToItself, message, help).primary(entry_span(*from));
    }
}

fn check_pool_mapping(index: &CompanyIndex<'_>, pool: &Pool, countries: &Countries, findings: &mut Findings) {
    let company = &index.company.geography;
    let name = quoted(&pool.id);
    let is_active = |country: &Region| countries.get(country) == Some(&true);
    let is_unserved = |to: &Region| index.knows_members_of(pool) && !countries.contains_key(to);
    for (from, (to, place)) in pool.geography.iter().filter(|(from, (to, _))| *from != to) {
        if is_active(from) {
            let message = format!(
                "the mapping `{from}` to `{to}` of pool {name} is used only while no account of `{from}` in \
                 the pool is available"
            );
            findings
                .add(place, Code::UnusedMapping, message, "keep the mapping as a fallback, or remove it")
                .primary(entry_span(*from));
        }
        let second = second_hop(*from, *to, &pool.geography)
            .or_else(|| second_hop(*from, *to, company).filter(|_| !is_active(to)));
        if let Some(second) = second {
            let (message, help) = chain_texts(&format!("pool {name}"), *from, *to, second);
            report_chain_at_first_hop((*from, place), (*to, second), message, help, findings);
        }
        if is_unserved(to) {
            let what = format!("pool {name} maps `{from}` to `{to}`");
            report_unserved(what, *to, place, entry_span(*from), findings);
        }
    }
    // The company maps to a country that this pool maps to another one.
    let is_used =
        |from: &Region, to: &Region| from != to && !pool.geography.contains_key(from) && !is_active(to);
    for (from, (to, place)) in company.iter().filter(|(from, (to, _))| is_used(from, to)) {
        if let Some(second) = second_hop(*from, *to, &pool.geography) {
            let whose = format!("pool {name} and the company's mapping");
            let (message, help) = chain_texts(&whose, *from, *to, second);
            findings
                .add(second.place, Code::ChainedMapping, message, help)
                .primary(entry_span(*to))
                .secondary(place, entry_span(*from), format!("maps to `{to}`"));
        }
    }
    if let Some(to) = pool.default_country.filter(is_unserved) {
        let place = pool.default_place.as_ref().unwrap_or(&pool.place);
        let what = format!("pool {name} has the default country `{to}`");
        report_unserved(what, to, place, Span::value("default_country"), findings);
    }
}

fn check_company_mapping(index: &CompanyIndex<'_>, served: &[(&Pool, Countries)], findings: &mut Findings) {
    let company = &index.company.geography;
    let unread = &index.company.unread;
    let pools_known = !unread.pools && served.len() == index.company.pools.len() && !served.is_empty();
    let accounts_known = unread.accounts.is_empty() && served.iter().all(|(pool, _)| is_id(&pool.id));
    for (from, (to, place)) in company.iter().filter(|(from, (to, _))| *from != to) {
        if let Some(second) = second_hop(*from, *to, company) {
            let (message, help) = chain_texts("the company", *from, *to, second);
            report_chain_at_first_hop((*from, place), (*to, second), message, help, findings);
        }
        if !pools_known || !accounts_known {
            continue;
        }
        if !served.iter().any(|(_, countries)| countries.contains_key(to)) {
            let message = format!(
                "the company maps `{from}` to `{to}`, but no pool has an account of `{to}` in the conversation \
                 role"
            );
            let help =
                format!("map `{from}` to the country of some account, or add an account of `{to}` to a pool");
            findings.add(place, Code::UnservedTarget, message, help).primary(entry_span(*from));
            continue;
        }
        // The pools that the mapping is for.
        let mut users = served
            .iter()
            .filter(|(pool, countries)| !pool.geography.contains_key(from) && countries.contains_key(to))
            .peekable();
        let is_for_none = users.peek().is_none();
        if is_for_none {
            let message = format!(
                "the mapping `{from}` to `{to}` of the company is never used, because each pool maps `{from}` \
                 itself or has no account of `{to}`"
            );
            let help = format!("remove the mapping, or the one of a pool with accounts of `{to}`");
            findings.add(place, Code::UnusedMapping, message, help).primary(entry_span(*from));
        } else if users.all(|(_, countries)| countries.get(from) == Some(&true)) {
            let message = format!(
                "the mapping `{from}` to `{to}` of the company is used only while no account of `{from}` is \
                 available, because each pool that it is for has accounts of `{from}`"
            );
            findings
                .add(place, Code::UnusedMapping, message, "keep the mapping as a fallback, or remove it")
                .primary(entry_span(*from));
        }
    }
}

/// Returns the span of a country's mapping.
fn entry_span(from: Region) -> Span {
    Span::Entry(from.alpha2().into())
}

/// A mapping whose country is the target of another mapping.
#[derive(Clone, Copy)]
struct SecondHop<'p> {
    to: Region,
    place: &'p Place,
}

/// Returns the mapping of a mapping's target. Ignores a mapping back to the start, because it cannot mislead.
fn second_hop(from: Region, to: Region, mapping: &Mapping) -> Option<SecondHop<'_>> {
    let (end, place) = mapping.get(&to)?;
    (*end != to && *end != from).then_some(SecondHop { to: *end, place })
}

fn chain_texts(whose: &str, from: Region, to: Region, second: SecondHop<'_>) -> (String, String) {
    let end = second.to;
    let message = format!(
        "in {whose}, `{from}` maps to `{to}` and `{to}` to `{end}`, but a selection uses one mapping only"
    );
    (message, format!("map `{from}` to `{end}` if accounts of `{end}` are to serve clients of `{from}`"))
}

fn report_chain_at_first_hop(
    (from, place): (Region, &Place),
    (to, second): (Region, SecondHop<'_>),
    message: String,
    help: String,
    findings: &mut Findings,
) {
    findings.add(place, Code::ChainedMapping, message, help).primary(entry_span(from)).secondary(
        second.place,
        entry_span(to),
        format!("maps to `{}`", second.to),
    );
}

fn report_unserved(what: String, to: Region, place: &Place, span: Span, findings: &mut Findings) {
    let message = format!("{what}, but has no account of `{to}` in the conversation role");
    let help =
        format!("name the country of some account of the pool, or add an account of `{to}` to the pool");
    findings.add(place, Code::UnservedTarget, message, help).primary(span);
}
