//! What a query comes to.

use switchboard_model::Region;
use switchboard_snapshot::view::AccountJson;
use switchboard_snapshot::{AccountIdx, ChannelIdx, LevelPoolIdx, OuIdx, PoolIdx};

use super::{Code, Ignored, Rule};

/// What a query comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The channel, where the query named a known one.
    pub channel: Option<ChannelIdx>,
    /// The account, or why there is none.
    pub result: Result<Selection, Code>,
}

/// The account that talks to the client, and how it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// The account.
    pub account: AccountIdx,
    /// What an answer says of it.
    pub account_json: AccountJson,
    /// Why this one.
    pub rule: Rule,
    /// Where; a dedicated account is in no pool.
    pub found: Option<Found>,
    /// The client's country.
    pub client_country: Option<Region>,
    /// Why the account that the client talks to was not kept.
    pub current_ignored: Option<Ignored>,
}

/// Where in the chain an account was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The OU.
    pub ou: OuIdx,
    /// The pool.
    pub pool: PoolIdx,
    /// Both as an answer has them: the pool at its level.
    pub place: LevelPoolIdx,
    /// Levels above the query's OU.
    pub climbed: u32,
}
