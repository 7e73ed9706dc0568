//! The chain of an explanation: every level, its steps, the accounts of each step, and the reason why the
//! search continued or ended.

use std::ops::Range;

use jiff::Timestamp;
use switchboard_model::{Region, Rule, SelectError};
use switchboard_select::{Availability, Trace, TracedLevel, TracedStep};
use switchboard_snapshot::{AccountIdx, Snapshot};

use super::{BRANCH, BRANCH_REST, CORNER, CORNER_REST, Tree};
use crate::cli::output::{DIMMED, ERROR, HEADING, SUCCESS, count, ous_up, printable};

/// Levels that are shown at the start of a chain, and around the level where the search ended. A chain may
/// have 20,000.
const LEVELS_AT_START: usize = 20;
const LEVELS_BEFORE_END: usize = 5;
const LEVELS_AFTER_END: usize = 5;
/// Maximum number of accounts that a step shows. Further accounts are counted.
const MAX_ACCOUNTS: usize = 12;
/// Maximum width of the column of ids. Longer ids do not widen it.
const MAX_ID_COLUMN: usize = 32;
const ACCOUNT: &str = "│    ";
const ACCOUNT_REST: &str = "│       ";

#[derive(Clone, Copy, PartialEq, Eq)]
enum LevelState {
    /// The search continued after this level, or ended here without an account.
    PassedOver,
    /// The selected account is from this level.
    Answered,
    /// The search ended before this level.
    NotReached,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StepState {
    /// No account of the step is available.
    PassedOver,
    /// The selected account is from this step.
    Chosen,
    /// The search ended before this step.
    NotNeeded,
    /// The query's `fallback` leaves this step out.
    NotTried,
}

/// Draws every level of the chain.
pub(super) fn draw(tree: &mut Tree, snapshot: &Snapshot, trace: &Trace) {
    if trace.levels.is_empty() {
        draw_heading(tree, snapshot, TracedLevel { ou: trace.query.ou, climbed: 0 }, "");
        let words = "no pool of this channel here, and no pool to inherit from above";
        tree.line(CORNER, CORNER_REST, words);
        return;
    }
    let step_ranges = step_ranges(trace);
    let end = if is_skipped(trace) { None } else { Some(end_of_search(trace, &step_ranges)) };
    let pivot = end.unwrap_or(0);
    let is_shown = |at: usize| {
        at < LEVELS_AT_START.min(pivot + LEVELS_AFTER_END)
            || (at + LEVELS_BEFORE_END >= pivot && at <= pivot + LEVELS_AFTER_END)
    };
    let mut folded = 0;
    let mut previous = None;
    for (at, (&level, range)) in trace.levels.iter().zip(&step_ranges).enumerate() {
        if !is_shown(at) {
            folded += 1;
            previous = Some(level);
            continue;
        }
        draw_folded(tree, &mut folded, end.is_some_and(|end| at <= end));
        draw_ous_without_pool(tree, snapshot, trace, previous, level);
        let state = match end {
            Some(end) if at < end => LevelState::PassedOver,
            Some(end) if at == end && trace.chosen.is_some() => LevelState::Answered,
            Some(end) if at == end => LevelState::PassedOver,
            _ => LevelState::NotReached,
        };
        let note = match state {
            LevelState::NotReached if trace.answer.result.is_ok() => ": not needed",
            LevelState::NotReached => ": not tried",
            _ => "",
        };
        draw_heading(tree, snapshot, level, note);
        let steps = trace.steps.get(range.clone()).unwrap_or_default();
        draw_steps(tree, snapshot, trace, range.start, steps);
        let ending = level_ending(snapshot, trace, level, steps, state, at + 1 == trace.levels.len());
        tree.line(CORNER, CORNER_REST, &ending);
        previous = Some(level);
    }
    draw_folded(tree, &mut folded, false);
}

/// Returns whether the search ended before the chain, so that no step was tried.
fn is_skipped(trace: &Trace) -> bool {
    match trace.answer.result {
        Ok(selection) => matches!(selection.rule, Rule::Current | Rule::Dedicated),
        Err(code) => code == SelectError::DedicatedUnavailable,
    }
}

/// Returns, for each level, the range of its steps.
fn step_ranges(trace: &Trace) -> Vec<Range<usize>> {
    let mut start = 0;
    let ranges = trace.levels.iter().map(|level| {
        let rest = trace.steps.get(start..).unwrap_or_default();
        let len = rest.iter().take_while(|step| step.location.climbed == level.climbed).count();
        let range = start..start + len;
        start = range.end;
        range
    });
    ranges.collect()
}

/// Returns the level where the search ended: the level of the selected account, or the last level that was
/// searched.
fn end_of_search(trace: &Trace, step_ranges: &[Range<usize>]) -> usize {
    let chosen = trace.chosen.and_then(|chosen| step_ranges.iter().position(|range| range.contains(&chosen)));
    let without_fallback = trace.query.without_fallback.then_some(0);
    chosen.or(without_fallback).unwrap_or(step_ranges.len().saturating_sub(1))
}

fn draw_folded(tree: &mut Tree, folded: &mut usize, passed: bool) {
    if *folded > 0 {
        let condition = if passed { " without an available account" } else { "" };
        let levels = count(*folded, "more level", "more levels");
        tree.line("", "", &format!("{DIMMED}… {levels}{condition}{DIMMED:#}"));
        *folded = 0;
    }
}

/// Draws the OUs without a pool between the previous level and this one. Only the OU of the query is
/// named.
fn draw_ous_without_pool(
    tree: &mut Tree,
    snapshot: &Snapshot,
    trace: &Trace,
    previous: Option<TracedLevel>,
    level: TracedLevel,
) {
    let below = match previous {
        Some(previous) => previous.climbed,
        None if level.climbed == 0 => return,
        None => {
            draw_heading(tree, snapshot, TracedLevel { ou: trace.query.ou, climbed: 0 }, "");
            tree.line(CORNER, CORNER_REST, "no pool of this channel: inherits from the OU above ↑");
            0
        }
    };
    let without = level.climbed.saturating_sub(below).saturating_sub(1);
    if without > 0 {
        let ous = count(without as usize, "OU", "OUs");
        tree.line("", "", &format!("{DIMMED}({ous} without a pool of this channel ↑){DIMMED:#}"));
    }
}

fn draw_heading(tree: &mut Tree, snapshot: &Snapshot, level: TracedLevel, note: &str) {
    let ou = printable(snapshot.ou(level.ou).id());
    let far = match level.climbed {
        0 => "OU of the query".to_owned(),
        climbed => ous_up(climbed),
    };
    tree.line("", "  ", &format!("{HEADING}OU {ou}{HEADING:#} {DIMMED}({far}){note}{DIMMED:#}"));
}

/// Returns the reason why the search ended at a level or continued.
fn level_ending(
    snapshot: &Snapshot,
    trace: &Trace,
    level: TracedLevel,
    steps: &[TracedStep],
    state: LevelState,
    is_last: bool,
) -> String {
    let nothing = if steps.is_empty() { "no step applies without a country; " } else { "" };
    let is_root = snapshot.ou(level.ou).depth() == 0;
    let onward = match (is_last, is_root) {
        _ if state == LevelState::Answered => "the account is found, so the search ends here",
        _ if trace.query.without_fallback && state == LevelState::PassedOver => {
            "the search ends here, because the query has `fallback=none`"
        }
        (false, _) => "continues at the OU above, because a pool here has `fallback_upward` ↑",
        (true, true) => "end of the chain: there is no OU above",
        (true, false) => "end of the chain: no pool here has `fallback_upward`, or no OU above has a pool",
    };
    match state {
        LevelState::NotReached => format!("{DIMMED}{nothing}{onward}{DIMMED:#}"),
        _ => format!("{nothing}{onward}"),
    }
}

/// Draws the steps of a level. `first` is the index of its first step among all steps.
fn draw_steps(tree: &mut Tree, snapshot: &Snapshot, trace: &Trace, first: usize, steps: &[TracedStep]) {
    let mut at = first;
    // Steps without accounts share a line if their rule and country are the same.
    let is_alike = |a: &TracedStep, b: &TracedStep| {
        a.candidates.is_empty() && b.candidates.is_empty() && (a.rule, a.country) == (b.rule, b.country)
    };
    for group in steps.chunk_by(is_alike) {
        let Some(step) = group.first() else { continue };
        let state = step_state(trace, at, step);
        tree.line(BRANCH, BRANCH_REST, &step_line(snapshot, trace, group, step, state));
        if matches!(state, StepState::PassedOver | StepState::Chosen) {
            let chosen = trace.answer.result.ok().map(|selection| selection.account);
            let chosen = chosen.filter(|_| state == StepState::Chosen);
            draw_accounts(tree, snapshot, trace, step, chosen);
        }
        at += group.len();
    }
}

fn step_state(trace: &Trace, at: usize, step: &TracedStep) -> StepState {
    match trace.chosen {
        _ if is_skipped(trace) => StepState::NotNeeded,
        Some(chosen) if chosen == at => StepState::Chosen,
        _ if !step.is_allowed => StepState::NotTried,
        Some(chosen) if chosen < at => StepState::NotNeeded,
        _ => StepState::PassedOver,
    }
}

fn step_line(
    snapshot: &Snapshot,
    trace: &Trace,
    group: &[TracedStep],
    step: &TracedStep,
    state: StepState,
) -> String {
    let pools = group.iter().map(|step| printable(snapshot.pool(step.location.pool).id()));
    let pools = pools.collect::<Vec<_>>().join(", ");
    let target = step_target(trace, step);
    match (state, step.candidates.is_empty()) {
        (StepState::Chosen, _) => format!("{SUCCESS}{target}{SUCCESS:#} in {pools}"),
        (StepState::PassedOver, true) => format!("{target} in {pools}: no account"),
        (StepState::PassedOver, false) => format!("{target} in {pools}: no account is available"),
        (StepState::NotNeeded | StepState::NotTried, is_empty) => {
            let accounts = if is_empty {
                "no account".to_owned()
            } else {
                let number = count(step.candidates.len(), "account", "accounts");
                format!("{number} ({})", availability_counts(&step.candidates))
            };
            let why = if state == StepState::NotTried { ", not tried" } else { "" };
            format!("{DIMMED}{target} in {pools}: {accounts}{why}{DIMMED:#}")
        }
    }
}

fn step_target(trace: &Trace, step: &TracedStep) -> String {
    let name = |country: Option<Region>| country.map_or("—".to_owned(), |country| country.to_string());
    let client = trace.client.country;
    match step.rule {
        Rule::CallingCode => match client.and_then(Region::calling_code) {
            Some(code) => format!("calling code {code}"),
            None => "calling code".to_owned(),
        },
        Rule::Geography => format!("geography: {} is mapped to {}", name(client), name(step.country)),
        Rule::DefaultRegion => format!("default region {}", name(step.country)),
        // A step never has the last two rules.
        Rule::Country | Rule::Current | Rule::Dedicated => format!("country {}", name(step.country)),
    }
}

fn draw_accounts(
    tree: &mut Tree,
    snapshot: &Snapshot,
    trace: &Trace,
    step: &TracedStep,
    chosen: Option<AccountIdx>,
) {
    let listed: Vec<(AccountIdx, Availability, String)> = step
        .listed(MAX_ACCOUNTS, chosen)
        .map(|(account, availability)| (account, availability, account_id(snapshot, account)))
        .collect();
    let lengths = listed.iter().map(|(.., id)| id.len());
    let column = lengths.filter(|&len| len <= MAX_ID_COLUMN).max().unwrap_or(0);
    let available =
        step.candidates.iter().filter(|(_, availability)| *availability == Availability::Available).count();
    for (account, availability, id) in &listed {
        let line = if chosen == Some(*account) {
            let how = how_picked(trace, available, &weight(snapshot, *account));
            format!("{SUCCESS}✔ {id:column$}  CHOSEN{SUCCESS:#}{how}")
        } else if *availability == Availability::Available {
            format!(
                "{DIMMED}·{DIMMED:#} {id:column$}  {DIMMED}available, but another account was picked{}{DIMMED:#}",
                weight(snapshot, *account)
            )
        } else {
            format!("{ERROR}✘{ERROR:#} {id:column$}  {}", reason(snapshot, *account, *availability))
        };
        tree.line(ACCOUNT, ACCOUNT_REST, &line);
    }
    let more = step.candidates.len() - listed.len();
    if more > 0 {
        let is_listed = |account: AccountIdx| listed.iter().any(|&(listed, ..)| listed == account);
        let left = step.candidates.iter().filter(|&&(account, _)| !is_listed(account));
        let left: Vec<(AccountIdx, Availability)> = left.copied().collect();
        let words = format!("{DIMMED}… and {more} more: {}{DIMMED:#}", availability_counts(&left));
        tree.line(ACCOUNT, ACCOUNT_REST, &words);
    }
}

/// Returns the printable id of an account.
pub(super) fn account_id(snapshot: &Snapshot, account: AccountIdx) -> String {
    printable(snapshot.account(account).id())
}

/// Returns how the chosen account was picked among the available accounts.
fn how_picked(trace: &Trace, available: usize, weight: &str) -> String {
    match (available, trace.query.picks_at_random) {
        (0 | 1, _) => String::new(),
        (_, false) => format!(" among {available}{weight}: the same for this client each time"),
        (_, true) => format!(" among {available}{weight}, at random: the query has no `client`"),
    }
}

fn weight(snapshot: &Snapshot, account: AccountIdx) -> String {
    match snapshot.account(account).weight() {
        1 => String::new(),
        weight => format!(" (weight {weight})"),
    }
}

/// Returns the reason why an account is not available.
pub(super) fn reason(snapshot: &Snapshot, account: AccountIdx, availability: Availability) -> String {
    match availability {
        Availability::Available => "available".to_owned(),
        Availability::Draining => "draining: keeps its clients, gets no new clients".to_owned(),
        Availability::Suspended => "suspended: never selected".to_owned(),
        Availability::Excluded => "excluded by the query".to_owned(),
        Availability::Resting => {
            let until = snapshot.account(account).available_from();
            match until.and_then(|until| Timestamp::from_second(until.0).ok()) {
                Some(until) => format!("resting until {}", until.to_string().trim_end_matches("T00:00:00Z")),
                None => "resting".to_owned(),
            }
        }
    }
}

/// Counts the accounts by availability, such as `1 available, 2 draining`.
fn availability_counts(candidates: &[(AccountIdx, Availability)]) -> String {
    let counts = Availability::ALL.into_iter().filter_map(|availability| {
        let number = candidates.iter().filter(|(_, of)| *of == availability).count();
        (number > 0).then(|| format!("{number} {}", availability.as_str()))
    });
    counts.collect::<Vec<_>>().join(", ")
}
