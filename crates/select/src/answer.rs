//! The result of a query, the JSON of a selection, and the observer of a selection. The JSON consists of
//! pieces that the snapshot stores ready-made. An observer is called at each step: [`NoTrace`] compiles to
//! nothing, and explanations and coverage record the steps.

use switchboard_model::{Region, Role, Rule, SelectError};
use switchboard_snapshot::view::{AccountJson, AccountPieces, StepRef};
use switchboard_snapshot::{AccountIdx, ChannelIdx, CompanyIdx, LevelPoolIdx, OuIdx, PoolIdx, Snapshot};

use super::query::Client;

/// The result of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The channel of the query, if the snapshot has this channel.
    pub channel: Option<ChannelIdx>,
    /// The selected account, or the reason why no account was selected.
    pub result: Result<Selection, SelectError>,
}

/// The selected account, and how the selection found this account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// Index of the selected account.
    pub account: AccountIdx,
    /// The prepared JSON of the account.
    pub account_json: AccountJson,
    /// The rule that selected the account.
    pub rule: Rule,
    /// The step that has the account. `None` for a dedicated account, which is in no pool.
    pub location: Option<Location>,
    /// The client's country. `None` if the client's number belongs to no country.
    pub client_country: Option<Region>,
    /// The reason why the query's `current` account was not kept.
    pub current_ignored: Option<CurrentIgnored>,
}

/// The place of an account in the chain of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The OU of the level that has the account.
    pub ou: OuIdx,
    /// The pool that has the account.
    pub pool: PoolIdx,
    /// The pool at its level. Identifies the prepared JSON of OU and pool.
    pub level_pool: LevelPoolIdx,
    /// Number of levels from the query's OU up to this level.
    pub climbed: u32,
}

switchboard_model::text_enum! {
    /// The first reason why the query's `current` account is not kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum CurrentIgnored {
        /// The company has no account with this id.
        Unknown => "unknown",
        /// The account belongs to another channel.
        OtherChannel => "other_channel",
        /// The account has another role.
        OtherRole => "other_role",
        /// The account is suspended, by the registry or by a standing.
        Suspended => "suspended",
        /// The query excludes the account.
        Excluded => "excluded",
        /// The account's `available_from` is in the future.
        Resting => "resting",
        /// The account is not dedicated to the user, and no step of the chain has this account.
        NotInChain => "not_in_chain",
    }
}

/// Upper bound, in bytes, of everything in a selection's JSON that is not a prepared piece.
const MAX_OTHER_BYTES: usize = 192;

/// Prefetches the pieces that [`write_selection`] copies.
#[inline]
pub(super) fn prefetch_selection(snapshot: &Snapshot, selection: &Selection) {
    snapshot.prefetch_account_json(selection.account_json);
    if let Some(location) = selection.location {
        snapshot.prefetch_location_json(location.level_pool);
    }
}

/// Appends a selection as a JSON object. Copies pieces that are prepared in the snapshot.
///
/// Looks up all pieces before the first copy. In a large snapshot each lookup is a cache miss, and in this
/// order the misses overlap.
pub fn write_selection(out: &mut Vec<u8>, snapshot: &Snapshot, selection: &Selection) {
    let AccountPieces { id, address, suffix } = snapshot.account_pieces(selection.account_json);
    let location = selection.location.map(|at| (snapshot.location_json(at.level_pool), at.climbed));
    let location_len = location.map_or(0, |(json, _)| json.len());
    out.reserve(id.len() + address.len() + suffix.len() + location_len + MAX_OTHER_BYTES);

    out.extend_from_slice(br#"{"account":""#);
    out.extend_from_slice(id);
    out.extend_from_slice(br#"","address":""#);
    out.extend_from_slice(address);
    out.extend_from_slice(suffix);
    out.extend_from_slice(selection.rule.as_str().as_bytes());
    out.push(b'"');
    if let Some((json, climbed)) = location {
        out.extend_from_slice(json);
        out.extend_from_slice(itoa::Buffer::new().format(climbed).as_bytes());
    }
    if let Some(country) = selection.client_country {
        out.extend_from_slice(br#","client_country":""#);
        // A country has two letters. The fixed length lets the compiler copy them without a call.
        if let Some(letters) = country.alpha2().as_bytes().first_chunk::<2>() {
            out.extend_from_slice(letters);
        }
        out.push(b'"');
    }
    if let Some(ignored) = selection.current_ignored {
        out.extend_from_slice(br#","current_ignored":""#);
        out.extend_from_slice(ignored.as_str().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(br#","generation":"#);
    out.extend_from_slice(snapshot.generation_digits().as_bytes());
    out.push(b'}');
}

/// The resolved names of a query, and the other inputs that its steps depend on.
#[derive(Debug, Clone, Copy)]
pub struct ResolvedQuery {
    /// Index of the query's company.
    pub company: CompanyIdx,
    /// Index of the query's channel.
    pub channel: ChannelIdx,
    /// Index of the query's OU.
    pub ou: OuIdx,
    /// The role of the account: the query's role, or else the channel's conversation role.
    pub role: Role,
    /// Whether `fallback` is `none`. The selection then tries only the country rule at the first level.
    pub without_fallback: bool,
    /// Whether candidates are picked at random, because the query names none of `client`, `phone` and
    /// `bsuid`.
    pub picks_at_random: bool,
}

/// A level of the chain that has pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TracedLevel {
    /// The OU of this level.
    pub ou: OuIdx,
    /// Number of OUs that this level is above the query's OU. 0 is the query's own OU.
    pub climbed: u32,
}

/// The outcome for the account that the client talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurrentOutcome {
    /// The account is the answer.
    Kept,
    /// The account is not used, for this reason.
    Ignored(CurrentIgnored),
}

switchboard_model::text_enum! {
    /// The availability of an account. If several reasons prevent a selection, the first one counts.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Availability {
        /// The account can be selected.
        Available => "available",
        /// The account is draining: it keeps its clients and gets no new ones.
        Draining => "draining",
        /// The account is suspended: it must not be used.
        Suspended => "suspended",
        /// The query excludes the account.
        Excluded => "excluded",
        /// The account's `available_from` is in the future.
        Resting => "resting",
    }
}

/// A step of the chain that a selection reaches.
#[derive(Clone, Copy)]
pub struct ChainStep<'s> {
    /// The step as the snapshot stores it.
    pub stored: StepRef<'s>,
    /// The rule of this step.
    pub rule: Rule,
    /// The level and the pool of this step.
    pub location: Location,
    /// The country of the step's accounts.
    pub country: Option<Region>,
    /// Whether the query's `fallback` allows this step.
    pub is_allowed: bool,
}

/// Observer of a selection. Each method is called when the selection has the result in question.
pub trait Tracer {
    /// Whether a selection visits the rest of the chain after it has found the account.
    const WHOLE_CHAIN: bool;
    /// Called when the names of the query are resolved.
    fn resolved(&mut self, _query: ResolvedQuery, _client: Client) {}
    /// Called when the query's `current` account is kept or ignored.
    fn current(&mut self, _outcome: CurrentOutcome) {}
    /// Called if an account is dedicated to the query's user.
    fn dedicated(&mut self, _account: AccountIdx, _availability: impl Fn(AccountIdx) -> Availability) {}
    /// Called if the query's user has a dedicated account on the channel, with any role of the query.
    fn user(&mut self, _account: AccountIdx, _availability: impl Fn(AccountIdx) -> Availability) {}
    /// Called with the levels that have pools, from the query's OU upward.
    fn chain(&mut self, _levels: impl Iterator<Item = TracedLevel>) {}
    /// Called when the selection reaches a step, before it picks an account. `availability` accepts any
    /// account.
    fn step(&mut self, _step: ChainStep<'_>, _availability: impl Fn(AccountIdx) -> Availability) {}
}

/// A tracer that records nothing.
pub struct NoTrace;

impl Tracer for NoTrace {
    const WHOLE_CHAIN: bool = false;
}
