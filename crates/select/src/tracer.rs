//! Observes a selection step by step. [`NoTrace`] compiles to nothing; explanations and coverage record.

use switchboard_model::{Region, Role, Rule};
use switchboard_snapshot::view::StepRef;
use switchboard_snapshot::{AccountIdx, ChannelIdx, CompanyIdx, OuIdx};

use super::query::Client;
use super::{CurrentIgnored, Location};

/// A query's names, resolved, and what else its steps depend on.
#[derive(Debug, Clone, Copy)]
pub struct ResolvedQuery {
    /// The company.
    pub company: CompanyIdx,
    /// The channel.
    pub channel: ChannelIdx,
    /// The OU.
    pub ou: OuIdx,
    /// The role: the query's, or the channel's conversation role.
    pub role: Role,
    /// Whether the query's fallback is none: only the country rule at the first level is tried.
    pub without_fallback: bool,
    /// Whether candidates are picked at random, because the query names neither a client nor a phone.
    pub picks_at_random: bool,
}

/// A level of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TracedLevel {
    /// The OU.
    pub ou: OuIdx,
    /// Levels above the query's OU.
    pub climbed: u32,
}

/// What a selection does with the account that the client talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurrentOutcome {
    /// The account is the answer.
    Kept,
    /// The account is not used, for this reason.
    Ignored(CurrentIgnored),
}

/// Whether an account can be selected, and if not, the first reason that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Availability {
    /// The account can be selected.
    Available,
    /// The account keeps the clients it has.
    Draining,
    /// The account is not to be used.
    Suspended,
    /// The query excludes the account.
    Excluded,
    /// The account's `available_from` is still to come.
    Resting,
}

impl Availability {
    /// Returns the word in explanations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Availability::Available => "available",
            Availability::Draining => "draining",
            Availability::Suspended => "suspended",
            Availability::Excluded => "excluded",
            Availability::Resting => "resting",
        }
    }
}

/// A step of the chain that a selection comes to.
#[derive(Clone, Copy)]
pub struct ChainStep<'s> {
    /// The step in the snapshot.
    pub stored: StepRef<'s>,
    /// The rule.
    pub rule: Rule,
    /// Where the step's accounts are.
    pub location: Location,
    /// The country that the step looks for.
    pub country: Option<Region>,
    /// Whether the query's fallback allows the step.
    pub is_allowed: bool,
}

/// Receives what a selection finds, step by step.
pub trait Tracer {
    /// Whether the rest of the chain is visited when the account is found.
    const WHOLE_CHAIN: bool;
    /// The query's names are resolved.
    fn resolved(&mut self, _query: ResolvedQuery, _client: Client) {}
    /// The account that the client talks to is kept, or ignored for a reason.
    fn current(&mut self, _outcome: CurrentOutcome) {}
    /// The user has an account of their own.
    fn dedicated(&mut self, _account: AccountIdx, _availability: impl Fn(AccountIdx) -> Availability) {}
    /// The chain's levels that have pools, from the query's OU up.
    fn chain(&mut self, _levels: impl Iterator<Item = TracedLevel>) {}
    /// A step is reached, and nothing is picked yet. `availability` may be called for any account.
    fn step(&mut self, _step: ChainStep<'_>, _availability: impl Fn(AccountIdx) -> Availability) {}
}

/// Records nothing.
pub struct NoTrace;

impl Tracer for NoTrace {
    const WHOLE_CHAIN: bool = false;
}
