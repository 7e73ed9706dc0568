//! `[[pool]]`.

use std::collections::HashSet;

use super::channels::Channels;
use super::fields::{Field, Fields};
use super::mapping;
use crate::model::Mapping;
use crate::shown;
use crate::{Code, Findings, Mark, Place, Pool, id};

const KEYS: [&str; 8] =
    ["id", "channel", "ous", "priority", "country_match", "default_country", "fallback_upward", "geography"];

/// Stands for a pool that could not be read.
pub(super) fn unread(place: &Place) -> Pool {
    Pool {
        id: "".into(),
        channel: "".into(),
        ous: Vec::new(),
        ous_places: Vec::new(),
        priority: 0,
        match_calling_code: false,
        default_country: None,
        default_place: None,
        fallback_upward: false,
        geography: Mapping::new(),
        place: place.clone(),
    }
}

/// Reads one pool. A faulty id, channel or list of OUs is left empty.
pub(super) fn read(fields: &Fields<'_>, channels: &Channels, findings: &mut Findings) -> Pool {
    let mut pool = unread(&fields.place());
    let meant = fields.demand_known(&KEYS, findings);

    match fields.text("id", findings) {
        Field::Given(text, place) => {
            id::demand_id(text, "pool id", &place, Mark::Value("id".into()), findings);
            pool.id = text.into();
        }
        Field::Absent if !meant.contains(&"id") => fields.missing("id", "the pool", findings),
        Field::Absent | Field::Faulty => {}
    }
    match fields.text("channel", findings) {
        Field::Given(text, place) => {
            if channels.find(text).is_none() {
                channels.report_unknown(text, &place, findings);
            }
            pool.channel = text.into();
        }
        Field::Absent if !meant.contains(&"channel") => {
            fields.missing("channel", &format!("pool {}", shown(&pool.id)), findings);
        }
        Field::Absent | Field::Faulty => {}
    }
    match fields.texts("ous", findings) {
        Field::Given(ous, _) => {
            let mut seen = HashSet::new();
            for (ou, place) in ous {
                if seen.insert(ou) {
                    pool.ous.push(ou.into());
                    pool.ous_places.push(place);
                } else {
                    let message = format!("`ous` of pool {} names {} twice", shown(&pool.id), shown(ou));
                    findings
                        .add(&place, Code::DuplicateId, message, "name each OU once")
                        .at(Mark::Value("ous".into()));
                }
            }
        }
        Field::Absent if !meant.contains(&"ous") => {}
        // The empty id stands for OUs that could not be read.
        Field::Absent | Field::Faulty => pool.ous.push("".into()),
    }

    pool.priority = fields.integer("priority", findings).given().unwrap_or(0);
    let words = [("country", false), ("calling_code", true)];
    pool.match_calling_code = fields.choice("country_match", &words, findings).given().unwrap_or(false);
    if let Field::Given(country, place) = fields.country("default_country", findings) {
        pool.default_country = Some(country);
        pool.default_place = Some(place);
    }
    pool.fallback_upward = fields.flag("fallback_upward", findings).given().unwrap_or(false);
    pool.geography = mapping::read(fields, findings);
    pool
}
