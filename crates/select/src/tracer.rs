//! Who goes along on the walk and sees every step: nobody, or whoever explains it.

use switchboard_model::Region;
use switchboard_model::Role;
use switchboard_snapshot::view::StepRef;
use switchboard_snapshot::{AccountIdx, ChannelIdx, CompanyIdx, OuIdx};

use super::client::Client;
use super::{Found, Ignored, Outcome, Rule};

/// A query's names, resolved, and what else its steps depend on.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The company.
    pub company: CompanyIdx,
    /// The channel.
    pub channel: ChannelIdx,
    /// The OU.
    pub ou: OuIdx,
    /// The role: the query's, or the channel's conversation role.
    pub role: Role,
    /// Whether nothing but the first country rule counts.
    pub strictly: bool,
    /// Whether the pick is a matter of chance: the query names nobody.
    pub by_chance: bool,
}

/// A level of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The OU.
    pub ou: OuIdx,
    /// How far above the query's.
    pub climbed: u32,
}

/// What goes along on the walk and sees every step.
pub trait Tracer {
    /// Whether the walk goes on to the end of the chain when the account is found.
    const WHOLE_CHAIN: bool;
    /// What is asked, once all its names are resolved, and of whom.
    fn asked(&mut self, _asked: Asked, _client: Client) {}
    /// Why the account that the client talks to is not kept, or that it is.
    fn current(&mut self, _ignored: Option<Ignored>) {}
    /// The user's own account.
    fn own(&mut self, _account: AccountIdx, _outcome: impl Fn(AccountIdx) -> Outcome) {}
    /// The chain, where there is one: its levels that have pools, from the query's OU up.
    fn chain(&mut self, _levels: impl Iterator<Item = Level>) {}
    /// A step, before anything is picked; `outcome` tells of any account whether it can be had.
    fn step(&mut self, _step: Step<'_>, _outcome: impl Fn(AccountIdx) -> Outcome) {}
}

/// Nobody goes along.
pub struct Alone;

impl Tracer for Alone {
    const WHOLE_CHAIN: bool = false;
}

/// A step of the chain, as a tracer sees it.
#[derive(Clone, Copy)]
pub struct Step<'s> {
    /// As stored.
    pub stored: StepRef<'s>,
    /// Its rule.
    pub rule: Rule,
    /// Where its accounts are.
    pub found: Found,
    /// The country it looks for.
    pub country: Option<Region>,
}
