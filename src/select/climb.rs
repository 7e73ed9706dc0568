//! The same walk with a tracer along: the whole chain, level by level and step by step, with every candidate
//! and what became of it. As plain data, for whoever shows it.

use crate::account::Role;
use crate::numbering::Region;
use crate::snapshot::Snapshot;
use crate::snapshot::view::Records;

use super::client::Client;
use super::walk::{Moment, Step, Tracer, walk};
use super::{Answer, Code, Fallback, Found, Ignored, Outcome, Query, Rule};

/// What a query comes to, and every step of its chain.
#[derive(Debug)]
pub struct Climb {
    /// What was asked, as the snapshot knows it.
    pub asked: Asked,
    /// Where the client is.
    pub client: Client,
    /// The answer.
    pub answer: Answer,
    /// What became of the account that the client talks to, where the query named one.
    pub current: Option<Current>,
    /// The user's own account, where there is one that counts.
    pub own: Option<(u32, Outcome)>,
    /// The levels of the chain that have pools, from the query's OU up.
    pub levels: Vec<Level>,
    /// The steps of all of them, in order.
    pub steps: Vec<Tried>,
    /// The step that the account was found in, picked or kept; an own account is in none.
    pub chosen: Option<usize>,
}

/// A query's names, resolved.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The company.
    pub company: u32,
    /// The channel.
    pub channel: u32,
    /// The OU.
    pub ou: u32,
    /// The role: the query's, or the channel's conversation role.
    pub role: Role,
    /// Whether nothing but the first country rule counts.
    pub strictly: bool,
    /// Whether the pick is a matter of chance: the query names nobody.
    pub by_chance: bool,
}

/// The account that the client talks to.
#[derive(Debug, Clone, Copy)]
pub struct Current {
    /// It, where the company has it.
    pub account: Option<u32>,
    /// Why it was not kept; `None`: it was.
    pub ignored: Option<Ignored>,
}

/// A level of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The OU.
    pub ou: u32,
    /// How far above the query's.
    pub climbed: u32,
}

/// A step, and what it has.
#[derive(Debug)]
pub struct Tried {
    /// Its rule.
    pub rule: Rule,
    /// The country it looks for.
    pub country: Option<Region>,
    /// Where its accounts are.
    pub found: Found,
    /// By account, which is by id.
    pub candidates: Vec<(u32, Outcome)>,
}

impl Tried {
    /// At most so many candidates; the chosen one is always among them.
    pub fn listed(&self, most: usize, chosen: Option<u32>) -> impl Iterator<Item = (u32, Outcome)> {
        let beyond = self.candidates.iter().skip(most).any(|(account, _)| chosen == Some(*account));
        let first = most - usize::from(beyond);
        let all = self.candidates.iter().copied().enumerate();
        let listed = all.filter(move |(at, (account, _))| *at < first || chosen == Some(*account));
        listed.map(|(_, candidate)| candidate)
    }
}

/// Answers a query and notes the whole climb, or gives the problem where the query failed before there was a chain.
pub fn climb(snapshot: &Snapshot, query: &Query<'_>, moment: Moment<'_>) -> (Answer, Result<Climb, Code>) {
    let mut notes =
        Notes { snapshot, client: None, chain: false, current: None, own: None, steps: Vec::new() };
    let answer = walk(snapshot, query, moment, &mut notes);
    let climb = match (notes.client.filter(|_| notes.chain), answer.result) {
        (Some(client), _) => notes.finish(client, query, answer).ok_or(Code::Internal),
        (None, Err(code)) => Err(code),
        (None, Ok(_)) => Err(Code::Internal),
    };
    (answer, climb)
}

/// What is noted on the way.
struct Notes<'s> {
    snapshot: &'s Snapshot,
    client: Option<Client>,
    chain: bool,
    current: Option<Option<Ignored>>,
    own: Option<(u32, Outcome)>,
    steps: Vec<Tried>,
}

impl Tracer for Notes<'_> {
    const WHOLE_CHAIN: bool = true;

    fn client(&mut self, client: Client) {
        self.client = Some(client);
    }

    fn current(&mut self, ignored: Option<Ignored>) {
        self.current = Some(ignored);
    }

    fn own(&mut self, account: u32, outcome: impl Fn(u32) -> Outcome) {
        self.own = Some((account, outcome(account)));
    }

    fn chain(&mut self) {
        self.chain = true;
    }

    fn step(&mut self, step: Step<'_>, outcome: impl Fn(u32) -> Outcome) {
        let members = self.snapshot.members(step.stored).iter();
        let accounts = members.map(|member| member.account.to_native());
        let mut candidates: Vec<(u32, Outcome)> =
            accounts.map(|account| (account, outcome(account))).collect();
        candidates.sort_unstable();
        let Step { rule, found, country, .. } = step;
        self.steps.push(Tried { rule, country, found, candidates });
    }
}

impl Notes<'_> {
    /// `None` where a name does not resolve, and so never: the walk has resolved all of them.
    fn finish(self, client: Client, query: &Query<'_>, answer: Answer) -> Option<Climb> {
        let Notes { snapshot, current, own, steps, .. } = self;
        let company = query.company.as_ref().map_or(Some(0), |id| snapshot.company(id))?;
        let channel = answer.channel?;
        let ou = snapshot.ou(company, &query.ou, snapshot.seek_ou(company, &query.ou))?;
        let contents = snapshot.contents();
        let role = query.role.unwrap_or(contents.channels.at(channel).conversation_role());
        let depth = contents.ous.at(ou).depth.to_native();
        let first = snapshot.chain(company, ou, channel, role);
        let levels = std::iter::successors(first, |level| snapshot.next(level)).map(|level| Level {
            ou: level.ou.to_native(),
            climbed: depth.saturating_sub(level.depth.to_native()),
        });
        let account = query.current.as_ref().and_then(|id| snapshot.account(company, id));
        let chosen = answer.result.ok().and_then(|selection| {
            // An account kept or picked is marked in the one step that it was found in.
            steps.iter().position(|step| {
                selection.found == Some(step.found)
                    && (selection.rule == Rule::Current || selection.rule == step.rule)
                    && step.candidates.iter().any(|&(candidate, _)| candidate == selection.account)
            })
        });
        let strictly = query.fallback == Fallback::None;
        let by_chance = query.client.is_none() && query.phone.is_none();
        Some(Climb {
            asked: Asked { company, channel, ou, role, strictly, by_chance },
            client,
            answer,
            current: current.map(|ignored| Current { account, ignored }),
            own,
            levels: levels.collect(),
            steps,
            chosen,
        })
    }
}
