//! Picks one of several equal candidates by weighted rendezvous hashing, which
//! [`switchboard_snapshot::rendezvous`] describes.
//!
//! Availability is checked last, and only for accounts that would win. An unavailable account is skipped. The
//! draws of all other accounts stay the same.

use switchboard_snapshot::AccountIdx;
use switchboard_snapshot::rendezvous::{Draw, Seed, cell, pass, same_pass_bound};
use switchboard_snapshot::view::{Candidate, Candidates, CellDirectory, StepRef};

/// Number of candidates whose hashes are computed in one loop.
const HASHES_PER_LOOP: usize = 32;

/// The available candidate with the best draw so far.
type Best<'s> = Option<Candidate<'s>>;

/// Picks the available candidate of a step with the best draw for this client.
pub(crate) fn pick<'s>(
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

/// Draws for every candidate, one weight at a time. Candidates are sorted by weight, and most groups have one
/// weight.
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

/// Draws for candidates of one weight. The lowest pass wins, and the highest hash has the lowest pass. The
/// other candidates draw only if the winner is not available.
fn scan_run<'s>(
    run: Candidates<'s>,
    seed: Seed,
    available: &impl Fn(AccountIdx) -> bool,
    best: &mut Best<'s>,
) {
    let Some(leader) = leader(run, seed) else { return };
    if best.is_some_and(|other| !draw_of(seed, leader).beats(draw_of(seed, other))) {
        return;
    }
    if available(leader.account()) {
        *best = Some(leader);
        return;
    }
    let mut drawn = best.map(|other| (draw_of(seed, other), other));
    for member in run.iter() {
        offer(&mut drawn, draw_of(seed, member), member, available);
    }
    *best = drawn.map(|(_, member)| member);
}

/// Returns the candidate with the best draw among candidates of one weight. Only candidates whose hash is
/// near enough to the highest to share its pass draw: three of 200. Hashes are computed without branches,
/// because the branches would be mispredicted.
fn leader(run: Candidates<'_>, seed: Seed) -> Option<Candidate<'_>> {
    let mut best: Option<(u64, Candidate<'_>)> = None;
    let mut mixed = [0; HASHES_PER_LOOP];
    for run in run.chunks(HASHES_PER_LOOP) {
        let mut highest = best.map_or(0, |(mixed, _)| mixed);
        for (mixed, member) in mixed.iter_mut().zip(run.iter()) {
            *mixed = seed.mix(member.id_hash());
            highest = highest.max(*mixed);
        }
        let least = same_pass_bound(highest);
        for (member, &mixed) in run.iter().zip(&mixed).filter(|(_, mixed)| **mixed >= least) {
            let wins = |(other, rival): (u64, Candidate<'_>)| {
                other < least || draw_of(seed, member).beats(draw_of(seed, rival))
            };
            if best.is_none_or(wins) {
                best = Some((mixed, member));
            }
        }
    }
    best.map(|(_, member)| member)
}

fn draw_of(seed: Seed, member: Candidate<'_>) -> Draw {
    seed.draw(member.id_hash(), member.weight())
}

/// Visits the cells in the client's order of pass 0, up to the first cell with an available candidate that
/// drew pass 0. Returns true if a cell had such a candidate.
fn follow<'s>(
    cells: CellDirectory<'s>,
    seed: Seed,
    available: &impl Fn(AccountIdx) -> bool,
    best: &mut Best<'s>,
) -> bool {
    let zero = same_pass_bound(u64::MAX);
    let mut winner = None;
    for (position, at) in seed.order(0).cells().enumerate() {
        for member in cells.candidates(at).iter() {
            let id_hash = member.id_hash();
            let mixed = seed.mix(id_hash);
            // The comparison of hashes decides for nearly all candidates, and takes no logarithm.
            if mixed >= zero && pass(mixed) == 0 {
                debug_assert_eq!(cell(id_hash), at);
                let draw = Draw::new(0, position as u32, mixed, member.weight());
                offer(&mut winner, draw, member, available);
            }
        }
        if let Some((draw, member)) = winner {
            // The winner is available. Its draw competes with those of other classes.
            if best.is_none_or(|other| draw.beats(draw_of(seed, other))) {
                *best = Some(member);
            }
            return true;
        }
    }
    false
}

/// Replaces the best candidate by `member` if the draw is better and `member` is available.
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
