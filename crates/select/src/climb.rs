//! The same walk with a tracer along: the whole chain, level by level and step by step, with every candidate
//! and what became of it. As plain data, for whoever shows it.

use switchboard_model::Region;
use switchboard_snapshot::view::Candidate;
use switchboard_snapshot::{AccountIdx, Snapshot};

use super::client::Client;
use super::tracer::{Asked, Level, Step, Tracer};
use super::walk::{Moment, walk};
use super::{Answer, Code, Found, Ignored, Outcome, Query, Rule};

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
    pub own: Option<(AccountIdx, Outcome)>,
    /// The levels of the chain that have pools, from the query's OU up.
    pub levels: Vec<Level>,
    /// The steps of all of them, in order.
    pub steps: Vec<Tried>,
    /// The step that the account was found in, picked or kept; an own account is in none.
    pub chosen: Option<usize>,
}

/// The account that the client talks to.
#[derive(Debug, Clone, Copy)]
pub struct Current {
    /// It, where the company has it.
    pub account: Option<AccountIdx>,
    /// Why it was not kept; `None`: it was.
    pub ignored: Option<Ignored>,
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
    pub candidates: Vec<(AccountIdx, Outcome)>,
}

impl Tried {
    /// At most so many candidates; the chosen one is always among them.
    pub fn listed(
        &self,
        most: usize,
        chosen: Option<AccountIdx>,
    ) -> impl Iterator<Item = (AccountIdx, Outcome)> {
        let beyond = self.candidates.iter().skip(most).any(|(account, _)| chosen == Some(*account));
        let first = most - usize::from(beyond);
        let all = self.candidates.iter().copied().enumerate();
        let listed = all.filter(move |(at, (account, _))| *at < first || chosen == Some(*account));
        listed.map(|(_, candidate)| candidate)
    }
}

/// Answers a query and notes the whole climb, or gives the problem where the query failed before there was a chain.
pub fn climb(snapshot: &Snapshot, query: &Query<'_>, moment: Moment<'_>) -> (Answer, Result<Climb, Code>) {
    let mut notes = Notes { asked: None, levels: None, current: None, own: None, steps: Vec::new() };
    let answer = walk(snapshot, query, moment, &mut notes);
    let Notes { asked, levels, current, own, steps } = notes;
    let (Some((asked, client)), Some(levels)) = (asked, levels) else {
        return (answer, Err(answer.result.err().unwrap_or(Code::Internal)));
    };
    let account = query.current.as_ref().and_then(|id| snapshot.find_account(asked.company, id));
    let current = current.map(|ignored| Current { account, ignored });
    let chosen = answer.result.ok().and_then(|selection| {
        // An account kept or picked is marked in the one step that it was found in.
        steps.iter().position(|step| {
            selection.found == Some(step.found)
                && (selection.rule == Rule::Current || selection.rule == step.rule)
                && step.candidates.iter().any(|&(candidate, _)| candidate == selection.account)
        })
    });
    (answer, Ok(Climb { asked, client, answer, current, own, levels, steps, chosen }))
}

/// What is noted on the way.
struct Notes {
    asked: Option<(Asked, Client)>,
    levels: Option<Vec<Level>>,
    current: Option<Option<Ignored>>,
    own: Option<(AccountIdx, Outcome)>,
    steps: Vec<Tried>,
}

impl Tracer for Notes {
    const WHOLE_CHAIN: bool = true;

    fn asked(&mut self, asked: Asked, client: Client) {
        self.asked = Some((asked, client));
    }

    fn current(&mut self, ignored: Option<Ignored>) {
        self.current = Some(ignored);
    }

    fn own(&mut self, account: AccountIdx, outcome: impl Fn(AccountIdx) -> Outcome) {
        self.own = Some((account, outcome(account)));
    }

    fn chain(&mut self, levels: impl Iterator<Item = Level>) {
        self.levels = Some(levels.collect());
    }

    fn step(&mut self, step: Step<'_>, outcome: impl Fn(AccountIdx) -> Outcome) {
        let accounts = step.stored.candidates().iter().map(Candidate::account);
        let mut candidates: Vec<(AccountIdx, Outcome)> =
            accounts.map(|account| (account, outcome(account))).collect();
        candidates.sort_unstable();
        let Step { rule, found, country, .. } = step;
        self.steps.push(Tried { rule, country, found, candidates });
    }
}
