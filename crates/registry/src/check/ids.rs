//! Checks that ids are unique, that references have a target, and that a company has at least one OU.

use std::collections::HashMap;

use super::company_index::CompanyIndex;
use crate::redact::quoted;
use crate::suggest::did_you_mean;
use crate::{Code, Findings, Holder, Place, Span};

pub(super) fn check(index: &CompanyIndex<'_>, findings: &mut Findings) {
    let company = index.company;
    if company.ous.is_empty() && !company.unread.ous {
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
pub(super) fn check_references(index: &CompanyIndex<'_>, findings: &mut Findings) {
    if !index.company.unread.ous {
        check_ous_of_pools(index, findings);
    }
    if !index.company.unread.pools {
        check_pools_of_accounts(index, findings);
    }
}

fn check_ous_of_pools(index: &CompanyIndex<'_>, findings: &mut Findings) {
    for pool in &index.company.pools {
        let places = pool.ous_places.iter().map(Some).chain(std::iter::repeat(None));
        let is_unknown = |ou: &str| !ou.is_empty() && !index.ous.contains_key(ou);
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
        if index.pools.contains_key(&**pool) {
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
