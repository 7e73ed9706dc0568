//! The accounts of one step: who was chosen, and why not the others.

use jiff::Timestamp;

use super::canvas::{Canvas, printable};
use crate::cli::output::{ASIDE, ERROR, GOOD, count};
use switchboard_select::climb::Tried;
use switchboard_select::{Climb, Outcome};
use switchboard_snapshot::{AccountIdx, Snapshot};

/// Most accounts of a step that are drawn; the rest is counted.
const MOST: usize = 12;
const FIRST: &str = "│    ";
const REST: &str = "│       ";
/// Ids up to so long stand in a column.
const COLUMN: usize = 32;

pub(super) fn draw(
    canvas: &mut Canvas,
    snapshot: &Snapshot,
    climb: &Climb,
    step: &Tried,
    chosen: Option<AccountIdx>,
) {
    let listed: Vec<(AccountIdx, Outcome, String)> = step
        .listed(MOST, chosen)
        .map(|(account, outcome)| (account, outcome, id(snapshot, account)))
        .collect();
    let wide = listed.iter().map(|(.., id)| id.len()).filter(|&len| len <= COLUMN).max().unwrap_or(0);
    let equals = step.candidates.iter().filter(|(_, outcome)| *outcome == Outcome::Available).count();
    for (account, outcome, id) in &listed {
        let line = if chosen == Some(*account) {
            let how = how(climb, equals, &weight(snapshot, *account));
            format!("{GOOD}✔ {id:wide$}  CHOSEN{GOOD:#}{how}")
        } else if *outcome == Outcome::Available {
            format!(
                "{ASIDE}·{ASIDE:#} {id:wide$}  {ASIDE}available, another was drawn{}{ASIDE:#}",
                weight(snapshot, *account)
            )
        } else {
            format!("{ERROR}✘{ERROR:#} {id:wide$}  {}", reason(snapshot, *account, *outcome))
        };
        canvas.line(FIRST, REST, &line);
    }
    let more = step.candidates.len() - listed.len();
    if more > 0 {
        let left: Vec<(AccountIdx, Outcome)> = step
            .candidates
            .iter()
            .filter(|(account, _)| !listed.iter().any(|(listed, ..)| listed == account))
            .copied()
            .collect();
        canvas.line(FIRST, REST, &format!("{ASIDE}… and {more} more: {}{ASIDE:#}", outcomes(&left)));
    }
}

/// An account's id.
pub(super) fn id(snapshot: &Snapshot, account: AccountIdx) -> String {
    printable(snapshot.account(account).id())
}

/// How one came to be drawn among equals.
fn how(climb: &Climb, equals: usize, weight: &str) -> String {
    match (equals, climb.asked.by_chance) {
        (0 | 1, _) => String::new(),
        (equals, false) => format!(" among {equals}{weight}: always this one for this client"),
        (equals, true) => format!(" among {equals}{weight}, by chance: the query names no client"),
    }
}

fn weight(snapshot: &Snapshot, account: AccountIdx) -> String {
    match snapshot.account(account).weight() {
        1 => String::new(),
        weight => format!(" (weight {weight})"),
    }
}

/// Why an account cannot be had.
pub(super) fn reason(snapshot: &Snapshot, account: AccountIdx, outcome: Outcome) -> String {
    match outcome {
        Outcome::Available => "available".to_owned(),
        Outcome::Draining => "draining: keeps its clients, gets no new one".to_owned(),
        Outcome::Suspended => "suspended: never used".to_owned(),
        Outcome::Excluded => "excluded by the query".to_owned(),
        Outcome::Resting => {
            let until = snapshot.account(account).available_from();
            match until.and_then(|until| Timestamp::from_second(until).ok()) {
                Some(until) => format!("resting until {}", until.to_string().trim_end_matches("T00:00:00Z")),
                None => "resting".to_owned(),
            }
        }
    }
}

/// `3 accounts (1 available, 2 draining)`.
pub(super) fn summary(candidates: &[(AccountIdx, Outcome)]) -> String {
    format!("{} ({})", count(candidates.len(), "account"), outcomes(candidates))
}

fn outcomes(candidates: &[(AccountIdx, Outcome)]) -> String {
    let all =
        [Outcome::Available, Outcome::Draining, Outcome::Suspended, Outcome::Excluded, Outcome::Resting];
    let counts = all.into_iter().filter_map(|outcome| {
        let number = candidates.iter().filter(|(_, is)| *is == outcome).count();
        (number > 0).then(|| format!("{number} {}", outcome.text()))
    });
    counts.collect::<Vec<_>>().join(", ")
}
