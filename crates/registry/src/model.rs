//! The registry as values: what the files say once they are read, before anything is compiled.
//!
//! Every named thing keeps the [`Place`] it was written at, so that a finding about the whole can
//! still point at a line. Lists keep the order of the files.

use std::collections::BTreeMap;

use super::{ChannelProfile, Condition, Place, Role};
use switchboard_model::Region;

/// Everything one folder of files says.
#[derive(Debug, Default)]
pub struct Registry {
    /// Channel profiles: the eight built-in ones, overridden and extended by `channels.toml`; sorted by id.
    pub channels: Vec<ChannelProfile>,
    /// Companies, sorted by id (the folder's name).
    pub companies: Vec<Company>,
}

/// One tenant. Nothing of it is visible through another.
#[derive(Debug)]
pub struct Company {
    /// The folder's name.
    pub id: Box<str>,
    /// For people.
    pub name: Box<str>,
    /// What an OU does that has no pool of a channel.
    pub ou_without_pool: OuWithoutPool,
    /// What happens when a user's own account cannot be used.
    pub dedicated_unavailable: DedicatedUnavailable,
    /// The messaging platform's version, where the company states it.
    pub platform_version: Option<Version>,
    /// The mapping behind every pool's own: client's country to the country that serves it.
    pub geography: Mapping,
    /// Organizational units.
    pub ous: Vec<Ou>,
    /// Pools.
    pub pools: Vec<Pool>,
    /// Official accounts.
    pub accounts: Vec<Account>,
    /// Expected selections.
    pub tests: Vec<Test>,
    /// `company.toml`.
    pub place: Place,
}

/// Client's country to serving country, each entry with its line.
pub type Mapping = BTreeMap<Region, (Region, Place)>;

/// An organizational unit.
#[derive(Debug)]
pub struct Ou {
    /// Unique in the company.
    pub id: Box<str>,
    /// The id of the OU above; a root has none.
    pub parent: Option<Box<str>>,
    /// Where the parent was written; `None`: where the OU was.
    pub parent_place: Option<Place>,
    /// For people; may be empty.
    pub name: Box<str>,
    /// Where it was written.
    pub place: Place,
}

/// Shared accounts of one channel, allocated to OUs, with its fallback settings.
#[derive(Debug)]
pub struct Pool {
    /// Unique in the company.
    pub id: Box<str>,
    /// A channel's id.
    pub channel: Box<str>,
    /// Ids of the OUs it is allocated to.
    pub ous: Vec<Box<str>>,
    /// Where each of them was written.
    pub ous_places: Vec<Place>,
    /// Pools of one OU are tried in ascending (priority, id). Any `i64` that TOML can hold.
    pub priority: i64,
    /// `country_match = "calling_code"`: accounts that share the client's calling code serve as well.
    pub match_calling_code: bool,
    /// The country that serves whoever nothing else serves.
    pub default_country: Option<Region>,
    /// Where it was written.
    pub default_place: Option<Place>,
    /// Whether the search goes on at the parent OU.
    pub fallback_upward: bool,
    /// Client's country to the country that serves it.
    pub geography: Mapping,
    /// Where it was written.
    pub place: Place,
}

/// An official account.
#[derive(Debug)]
pub struct Account {
    /// Unique in the company.
    pub id: Box<str>,
    /// A channel's id, as an index into [`Registry::channels`]; `None` where it names none (a finding says so).
    pub channel: Option<u16>,
    /// Present for shared accounts; may be for spare ones; never for dedicated ones.
    pub role: Option<Role>,
    /// A phone number in E.164 with its `+`, an e-mail address, or a handle: the channel says which.
    pub address: Box<str>,
    /// As written, else derived from a phone address.
    pub country: Option<Region>,
    /// Whose it is.
    pub holder: Holder,
    /// Its share among equals, 1 to 1000.
    pub weight: u16,
    /// As the registry has it; a live standing can only restrict it further.
    pub state: Condition,
    /// Unix time in seconds from which it may be selected: a recycled number rests until then.
    pub available_from: Option<i64>,
    /// Where it was written.
    pub place: Place,
}

/// Whose account it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Shared: the pool's id.
    Pool(Box<str>),
    /// Dedicated: the user's id.
    User(Box<str>),
    /// Neither: known, never selected.
    Spare,
}

/// `ou_without_pool`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OuWithoutPool {
    /// Go on to the parent.
    #[default]
    Inherit,
    /// `no_pool`.
    Error,
}

/// `dedicated_unavailable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DedicatedUnavailable {
    /// The error `dedicated_unavailable`.
    #[default]
    Error,
    /// On to the pools.
    Pool,
}

/// A dotted platform version such as `1.24.0`; missing parts count as zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub [u32; 3]);

/// An expected selection: `[[test]]`.
#[derive(Debug)]
pub struct Test {
    /// For people.
    pub name: Box<str>,
    /// The query's fields as a JSON object, exactly as a gateway would send them (the company left out).
    pub query: Box<str>,
    /// What the answer must say; absent fields may be anything.
    pub expect: Expectation,
    /// Where it was written.
    pub place: Place,
}

/// The part of an answer that a test fixes. At least one field is present.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectation {
    /// The account's id.
    pub account: Option<Box<str>>,
    /// `current`, `dedicated`, `country`, `calling_code`, `geography` or `default_region`.
    pub rule: Option<Box<str>>,
    /// The OU that it was found at.
    pub ou: Option<Box<str>>,
    /// The pool that it was found in.
    pub pool: Option<Box<str>>,
    /// Levels above the query's OU.
    pub climbed: Option<u32>,
    /// A problem's code.
    pub error: Option<Box<str>>,
}
