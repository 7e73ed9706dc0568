//! Mappings and default countries that do not do what they seem to: each entry by itself.

use std::collections::HashMap;

use super::Subject;
use crate::model::Mapping;
use crate::shown;
use crate::{ChannelProfile, Code, Condition, Findings, Mark, Place, Pool};
use switchboard_model::Region;

/// The accounts of the conversation role in one pool, by country: whether any is active.
type Staff = HashMap<Region, bool>;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    let company = &subject.company.geography;
    let mut staffed = Vec::new();
    for pool in &subject.company.pools {
        to_itself(&pool.geography, &format!("`geography` of pool {}", shown(&pool.id)), findings);
        let Some((_, profile)) = subject.channel(&pool.channel) else { continue };
        let staff = staff(subject, pool, profile);
        pool_mappings(subject, pool, &staff, findings);
        staffed.push(staff);
    }
    to_itself(company, "`geography` of the company", findings);
    company_mappings(subject, &staffed, findings);
}

fn staff(subject: &Subject<'_>, pool: &Pool, profile: &ChannelProfile) -> Staff {
    let mut staff = Staff::new();
    for account in subject.members_of(pool).filter(|it| it.role == Some(profile.conversation_role)) {
        if let Some(country) = account.country {
            *staff.entry(country).or_default() |= account.state == Condition::Active;
        }
    }
    staff
}

fn to_itself(mapping: &Mapping, whose: &str, findings: &mut Findings) {
    for (from, (_, place)) in mapping.iter().filter(|(from, (to, _))| *from == to) {
        let message = format!("{whose} maps `{from}` to itself");
        let help = "remove it: clients are matched with their own country first";
        findings.add(place, Code::MappingToItself, message, help).at(entry(*from));
    }
}

fn pool_mappings(subject: &Subject<'_>, pool: &Pool, staff: &Staff, findings: &mut Findings) {
    let company = &subject.company.geography;
    let name = shown(&pool.id);
    let active = |country: &Region| staff.get(country) == Some(&true);
    // No account can be of a pool without an id.
    let unserved = |to: &Region| !subject.accounts_unread && !pool.id.is_empty() && !staff.contains_key(to);
    for (from, (to, place)) in pool.geography.iter().filter(|(from, (to, _))| *from != to) {
        if active(from) {
            let message = format!(
                "the mapping `{from}` to `{to}` of pool {name} is never used: the pool has accounts of `{from}`"
            );
            findings.add(place, Code::UnusedMapping, message, "remove the mapping").at(entry(*from));
        }
        let end = onward(*from, *to, &pool.geography)
            .or_else(|| onward(*from, *to, company).filter(|_| !active(to)));
        if let Some(end) = end {
            chained(&format!("pool {name}"), (*from, *to, end), place, findings);
        }
        if unserved(to) {
            let what = format!("pool {name} maps `{from}` to `{to}`");
            unserved_target(what, *to, place, entry(*from), findings);
        }
    }
    // The company's mapping led to a country that this pool in turn maps.
    let behind = |from: &Region, to: &Region| from != to && !pool.geography.contains_key(from) && !active(to);
    for (from, (to, place)) in company.iter().filter(|(from, (to, _))| behind(from, to)) {
        if let Some(end) = onward(*from, *to, &pool.geography) {
            let whose = format!("pool {name} with the company's mapping behind it");
            chained_at_its_end(&whose, (*from, *to, end), place, findings);
        }
    }
    if let Some(to) = pool.default_country.filter(unserved) {
        let place = pool.default_place.as_ref().unwrap_or(&pool.place);
        let mark = Mark::Value("default_country".into());
        unserved_target(format!("pool {name} has `{to}` as its default"), to, place, mark, findings);
    }
}

fn company_mappings(subject: &Subject<'_>, staffed: &[Staff], findings: &mut Findings) {
    let company = &subject.company.geography;
    let certain = !staffed.is_empty() && !subject.pools_unread && !subject.accounts_unread;
    for (from, (to, place)) in company.iter().filter(|(from, (to, _))| *from != to) {
        if let Some(end) = onward(*from, *to, company) {
            chained("the company", (*from, *to, end), place, findings);
        }
        if certain && !staffed.iter().any(|staff| staff.contains_key(to)) {
            let message = format!(
                "the company maps `{from}` to `{to}`, and no pool has an account of `{to}` that talks to clients"
            );
            let help = "map it to a country that some pool has, or add an account";
            findings.add(place, Code::UnservedTarget, message, help).at(entry(*from));
        }
    }
}

/// The line of a mapping that begins with this country.
fn entry(from: Region) -> Mark {
    Mark::Entry(from.alpha2().into())
}

/// Where a mapping's target is itself mapped to. Two countries that stand in for each other are no
/// chain: it would only lead back.
fn onward(from: Region, to: Region, mapping: &Mapping) -> Option<(Region, &Place)> {
    let (end, place) = mapping.get(&to)?;
    (*end != to && *end != from).then_some((*end, place))
}

/// A mapping, and the one behind it.
type Hops<'p> = (Region, Region, (Region, &'p Place));

fn chained(whose: &str, hops: Hops<'_>, place: &Place, findings: &mut Findings) {
    let (from, to, (end, onward)) = hops;
    let (message, help) = chained_words(whose, hops);
    findings.add(place, Code::ChainedMapping, message, help).at(entry(from)).beside(
        onward,
        entry(to),
        format!("leads on to `{end}`"),
    );
}

/// The same where the first hop is one of all the company's pools.
fn chained_at_its_end(whose: &str, hops: Hops<'_>, first: &Place, findings: &mut Findings) {
    let (from, to, (_, onward)) = hops;
    let (message, help) = chained_words(whose, hops);
    findings.add(onward, Code::ChainedMapping, message, help).at(entry(to)).beside(
        first,
        entry(from),
        "leads to it",
    );
}

fn chained_words(whose: &str, (from, to, (end, _)): Hops<'_>) -> (String, String) {
    let message =
        format!("in {whose}, `{from}` maps to `{to}` and `{to}` to `{end}`, but only one hop is taken");
    (message, format!("map `{from}` to `{end}` if its clients are meant to get there"))
}

fn unserved_target(what: String, to: Region, place: &Place, mark: Mark, findings: &mut Findings) {
    let message = format!("{what}, but has no account of `{to}` that talks to clients");
    let help = format!("name a country that the pool has accounts of, or add one of `{to}` to it");
    findings.add(place, Code::UnservedTarget, message, help).at(mark);
}
