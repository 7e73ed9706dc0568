//! The pick among equal candidates: weighted rendezvous, as [`switchboard_snapshot::rendezvous`] describes it.
//!
//! Whether an account can be had is asked last, of accounts that would win: an account that cannot be
//! had is passed over, and nobody else's draw changes.

use switchboard_snapshot::AccountIdx;
use switchboard_snapshot::rendezvous::{Draw, Seed, cell, may_share_pass, pass};
use switchboard_snapshot::view::{Candidate, Candidates, CellDirectory, StepRef};

/// Members whose hashes are made at once.
const AT_ONCE: usize = 32;

/// Whose draw is the best so far, of those that can be had.
type Best<'s> = Option<Candidate<'s>>;

/// The one of the step's candidates that this client gets, among those that can be had.
pub fn pick<'s>(
    step: StepRef<'s>,
    seed: Seed,
    available: impl Fn(AccountIdx) -> bool,
) -> Option<Candidate<'s>> {
    let classes = step.classes();
    let mut best = None;
    if classes.len() == 0 {
        scan(step.candidates(), seed, &available, &mut best);
    }
    for class in classes {
        let found = class.cells().is_some_and(|cells| follow(cells, seed, &available, &mut best));
        if !found {
            scan(class.candidates(), seed, &available, &mut best);
        }
    }
    best
}

/// Draws for every member, weight by weight: members are ordered by it, and most groups have but one.
fn scan<'s>(
    members: Candidates<'s>,
    seed: Seed,
    available: &impl Fn(AccountIdx) -> bool,
    best: &mut Best<'s>,
) {
    if members.first().map(Candidate::weight) == members.last().map(Candidate::weight) {
        return scan_run(members, seed, available, best);
    }
    for run in members.by_weight() {
        scan_run(run, seed, available, best);
    }
}

/// Draws for members of one weight. The best draw has the lowest pass, which is the highest hash's: the others
/// need not draw at all, unless the winner cannot be had.
fn scan_run<'s>(
    run: Candidates<'s>,
    seed: Seed,
    available: &impl Fn(AccountIdx) -> bool,
    best: &mut Best<'s>,
) {
    let Some(leader) = leader(run, seed) else { return };
    if best.is_some_and(|other| !draw(seed, leader).beats(draw(seed, other))) {
        return;
    }
    if available(leader.account()) {
        *best = Some(leader);
        return;
    }
    let mut drawn = best.map(|other| (draw(seed, other), other));
    for member in run.iter() {
        offer(&mut drawn, draw(seed, member), member, available);
    }
    *best = drawn.map(|(_, member)| member);
}

/// The best draw of members of one weight. Only those draw whose hash is so near the highest that it may share its
/// pass, three among 200, and where that is one, it need not. Hashes are made without branches, which they would
/// make unpredictable.
fn leader(run: Candidates<'_>, seed: Seed) -> Option<Candidate<'_>> {
    let mut best: Option<(u64, Candidate<'_>)> = None;
    let mut mixed = [0; AT_ONCE];
    for run in run.chunks(AT_ONCE) {
        let mut highest = best.map_or(0, |(mixed, _)| mixed);
        for (mixed, member) in mixed.iter_mut().zip(run.iter()) {
            *mixed = seed.mix(member.id_hash());
            highest = highest.max(*mixed);
        }
        let least = may_share_pass(highest);
        for (member, &mixed) in run.iter().zip(&mixed).filter(|(_, mixed)| **mixed >= least) {
            let wins = |(other, rival): (u64, Candidate<'_>)| {
                other < least || draw(seed, member).beats(draw(seed, rival))
            };
            if best.is_none_or(wins) {
                best = Some((mixed, member));
            }
        }
    }
    best.map(|(_, member)| member)
}

fn draw(seed: Seed, member: Candidate<'_>) -> Draw {
    seed.draw(member.id_hash(), member.weight())
}

/// Looks into the cells in the client's order of pass 0 until one holds a member that drew that pass.
/// Whether there was one.
fn follow<'s>(
    cells: CellDirectory<'s>,
    seed: Seed,
    available: &impl Fn(AccountIdx) -> bool,
    best: &mut Best<'s>,
) -> bool {
    let zero = may_share_pass(u64::MAX);
    let mut winner = None;
    for (position, at) in seed.order(0).cells().enumerate() {
        for member in cells.candidates(at).iter() {
            let id_hash = member.id_hash();
            let mixed = seed.mix(id_hash);
            // The first half decides for nearly all, without a logarithm.
            if mixed >= zero && pass(mixed) == 0 {
                debug_assert_eq!(cell(id_hash), at);
                let draw = Draw::new(0, position as u32, mixed, member.weight());
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
    best: &mut Option<(Draw, Candidate<'s>)>,
    draw: Draw,
    member: Candidate<'s>,
    available: &impl Fn(AccountIdx) -> bool,
) {
    if best.is_none_or(|(other, _)| draw.beats(other)) && available(member.account()) {
        *best = Some((draw, member));
    }
}
