//! `channels.toml`: the built-in one, and a registry's own on top of it.

use std::collections::HashMap;
use std::sync::Arc;

use super::document::Document;
use super::fields::{Field, Fields, unknown_word};
use super::repair;
use crate::layout::Source;
use crate::nearest::did_you_mean;
use crate::shown::{shown, shown_list};
use crate::{AddressKind, ChannelProfile, Code, Findings, Mark, Place, Role, RolePair, Version, id};

/// The built-in profiles, in the same form as a registry's own.
const BUILT_IN: &str = include_str!("../../../../config/channels.toml");
const BUILT_IN_FILE: &str = "config/channels.toml";
/// Each has eighteen series of metrics, and a scrape takes 2 ms for so many. (An account holds its channel as a `u16`.)
const MOST: usize = 1000;

const KEYS: [&str; 4] = ["conversation_role", "pool_must_hold", "address", "dedicated_since"];
const ROLES: [(&str, Role); 2] = [("primary", Role::Primary), ("secondary", Role::Secondary)];
const ADDRESSES: [(&str, AddressKind); 3] =
    [("phone", AddressKind::Phone), ("email", AddressKind::Email), ("handle", AddressKind::Handle)];

/// Every channel there is, found by its id.
pub(super) struct Channels {
    profiles: Vec<ChannelProfile>,
    index: HashMap<Box<str>, u16>,
    /// The file could not be read: an unknown channel may stand there.
    incomplete: bool,
}

/// Reads the built-in profiles and those of the registry.
pub(super) fn read(own: Option<Source<'_>>, misnamed: bool, findings: &mut Findings) -> Channels {
    let mut profiles = Vec::new();
    let file = Arc::from(BUILT_IN_FILE);
    overlay((&file, BUILT_IN.as_bytes()), &mut profiles, findings);
    let complete = own.is_none_or(|own| overlay(own, &mut profiles, findings));
    profiles.sort_by(|a, b| a.id.cmp(&b.id));
    if let Some(first_beyond) = profiles.get(MOST) {
        let message = format!("{} channels; a registry holds at most {MOST}", profiles.len());
        findings.add(&first_beyond.place, Code::Limit, message, "remove the channels that no pool uses");
        profiles.truncate(MOST);
    }
    let index = (0..).zip(&profiles).map(|(at, profile)| (profile.id.clone(), at)).collect();
    Channels { profiles, index, incomplete: misnamed || !complete }
}

impl Channels {
    pub(super) fn find(&self, id: &str) -> Option<(u16, &ChannelProfile)> {
        let at = *self.index.get(id)?;
        Some((at, self.profiles.get(usize::from(at))?))
    }

    /// Reports a channel that has no profile.
    pub(super) fn report_unknown(&self, id: &str, place: &Place, findings: &mut Findings) {
        if self.incomplete {
            return;
        }
        let known = || self.profiles.iter().map(|profile| &*profile.id);
        let message = if id.is_empty() {
            "the channel is empty".to_owned()
        } else {
            format!("channel {} has no profile", shown(id))
        };
        let help = did_you_mean(id, known(), || {
            format!("name one of {}, or describe the channel in `channels.toml`", shown_list(known()))
        });
        findings.add(place, Code::UnknownChannel, message, help).value("channel");
    }

    pub(super) fn into_profiles(self) -> Vec<ChannelProfile> {
        self.profiles
    }
}

/// Puts one file's profiles over those known so far. `false` where some could not be read.
fn overlay(source: Source<'_>, profiles: &mut Vec<ChannelProfile>, findings: &mut Findings) -> bool {
    let Some(sound) = repair::sound(source, findings) else { return false };
    let document = Document::parse(source.0, &sound);
    let root = document.root();
    let meant = root.demand_known(&["channel"], findings);
    let table = root.table("channel", findings);
    let complete = meant.is_empty() && !matches!(table, Field::Faulty);
    let Some(table) = table.given() else { return complete };
    let mut places: HashMap<Box<str>, usize> =
        profiles.iter().enumerate().map(|(at, profile)| (profile.id.clone(), at)).collect();
    for (name, value, place, span) in table.each() {
        let known = places.get(name).copied();
        if known.is_none() {
            id::demand_id(name, "channel id", &place, Mark::Bytes(span), findings);
        }
        let blank = || ChannelProfile {
            id: name.into(),
            conversation_role: Role::Secondary,
            pool_roles: RolePair { primary: false, secondary: false },
            address: AddressKind::Handle,
            dedicated_since: None,
            place: place.clone(),
        };
        let under = known.and_then(|at| profiles.get(at).cloned());
        let new = under.is_none();
        let mut profile = under.unwrap_or_else(blank);
        if let Some(fields) = table.as_table(name, value, &place, findings) {
            profile.place = place;
            override_with(&fields, &mut profile, new, findings);
        }
        // A faulty profile still stands for its channel: what names it is not at fault.
        match known.and_then(|at| profiles.get_mut(at)) {
            Some(slot) => *slot = profile,
            None => {
                places.insert(profile.id.clone(), profiles.len());
                profiles.push(profile);
            }
        }
    }
    complete
}

fn override_with(fields: &Fields<'_>, profile: &mut ChannelProfile, new: bool, findings: &mut Findings) {
    let meant = fields.demand_known(&KEYS, findings);
    let what = format!("channel {}", shown(&profile.id));
    let demand = |absent: bool, key: &'static str, findings: &mut Findings| {
        if new && absent && !meant.contains(&key) {
            fields.missing(key, &what, findings);
        }
    };
    let role = fields.choice("conversation_role", &ROLES, findings);
    demand(matches!(role, Field::Absent), "conversation_role", findings);
    let roles = fields.texts("pool_must_hold", findings);
    demand(matches!(roles, Field::Absent), "pool_must_hold", findings);
    let address = fields.choice("address", &ADDRESSES, findings);
    demand(matches!(address, Field::Absent), "address", findings);

    profile.conversation_role = role.given().unwrap_or(profile.conversation_role);
    profile.address = address.given().unwrap_or(profile.address);
    if let Some(roles) = roles.given() {
        profile.pool_roles = role_pair(&roles, findings);
    }
    let since = fields.text("dedicated_since", findings).and_then(findings, |text, place, findings| {
        if text == "never" {
            return Some(None);
        }
        let version = Version::parse(text);
        if version.is_none() {
            let message = format!("`dedicated_since` is {}, which is no version", shown(text));
            let help = "write a version such as \"1.24.0\", or \"never\"";
            findings.add(place, Code::InvalidValue, message, help).value("dedicated_since");
        }
        version.map(Some)
    });
    if let Some(since) = since.given() {
        profile.dedicated_since = since;
    }
}

fn role_pair(roles: &[(&str, Place)], findings: &mut Findings) -> RolePair {
    let mut pair = RolePair { primary: false, secondary: false };
    for (word, place) in roles {
        match ROLES.iter().find(|(known, _)| known == word) {
            Some((_, Role::Primary)) => pair.primary = true,
            Some((_, Role::Secondary)) => pair.secondary = true,
            None => {
                let (words, mark) = (ROLES.iter().map(|(word, _)| *word), Mark::Item((*word).into()));
                unknown_word("pool_must_hold", word, words, place, mark, findings);
            }
        }
    }
    pair
}
