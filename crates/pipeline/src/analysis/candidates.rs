//! In which accounts two steps differ.

use std::cmp::Ordering;

use super::decision::id;
use super::survey::Survey;
use switchboard_snapshot::Snapshot;
use switchboard_snapshot::format::ArchivedMember;
use switchboard_snapshot::view::Records;

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
        old: (&Snapshot, &[&'s ArchivedMember]),
        new: (&Snapshot, &[&'s ArchivedMember]),
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
                    let weights = (before.weight.to_native(), now.weight.to_native());
                    if weights.0 != weights.1 {
                        difference.reweighted.push((id, weights.0, weights.1));
                    }
                    if said(old.0, before) != said(new.0, now) {
                        difference.altered.push(id);
                    }
                }
            }
        }
        (difference != Difference::default()).then_some(difference)
    }
}

/// What an answer says of an account.
fn said<'s>(snapshot: &'s Snapshot, member: &ArchivedMember) -> (&'s [u8], &'s [u8]) {
    let lead = snapshot.slice(member.lead.start.to_native(), u32::from(member.lead.len.to_native()));
    (lead, snapshot.text(snapshot.contents().tails.at(u32::from(member.tail.to_native()))))
}

/// The ids of a step's accounts.
pub fn ids<'s>(survey: &Survey<'s>, members: &[&'s ArchivedMember]) -> Vec<&'s str> {
    let snapshot = survey.snapshot();
    let accounts = &snapshot.contents().accounts;
    members.iter().map(|member| id(snapshot.account_id(accounts.at(member.account.to_native())))).collect()
}
