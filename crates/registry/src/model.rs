//! The registry as values: the content of its files before anything is compiled.
//!
//! Everything that has a name keeps the [`Place`] where it is written, so that a finding about the whole
//! registry points at a line. Lists keep the order of the files.

use std::collections::BTreeMap;
use std::fmt;

use switchboard_model::{Condition, Region, Role, Rule, SelectError, UnixSeconds};

use crate::{AddressKind, Place};

/// The content of one registry.
#[derive(Debug, Default)]
pub struct Registry {
    /// Channel profiles, sorted by id: the built-in ones, overridden and extended by `channels.toml`.
    pub channels: Vec<ChannelProfile>,
    /// Companies, sorted by id.
    pub companies: Vec<Company>,
}

/// A messaging channel, described by data.
#[derive(Debug, Clone)]
pub struct ChannelProfile {
    /// The id: `whatsapp`, `sms`, …
    pub id: Box<str>,
    /// The role of the accounts that talk to clients, where a query names no role.
    pub conversation_role: Role,
    /// The roles that every pool of this channel must hold.
    pub pool_roles: RolePair,
    /// The kind of address that an account of this channel has.
    pub address: AddressKind,
    /// The platform version since which users may have dedicated accounts; `None` if they never may.
    pub dedicated_since: Option<Version>,
    /// The place of the profile. A built-in profile has a place in `config/channels.toml`.
    pub place: Place,
}

/// A set of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolePair {
    /// Whether the set contains [`Role::Primary`].
    pub primary: bool,
    /// Whether the set contains [`Role::Secondary`].
    pub secondary: bool,
}

/// A tenant. Nothing of one company is visible through another.
#[derive(Debug)]
pub struct Company {
    /// The id: the name of the company's folder.
    pub id: Box<str>,
    /// The name shown to people.
    pub name: Box<str>,
    /// What happens at an OU that has no pool of the query's channel.
    pub ou_without_pool: OuWithoutPool,
    /// What happens if a user's dedicated account is not available.
    pub dedicated_unavailable: DedicatedUnavailable,
    /// The version of the company's messaging platform, if the company states it.
    pub platform_version: Option<Version>,
    /// The mapping that is tried after a pool's own.
    pub geography: Mapping,
    /// Organizational units.
    pub ous: Vec<Ou>,
    /// Pools.
    pub pools: Vec<Pool>,
    /// Official accounts.
    pub accounts: Vec<Account>,
    /// Expected selections.
    pub tests: Vec<Test>,
    /// The parts that are incomplete because a file could not be read.
    pub unread: Unread,
    /// The company's settings file, `company.toml`.
    pub place: Place,
}

/// The parts of a company that could not be read as a whole. A reference into such a part is not reported as
/// unknown, because its target may be among what was not read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unread {
    /// Some OUs are missing.
    pub ous: bool,
    /// Some pools are missing.
    pub pools: bool,
    /// Some accounts are missing.
    pub accounts: bool,
}

/// A client's country to the country that serves it, each entry with its place.
pub type Mapping = BTreeMap<Region, (Region, Place)>;

/// An organizational unit.
#[derive(Debug)]
pub struct Ou {
    /// The id, unique in the company. Empty if it could not be read.
    pub id: Box<str>,
    /// The id of the OU above; `None` for a root. Empty if it could not be read.
    pub parent: Option<Box<str>>,
    /// The place of the parent's id; `None` if it is the place of the OU.
    pub parent_place: Option<Place>,
    /// The name shown to people; may be empty.
    pub name: Box<str>,
    /// The place of the OU.
    pub place: Place,
}

/// Shared accounts of one channel, allocated to OUs, and their fallback settings.
#[derive(Debug)]
pub struct Pool {
    /// The id, unique in the company. Empty if it could not be read.
    pub id: Box<str>,
    /// The id of the channel. Empty if it could not be read.
    pub channel: Box<str>,
    /// The ids of the OUs that the pool is allocated to. One empty id stands for a list that could not be
    /// read.
    pub ous: Vec<Box<str>>,
    /// The places of these ids.
    pub ous_places: Vec<Place>,
    /// The priority. Pools of one OU are tried in ascending order of (priority, id).
    pub priority: i64,
    /// Whether accounts that share the client's calling code serve as well: `country_match = "calling_code"`.
    pub match_calling_code: bool,
    /// The country whose accounts serve clients that no other rule serves.
    pub default_country: Option<Region>,
    /// The place of the default country.
    pub default_place: Option<Place>,
    /// Whether a search that finds nothing here continues at the parent OU.
    pub fallback_upward: bool,
    /// The pool's own mapping.
    pub geography: Mapping,
    /// The place of the pool.
    pub place: Place,
}

/// An official account.
#[derive(Debug)]
pub struct Account {
    /// The id, unique in the company.
    pub id: Box<str>,
    /// The channel, as an index into [`Registry::channels`]; `None` if no channel has the id that is written.
    pub channel: Option<u16>,
    /// The role. Shared accounts have one, dedicated accounts have none, spare accounts may have one.
    pub role: Option<Role>,
    /// The address: a phone number in E.164 with its `+`, an e-mail address or a handle, as the channel
    /// demands.
    pub address: Box<str>,
    /// The country as written, or else as derived from a phone address.
    pub country: Option<Region>,
    /// The pool or the user that has the account.
    pub holder: Holder,
    /// The share among equal accounts, 1 to 1000.
    pub weight: u16,
    /// The condition in the registry. A live standing can only restrict it further.
    pub state: Condition,
    /// The time from which the account may be selected. A recycled number rests until then.
    pub available_from: Option<UnixSeconds>,
    /// The place of the account.
    pub place: Place,
}

/// The pool or the user that has an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// The account is shared: the pool's id.
    Pool(Box<str>),
    /// The account is dedicated: the user's id.
    User(Box<str>),
    /// Neither. The account is known and never selected.
    Spare,
}

/// The setting `ou_without_pool`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OuWithoutPool {
    /// Continue at the parent OU.
    #[default]
    Inherit,
    /// End with the error `no_pool`.
    Error,
}

/// The setting `dedicated_unavailable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DedicatedUnavailable {
    /// End with the error `dedicated_unavailable`.
    #[default]
    Error,
    /// Continue with the pools.
    Pool,
}

/// An expected selection: a `[[test]]` of `tests.toml`.
#[derive(Debug)]
pub struct Test {
    /// The name shown to people.
    pub name: Box<str>,
    /// The query as a JSON object, as a gateway sends it, but without the company.
    pub query: Box<str>,
    /// What the answer must contain.
    pub expect: Expectation,
    /// The place of the test.
    pub place: Place,
}

/// The part of an answer that a test fixes. At least one field is present; an absent field may have any
/// value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectation {
    /// The id of the account.
    pub account: Option<Box<str>>,
    /// The rule that selects the account.
    pub rule: Option<Rule>,
    /// The id of the OU at which the account is found.
    pub ou: Option<Box<str>>,
    /// The id of the pool in which the account is found.
    pub pool: Option<Box<str>>,
    /// The number of levels between the query's OU and that OU.
    pub climbed: Option<u32>,
    /// The error that the selection ends with.
    pub error: Option<SelectError>,
}

/// A version of the messaging platform, such as `1.24.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub [u32; 3]);

impl Version {
    /// Parses one to three numbers with dots between them. Missing numbers count as zero.
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
