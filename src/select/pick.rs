//! The pick among equal candidates: weighted rendezvous, as [`crate::snapshot::rendezvous`] describes it.
//!
//! Whether an account can be had is asked last, of accounts that would win: an account that cannot be
//! had is passed over, and nobody else's draw changes.

use crate::snapshot::Snapshot;
use crate::snapshot::format::{ArchivedClass, ArchivedGroup, ArchivedMember, NONE};
use crate::snapshot::rendezvous::{Draw, Seed, cell, may_share_pass, pass};
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

/// Draws for every member, weight by weight.
fn scan(
    mut members: &[ArchivedMember],
    seed: Seed,
    available: &impl Fn(u32) -> bool,
    best: &mut Option<(Draw, u32)>,
) {
    while let (Some(first), Some(last)) = (members.first(), members.last()) {
        // Members are ordered by weight, and most groups have but one.
        let end = match first.weight == last.weight {
            true => members.len(),
            false => members.partition_point(|member| member.weight <= first.weight),
        };
        let (run, rest) = members.split_at(end);
        scan_run(run, seed, available, best);
        members = rest;
    }
}

/// Draws for members of one weight. The best draw has the lowest pass, which is the highest hash's: the others
/// need not draw at all, unless the winner cannot be had.
fn scan_run(
    run: &[ArchivedMember],
    seed: Seed,
    available: &impl Fn(u32) -> bool,
    best: &mut Option<(Draw, u32)>,
) {
    let Some((leader, may_tie)) = highest(run, seed) else { return };
    let mut winner = (draw(seed, leader), leader.account.to_native());
    if may_tie {
        let least = may_share_pass(winner.0.mixed());
        for member in run {
            if seed.mix(member.id_hash.to_native()) >= least {
                let draw = draw(seed, member);
                if draw.beats(winner.0) {
                    winner = (draw, member.account.to_native());
                }
            }
        }
    }
    if best.is_some_and(|(other, _)| !winner.0.beats(other)) {
        return;
    }
    if available(winner.1) {
        *best = Some(winner);
    } else {
        for member in run {
            offer(best, draw(seed, member), member.account.to_native(), available);
        }
    }
}

/// The member with the highest hash, and whether another's is so near that it may share its pass: of 20 members,
/// none is three times in four. Written without branches, which the hashes would make unpredictable.
fn highest(run: &[ArchivedMember], seed: Seed) -> Option<(&ArchivedMember, bool)> {
    let (first, rest) = run.split_first()?;
    let (mut leader, mut highest, mut second) = (first, seed.mix(first.id_hash.to_native()), 0);
    for member in rest {
        let mixed = seed.mix(member.id_hash.to_native());
        second = second.max(mixed.min(highest));
        leader = if mixed > highest { member } else { leader };
        highest = highest.max(mixed);
    }
    Some((leader, second >= may_share_pass(highest)))
}

fn draw(seed: Seed, member: &ArchivedMember) -> Draw {
    seed.draw(member.id_hash.to_native(), member.weight.to_native())
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
    let zero = may_share_pass(u64::MAX);
    let mut winner = None;
    for (position, at) in seed.order(0).cells().enumerate() {
        let (start, end) = (cells.at(first + at).to_native(), cells.at(first + at + 1).to_native());
        for member in members.get(start as usize..end as usize).unwrap_or_default() {
            let id_hash = member.id_hash.to_native();
            let mixed = seed.mix(id_hash);
            // The first half decides for nearly all, without a logarithm.
            if mixed >= zero && pass(mixed) == 0 {
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
