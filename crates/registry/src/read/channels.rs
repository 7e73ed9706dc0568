//! Reads `channels.toml`: the built-in channel profiles, and the profiles of a registry that override and
//! extend them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use switchboard_model::Role;

use super::layout::SourceFile;
use super::recover::read_parts;
use super::toml::{Document, Field, Table, report_unknown_word};
use super::value::require_id;
use crate::redact::{quoted, quoted_list};
use crate::suggest::did_you_mean;
use crate::{AddressKind, ChannelProfile, Code, Findings, Place, RolePair, Span, Version};

/// The built-in profiles, in the same format as the file of a registry.
const BUILT_IN: &str = include_str!("../../../../config/channels.toml");
const BUILT_IN_PATH: &str = "config/channels.toml";

/// The maximum number of channels. Each channel has eighteen series of metrics, and with 1,000 channels a
/// scrape takes 2 ms. An account stores its channel as a `u16`.
const MAX_CHANNELS: usize = 1000;

const KEYS: [&str; 4] = ["conversation_role", "pool_must_hold", "address", "dedicated_since"];
const ADDRESSES: [(&str, AddressKind); 3] =
    [("phone", AddressKind::Phone), ("email", AddressKind::Email), ("handle", AddressKind::Handle)];

/// The channel profiles of a registry, sorted by id.
pub(super) struct Channels {
    profiles: Vec<ChannelProfile>,
    index: HashMap<Box<str>, u16>,
    /// Whether a part of the file could not be read. An unknown channel may be in that part.
    incomplete: bool,
    /// The channels whose kind of address could not be read.
    unknown_kinds: HashSet<Box<str>>,
}

impl Channels {
    /// Reads the built-in profiles and the profiles of the registry. `misnamed` says that the registry seems
    /// to have the file under another name.
    pub(super) fn read(own: Option<SourceFile<'_>>, misnamed: bool, findings: &mut Findings) -> Channels {
        let (mut profiles, mut unknown_kinds) = (Vec::new(), HashSet::new());
        let path = Arc::from(BUILT_IN_PATH);
        let built_in = SourceFile::new(&path, BUILT_IN.as_bytes());
        read_profiles(built_in, &mut profiles, &mut unknown_kinds, findings);
        let complete = own.is_none_or(|own| read_profiles(own, &mut profiles, &mut unknown_kinds, findings));
        profiles.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(first_beyond) = profiles.get(MAX_CHANNELS) {
            let message = format!(
                "the registry has {} channels, but at most {MAX_CHANNELS} are allowed",
                profiles.len()
            );
            let help = "remove the channels that no pool uses";
            findings.add(&first_beyond.place, Code::Limit, message, help);
            profiles.truncate(MAX_CHANNELS);
        }
        let index = (0..).zip(&profiles).map(|(at, profile)| (profile.id.clone(), at)).collect();
        Channels { profiles, index, incomplete: misnamed || !complete, unknown_kinds }
    }

    /// Finds a channel by its id. Returns its index and its profile.
    pub(super) fn find(&self, id: &str) -> Option<(u16, &ChannelProfile)> {
        let at = *self.index.get(id)?;
        Some((at, self.profiles.get(usize::from(at))?))
    }

    /// Returns the kind of address that accounts of a channel have. Returns `None` if it could not be read, because
    /// the addresses are then not at fault.
    pub(super) fn address_kind(&self, profile: &ChannelProfile) -> Option<AddressKind> {
        (!self.unknown_kinds.contains(&profile.id)).then_some(profile.address)
    }

    /// Reports a channel id that has no profile.
    pub(super) fn report_unknown(&self, id: &str, place: &Place, findings: &mut Findings) {
        if self.incomplete {
            return;
        }
        let known = || self.profiles.iter().map(|profile| &*profile.id);
        let message = if id.is_empty() {
            "the channel is empty".to_owned()
        } else {
            format!("channel {} has no profile", quoted(id))
        };
        let help = did_you_mean(id, known(), || {
            format!("name one of {}, or describe the channel in `channels.toml`", quoted_list(known()))
        });
        findings.add(place, Code::UnknownChannel, message, help).primary(Span::value("channel"));
    }

    pub(super) fn into_profiles(self) -> Vec<ChannelProfile> {
        self.profiles
    }
}

/// Reads the profiles of a file. Adds new profiles, and overrides the keys of known ones. Returns whether the
/// whole file could be read.
fn read_profiles(
    file: SourceFile<'_>,
    profiles: &mut Vec<ChannelProfile>,
    unknown_kinds: &mut HashSet<Box<str>>,
    findings: &mut Findings,
) -> bool {
    let mut complete = true;
    let is_read = read_parts(file, findings, |part, findings| {
        complete &= read_profiles_of(part, profiles, unknown_kinds, findings);
    });
    complete && is_read
}

/// Reads the profiles in one part of a file. Returns whether the part has only readable profiles.
fn read_profiles_of(
    part: &Document<'_>,
    profiles: &mut Vec<ChannelProfile>,
    unknown_kinds: &mut HashSet<Box<str>>,
    findings: &mut Findings,
) -> bool {
    let root = part.root();
    let reported = findings.added();
    root.report_unknown_keys(&["channel"], findings);
    // Any unknown key may be meant as a channel, such as `[fax]` instead of `[channel.fax]`.
    let has_unknown_key = findings.added() > reported;
    let table = root.table("channel", findings);
    let complete = !has_unknown_key && !matches!(table, Field::Faulty);
    let Some(table) = table.given() else { return complete };
    let mut places: HashMap<Box<str>, usize> =
        profiles.iter().enumerate().map(|(at, profile)| (profile.id.clone(), at)).collect();
    for entry in table.entries() {
        let known = places.get(entry.key).copied();
        if known.is_none() {
            require_id(entry.key, "channel id", &entry.place, entry.key_span.clone(), findings);
        }
        let overridden = known.and_then(|at| profiles.get(at).cloned());
        let is_new = overridden.is_none();
        let mut profile = overridden.unwrap_or_else(|| ChannelProfile {
            id: entry.key.into(),
            conversation_role: Role::Secondary,
            pool_roles: RolePair { primary: false, secondary: false },
            address: AddressKind::Handle,
            dedicated_since: None,
            place: entry.place.clone(),
        });
        if let Some(keys) = table.as_table(entry.key, entry.value, &entry.place, findings) {
            profile.place = entry.place;
            if !override_profile(&keys, &mut profile, is_new, findings) {
                unknown_kinds.insert(profile.id.clone());
            }
        } else if is_new {
            unknown_kinds.insert(profile.id.clone());
        }
        // A faulty profile is kept, because references to its channel are not faults.
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

/// Sets the given keys of a profile. Returns whether the kind of address is known.
fn override_profile(
    keys: &Table<'_>,
    profile: &mut ChannelProfile,
    is_new: bool,
    findings: &mut Findings,
) -> bool {
    let meant = keys.report_unknown_keys(&KEYS, findings);
    let what = format!("channel {}", quoted(&profile.id));
    let require = |absent: bool, key: &'static str, findings: &mut Findings| {
        if is_new && absent && !meant.contains(&key) {
            keys.report_missing(key, &what, findings);
        }
    };
    let role = keys.choice("conversation_role", &Role::ALL.map(|role| (role.as_str(), role)), findings);
    require(matches!(role, Field::Absent), "conversation_role", findings);
    let roles = keys.texts("pool_must_hold", findings);
    require(matches!(roles, Field::Absent), "pool_must_hold", findings);
    let address = keys.choice("address", &ADDRESSES, findings);
    require(matches!(address, Field::Absent), "address", findings);
    let has_kind = match &address {
        Field::Given(..) => true,
        Field::Absent => !is_new && !meant.contains(&"address"),
        Field::Faulty => false,
    };

    profile.conversation_role = role.given().unwrap_or(profile.conversation_role);
    profile.address = address.given().unwrap_or(profile.address);
    if let Some(roles) = roles.given() {
        profile.pool_roles = role_pair(&roles, findings);
    }
    let since = keys.text("dedicated_since", findings).and_then(findings, |text, place, findings| {
        if text == "never" {
            return Some(None);
        }
        let version = Version::parse(text);
        if version.is_none() {
            let message = format!("`dedicated_since` is {}, which is not a version", quoted(text));
            let help = "write a version such as \"1.24.0\", or \"never\"";
            findings.add(place, Code::InvalidValue, message, help).primary(Span::value("dedicated_since"));
        }
        version.map(Some)
    });
    if let Some(since) = since.given() {
        profile.dedicated_since = since;
    }
    has_kind
}

fn role_pair(roles: &[(&str, Place)], findings: &mut Findings) -> RolePair {
    let mut pair = RolePair { primary: false, secondary: false };
    for (word, place) in roles {
        match Role::parse(word) {
            Some(Role::Primary) => pair.primary = true,
            Some(Role::Secondary) => pair.secondary = true,
            None => {
                let (words, span) = (Role::ALL.into_iter().map(Role::as_str), Span::Item((*word).into()));
                report_unknown_word("pool_must_hold", word, words, place, span, findings);
            }
        }
    }
    pair
}
