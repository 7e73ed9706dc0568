//! Organizational units: `[[ou]]` in `company.toml`, and `ous.csv` beside or instead of it.

use super::fields::{Field, Fields};
use super::sheet::Sheet;
use crate::layout::Source;
use crate::{Findings, Mark, Ou, Place, id};

const KEYS: [&str; 3] = ["id", "parent", "name"];

/// Stands for an OU that could not be read.
pub(super) fn unread(place: &Place) -> Ou {
    Ou { id: "".into(), parent: None, parent_place: None, name: "".into(), place: place.clone() }
}

/// Reads one `[[ou]]`.
pub(super) fn read_table(fields: &Fields<'_>, findings: &mut Findings) -> Ou {
    let mut ou = unread(&fields.place());
    let meant = fields.demand_known(&KEYS, findings);
    match fields.text("id", findings) {
        Field::Given(text, place) => {
            id::demand_id(text, "OU id", &place, Mark::Value("id".into()), findings);
            ou.id = text.into();
        }
        Field::Absent if !meant.contains(&"id") => fields.missing("id", "the OU", findings),
        Field::Absent | Field::Faulty => {}
    }
    ou.parent = match fields.text("parent", findings) {
        Field::Given(text, place) => {
            if text.is_empty() {
                id::demand_id(text, "parent", &place, Mark::Value("parent".into()), findings);
            }
            ou.parent_place = Some(place);
            Some(text.into())
        }
        Field::Absent if !meant.contains(&"parent") => None,
        // The empty id stands for a parent that could not be read.
        Field::Absent | Field::Faulty => Some("".into()),
    };
    if let Some(name) = fields.text("name", findings).given() {
        ou.name = name.into();
    }
    ou
}

/// Reads `ous.csv` behind the OUs known so far.
pub(super) fn read_sheet(source: Source<'_>, ous: &mut Vec<Ou>, findings: &mut Findings) {
    let start = Place { file: source.0.clone(), line: 0 };
    let Some(sheet) = Sheet::open(source, KEYS, &["id"], findings) else {
        ous.push(unread(&start));
        return;
    };
    // A mistyped `parent` column must not make a root of every OU.
    let parents_known = sheet.judges("parent");
    ous.reserve(sheet.rows());
    let complete = sheet.each(findings, |[id, parent, name], place, findings| {
        id::demand_id(id, "OU id", place, Mark::Value("id".into()), findings);
        let parent =
            if parents_known { (!parent.is_empty()).then(|| parent.into()) } else { Some("".into()) };
        ous.push(Ou { id: id.into(), parent, parent_place: None, name: name.into(), place: place.clone() });
    });
    if !complete {
        ous.push(unread(&start));
    }
}
