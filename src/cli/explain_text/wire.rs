//! The JSON of `/v1/select` and `/v1/explain` as text. It knows less than a trace does: a daemon does not send the
//! settings of the levels.

use serde_json::Value;
use switchboard_model::Rule;

use super::{BRANCH, BRANCH_REST, CORNER, CORNER_REST, REST, Tree, draw_problem, meaning};
use crate::cli::output::{DIMMED, ERROR, HEADING, SUCCESS, WARNING, count, ous_up, printable};

const ACCOUNT: &str = "│    ";
const LAST_ACCOUNT: &str = "     ";
/// Maximum number of accounts that a step shows. Further accounts are counted.
const MAX_ACCOUNTS: usize = 12;

/// Renders the answer of `/v1/select`.
pub(in crate::cli) fn render_selection(selection: &Value) -> String {
    let mut tree = Tree::new();
    draw_selection(&mut tree, selection);
    if let Some(country) = text(selection, "client_country") {
        tree.line("client    ", REST, &country);
    }
    if let Some(why) = text(selection, "current_ignored") {
        tree.line("current   ", REST, &format!("{WARNING}not kept{WARNING:#}: {why}"));
    }
    tree.into_text()
}

/// Renders the answer of `/v1/explain`.
pub(in crate::cli) fn render_explanation(explanation: &Value) -> String {
    let mut tree = Tree::new();
    match (explanation.get("selection"), explanation.get("problem")) {
        (Some(selection), _) => draw_selection(&mut tree, selection),
        (None, problem) => {
            let of = |name| problem.and_then(|problem| text(problem, name)).unwrap_or_default();
            draw_problem(&mut tree, &of("code"), &of("title"), &of("detail"));
        }
    }
    if let Some(client) = explanation.get("client") {
        tree.line("client    ", REST, &client_line(client));
    }
    if let Some(user) = explanation.get("user") {
        tree.line("user      ", REST, &user_line(user));
    }
    tree.empty_line();
    let steps = explanation.get("steps").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let level = |step: &Value| (text(step, "ou"), number(step, "climbed"));
    for steps in steps.chunk_by(|a, b| level(a) == level(b)) {
        draw_level(&mut tree, steps);
    }
    tree.into_text()
}

fn draw_selection(tree: &mut Tree, selection: &Value) {
    let of = |name| text(selection, name);
    let (id, address) = (of("account").unwrap_or_default(), of("address").unwrap_or_default());
    tree.line("answer    ", REST, &format!("{SUCCESS}{id}{SUCCESS:#}  {address}"));
    let role = of("role").unwrap_or_else(|| "dedicated".to_owned());
    let facts = [of("channel"), Some(role), of("country")];
    tree.line(REST, REST, &facts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    let rule = of("rule").unwrap_or_default();
    let known = Rule::ALL.into_iter().find(|known| known.as_str() == rule);
    let why = known.map_or(String::new(), |rule| format!(": {}", meaning(rule)));
    tree.line("rule      ", REST, &format!("{HEADING}{rule}{HEADING:#}{why}"));
    if let (Some(pool), Some(ou)) = (of("pool"), of("ou")) {
        tree.line("found     ", REST, &format!("pool {pool}, OU {ou}, {}", far(selection)));
    }
}

fn client_line(client: &Value) -> String {
    let country = text(client, "country").unwrap_or_else(|| "no country".to_owned());
    let source = match client.get("source").and_then(Value::as_str) {
        Some("query") => ", given in the query",
        Some("phone") => ", derived from the phone number",
        Some("bsuid") => ", derived from the business-scoped user id",
        _ => "",
    };
    let is = |name| client.get(name).and_then(Value::as_bool) == Some(true);
    let guessed = if is("guessed") { format!(" {WARNING}(guessed){WARNING:#}") } else { String::new() };
    let conflict = match is("conflict") {
        true => format!("; {WARNING}other fields name another country{WARNING:#}"),
        false => String::new(),
    };
    format!("{HEADING}{country}{HEADING:#}{source}{guessed}{conflict}")
}

fn user_line(user: &Value) -> String {
    match (text(user, "account"), text(user, "near")) {
        (Some(account), _) => format!("{account}: {}", outcome(user)),
        (None, Some(near)) => {
            format!("{WARNING}no dedicated account{WARNING:#}; a user with a similar id is {near}")
        }
        (None, None) => "no dedicated account".to_owned(),
    }
}

/// Draws the steps of one level.
fn draw_level(tree: &mut Tree, steps: &[Value]) {
    let Some(first) = steps.first() else { return };
    let ou = text(first, "ou").unwrap_or_default();
    tree.line("", "  ", &format!("{HEADING}OU {ou}{HEADING:#} {DIMMED}({}){DIMMED:#}", far(first)));
    for (at, step) in steps.iter().enumerate() {
        let is_last = at + 1 == steps.len();
        let (branch, rest) = if is_last { (CORNER, CORNER_REST) } else { (BRANCH, BRANCH_REST) };
        let rule = text(step, "rule").unwrap_or_default();
        let country = text(step, "country").map_or(String::new(), |country| format!(" {country}"));
        let pool = text(step, "pool").unwrap_or_default();
        let candidates = step.get("candidates").and_then(Value::as_array).map(Vec::as_slice);
        let candidates = candidates.unwrap_or_default();
        let none = if candidates.is_empty() { ": no account" } else { "" };
        tree.line(branch, rest, &format!("{rule}{country} in {pool}{none}"));
        let account = if is_last { LAST_ACCOUNT } else { ACCOUNT };
        draw_candidates(tree, account, candidates, number(step, "more"));
    }
}

fn draw_candidates(tree: &mut Tree, branch: &str, candidates: &[Value], more: u64) {
    let rest = format!("{branch}   ");
    let is_chosen = |candidate: &Value| text(candidate, "outcome").as_deref() == Some("chosen");
    let (shown, hidden): (Vec<_>, Vec<_>) =
        candidates.iter().enumerate().partition(|(at, candidate)| *at < MAX_ACCOUNTS || is_chosen(candidate));
    for (_, candidate) in shown {
        let id = text(candidate, "account").unwrap_or_default();
        let line = match text(candidate, "outcome").as_deref() {
            Some("chosen") => format!("{SUCCESS}✔ {id}  CHOSEN{SUCCESS:#}"),
            Some("available") => format!("{DIMMED}· {id}  available{DIMMED:#}"),
            _ => format!("{ERROR}✘{ERROR:#} {id}  {}", outcome(candidate)),
        };
        tree.line(branch, &rest, &line);
    }
    let more = hidden.len() + usize::try_from(more).unwrap_or(usize::MAX).min(usize::MAX - hidden.len());
    if more > 0 {
        let accounts = count(more, "more account", "more accounts");
        tree.line(branch, &rest, &format!("{DIMMED}… and {accounts}{DIMMED:#}"));
    }
}

/// Returns the outcome of an account, and the source of a condition that restricts the account.
fn outcome(of: &Value) -> String {
    let by = match of.get("by").and_then(Value::as_str) {
        Some("standing") => ", by a live standing",
        Some("registry") => ", by the registry",
        _ => "",
    };
    text(of, "outcome").unwrap_or_default() + by
}

fn far(of: &Value) -> String {
    match number(of, "climbed") {
        0 => "the OU of the query".to_owned(),
        climbed => ous_up(u32::try_from(climbed).unwrap_or(u32::MAX)),
    }
}

fn text(of: &Value, name: &str) -> Option<String> {
    of.get(name)?.as_str().map(printable)
}

fn number(of: &Value, name: &str) -> u64 {
    of.get(name).and_then(Value::as_u64).unwrap_or(0)
}
