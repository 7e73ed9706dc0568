//! Checks mappings and default countries that have no effect, or another effect than they seem to have.

use std::collections::HashMap;

use switchboard_model::{Condition, Region};

use super::ids::CompanyIndex;
use crate::redact::quoted;
use crate::{ChannelProfile, Code, Findings, Mapping, Place, Pool, Span};

/// The countries of a pool's accounts in the conversation role. The value says whether any account of the
/// country is active.
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
        let help = "remove the mapping: the client's own country is always tried first";
        findings.add(place, Code::MappingToItself, message, help).primary(entry_span(*from));
    }
}

fn check_pool(index: &CompanyIndex<'_>, pool: &Pool, countries: &Countries, findings: &mut Findings) {
    let company = &index.company.geography;
    let name = quoted(&pool.id);
    let is_active = |country: &Region| countries.get(country) == Some(&true);
    // Accounts cannot refer to a pool whose id could not be read.
    let members_known = !index.company.unread.accounts.may_contain(&pool.id) && !pool.id.is_empty();
    let is_unserved = |to: &Region| members_known && !countries.contains_key(to);
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

fn check_company(index: &CompanyIndex<'_>, served: &[Countries], findings: &mut Findings) {
    let company = &index.company.geography;
    let unread = &index.company.unread;
    let accounts_known = !served.is_empty() && unread.pools.is_empty() && unread.accounts.is_empty();
    for (from, (to, place)) in company.iter().filter(|(from, (to, _))| *from != to) {
        if let Some(second) = second_hop(*from, *to, company) {
            let (message, help) = chain_texts("the company", *from, *to, second);
            report_chain_at_first_hop((*from, place), (*to, second), message, help, findings);
        }
        if accounts_known && !served.iter().any(|countries| countries.contains_key(to)) {
            let message = format!(
                "the company maps `{from}` to `{to}`, but no pool has an account of `{to}` in the conversation \
                 role"
            );
            let help =
                format!("map `{from}` to the country of some account, or add an account of `{to}` to a pool");
            findings.add(place, Code::UnservedTarget, message, help).primary(entry_span(*from));
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
