//! Compares the decisions of two snapshots, and the accounts of their steps.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::decision::{Decision, ServingStep};
use super::table::DecisionTable;
use switchboard_model::UnixSeconds;
use switchboard_snapshot::view::{AccountPieces, Candidate};
use switchboard_snapshot::{GroupIdx, Snapshot};

/// How the answer to the same question changes, the worst first. `A` says how an answer differs from another answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change<A> {
    /// An answer becomes an error.
    BecomesError,
    /// An error becomes another error.
    OtherError,
    /// An error becomes an answer.
    Answered,
    /// An answer becomes another answer.
    Answer(A),
}

/// How the decision for one OU, channel and country changes.
pub type DecisionChange = Change<StepChange>;

/// How the step that serves differs from another step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StepChange {
    /// The rule, level or pool is another.
    Moved,
    /// The step is the same, and has other accounts.
    Accounts,
    /// The step and accounts are the same, on another level above the query's OU.
    Level,
}

impl DecisionChange {
    /// Every change of a decision, the worst first.
    pub const ALL: [DecisionChange; 6] = [
        Change::BecomesError,
        Change::OtherError,
        Change::Answered,
        Change::Answer(StepChange::Moved),
        Change::Answer(StepChange::Accounts),
        Change::Answer(StepChange::Level),
    ];

    /// Returns the word in reports for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Change::BecomesError => "becomes_error",
            Change::OtherError => "other_error",
            Change::Answered => "answered",
            Change::Answer(StepChange::Moved) => "moved",
            Change::Answer(StepChange::Accounts) => "accounts",
            Change::Answer(StepChange::Level) => "level",
        }
    }
}

/// Compares the decisions of two snapshots as of the same time.
pub struct Comparison<'s> {
    /// The old snapshot's decisions.
    pub old: DecisionTable<'s>,
    /// The new snapshot's decisions.
    pub new: DecisionTable<'s>,
    /// By the groups of the two steps, because many steps share a group.
    differences: HashMap<(GroupIdx, GroupIdx), Option<Rc<CandidateDifference<'s>>>, Xxh3DefaultBuilder>,
    changes: HashMap<(Decision, Decision), Option<DecisionChange>, Xxh3DefaultBuilder>,
}

impl<'s> Comparison<'s> {
    /// Compares two snapshots as of `now`.
    pub fn new(old: &'s Snapshot, new: &'s Snapshot, now: UnixSeconds) -> Comparison<'s> {
        Comparison {
            old: DecisionTable::new(old, now),
            new: DecisionTable::new(new, now),
            differences: HashMap::default(),
            changes: HashMap::default(),
        }
    }

    /// Returns how a decision changes, if it does.
    pub fn change(&mut self, old: &Decision, new: &Decision) -> Option<DecisionChange> {
        if let Some(&known) = self.changes.get(&(*old, *new)) {
            return known;
        }
        let change = match (old, new) {
            (Decision::Served(_), Decision::Refused(_)) => Some(Change::BecomesError),
            (Decision::Refused(_), Decision::Served(_)) => Some(Change::Answered),
            (Decision::Refused(old), Decision::Refused(new)) => (old != new).then_some(Change::OtherError),
            (Decision::Served(old), Decision::Served(new)) => {
                let is_moved = self.is_moved(old, new);
                match (old.climbed == new.climbed, self.difference(old, new)) {
                    _ if is_moved => Some(Change::Answer(StepChange::Moved)),
                    (false, Some(_)) => Some(Change::Answer(StepChange::Moved)),
                    (false, None) => Some(Change::Answer(StepChange::Level)),
                    (true, difference) => difference.map(|_| Change::Answer(StepChange::Accounts)),
                }
            }
        };
        self.changes.insert((*old, *new), change);
        change
    }

    /// Returns how the accounts of two steps differ, if they do.
    pub fn difference(
        &mut self,
        old: &ServingStep,
        new: &ServingStep,
    ) -> Option<Rc<CandidateDifference<'s>>> {
        let Comparison { old: before, new: now, differences, .. } = self;
        let difference = differences.entry((old.group, new.group)).or_insert_with(|| {
            let (old, new) = (before.available(old), now.available(new));
            let ids = (candidate_ids(before, old), candidate_ids(now, new));
            let sides = ((before.snapshot(), old), (now.snapshot(), new));
            CandidateDifference::between(sides.0, sides.1, (&ids.0, &ids.1)).map(Rc::new)
        });
        difference.clone()
    }

    fn is_moved(&self, old: &ServingStep, new: &ServingStep) -> bool {
        let (before, now) = (self.old.snapshot(), self.new.snapshot());
        old.rule != new.rule || old.pool(before) != new.pool(now) || old.ou(before) != new.ou(now)
    }
}

/// How the available accounts of two steps differ; ids are in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CandidateDifference<'s> {
    /// Only in the old step.
    pub lost: Vec<&'s str>,
    /// Only in the new step.
    pub gained: Vec<&'s str>,
    /// Of another weight: the old one, the new one.
    pub reweighted: Vec<(&'s str, u16, u16)>,
    /// Of the same id, and answers say something else of it: its address or country.
    pub altered: Vec<&'s str>,
}

impl<'s> CandidateDifference<'s> {
    /// Compares the accounts of two steps; returns `None` if there is no difference.
    pub fn between(
        old: (&Snapshot, &[Candidate<'s>]),
        new: (&Snapshot, &[Candidate<'s>]),
        ids: (&[&'s str], &[&'s str]),
    ) -> Option<CandidateDifference<'s>> {
        let mut difference = CandidateDifference::default();
        let mut old_side = old.1.iter().zip(ids.0).peekable();
        let mut new_side = new.1.iter().zip(ids.1).peekable();
        loop {
            let order = match (old_side.peek(), new_side.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((_, old)), Some((_, new))) => old.cmp(new),
            };
            match order {
                Ordering::Less => difference.lost.extend(old_side.next().map(|(_, id)| *id)),
                Ordering::Greater => difference.gained.extend(new_side.next().map(|(_, id)| *id)),
                Ordering::Equal => {
                    let (Some((before, id)), Some((now, _))) = (old_side.next(), new_side.next()) else {
                        break;
                    };
                    let weights = (before.weight(), now.weight());
                    if weights.0 != weights.1 {
                        difference.reweighted.push((id, weights.0, weights.1));
                    }
                    if said(old.0, *before) != said(new.0, *now) {
                        difference.altered.push(id);
                    }
                }
            }
        }
        (difference != CandidateDifference::default()).then_some(difference)
    }
}

/// Returns what an answer says of an account.
fn said<'s>(snapshot: &'s Snapshot, candidate: Candidate<'_>) -> AccountPieces<'s> {
    snapshot.account_pieces(candidate.json())
}

/// Returns the ids of a step's accounts.
pub fn candidate_ids<'s>(table: &DecisionTable<'s>, candidates: &[Candidate<'s>]) -> Vec<&'s str> {
    let snapshot = table.snapshot();
    candidates.iter().map(|candidate| snapshot.account(candidate.account()).id()).collect()
}
