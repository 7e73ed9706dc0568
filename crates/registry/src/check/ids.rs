//! Ids are unique, among OUs, among pools and among accounts; and there is at least one OU.

use std::collections::HashMap;

use super::Subject;
use crate::shown;
use crate::{Code, Findings, Mark, Place};

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    let company = subject.company;
    if company.ous.is_empty() {
        let message = format!("company {} has no organizational unit", shown(&company.id));
        let help =
            "add an `[[ou]]` to `company.toml`, or an `ous.csv`: pools serve OUs, and queries name one";
        findings.add(&company.place, Code::Empty, message, help);
    }
    unique("OU", company.ous.iter().map(|ou| (&*ou.id, &ou.place)), findings);
    unique("pool", company.pools.iter().map(|pool| (&*pool.id, &pool.place)), findings);
    unique("account", company.accounts.iter().map(|account| (&*account.id, &account.place)), findings);
}

fn unique<'r>(what: &str, ids: impl Iterator<Item = (&'r str, &'r Place)>, findings: &mut Findings) {
    let mut seen: HashMap<&str, &Place> = HashMap::with_capacity(ids.size_hint().0);
    for (id, place) in ids.filter(|(id, _)| !id.is_empty()) {
        match seen.get(id) {
            None => drop(seen.insert(id, place)),
            Some(first) => {
                let message = format!("{what} id {} is there already, at {first}", shown(id));
                let help = format!("give this {what} another id, or remove it");
                findings.add(place, Code::DuplicateId, message, help).value("id").beside(
                    first,
                    Mark::Value("id".into()),
                    format!("the first {what} of this id"),
                );
            }
        }
    }
}
