//! What names something by its id: pools name OUs, accounts name pools.

use std::collections::HashMap;

use super::Subject;
use crate::nearest::did_you_mean;
use crate::shown;
use crate::{Code, Findings, Holder, Mark};

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    if !subject.ous_unread {
        ous_of_pools(subject, findings);
    }
    if !subject.pools_unread {
        pools_of_accounts(subject, findings);
    }
}

fn ous_of_pools(subject: &Subject<'_>, findings: &mut Findings) {
    for pool in &subject.company.pools {
        let places = pool.ous_places.iter().map(Some).chain(std::iter::repeat(None));
        let unknown = |ou: &str| !ou.is_empty() && !subject.ous.contains_key(ou);
        for (ou, place) in pool.ous.iter().zip(places).filter(|(ou, _)| unknown(ou)) {
            let message =
                format!("OU {}, to which pool {} is allocated, does not exist", shown(ou), shown(&pool.id));
            let help = did_you_mean(ou, subject.ous.keys().copied(), || {
                format!("add an OU {}, or take it out of `ous`", shown(ou))
            });
            findings
                .add(place.unwrap_or(&pool.place), Code::UnknownOu, message, help)
                .at(Mark::Item(ou.clone()));
        }
    }
}

fn pools_of_accounts(subject: &Subject<'_>, findings: &mut Findings) {
    // The same wrong name may stand on a million lines.
    let mut helps: HashMap<&str, String> = HashMap::new();
    for account in &subject.company.accounts {
        let Holder::Pool(pool) = &account.holder else { continue };
        if subject.pools.contains_key(&**pool) {
            continue;
        }
        let help = helps.entry(pool).or_insert_with(|| {
            did_you_mean(pool, subject.pools.keys().copied(), || {
                format!("add a `[[pool]]` {} to `company.toml`, or name another one", shown(pool))
            })
        });
        let message = format!("pool {} of account {} does not exist", shown(pool), shown(&account.id));
        findings.add(&account.place, Code::UnknownPool, message, help.clone()).value("pool");
    }
}
