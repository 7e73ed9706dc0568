//! In which accounts two steps differ.

use std::cmp::Ordering;

use super::survey::Survey;
use switchboard_snapshot::Snapshot;
use switchboard_snapshot::view::{AccountPieces, Candidate};

/// What became of the accounts that can be had; ids in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference<'s> {
    /// Only before.
    pub lost: Vec<&'s str>,
    /// Only now.
    pub gained: Vec<&'s str>,
    /// Another weight: before, now.
    pub reweighted: Vec<(&'s str, u16, u16)>,
    /// Of the same id, and an answer says something else of it: the address or the country.
    pub altered: Vec<&'s str>,
}

impl<'s> Difference<'s> {
    /// From one step's accounts to another's; `None` where there is no difference.
    pub fn between(
        old: (&Snapshot, &[Candidate<'s>]),
        new: (&Snapshot, &[Candidate<'s>]),
        ids: (&[&'s str], &[&'s str]),
    ) -> Option<Difference<'s>> {
        let mut difference = Difference::default();
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
        (difference != Difference::default()).then_some(difference)
    }
}

/// What an answer says of an account.
fn said<'s>(snapshot: &'s Snapshot, candidate: Candidate<'_>) -> AccountPieces<'s> {
    snapshot.account_pieces(candidate.json())
}

/// The ids of a step's accounts.
pub fn ids<'s>(survey: &Survey<'s>, members: &[Candidate<'s>]) -> Vec<&'s str> {
    let snapshot = survey.snapshot();
    members.iter().map(|candidate| snapshot.account(candidate.account()).id()).collect()
}
