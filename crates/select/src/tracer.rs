//! Observes a selection step by step. [`NoTrace`] compiles to nothing. Explanations and coverage record the
//! steps.

use switchboard_model::{Region, Role, Rule};
use switchboard_snapshot::view::StepRef;
use switchboard_snapshot::{AccountIdx, ChannelIdx, CompanyIdx, OuIdx};

use super::query::Client;
use super::{CurrentIgnored, Location};

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
    /// Whether candidates are picked at random, because the query names neither a client nor a phone.
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
