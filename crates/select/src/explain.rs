//! Records a selection as plain data, and writes the record as JSON. A [`Trace`] has every level and step of
//! the chain, and every candidate with its availability.

use serde_json::{Map, Value};
use switchboard_model::{Condition, Region, Rule, SelectError};
use switchboard_snapshot::view::Candidate;
use switchboard_snapshot::{AccountIdx, Snapshot};

use super::answer::{ChainStep, CurrentOutcome, ResolvedQuery, TracedLevel, Tracer, write_selection};
use super::query::Client;
use super::walk::{SelectContext, select_with};
use super::{Answer, Availability, Location, Query};

/// Maximum number of candidates that the JSON lists for each step. The other candidates are counted.
pub const MAX_LISTED_CANDIDATES: usize = 50;

/// The answer to a query, and every level and step of the query's chain.
#[derive(Debug)]
pub struct Trace {
    /// The resolved names of the query.
    pub query: ResolvedQuery,
    /// The client's country, and the source of the country.
    pub client: Client,
    /// The answer, as [`select()`](super::select) returns it.
    pub answer: Answer,
    /// The account that the client talks to, if the query names one.
    pub current: Option<TracedCurrent>,
    /// The account that is dedicated to the query's user, and its availability.
    pub dedicated: Option<(AccountIdx, Availability)>,
    /// The account of the query's user, if the query names a user. Unlike `dedicated`, also for a role that
    /// dedicated accounts do not have.
    pub user: Option<TracedUser>,
    /// The levels of the chain that have pools, from the query's OU upward.
    pub levels: Vec<TracedLevel>,
    /// The steps of all levels, in the order in which a selection tries them.
    pub steps: Vec<TracedStep>,
    /// Index of the step that has the selected account. `None` for a dedicated account.
    pub chosen: Option<usize>,
}

/// The outcome for the user that the query names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TracedUser {
    /// The user's dedicated account on the channel, and its availability.
    Account(AccountIdx, Availability),
    /// The user has no dedicated account on the channel. The text is a user of the company that has one and
    /// whose id differs in case or by one character.
    None(Option<String>),
}

/// The outcome for the account that the client talks to.
#[derive(Debug, Clone, Copy)]
pub struct TracedCurrent {
    /// Index of the account, if the company has this account.
    pub account: Option<AccountIdx>,
    /// Whether the selection kept the account.
    pub outcome: CurrentOutcome,
}

/// A step of the chain, with its candidates.
#[derive(Debug)]
pub struct TracedStep {
    /// The rule of this step.
    pub rule: Rule,
    /// The country of the step's accounts.
    pub country: Option<Region>,
    /// The level and the pool of this step.
    pub location: Location,
    /// Whether the query's `fallback` allows this step.
    pub is_allowed: bool,
    /// The candidates with their availability, in the order of their ids.
    pub candidates: Vec<(AccountIdx, Availability)>,
}

impl TracedStep {
    /// Returns at most `max` candidates. The chosen candidate is always among them.
    pub fn listed(
        &self,
        max: usize,
        chosen: Option<AccountIdx>,
    ) -> impl Iterator<Item = (AccountIdx, Availability)> {
        let beyond = self.candidates.iter().skip(max).any(|(account, _)| chosen == Some(*account));
        let first = max - usize::from(beyond);
        let all = self.candidates.iter().copied().enumerate();
        let listed = all.filter(move |(at, (account, _))| *at < first || chosen == Some(*account));
        listed.map(|(_, candidate)| candidate)
    }
}

/// Answers a query, and records every step of the query's chain.
///
/// # Errors
/// Returns the answer's error if the query fails before its chain is known.
pub fn trace(
    snapshot: &Snapshot,
    query: &Query<'_>,
    context: SelectContext<'_>,
) -> (Answer, Result<Trace, SelectError>) {
    let mut recorder = Recorder::default();
    let answer = select_with(snapshot, query, context, &mut recorder);
    let Recorder { resolved, levels, current, dedicated, user, steps } = recorder;
    let (Some((resolved, client)), Some(levels)) = (resolved, levels) else {
        return (answer, Err(answer.result.err().unwrap_or(SelectError::BadRequest)));
    };
    let account = query.current.as_ref().and_then(|id| snapshot.find_account(resolved.company, id));
    let current = current.map(|outcome| TracedCurrent { account, outcome });
    let chosen = answer.result.ok().and_then(|selection| {
        // A kept or picked account is in exactly one step.
        steps.iter().position(|step| {
            selection.location == Some(step.location)
                && (selection.rule == Rule::Current || selection.rule == step.rule)
                && step.candidates.iter().any(|&(candidate, _)| candidate == selection.account)
        })
    });
    let user = query.user.as_ref().map(|id| match user {
        Some((account, availability)) => TracedUser::Account(account, availability),
        None => TracedUser::None(near_user(snapshot, &resolved, id)),
    });
    let trace = Trace { query: resolved, client, answer, current, dedicated, user, levels, steps, chosen };
    (answer, Ok(trace))
}

#[derive(Default)]
struct Recorder {
    resolved: Option<(ResolvedQuery, Client)>,
    levels: Option<Vec<TracedLevel>>,
    current: Option<CurrentOutcome>,
    dedicated: Option<(AccountIdx, Availability)>,
    user: Option<(AccountIdx, Availability)>,
    steps: Vec<TracedStep>,
}

impl Tracer for Recorder {
    const WHOLE_CHAIN: bool = true;

    fn resolved(&mut self, query: ResolvedQuery, client: Client) {
        self.resolved = Some((query, client));
    }

    fn current(&mut self, outcome: CurrentOutcome) {
        self.current = Some(outcome);
    }

    fn dedicated(&mut self, account: AccountIdx, availability: impl Fn(AccountIdx) -> Availability) {
        self.dedicated = Some((account, availability(account)));
    }

    fn user(&mut self, account: AccountIdx, availability: impl Fn(AccountIdx) -> Availability) {
        self.user = Some((account, availability(account)));
    }

    fn chain(&mut self, levels: impl Iterator<Item = TracedLevel>) {
        self.levels = Some(levels.collect());
    }

    fn step(&mut self, step: ChainStep<'_>, availability: impl Fn(AccountIdx) -> Availability) {
        let ChainStep { stored, rule, location, country, is_allowed } = step;
        let accounts = stored.candidates().iter().map(Candidate::account);
        let mut candidates: Vec<(AccountIdx, Availability)> =
            accounts.map(|account| (account, availability(account))).collect();
        candidates.sort_unstable();
        self.steps.push(TracedStep { rule, country, location, is_allowed, candidates });
    }
}

/// Returns a user of the query's company whose id is near `id`: first one that differs in case alone, then
/// one on the query's channel, then the first one in the order of ids.
fn near_user(snapshot: &Snapshot, query: &ResolvedQuery, id: &str) -> Option<String> {
    let lower_case = id.to_lowercase();
    let near = snapshot.users(query.company).filter_map(|(other, channel)| {
        let differs_in_case = other.to_lowercase() == lower_case;
        let is_near = other != id && (differs_in_case || differs_by_one_char(id, other));
        is_near.then_some((!differs_in_case, channel != query.channel, other))
    });
    near.min().map(|(_, _, other)| other.to_owned())
}

/// Returns whether one character is added, removed or replaced between two texts.
fn differs_by_one_char(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        let (rest_of_a, rest_of_b) = (a.as_str(), b.as_str());
        match (a.next(), b.next()) {
            (None, None) => return false,
            (one, other) if one == other => {}
            _ => {
                let (after_a, after_b) = (a.as_str(), b.as_str());
                return after_a == after_b || after_a == rest_of_b || rest_of_a == after_b;
            }
        }
    }
}

/// Explains a query. Returns the answer, and the explanation as the JSON of `/v1/explain`.
///
/// `problem` converts an error into JSON, because this crate does not know the format of problems.
///
/// ```
/// use serde_json::Value;
/// use switchboard_model::UnixSeconds;
/// use switchboard_select::{NO_STANDINGS, Query, SelectContext, explain};
/// use switchboard_snapshot::Snapshot;
///
/// fn number_of_steps(snapshot: &Snapshot, query: &Query<'_>, now: UnixSeconds) -> Option<usize> {
///     let context = SelectContext { now, random: 7, standings: &NO_STANDINGS };
///     let (_answer, explanation) = explain(snapshot, query, context, |error| Value::from(error.as_str()));
///     Some(explanation.ok()?["steps"].as_array()?.len())
/// }
/// ```
///
/// # Errors
/// Returns the answer's error if the query fails before its chain is known.
pub fn explain(
    snapshot: &Snapshot,
    query: &Query<'_>,
    context: SelectContext<'_>,
    problem: impl FnOnce(SelectError) -> Value,
) -> (Answer, Result<Value, SelectError>) {
    let (answer, trace) = trace(snapshot, query, context);
    (answer, trace.map(|trace| explanation(snapshot, &trace, problem)))
}

/// Returns a trace as JSON. `problem` converts an error into JSON.
pub fn explanation(snapshot: &Snapshot, trace: &Trace, problem: impl FnOnce(SelectError) -> Value) -> Value {
    let mut explanation = Map::new();
    let mut about = Map::new();
    if let Some(country) = trace.client.country {
        about.insert("country".into(), country.alpha2().into());
    }
    about.insert("source".into(), trace.client.source.as_str().into());
    about.insert("guessed".into(), trace.client.is_guessed().into());
    about.insert("conflict".into(), trace.client.has_conflict().into());
    explanation.insert("client".into(), about.into());
    let (name, result, chosen) = match trace.answer.result {
        Ok(selection) => {
            let mut json = Vec::new();
            write_selection(&mut json, snapshot, &selection);
            ("selection", parsed(&json), Some(selection.account))
        }
        Err(error) => ("problem", problem(error), None),
    };
    explanation.insert(name.into(), result);
    if let Some(user) = &trace.user {
        let mut object = Map::new();
        match user {
            TracedUser::Account(account, availability) => {
                object = candidate(snapshot, (*account, *availability), chosen);
            }
            TracedUser::None(near) => {
                object.insert("outcome".into(), "none".into());
                object.extend(near.iter().map(|near| ("near".to_owned(), Value::from(near.as_str()))));
            }
        }
        explanation.insert("user".into(), object.into());
    }
    let steps = trace.steps.iter().enumerate();
    let steps = steps.map(|(at, traced)| step(snapshot, traced, chosen.filter(|_| trace.chosen == Some(at))));
    explanation.insert("steps".into(), steps.collect());
    explanation.insert("generation".into(), snapshot.generation().into());
    explanation.into()
}

#[allow(clippy::expect_used, reason = "`write_selection` writes JSON, and tests cover every text")]
fn parsed(selection: &[u8]) -> Value {
    serde_json::from_slice(selection).expect("cannot fail: `write_selection` writes JSON")
}

fn step(snapshot: &Snapshot, traced: &TracedStep, chosen: Option<AccountIdx>) -> Value {
    let mut step = Map::new();
    step.insert("rule".into(), traced.rule.as_str().into());
    step.insert("ou".into(), snapshot.ou(traced.location.ou).id().into());
    step.insert("pool".into(), snapshot.pool(traced.location.pool).id().into());
    if let Some(country) = traced.country {
        step.insert("country".into(), country.alpha2().into());
    }
    step.insert("climbed".into(), traced.location.climbed.into());
    let candidates = traced.listed(MAX_LISTED_CANDIDATES, chosen);
    let candidates = candidates.map(|traced| Value::from(candidate(snapshot, traced, chosen)));
    step.insert("candidates".into(), candidates.collect());
    step.insert("more".into(), traced.candidates.len().saturating_sub(MAX_LISTED_CANDIDATES).into());
    step.into()
}

/// Returns an account with its outcome. If the account is draining or suspended, `by` says whether the
/// registry or a standing restricts it.
fn candidate(
    snapshot: &Snapshot,
    (account, availability): (AccountIdx, Availability),
    chosen: Option<AccountIdx>,
) -> Map<String, Value> {
    let record = snapshot.account(account);
    let outcome = if chosen == Some(account) { "chosen" } else { availability.as_str() };
    let mut object = Map::new();
    object.insert("account".into(), record.id().into());
    object.insert("outcome".into(), outcome.into());
    let restriction = match availability {
        Availability::Draining => Some(Condition::Draining),
        Availability::Suspended => Some(Condition::Suspended),
        Availability::Available | Availability::Excluded | Availability::Resting => None,
    };
    if let Some(condition) = restriction.filter(|_| chosen != Some(account)) {
        let by = if record.condition() == condition { "registry" } else { "standing" };
        object.insert("by".into(), by.into());
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_by_one_character_are_near() {
        for (a, b) in [
            ("ann", "anna"),
            ("ann", "an"),
            ("ann", "xnn"),
            ("ann", "anm"),
            ("m\u{fc}ller", "muller"),
            ("", "a"),
        ] {
            assert!(differs_by_one_char(a, b) && differs_by_one_char(b, a), "{a} {b}");
        }
        for (a, b) in
            [("ann", "ann"), ("ann", "nna"), ("ann", "a"), ("ann", "bob"), ("abc", "acb"), ("", "ab")]
        {
            assert!(!differs_by_one_char(a, b) && !differs_by_one_char(b, a), "{a} {b}");
        }
    }
}
