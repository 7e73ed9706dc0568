//! `geography`: client's country to serving country.

use std::collections::btree_map::Entry;

use super::cells;
use super::fields::{Fields, as_text};
use crate::registry::model::Mapping;
use crate::registry::shown;
use crate::registry::{Code, Findings};

/// Reads the mapping of a company or a pool; both have the same form.
pub(super) fn read(owner: &Fields<'_>, findings: &mut Findings) -> Mapping {
    let mut mapping = Mapping::new();
    let Some(fields) = owner.table("geography", findings).given() else { return mapping };
    for (key, value, place) in fields.each() {
        let from = cells::country("geography: client's country", key, &place, findings);
        let to = as_text(key, value, &place, findings)
            .and_then(|text| cells::country("geography: serving country", text, &place, findings));
        let (Some(from), Some(to)) = (from, to) else { continue };
        match mapping.entry(from) {
            Entry::Vacant(vacant) => drop(vacant.insert((to, place))),
            Entry::Occupied(_) => {
                let message = format!("geography maps {} twice, in another case", shown(key));
                findings.add(&place, Code::DuplicateId, message, "keep one of the two");
            }
        }
    }
    mapping
}
