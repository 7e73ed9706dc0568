//! The pick among equal candidates: weighted rendezvous, as [`crate::snapshot::rendezvous`] describes it.
//!
//! Whether an account can be had is asked last, of accounts that would win: an account that cannot be
//! had is passed over, and nobody else's draw changes.

use crate::snapshot::Snapshot;
use crate::snapshot::format::{ArchivedClass, ArchivedGroup, ArchivedMember, NONE};
use crate::snapshot::rendezvous::{Draw, Seed, cell, pass};
use crate::snapshot::view::Records;

/// The account of the group that this client gets, among those that can be had.
pub fn pick(
    snapshot: &Snapshot,
    group: &ArchivedGroup,
    seed: Seed,
    available: impl Fn(u32) -> bool,
) -> Option<u32> {
    let contents = snapshot.contents();
    let classes = contents.classes.range(&group.classes);
    let mut best = None;
    if classes.is_empty() {
        scan(contents.members.range(&group.members), seed, &available, &mut best);
    }
    for class in classes {
        let members = contents.members.range(&class.members);
        if class.cells.to_native() == NONE || !follow(snapshot, class, members, seed, &available, &mut best) {
            scan(members, seed, &available, &mut best);
        }
    }
    best.map(|(_, account)| account)
}

/// Draws for every member.
fn scan(
    members: &[ArchivedMember],
    seed: Seed,
    available: &impl Fn(u32) -> bool,
    best: &mut Option<(Draw, u32)>,
) {
    for member in members {
        let draw = seed.draw(member.id_hash.to_native(), member.weight.to_native());
        offer(best, draw, member.account.to_native(), available);
    }
}

/// Looks into the cells in the client's order of pass 0 until one holds a member that drew that pass.
/// Whether there was one.
fn follow(
    snapshot: &Snapshot,
    class: &ArchivedClass,
    members: &[ArchivedMember],
    seed: Seed,
    available: &impl Fn(u32) -> bool,
    best: &mut Option<(Draw, u32)>,
) -> bool {
    let cells = &snapshot.contents().cells;
    let first = class.cells.to_native();
    let mut winner = None;
    for (position, at) in seed.order(0).cells().enumerate() {
        let (start, end) = (cells.at(first + at).to_native(), cells.at(first + at + 1).to_native());
        for member in members.get(start as usize..end as usize).unwrap_or_default() {
            let id_hash = member.id_hash.to_native();
            let mixed = seed.mix(id_hash);
            if pass(mixed) == 0 {
                debug_assert_eq!(cell(id_hash), at);
                let draw = Draw::new(0, position as u32, mixed, member.weight.to_native());
                offer(&mut winner, draw, member.account.to_native(), available);
            }
        }
        if let Some((draw, account)) = winner {
            // Found available already: only the draw is left to compare with other classes'.
            offer(best, draw, account, &|_| true);
            return true;
        }
    }
    false
}

/// Takes a candidate that is better than the best so far, if it can be had.
fn offer(best: &mut Option<(Draw, u32)>, draw: Draw, account: u32, available: &impl Fn(u32) -> bool) {
    if best.is_none_or(|(other, _)| draw.beats(other)) && available(account) {
        *best = Some((draw, account));
    }
}
