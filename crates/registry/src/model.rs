//! The values of a registry, as its files contain them.
//!
//! Every entry keeps the [`Place`] where it is written, because a finding must point at a line. Lists have
//! the order of the files. The snapshot crate compiles these values.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use switchboard_model::{Condition, Region, Role, Rule, SelectError, UnixSeconds};

use crate::{AddressKind, Place};

/// The values of one registry, which [`read`](crate::read()) returns.
#[derive(Debug, Default)]
pub struct Registry {
    /// Channel profiles, sorted by id. The file `channels.toml` overrides and extends the built-in profiles.
    pub channels: Vec<ChannelProfile>,
    /// Companies, sorted by their ids.
    pub companies: Vec<Company>,
}

/// The profile of a messaging channel. Channels are data, not code.
#[derive(Debug, Clone)]
pub struct ChannelProfile {
    /// The id of the channel, such as `whatsapp` or `sms`.
    pub id: Box<str>,
    /// The conversation role: the role of the accounts that talk to clients, if a query names no role.
    pub conversation_role: Role,
    /// The roles of which every pool of this channel must have an account.
    pub pool_roles: RolePair,
    /// The kind of address that accounts of this channel have.
    pub address: AddressKind,
    /// The first platform version that supports dedicated accounts. `None` if no version does.
    pub dedicated_since: Option<Version>,
    /// The place of the profile, which is in `config/channels.toml` for a built-in profile.
    pub place: Place,
}

/// A set of roles, with one flag for each role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolePair {
    /// Whether the set contains [`Role::Primary`].
    pub primary: bool,
    /// Whether the set contains [`Role::Secondary`].
    pub secondary: bool,
}

/// A company, which is a tenant. No query of one company sees anything of another company.
#[derive(Debug)]
pub struct Company {
    /// The id, which is the name of the company's folder.
    pub id: Box<str>,
    /// The name for display. The default is the id.
    pub name: Box<str>,
    /// The behaviour at an OU that has no pool of the query's channel.
    pub ou_without_pool: OuWithoutPool,
    /// The behaviour if a user's dedicated account is not available.
    pub dedicated_unavailable: DedicatedUnavailable,
    /// The version of the company's messaging platform. `None` if the company does not state it.
    pub platform_version: Option<Version>,
    /// The company's mapping, which applies if a pool's own mapping does not have the client's country.
    pub geography: Mapping,
    /// Organizational units, in the order of the files.
    pub ous: Vec<Ou>,
    /// Pools, in the order of the file.
    pub pools: Vec<Pool>,
    /// Official accounts, in the order of the file.
    pub accounts: Vec<Account>,
    /// Expected selections, in the order of the file.
    pub tests: Vec<Test>,
    /// The parts that are incomplete because a file could not be read.
    pub unread: Unread,
    /// The place of the company's settings file, `company.toml`.
    pub place: Place,
}

/// The parts of a company that could not be read. A reference is not reported as unknown if its target may be
/// in the text that could not be read, because such a finding would be a consequence of another one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unread {
    /// The unread part of the OUs.
    pub ous: UnreadPart,
    /// Whether a pool may be in text that could not be read.
    pub pools: bool,
    /// The unread part of the accounts.
    pub accounts: UnreadPart,
}

/// The part of a company's OUs or accounts that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnreadPart {
    /// Text with these words could not be read. Without words, everything was read.
    Words(HashSet<Box<str>>),
    /// Any amount of text could not be read.
    Everything,
}

impl Default for UnreadPart {
    fn default() -> UnreadPart {
        UnreadPart::Words(HashSet::new())
    }
}

impl UnreadPart {
    /// Returns whether everything was read.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, UnreadPart::Words(words) if words.is_empty())
    }

    /// Returns whether the unread text may contain an id.
    pub(crate) fn may_contain(&self, id: &str) -> bool {
        match self {
            UnreadPart::Everything => true,
            UnreadPart::Words(words) => !words.is_empty() && split_words(id).all(|word| words.contains(word)),
        }
    }

    /// Adds text that could not be read.
    pub(crate) fn add_text(&mut self, text: &str) {
        // A stray quote may divide a word.
        let without_quotes = text.replace('"', "");
        for word in split_words(text).chain(split_words(&without_quotes)) {
            match self {
                UnreadPart::Words(words) if words.len() < MAX_UNREAD_WORDS => {
                    words.insert(word.into());
                }
                _ => *self = UnreadPart::Everything,
            }
        }
    }

    /// Adds another unread part.
    pub(crate) fn add(&mut self, other: UnreadPart) {
        match (&mut *self, other) {
            (UnreadPart::Words(words), UnreadPart::Words(more)) => words.extend(more),
            _ => *self = UnreadPart::Everything,
        }
    }
}

/// The maximum number of words that are kept of unread text, which bounds the memory.
const MAX_UNREAD_WORDS: usize = 10_000;

/// Divides a text at white space, and at the signs that are around ids in CSV. An id is ASCII, so any other
/// character is around one.
fn split_words(text: &str) -> impl Iterator<Item = &str> {
    let is_between = |letter: char| !letter.is_ascii_graphic() || ",;|\"'".contains(letter);
    text.split(is_between).filter(|word| !word.is_empty())
}

/// A geography mapping: from a client's country to the country whose accounts serve the client. Each entry
/// has its place.
pub type Mapping = BTreeMap<Region, (Region, Place)>;

/// An organizational unit (OU) of a company.
#[derive(Debug)]
pub struct Ou {
    /// The id, unique among the OUs of the company. Empty if the id could not be read.
    pub id: Box<str>,
    /// The id of the parent OU. `None` for a root, empty if the id could not be read.
    pub parent: Option<Box<str>>,
    /// The place of the parent's id. `None` if the OU has the same place.
    pub parent_place: Option<Place>,
    /// The name for display, which may be empty.
    pub name: Box<str>,
    /// The line where the OU is written.
    pub place: Place,
}

/// A pool: shared accounts of one channel, allocated to OUs, with their fallback settings.
#[derive(Debug)]
pub struct Pool {
    /// The id, unique among the pools of the company. Empty if the id could not be read.
    pub id: Box<str>,
    /// The id of the channel. Empty if the id could not be read.
    pub channel: Box<str>,
    /// The ids of the OUs that the pool is allocated to. Contains one empty id if the list could not be read.
    pub ous: Vec<Box<str>>,
    /// The places of the ids in `ous`, in the same order.
    pub ous_places: Vec<Place>,
    /// The priority. The pools of one OU are tried in ascending order of priority, then of id.
    pub priority: i64,
    /// Whether accounts that share the client's calling code are candidates too:
    /// `country_match = "calling_code"`.
    pub match_calling_code: bool,
    /// The country whose accounts are candidates if no other rule finds an available account.
    pub default_country: Option<Region>,
    /// The line where the default country is written.
    pub default_place: Option<Place>,
    /// Whether a selection continues at the parent OU if it finds no available account at this level.
    pub fallback_upward: bool,
    /// The pool's own mapping, which is tried before the company's.
    pub geography: Mapping,
    /// The line where the pool is written.
    pub place: Place,
}

/// An official account of a company.
#[derive(Debug)]
pub struct Account {
    /// The id, unique among the accounts of the company.
    pub id: Box<str>,
    /// The channel, as an index into [`Registry::channels`]. `None` if the channel is unknown.
    pub channel: Option<u16>,
    /// The role. A shared account has one, a dedicated account has none, a spare account may have one.
    pub role: Option<Role>,
    /// The address: a phone number in E.164 with its `+`, an e-mail address or a handle. The channel's
    /// profile says which.
    pub address: Box<str>,
    /// The country. If the file does not state it, the country of the phone number in `address`.
    pub country: Option<Region>,
    /// The pool or the user that holds the account.
    pub holder: Holder,
    /// The weight among equal candidates, from 1 to 1000. An account of weight 2 gets twice as many clients
    /// as one of weight 1.
    pub weight: u16,
    /// The condition in the registry. A standing can only restrict the account further.
    pub state: Condition,
    /// The time from which the account may be selected, such as the end of the rest of a recycled number.
    /// `None` if the account may always be selected.
    pub available_from: Option<UnixSeconds>,
    /// The line where the account is written.
    pub place: Place,
}

/// The holder of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// The account is shared by the pool with this id.
    Pool(Box<str>),
    /// The account is dedicated to the user with this id.
    User(Box<str>),
    /// The account is spare. It is known and never selected.
    Spare,
}

/// The setting `ou_without_pool`: the behaviour at an OU that has no pool of the query's channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OuWithoutPool {
    /// The selection continues at the parent OU.
    #[default]
    Inherit,
    /// The selection ends with the error `no_pool`.
    Error,
}

/// The setting `dedicated_unavailable`: the behaviour if a user's dedicated account is not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DedicatedUnavailable {
    /// The selection ends with the error `dedicated_unavailable`.
    #[default]
    Error,
    /// The selection continues with the pools.
    Pool,
}

/// An expected selection, which is a `[[test]]` of `tests.toml`.
#[derive(Debug)]
pub struct Test {
    /// The name for display. The default is the number of its line.
    pub name: Box<str>,
    /// The query as a JSON object of the form that gateways send, without the company.
    pub query: Box<str>,
    /// The fields that the answer must have.
    pub expect: Expectation,
    /// The line where the test is written.
    pub place: Place,
}

/// The fields of an answer that a test expects. At least one field is present. An absent field may have any
/// value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectation {
    /// The id of the selected account.
    pub account: Option<Box<str>>,
    /// The rule by which the account is selected.
    pub rule: Option<Rule>,
    /// The id of the OU at whose level the account is found.
    pub ou: Option<Box<str>>,
    /// The id of the pool in which the account is found.
    pub pool: Option<Box<str>>,
    /// The number of levels between the query's OU and the OU at which the account is found.
    pub climbed: Option<u32>,
    /// The error with which the selection ends.
    pub error: Option<SelectError>,
}

/// A version of the messaging platform, such as `1.24.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub [u32; 3]);

impl Version {
    /// Parses one to three numbers, separated by dots. A missing number counts as zero. Returns `None` for
    /// any other text.
    pub fn parse(text: &str) -> Option<Version> {
        let mut version = Version([0; 3]);
        let mut parts = text.split('.');
        for (slot, part) in version.0.iter_mut().zip(parts.by_ref()) {
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            *slot = part.parse().ok()?;
        }
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version([major, minor, patch]) = self;
        write!(out, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_and_missing_parts_are_zero() {
        assert_eq!(Version::parse("1.24"), Version::parse("1.24.0"));
        assert!(Version::parse("1.9") < Version::parse("1.10"));
        for bad in ["", "1.", ".1", "1.2.3.4", "v1", "1.+2", "1.2-rc1", "99999999999"] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
    }
}
