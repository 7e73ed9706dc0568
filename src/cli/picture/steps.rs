//! The steps of one level, each in a line: what it looks for, where, and what came of it.

use super::candidates;
use super::canvas::{BRANCH, BRANCH_REST, Canvas, printable};
use crate::cli::output::{ASIDE, GOOD};
use switchboard_model::Region;
use switchboard_select::climb::Tried;
use switchboard_select::{Climb, Code, Rule};
use switchboard_snapshot::Snapshot;

/// What became of a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nobody there could be had.
    PassedOver,
    /// The answer comes from it.
    Chosen,
    /// The answer was there before it.
    NotNeeded,
    /// The query does not want it.
    NotTried,
}

/// Draws the steps, of which the first is the climb's `first`.
pub(super) fn draw(canvas: &mut Canvas, snapshot: &Snapshot, climb: &Climb, first: usize, steps: &[Tried]) {
    let mut at = first;
    // Those without an account that look for the same are told in one line.
    let alike = |a: &Tried, b: &Tried| {
        a.candidates.is_empty() && b.candidates.is_empty() && (a.rule, a.country) == (b.rule, b.country)
    };
    for group in steps.chunk_by(alike) {
        let Some(step) = group.first() else { continue };
        let standing = standing(climb, at, step);
        let words = words(snapshot, climb, group, step, standing);
        canvas.line(BRANCH, BRANCH_REST, &words);
        if matches!(standing, Standing::PassedOver | Standing::Chosen) {
            let chosen = climb.answer.result.ok().map(|it| it.account);
            candidates::draw(canvas, snapshot, climb, step, chosen.filter(|_| standing == Standing::Chosen));
        }
        at += group.len();
    }
}

fn standing(climb: &Climb, at: usize, step: &Tried) -> Standing {
    let first = climb.levels.first().map_or(0, |level| level.climbed);
    let wanted = !climb.asked.strictly || (step.rule == Rule::Country && step.found.climbed == first);
    match (climb.answer.result, climb.chosen) {
        // What is kept, or the user's own, is looked for in no step.
        (Ok(selection), _) if matches!(selection.rule, Rule::Current | Rule::Dedicated) => {
            Standing::NotNeeded
        }
        (Err(Code::DedicatedUnavailable), _) => Standing::NotNeeded,
        (_, Some(chosen)) if chosen == at => Standing::Chosen,
        _ if !wanted => Standing::NotTried,
        (_, Some(chosen)) if chosen < at => Standing::NotNeeded,
        _ => Standing::PassedOver,
    }
}

fn words(snapshot: &Snapshot, climb: &Climb, group: &[Tried], step: &Tried, standing: Standing) -> String {
    let pools = group.iter().map(|step| printable(snapshot.pool(step.found.pool).id()));
    let pools = pools.collect::<Vec<_>>().join(", ");
    let looks_for = looks_for(climb, step);
    match (standing, step.candidates.is_empty()) {
        (Standing::Chosen, _) => format!("{GOOD}{looks_for}{GOOD:#} in {pools}"),
        (Standing::PassedOver, true) => format!("{looks_for} in {pools}: no account"),
        (Standing::PassedOver, false) => format!("{looks_for} in {pools}: nobody is available"),
        (aside, empty) => {
            let has = if empty { "no account".to_owned() } else { candidates::summary(&step.candidates) };
            let why = if aside == Standing::NotTried { ", not tried" } else { "" };
            format!("{ASIDE}{looks_for} in {pools}: {has}{why}{ASIDE:#}")
        }
    }
}

fn looks_for(climb: &Climb, step: &Tried) -> String {
    let name = |country: Option<Region>| country.map_or("—".to_owned(), |country| country.to_string());
    let client = climb.client.country;
    match step.rule {
        Rule::CallingCode => match client.and_then(Region::calling_code) {
            Some(code) => format!("calling code {code}"),
            None => "calling code".to_owned(),
        },
        Rule::Geography => format!("geography: {} is mapped to {}", name(client), name(step.country)),
        Rule::DefaultRegion => format!("default region {}", name(step.country)),
        _ => format!("country {}", name(step.country)),
    }
}
