//! The chain as a tree: every level, what it has, and why the search went on or ended there.

use std::ops::Range;

use super::canvas::{CORNER, CORNER_REST, Canvas, printable};
use super::steps;
use crate::cli::output::{ASIDE, PLACE, count};
use switchboard_select::climb::Tried;
use switchboard_select::tracer::Level;
use switchboard_select::{Climb, Rule};
use switchboard_snapshot::Snapshot;

/// A chain may have twenty thousand levels. So many are drawn at its beginning, before the one that answers (or
/// the last), and behind it.
const AT_FIRST: usize = 20;
const BEFORE: usize = 5;
const BEHIND: usize = 5;

/// Whether the search came by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// And went on, or ended without an answer.
    Passed,
    /// And ended here.
    Answered,
    /// The answer was there before.
    Never,
}

pub(super) fn draw(canvas: &mut Canvas, snapshot: &Snapshot, climb: &Climb) {
    if climb.levels.is_empty() {
        heading(canvas, snapshot, Level { ou: climb.asked.ou, climbed: 0 }, "");
        let words = "no pool of this channel, and none above that it would inherit";
        canvas.line(CORNER, CORNER_REST, words);
        return;
    }
    let own_steps = steps_of_levels(climb);
    // Where the search ended: nothing of the chain is needed where it never began.
    let end = if skipped(climb) { None } else { Some(ended_at(climb, &own_steps)) };
    let pivot = end.unwrap_or(0);
    let drawn =
        |at: usize| at < AT_FIRST.min(pivot + BEHIND) || (at + BEFORE >= pivot && at <= pivot + BEHIND);
    let mut folded = 0;
    let mut last = None;
    for (at, (&level, own)) in climb.levels.iter().zip(&own_steps).enumerate() {
        if !drawn(at) {
            folded += 1;
            last = Some(level);
            continue;
        }
        fold(canvas, &mut folded, end.is_some_and(|end| at <= end));
        between(canvas, snapshot, climb, last, level);
        let reached = match end {
            Some(end) if at < end => Reached::Passed,
            Some(end) if at == end && climb.chosen.is_some() => Reached::Answered,
            Some(end) if at == end => Reached::Passed,
            _ => Reached::Never,
        };
        let note = match reached {
            Reached::Never if climb.answer.result.is_ok() => ": not needed",
            Reached::Never => ": not tried",
            _ => "",
        };
        heading(canvas, snapshot, level, note);
        let own = climb.steps.get(own.clone()).unwrap_or_default();
        let first = own_steps.get(at).map_or(0, |own| own.start);
        steps::draw(canvas, snapshot, climb, first, own);
        let ending = ending(snapshot, climb, level, own, reached, at + 1 == climb.levels.len());
        canvas.line(CORNER, CORNER_REST, &ending);
        last = Some(level);
    }
    fold(canvas, &mut folded, false);
}

/// Whether the answer was known before the chain, so that no step of it was tried.
fn skipped(climb: &Climb) -> bool {
    match climb.answer.result {
        Ok(selection) => matches!(selection.rule, Rule::Current | Rule::Dedicated),
        Err(code) => code == switchboard_select::Code::DedicatedUnavailable,
    }
}

fn steps_of_levels(climb: &Climb) -> Vec<Range<usize>> {
    let mut from = 0;
    let ranges = climb.levels.iter().map(|level| {
        let rest = climb.steps.get(from..).unwrap_or_default();
        let own = rest.iter().take_while(|step| step.found.climbed == level.climbed).count();
        let range = from..from + own;
        from = range.end;
        range
    });
    ranges.collect()
}

fn ended_at(climb: &Climb, own_steps: &[Range<usize>]) -> usize {
    let chosen = climb.chosen.and_then(|chosen| own_steps.iter().position(|own| own.contains(&chosen)));
    let strictly = climb.asked.strictly.then_some(0);
    chosen.or(strictly).unwrap_or(own_steps.len().saturating_sub(1))
}

fn fold(canvas: &mut Canvas, folded: &mut usize, passed: bool) {
    if *folded > 0 {
        let what = if passed { "where nobody is available" } else { "behind it" };
        let words = format!("{ASIDE}… {} more {what}{ASIDE:#}", count(*folded, "level"));
        canvas.line("", "", &words);
        *folded = 0;
    }
}

/// The levels that have no pool: of the first the name is known.
fn between(canvas: &mut Canvas, snapshot: &Snapshot, climb: &Climb, last: Option<Level>, level: Level) {
    let below = match last {
        Some(last) => last.climbed,
        None if level.climbed == 0 => return,
        None => {
            heading(canvas, snapshot, Level { ou: climb.asked.ou, climbed: 0 }, "");
            canvas.line(CORNER, CORNER_REST, "no pool of this channel: it inherits from above ↑");
            0
        }
    };
    let without = level.climbed.saturating_sub(below).saturating_sub(1);
    if without > 0 {
        let words = count(without as usize, "level");
        canvas.line("", "", &format!("{ASIDE}({words} without a pool of this channel ↑){ASIDE:#}"));
    }
}

fn heading(canvas: &mut Canvas, snapshot: &Snapshot, level: Level, note: &str) {
    let ou = printable(snapshot.ou(level.ou).id());
    let far = match level.climbed {
        0 => "asked about".to_owned(),
        climbed => format!("{} up", count(climbed as usize, "level")),
    };
    canvas.line("", "  ", &format!("{PLACE}OU {ou}{PLACE:#} {ASIDE}({far}){note}{ASIDE:#}"));
}

/// Why the search ends at a level, or goes on.
fn ending(
    snapshot: &Snapshot,
    climb: &Climb,
    level: Level,
    own: &[Tried],
    reached: Reached,
    last: bool,
) -> String {
    let nothing = if own.is_empty() { "without a country there is nothing to look for; " } else { "" };
    let root = snapshot.ou(level.ou).depth() == 0;
    let onward = match (last, root) {
        _ if reached == Reached::Answered => "answered here: no need to climb",
        _ if climb.asked.strictly && reached == Reached::Passed => "the query's fallback is none: no climb",
        (false, _) => "on to the OU above: a pool here has `fallback_upward` ↑",
        (true, true) => "the end of the chain: no OU is above",
        (true, false) => "the end of the chain: no `fallback_upward` here, or no pool above",
    };
    match reached {
        Reached::Never => format!("{ASIDE}{nothing}{onward}{ASIDE:#}"),
        _ => format!("{nothing}{onward}"),
    }
}
