//! The result of a query, and selections as JSON, put together from pieces that the snapshot holds ready.

use switchboard_model::{Region, Rule, SelectError};
use switchboard_snapshot::view::{AccountJson, AccountPieces};
use switchboard_snapshot::{AccountIdx, ChannelIdx, LevelPoolIdx, OuIdx, PoolIdx, Snapshot};

/// The result of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The channel, if the query names a known one.
    pub channel: Option<ChannelIdx>,
    /// The account, or why there is none.
    pub result: Result<Selection, SelectError>,
}

/// The account that talks to the client, and how it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// The account.
    pub account: AccountIdx,
    /// What an answer says of the account.
    pub account_json: AccountJson,
    /// The reason that it was selected.
    pub rule: Rule,
    /// Where it was found; a dedicated account is in no pool.
    pub location: Option<Location>,
    /// The client's country.
    pub client_country: Option<Region>,
    /// Why the account that the client talks to was not kept.
    pub current_ignored: Option<CurrentIgnored>,
}

/// Where in the chain an account was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The OU.
    pub ou: OuIdx,
    /// The pool.
    pub pool: PoolIdx,
    /// The pool at its level: both as an answer has them.
    pub level_pool: LevelPoolIdx,
    /// Levels above the query's OU.
    pub climbed: u32,
}

/// Why the account that the client talks to was not kept: the first reason that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CurrentIgnored {
    /// The company has no account of this id.
    Unknown,
    /// The account is of another channel.
    OtherChannel,
    /// The account is of another role.
    OtherRole,
    /// The account is suspended.
    Suspended,
    /// The query excludes the account.
    Excluded,
    /// The account's `available_from` is still to come.
    Resting,
    /// The account is neither the user's own nor in any step of the chain.
    NotInChain,
}

impl CurrentIgnored {
    /// Returns the word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            CurrentIgnored::Unknown => "unknown",
            CurrentIgnored::OtherChannel => "other_channel",
            CurrentIgnored::OtherRole => "other_role",
            CurrentIgnored::Suspended => "suspended",
            CurrentIgnored::Excluded => "excluded",
            CurrentIgnored::Resting => "resting",
            CurrentIgnored::NotInChain => "not_in_chain",
        }
    }
}

/// More bytes than the fixed parts, the rule, the country, the reason and the two numbers take together.
const MAX_OTHER_BYTES: usize = 192;

/// Prefetches the text that [`write_selection`] copies.
#[inline]
pub(super) fn prefetch_selection(snapshot: &Snapshot, selection: &Selection) {
    snapshot.prefetch_account_json(selection.account_json);
    if let Some(location) = selection.location {
        snapshot.prefetch_location_json(location.level_pool);
    }
}

/// Appends a selection as a JSON object, from bytes prepared in the snapshot.
///
/// All pieces are looked up before the first is copied, because in a large snapshot each is a cache miss, and so the
/// misses overlap.
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
        // Two letters: where the compiler knows that, it writes them without a call.
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
