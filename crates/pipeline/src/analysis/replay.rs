//! Replays recorded queries against two snapshots, and counts the answers that change.
//!
//! A query may contain a phone number, so only its line number is kept.

use std::collections::BTreeMap;

use super::compare::Change;
use switchboard_model::{Rule, SelectError, UnixSeconds};
use switchboard_select::{Answer, BadQuery, NOT_AN_OBJECT, Overlay, Query, SelectContext, Selection, select};
use switchboard_snapshot::Snapshot;

/// The change of the answer to a recorded query.
pub type AnswerChange = Change<SelectionChange>;

switchboard_model::text_enum! {
    /// The difference between two selections.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum SelectionChange {
        /// The selected accounts differ from each other.
        OtherAccount => "other_account",
        /// The same account is selected, but the answer has another rule, pool, address or other field.
        SameAccount => "same_account",
    }
}

impl AnswerChange {
    /// Every change of an answer, the worst first.
    pub const ALL: [AnswerChange; 3 + SelectionChange::ALL.len()] = [
        Change::BecomesError,
        Change::OtherError,
        Change::Answered,
        Change::Answer(SelectionChange::OtherAccount),
        Change::Answer(SelectionChange::SameAccount),
    ];

    /// Returns the name of the change in JSON reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Change::BecomesError => "becomes_error",
            Change::OtherError => "other_error",
            Change::Answered => "answered",
            Change::Answer(change) => change.as_str(),
        }
    }
}

/// A change, with the old and the new outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Transition {
    /// The kind of this change.
    pub change: AnswerChange,
    /// The rule or the error of the old answer.
    pub old: Result<Rule, SelectError>,
    /// The rule or the error of the new answer.
    pub new: Result<Rule, SelectError>,
}

/// Sends the same queries to two snapshots at the same time.
pub struct Replay<'s> {
    sides: [(&'s Snapshot, Overlay); 2],
    now: UnixSeconds,
    /// Number of queries that were sent.
    pub asked: usize,
    /// The line numbers, from 1, of queries whose answers differ.
    pub transitions: BTreeMap<Transition, Vec<usize>>,
    /// The line numbers of malformed queries, with their faults.
    pub bad: Vec<(usize, String)>,
}

impl<'s> Replay<'s> {
    /// Creates a replay against two snapshots at the time `now`.
    pub fn new(old: &'s Snapshot, new: &'s Snapshot, now: UnixSeconds) -> Replay<'s> {
        let side = |snapshot: &'s Snapshot| (snapshot, Overlay::from_free(snapshot.free_accounts()));
        Replay { sides: [side(old), side(new)], now, asked: 0, transitions: BTreeMap::new(), bad: Vec::new() }
    }

    /// Sends the query of a line to both snapshots. Ignores a blank line.
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
        // Spreads queries without a client over equal candidates. Both sides get the same number, so that no
        // answer seems to change.
        let random = (line as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let [old, new] = self.sides.each_ref().map(|(snapshot, standings)| {
            select(snapshot, &query, SelectContext { now: self.now, random, standings })
        });
        if let Some(change) = self.change(&old, &new) {
            let transition = Transition { change, old: outcome(&old), new: outcome(&new) };
            self.transitions.entry(transition).or_default().push(line);
        }
    }

    /// Returns the number of queries with this change.
    pub fn count(&self, change: AnswerChange) -> usize {
        let transitions = self.transitions.iter().filter(|(transition, _)| transition.change == change);
        transitions.map(|(_, lines)| lines.len()).sum()
    }

    /// Returns the line numbers of each transition, by its change and the names of its outcomes.
    pub fn named_transitions(&self) -> BTreeMap<(AnswerChange, &'static str, &'static str), &[usize]> {
        let name =
            |outcome: Result<Rule, SelectError>| outcome.map_or_else(SelectError::as_str, Rule::as_str);
        let named = |(&Transition { change, old, new }, lines)| {
            ((change, name(old), name(new)), Vec::as_slice(lines))
        };
        self.transitions.iter().map(named).collect()
    }

    /// Returns the number of queries whose answers stay the same.
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

/// Returns the content of an answer, without the generation.
fn content<'s>(snapshot: &'s Snapshot, selection: &Selection) -> impl PartialEq + use<'s> {
    let &Selection { account_json, rule, location, client_country, current_ignored, .. } = selection;
    let location = location.map(|at| (snapshot.location_json(at.level_pool), at.climbed));
    (snapshot.account_pieces(account_json), rule, location, client_country, current_ignored)
}

/// Returns the fault of a query, without the number of its line. Repeats no value of the query.
fn fault_in_line(bad: &BadQuery) -> String {
    match bad.json_column {
        Some(column) => format!("{NOT_AN_OBJECT} column {column}."),
        None => bad.to_string(),
    }
}

fn outcome(answer: &Answer) -> Result<Rule, SelectError> {
    answer.result.map(|selection| selection.rule)
}
