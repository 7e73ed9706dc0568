//! The pick among equal candidates: weighted rendezvous, as [`switchboard_snapshot::rendezvous`] describes it.
//!
//! Whether an account can be had is asked last, of accounts that would win: an account that cannot be
//! had is passed over, and nobody else's draw changes.

use switchboard_snapshot::Snapshot;
use switchboard_snapshot::format::{ArchivedClass, ArchivedMember, ArchivedStep, NONE};
use switchboard_snapshot::rendezvous::{Draw, Seed, cell, may_share_pass, pass};
use switchboard_snapshot::view::Records;

/// Members whose hashes are made at once.
const AT_ONCE: usize = 32;

/// Whose draw is the best so far, of those that can be had.
type Best<'s> = Option<&'s ArchivedMember>;

/// The one of the step's candidates that this client gets, among those that can be had.
pub fn pick<'s>(
    snapshot: &'s Snapshot,
    step: &ArchivedStep,
    seed: Seed,
    available: impl Fn(u32) -> bool,
) -> Option<&'s ArchivedMember> {
    let classes = snapshot.classes(step);
    let mut best = None;
    if classes.is_empty() {
        scan(snapshot.members(step), seed, &available, &mut best);
    }
    for class in classes {
        let members = snapshot.contents().members.range(&class.members);
        if class.cells.to_native() == NONE || !follow(snapshot, class, members, seed, &available, &mut best) {
            scan(members, seed, &available, &mut best);
        }
    }
    best
}

/// Draws for every member, weight by weight: members are ordered by it, and most groups have but one.
fn scan<'s>(
    members: &'s [ArchivedMember],
    seed: Seed,
    available: &impl Fn(u32) -> bool,
    best: &mut Best<'s>,
) {
    if members.first().map(|first| first.weight) == members.last().map(|last| last.weight) {
        return scan_run(members, seed, available, best);
    }
    // One after the other, as they lie, where halving the distance would wait for memory at each step.
    for run in members.chunk_by(|one, next| one.weight == next.weight) {
        scan_run(run, seed, available, best);
    }
}

/// Draws for members of one weight. The best draw has the lowest pass, which is the highest hash's: the others
/// need not draw at all, unless the winner cannot be had.
fn scan_run<'s>(
    run: &'s [ArchivedMember],
    seed: Seed,
    available: &impl Fn(u32) -> bool,
    best: &mut Best<'s>,
) {
    let Some(leader) = leader(run, seed) else { return };
    if best.is_some_and(|other| !draw(seed, leader).beats(draw(seed, other))) {
        return;
    }
    if available(leader.account.to_native()) {
        *best = Some(leader);
        return;
    }
    let mut drawn = best.map(|other| (draw(seed, other), other));
    for member in run {
        offer(&mut drawn, draw(seed, member), member, available);
    }
    *best = drawn.map(|(_, member)| member);
}

/// The best draw of members of one weight. Only those draw whose hash is so near the highest that it may share its
/// pass, three among 200, and where that is one, it need not. Hashes are made without branches, which they would
/// make unpredictable.
fn leader(run: &[ArchivedMember], seed: Seed) -> Option<&ArchivedMember> {
    let mut best: Option<(u64, &ArchivedMember)> = None;
    let mut mixed = [0; AT_ONCE];
    for run in run.chunks(AT_ONCE) {
        let mut highest = best.map_or(0, |(mixed, _)| mixed);
        for (mixed, member) in mixed.iter_mut().zip(run) {
            *mixed = seed.mix(member.id_hash.to_native());
            highest = highest.max(*mixed);
        }
        let least = may_share_pass(highest);
        for (member, &mixed) in run.iter().zip(&mixed).filter(|(_, mixed)| **mixed >= least) {
            let wins = |(other, rival): (u64, &ArchivedMember)| {
                other < least || draw(seed, member).beats(draw(seed, rival))
            };
            if best.is_none_or(wins) {
                best = Some((mixed, member));
            }
        }
    }
    best.map(|(_, member)| member)
}

fn draw(seed: Seed, member: &ArchivedMember) -> Draw {
    seed.draw(member.id_hash.to_native(), member.weight.to_native())
}

/// Looks into the cells in the client's order of pass 0 until one holds a member that drew that pass.
/// Whether there was one.
fn follow<'s>(
    snapshot: &Snapshot,
    class: &ArchivedClass,
    members: &'s [ArchivedMember],
    seed: Seed,
    available: &impl Fn(u32) -> bool,
    best: &mut Best<'s>,
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
                offer(&mut winner, draw, member, available);
            }
        }
        if let Some((draw, member)) = winner {
            // Found available already: only the draw is left to compare with other classes'.
            if best.is_none_or(|other| draw.beats(self::draw(seed, other))) {
                *best = Some(member);
            }
            return true;
        }
    }
    false
}

/// Takes a candidate that is better than the best so far, if it can be had.
fn offer<'s>(
    best: &mut Option<(Draw, &'s ArchivedMember)>,
    draw: Draw,
    member: &'s ArchivedMember,
    available: &impl Fn(u32) -> bool,
) {
    if best.is_none_or(|(other, _)| draw.beats(other)) && available(member.account.to_native()) {
        *best = Some((draw, member));
    }
}
