//! What comes before the chain: the account that the client talks to, and the user's own.

use super::candidates::{id, reason};
use super::canvas::{BRANCH, BRANCH_REST, CORNER, CORNER_REST, Canvas};
use crate::cli::output::{ASIDE, ERROR, GOOD, PLACE};
use switchboard_model::Condition;
use switchboard_select::{Climb, Code, Ignored, Outcome, Rule};
use switchboard_snapshot::Snapshot;

pub(super) fn draw(canvas: &mut Canvas, snapshot: &Snapshot, climb: &Climb) {
    let lines: Vec<String> = [current(snapshot, climb), own(snapshot, climb)].into_iter().flatten().collect();
    let Some(last) = lines.len().checked_sub(1) else { return };
    canvas.line("", "", &format!("{PLACE}before the climb{PLACE:#}"));
    for (at, line) in lines.iter().enumerate() {
        let (first, rest) = if at == last { (CORNER, CORNER_REST) } else { (BRANCH, BRANCH_REST) };
        canvas.line(first, rest, line);
    }
}

fn current(snapshot: &Snapshot, climb: &Climb) -> Option<String> {
    let current = climb.current?;
    // What nobody has may be anything that a caller typed.
    let name = current.account.map_or("the account it names".to_owned(), |account| id(snapshot, account));
    Some(match current.ignored {
        None => {
            let draining = current
                .account
                .is_some_and(|account| snapshot.account(account).condition() == Condition::Draining);
            let draining = if draining { ", though it drains: it keeps the clients it has" } else { "" };
            format!("{GOOD}✔ current: {name}  CHOSEN{GOOD:#}: the client already talks to it{draining}")
        }
        Some(why) => format!("{ERROR}✘{ERROR:#} current: {name} is not kept: {}", ignored(why)),
    })
}

fn own(snapshot: &Snapshot, climb: &Climb) -> Option<String> {
    let (account, outcome) = climb.own?;
    let name = id(snapshot, account);
    let why = reason(snapshot, account, outcome);
    Some(match climb.answer.result {
        Ok(selection) if selection.rule == Rule::Dedicated => {
            format!("{GOOD}✔ dedicated: {name}  CHOSEN{GOOD:#}: it is the user's own")
        }
        Ok(selection) if selection.rule == Rule::Current && selection.account != account => {
            let free = if outcome == Outcome::Available { "" } else { " (and could not be had)" };
            format!("{ASIDE}· dedicated: the user's own, {name}, is not needed{free}{ASIDE:#}")
        }
        Ok(selection) if selection.rule == Rule::Current => {
            format!("{ASIDE}· dedicated: it is the user's own as well{ASIDE:#}")
        }
        Err(Code::DedicatedUnavailable) => format!(
            "{ERROR}✘{ERROR:#} dedicated: the user's own, {name}, is {why}; the company's `dedicated_unavailable` makes that \
             an error"
        ),
        _ => format!(
            "{ERROR}✘{ERROR:#} dedicated: the user's own, {name}, is {why}; the company's `dedicated_unavailable` leads on \
             to the pools"
        ),
    })
}

fn ignored(why: Ignored) -> &'static str {
    match why {
        Ignored::Unknown => "the company has no such account",
        Ignored::OtherChannel => "it is of another channel",
        Ignored::OtherRole => "it is of another role, or of none",
        Ignored::Suspended => "it is suspended",
        Ignored::Excluded => "the query excludes it",
        Ignored::Resting => "it is still resting",
        Ignored::NotInChain => "no step of this chain has it, nor is it the user's own",
    }
}
