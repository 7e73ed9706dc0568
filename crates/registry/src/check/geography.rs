//! Mappings and default countries that have no effect, or not the intended one.

use std::collections::HashMap;

use switchboard_model::{Condition, Region};

use super::company_index::CompanyIndex;
use crate::redact::quoted;
use crate::{ChannelProfile, Code, Findings, Mapping, Place, Pool, Span};

/// The countries of one pool's accounts of the conversation role, and whether any account of the country is
/// active.
type Countries = HashMap<Region, bool>;

pub(super) fn check(index: &CompanyIndex<'_>, findings: &mut Findings) {
    let company = &index.company.geography;
    let mut served = Vec::new();
    for pool in &index.company.pools {
        check_identity(&pool.geography, &format!("`geography` of pool {}", quoted(&pool.id)), findings);
        let Some((_, profile)) = index.channel(&pool.channel) else { continue };
        let countries = countries_of(index, pool, profile);
        check_pool(index, pool, &countries, findings);
        served.push(countries);
    }
    check_identity(company, "`geography` of the company", findings);
    check_company(index, &served, findings);
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
        let help = "remove it: clients are matched with their own country first";
        findings.add(place, Code::MappingToItself, message, help).primary(entry_span(*from));
    }
}

fn check_pool(index: &CompanyIndex<'_>, pool: &Pool, countries: &Countries, findings: &mut Findings) {
    let company = &index.company.geography;
    let name = quoted(&pool.id);
    let is_active = |country: &Region| countries.get(country) == Some(&true);
    // No account can refer to a pool whose id could not be read.
    let members_known = !index.company.unread.accounts && !pool.id.is_empty();
    let is_unserved = |to: &Region| members_known && !countries.contains_key(to);
    for (from, (to, place)) in pool.geography.iter().filter(|(from, (to, _))| *from != to) {
        if is_active(from) {
            let message = format!(
                "the mapping `{from}` to `{to}` of pool {name} is never used: the pool has accounts of `{from}`"
            );
            findings
                .add(place, Code::UnusedMapping, message, "remove the mapping")
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
    // The company's mapping leads to a country that this pool maps further.
    let is_used =
        |from: &Region, to: &Region| from != to && !pool.geography.contains_key(from) && !is_active(to);
    for (from, (to, place)) in company.iter().filter(|(from, (to, _))| is_used(from, to)) {
        if let Some(second) = second_hop(*from, *to, &pool.geography) {
            let whose = format!("pool {name} with the company's mapping behind it");
            let (message, help) = chain_texts(&whose, *from, *to, second);
            findings
                .add(second.place, Code::ChainedMapping, message, help)
                .primary(entry_span(*to))
                .secondary(place, entry_span(*from), "leads to it");
        }
    }
    if let Some(to) = pool.default_country.filter(is_unserved) {
        let place = pool.default_place.as_ref().unwrap_or(&pool.place);
        let what = format!("pool {name} has `{to}` as its default");
        report_unserved(what, to, place, Span::value("default_country"), findings);
    }
}

fn check_company(index: &CompanyIndex<'_>, served: &[Countries], findings: &mut Findings) {
    let company = &index.company.geography;
    let unread = index.company.unread;
    let accounts_known = !served.is_empty() && !unread.pools && !unread.accounts;
    for (from, (to, place)) in company.iter().filter(|(from, (to, _))| *from != to) {
        if let Some(second) = second_hop(*from, *to, company) {
            let (message, help) = chain_texts("the company", *from, *to, second);
            report_chain_at_first_hop((*from, place), (*to, second), message, help, findings);
        }
        if accounts_known && !served.iter().any(|countries| countries.contains_key(to)) {
            let message = format!(
                "the company maps `{from}` to `{to}`, and no pool has an account of `{to}` that talks to clients"
            );
            let help = "map it to a country that some pool has, or add an account";
            findings.add(place, Code::UnservedTarget, message, help).primary(entry_span(*from));
        }
    }
}

/// Returns the span of the mapping of a country.
fn entry_span(from: Region) -> Span {
    Span::Entry(from.alpha2().into())
}

/// The mapping of a country that is itself the target of a mapping.
#[derive(Clone, Copy)]
struct SecondHop<'p> {
    to: Region,
    place: &'p Place,
}

/// Returns the mapping of a mapping's target. A mapping back to the start is no chain.
fn second_hop(from: Region, to: Region, mapping: &Mapping) -> Option<SecondHop<'_>> {
    let (end, place) = mapping.get(&to)?;
    (*end != to && *end != from).then_some(SecondHop { to: *end, place })
}

fn chain_texts(whose: &str, from: Region, to: Region, second: SecondHop<'_>) -> (String, String) {
    let end = second.to;
    let message =
        format!("in {whose}, `{from}` maps to `{to}` and `{to}` to `{end}`, but only one hop is taken");
    (message, format!("map `{from}` to `{end}` if its clients are meant to get there"))
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
        format!("leads on to `{}`", second.to),
    );
}

fn report_unserved(what: String, to: Region, place: &Place, span: Span, findings: &mut Findings) {
    let message = format!("{what}, but has no account of `{to}` that talks to clients");
    let help = format!("name a country that the pool has accounts of, or add one of `{to}` to it");
    findings.add(place, Code::UnservedTarget, message, help).primary(span);
}
