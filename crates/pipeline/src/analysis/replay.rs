//! Replays recorded queries against two snapshots: how much changes, weighted by what is really asked.
//!
//! A query may hold a phone number, so only the number of its line is kept.

use std::collections::BTreeMap;

use super::compare::Change;
use switchboard_model::{Rule, SelectError, UnixSeconds};
use switchboard_select::{Answer, BadQuery, NOT_A_QUERY, Overlay, Query, SelectContext, Selection, select};
use switchboard_snapshot::Snapshot;

/// How the answer to a recorded query changes.
pub type AnswerChange = Change<SelectionChange>;

/// How a selection differs from another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SelectionChange {
    /// Another account is selected.
    OtherAccount,
    /// The same account is selected, and the answer says something else of it: its rule, its pool, its address.
    SameAccount,
}

impl AnswerChange {
    /// Every change of an answer, the worst first.
    pub const ALL: [AnswerChange; 5] = [
        Change::BecomesError,
        Change::OtherError,
        Change::Answered,
        Change::Answer(SelectionChange::OtherAccount),
        Change::Answer(SelectionChange::SameAccount),
    ];

    /// Returns the word in reports for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Change::BecomesError => "becomes_error",
            Change::OtherError => "other_error",
            Change::Answered => "answered",
            Change::Answer(SelectionChange::OtherAccount) => "other_account",
            Change::Answer(SelectionChange::SameAccount) => "same_account",
        }
    }
}

/// A change, and from which outcome to which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Transition {
    /// How the answer changes.
    pub change: AnswerChange,
    /// The old rule or error.
    pub old: Result<Rule, SelectError>,
    /// The new rule or error.
    pub new: Result<Rule, SelectError>,
}

/// Asks two snapshots the same queries as of the same time.
pub struct Replay<'s> {
    sides: [(&'s Snapshot, Overlay); 2],
    now: UnixSeconds,
    /// Queries that were asked.
    pub asked: usize,
    /// The queries that are answered otherwise: the numbers of their lines, from 1.
    pub transitions: BTreeMap<Transition, Vec<usize>>,
    /// Lines that are no query, and why.
    pub bad: Vec<(usize, String)>,
}

impl<'s> Replay<'s> {
    /// Returns a replay against two snapshots as of `now`.
    pub fn new(old: &'s Snapshot, new: &'s Snapshot, now: UnixSeconds) -> Replay<'s> {
        let side = |snapshot: &'s Snapshot| (snapshot, Overlay::from_free(snapshot.free_accounts()));
        Replay { sides: [side(old), side(new)], now, asked: 0, transitions: BTreeMap::new(), bad: Vec::new() }
    }

    /// Asks both snapshots the query of a line. Ignores a blank line.
    pub fn ask(&mut self, line: usize, text: &[u8]) {
        let text = if line == 1 { text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text) } else { text };
        if text.trim_ascii().is_empty() {
            return;
        }
        let query = match Query::from_json(text) {
            Ok(query) => query,
            Err(bad) => return self.bad.push((line, fault_in_line(&bad))),
        };
        self.asked += 1;
        // Spread over equal candidates, and the same on both sides: a query that names no client must not seem to change.
        let random = (line as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let [old, new] = self.sides.each_ref().map(|(snapshot, standings)| {
            select(snapshot, &query, SelectContext { now: self.now, random, standings })
        });
        if let Some(change) = self.change(&old, &new) {
            let transition = Transition { change, old: outcome(&old), new: outcome(&new) };
            self.transitions.entry(transition).or_default().push(line);
        }
    }

    /// Counts the queries of one change.
    pub fn count(&self, change: AnswerChange) -> usize {
        let transitions = self.transitions.iter().filter(|(transition, _)| transition.change == change);
        transitions.map(|(_, lines)| lines.len()).sum()
    }

    /// Counts the queries that are answered as before.
    pub fn same(&self) -> usize {
        self.asked - self.transitions.values().map(Vec::len).sum::<usize>()
    }

    fn change(&self, old: &Answer, new: &Answer) -> Option<AnswerChange> {
        match (&old.result, &new.result) {
            (Ok(_), Err(_)) => Some(Change::BecomesError),
            (Err(_), Ok(_)) => Some(Change::Answered),
            (Err(old), Err(new)) => (old != new).then_some(Change::OtherError),
            (Ok(old), Ok(new)) => {
                let [(before, _), (now, _)] = &self.sides;
                if before.account(old.account).id() != now.account(new.account).id() {
                    return Some(Change::Answer(SelectionChange::OtherAccount));
                }
                let same = content(before, old) == content(now, new);
                (!same).then_some(Change::Answer(SelectionChange::SameAccount))
            }
        }
    }
}

/// Returns all that an answer says, without the generation.
fn content<'s>(snapshot: &'s Snapshot, selection: &Selection) -> impl PartialEq + use<'s> {
    let &Selection { account_json, rule, location, client_country, current_ignored, .. } = selection;
    let location = location.map(|at| (snapshot.location_json(at.level_pool), at.climbed));
    (snapshot.account_pieces(account_json), rule, location, client_country, current_ignored)
}

/// Returns the fault of a query; its line in the file is reported beside it. Repeats no value.
fn fault_in_line(bad: &BadQuery) -> String {
    match bad.json_column {
        Some(column) => format!("{NOT_A_QUERY}, column {column}"),
        None => bad.to_string(),
    }
}

fn outcome(answer: &Answer) -> Result<Rule, SelectError> {
    answer.result.map(|selection| selection.rule)
}
