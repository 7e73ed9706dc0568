//! `geography`: client's country to serving country.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::cells;
use super::fields::{Fields, as_text};
use crate::model::Mapping;
use crate::shown;
use crate::{Code, Findings, Mark};

/// Reads the mapping of a company or a pool; both have the same form.
pub(super) fn read(owner: &Fields<'_>, findings: &mut Findings) -> Mapping {
    let mut mapping = Mapping::new();
    let Some(fields) = owner.table("geography", findings).given() else { return mapping };
    let mut spans = BTreeMap::new();
    for (key, value, place, span) in fields.each() {
        let whole = || Mark::Bytes(span.clone());
        let from = cells::country("geography: client's country", key, &place, whole, findings);
        let to = as_text(key, value, &place, findings).and_then(|text| {
            let own = || Mark::Bytes(value.span());
            cells::country("geography: serving country", text, &place, own, findings)
        });
        let (Some(from), Some(to)) = (from, to) else { continue };
        match mapping.entry(from) {
            Entry::Vacant(vacant) => {
                vacant.insert((to, place));
                spans.insert(from, span);
            }
            Entry::Occupied(first) => {
                let message = format!("geography maps {} twice, in another case", shown(key));
                findings.add(&place, Code::DuplicateId, message, "keep one of the two").at(whole()).beside(
                    &first.get().1,
                    Mark::Bytes(spans.get(&from).cloned().unwrap_or_default()),
                    "the first one",
                );
            }
        }
    }
    mapping
}
