//! The explanation of a query as text: the answer first, then every step of the chain, level by level.
//!
//! This file draws the part before the chain: answer, rule, client, query, and the current and dedicated
//! accounts. It also wraps the lines of the tree. `chain` draws the levels, steps and accounts, and `wire`
//! renders the JSON of a daemon. The number of the client is never shown.

mod chain;
mod wire;

use switchboard_model::{Condition, Role, Rule, SelectError};
use switchboard_select::{
    Availability, CountrySource, CurrentIgnored, CurrentOutcome, ResolvedQuery, Selection, Trace, TracedUser,
};
use switchboard_snapshot::Snapshot;

use crate::api::problem::from_error;
use crate::cli::output::{DIMMED, ERROR, HEADING, SUCCESS, WARNING, ous_up, printable, terminal_width};
use chain::{account_id, reason};
pub(super) use wire::{render_explanation, render_selection};

/// The beginning of a line without a label.
const REST: &str = "          ";
const DEFAULT_WIDTH: usize = 80;
const MIN_WIDTH: usize = 40;
const MAX_WIDTH: usize = 100;

/// The beginning of a branch, and of the further lines of a branch that is wrapped.
const BRANCH: &str = "├─ ";
const BRANCH_REST: &str = "│     ";
/// The beginning of the last branch, and of the further lines of a last branch that is wrapped.
const CORNER: &str = "└─ ";
const CORNER_REST: &str = "      ";

/// Renders the explanation of a query.
pub(super) fn render(snapshot: &Snapshot, trace: &Trace) -> String {
    let mut tree = Tree::new();
    draw_query(&mut tree, snapshot, trace);
    draw_preamble(&mut tree, snapshot, trace);
    chain::draw(&mut tree, snapshot, trace);
    tree.into_text()
}

/// Renders the problem of a query that has no chain to explain.
pub(super) fn render_problem(code: &str, title: &str, detail: &str) -> String {
    let mut tree = Tree::new();
    draw_problem(&mut tree, code, title, detail);
    tree.into_text()
}

/// Draws the answer, the client and the query.
fn draw_query(tree: &mut Tree, snapshot: &Snapshot, trace: &Trace) {
    match &trace.answer.result {
        Ok(selection) => draw_answer(tree, snapshot, selection),
        Err(error) => draw_problem(tree, error.as_str(), from_error(*error).title, error.reason()),
    }
    tree.line("client    ", REST, &client_line(trace));
    tree.line("query     ", REST, &query_line(snapshot, &trace.query));
    tree.empty_line();
}

/// Draws the problem of a query without an answer.
fn draw_problem(tree: &mut Tree, code: &str, title: &str, detail: &str) {
    tree.line("answer    ", REST, &format!("{ERROR}none: {code}{ERROR:#}"));
    tree.line(REST, REST, &format!("{title}: {detail}"));
}

fn draw_answer(tree: &mut Tree, snapshot: &Snapshot, selection: &Selection) {
    let account = snapshot.account(selection.account);
    let id = printable(account.id());
    let address = printable(&address(snapshot, selection));
    tree.line("answer    ", REST, &format!("{SUCCESS}{id}{SUCCESS:#}  {address}"));
    let country = account.country().map_or(String::new(), |country| format!(", {country}"));
    let role = account.role().map_or("dedicated", Role::as_str);
    let channel = printable(snapshot.channel(account.channel()).id());
    tree.line(REST, REST, &format!("{channel}, {role}{country}"));
    let rule = selection.rule;
    tree.line("rule      ", REST, &format!("{HEADING}{}{HEADING:#}: {}", rule.as_str(), meaning(rule)));
    if let Some(location) = selection.location {
        let far = match location.climbed {
            0 => "the OU of the query".to_owned(),
            climbed => ous_up(climbed),
        };
        let pool = printable(snapshot.pool(location.pool).id());
        let ou = printable(snapshot.ou(location.ou).id());
        tree.line("found     ", REST, &format!("pool {pool}, OU {ou}, {far}"));
    }
}

/// Returns the address of the selected account. Snapshots hold it as a JSON string without its quotes.
#[allow(
    clippy::expect_used,
    reason = "the compiler writes addresses as JSON, and tests of every text hold that"
)]
fn address(snapshot: &Snapshot, selection: &Selection) -> String {
    let json = [b"\"", snapshot.account_pieces(selection.account_json).address, b"\""].concat();
    serde_json::from_slice(&json).expect("cannot fail: an address is JSON")
}

fn meaning(rule: Rule) -> &'static str {
    match rule {
        Rule::Current => "the client already talks to this account",
        Rule::Dedicated => "the account is dedicated to the user",
        Rule::Country => "the account is of the client's country",
        Rule::CallingCode => "the account's country has the client's calling code",
        Rule::Geography => "the client's country is mapped to the account's country",
        Rule::DefaultRegion => "the account is of the pool's default country",
    }
}

fn client_line(trace: &Trace) -> String {
    let client = &trace.client;
    let country = match client.country {
        Some(country) => format!("{HEADING}{country}{HEADING:#}"),
        None => "no country".to_owned(),
    };
    let source = match (client.source, client.country) {
        (CountrySource::Query, _) => "given in the query",
        (CountrySource::Bsuid, _) => "derived from the business-scoped user id",
        (CountrySource::Phone, Some(_)) => "derived from the phone number",
        (CountrySource::Phone, None) => "because the phone number has none; only default regions can match",
    };
    let mut line = format!("{country}, {source}");
    if client.is_guessed() {
        line += &format!(" {WARNING}(guessed){WARNING:#}: the number is not valid");
    }
    if client.has_conflict() {
        let ignored = match (client.source, client.phone) {
            (CountrySource::Query, Some(_)) => "phone number",
            _ => "business-scoped user id",
        };
        line += &format!("; {WARNING}the {ignored} is of another country{WARNING:#}, which is ignored");
    }
    line
}

fn query_line(snapshot: &Snapshot, asked: &ResolvedQuery) -> String {
    let company = printable(snapshot.company(asked.company).id());
    let channel = snapshot.channel(asked.channel);
    let ou = printable(snapshot.ou(asked.ou).id());
    let role = asked.role.as_str();
    let usual = if asked.role == channel.conversation_role() {
        ""
    } else {
        ", not the conversation role of the channel"
    };
    let fallback = if asked.without_fallback { "; fallback none" } else { "" };
    format!("{} for OU {ou} of {company}; role {role}{usual}{fallback}", printable(channel.id()))
}

/// Draws the accounts that are considered before the chain: the current account and the dedicated account.
fn draw_preamble(tree: &mut Tree, snapshot: &Snapshot, trace: &Trace) {
    let lines = [current_line(snapshot, trace), dedicated_line(snapshot, trace)];
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    let Some(last) = lines.len().checked_sub(1) else { return };
    tree.line("", "", &format!("{HEADING}before the chain{HEADING:#}"));
    for (at, line) in lines.iter().enumerate() {
        let (first, rest) = if at == last { (CORNER, CORNER_REST) } else { (BRANCH, BRANCH_REST) };
        tree.line(first, rest, line);
    }
}

fn current_line(snapshot: &Snapshot, trace: &Trace) -> Option<String> {
    let current = trace.current?;
    // An unknown id may be any text that a caller typed, such as a phone number, so it is not shown.
    let name =
        current.account.map_or("the named account".to_owned(), |account| account_id(snapshot, account));
    Some(match current.outcome {
        CurrentOutcome::Kept => {
            let draining = current
                .account
                .is_some_and(|account| snapshot.account(account).condition() == Condition::Draining);
            let draining = if draining { "; a draining account keeps its clients" } else { "" };
            format!(
                "{SUCCESS}✔ current: {name}  CHOSEN{SUCCESS:#}: the client already talks to this account{draining}"
            )
        }
        CurrentOutcome::Ignored(why) => {
            format!("{ERROR}✘{ERROR:#} current: {name} is not kept: {}", why_ignored(why))
        }
    })
}

fn why_ignored(why: CurrentIgnored) -> &'static str {
    match why {
        CurrentIgnored::Unknown => "the company has no such account",
        CurrentIgnored::OtherChannel => "the account is of another channel",
        CurrentIgnored::OtherRole => "the account has another role, or no role",
        CurrentIgnored::Suspended => "the account is suspended",
        CurrentIgnored::Excluded => "the query excludes the account",
        CurrentIgnored::Resting => "the account is still resting",
        CurrentIgnored::NotInChain => {
            "no step of the chain has the account, and it is not dedicated to the user"
        }
    }
}

/// Describes a user who has no dedicated account on the channel, and names a user whose id is near.
fn no_account_line(trace: &Trace) -> Option<String> {
    let Some(TracedUser::None(near)) = &trace.user else { return None };
    let near = near.as_ref().map(|near| format!("; did you mean {}?", printable(near)));
    let near = near.unwrap_or_default();
    Some(format!("{DIMMED}· dedicated: the user has no account{near}{DIMMED:#}"))
}

fn dedicated_line(snapshot: &Snapshot, trace: &Trace) -> Option<String> {
    let Some((account, availability)) = trace.dedicated else { return no_account_line(trace) };
    let name = account_id(snapshot, account);
    let why = reason(snapshot, account, availability);
    Some(match trace.answer.result {
        Ok(selection) if selection.rule == Rule::Dedicated => {
            format!("{SUCCESS}✔ dedicated: {name}  CHOSEN{SUCCESS:#}: the account is dedicated to the user")
        }
        Ok(selection) if selection.rule == Rule::Current && selection.account != account => {
            let free = if availability == Availability::Available { "" } else { " (and not available)" };
            format!("{DIMMED}· dedicated: the user's account {name} is not needed{free}{DIMMED:#}")
        }
        Ok(selection) if selection.rule == Rule::Current => {
            format!("{DIMMED}· dedicated: the current account is also dedicated to the user{DIMMED:#}")
        }
        Err(SelectError::DedicatedUnavailable) => format!(
            "{ERROR}✘{ERROR:#} dedicated: the user's account {name} is {why}; `dedicated_unavailable` of the company \
             makes this an error"
        ),
        _ => format!(
            "{ERROR}✘{ERROR:#} dedicated: the user's account {name} is {why}; `dedicated_unavailable` of the company \
             lets the pools answer"
        ),
    })
}

/// The lines of an explanation: branches of a tree, wrapped at the width of the terminal.
struct Tree {
    text: String,
    width: usize,
}

impl Tree {
    fn new() -> Tree {
        let width = terminal_width().unwrap_or(DEFAULT_WIDTH).clamp(MIN_WIDTH, MAX_WIDTH);
        Tree { text: String::new(), width }
    }

    /// Adds a line that begins with `first`. Wraps a line that is too long at spaces and after hyphens;
    /// further lines begin with `rest`. A word longer than the width stays whole.
    fn line(&mut self, first: &str, rest: &str, words: &str) {
        let mut line = first.to_owned();
        let mut columns = columns_of(first);
        let mut is_empty = true;
        for part in parts(words) {
            let word = part.trim_end_matches(' ');
            if columns + columns_of(word) > self.width && !is_empty {
                self.push(&line);
                rest.clone_into(&mut line);
                columns = columns_of(rest);
            }
            line.push_str(part);
            columns += columns_of(part);
            is_empty = false;
        }
        self.push(&line);
    }

    fn empty_line(&mut self) {
        self.text.push('\n');
    }

    fn into_text(self) -> String {
        self.text
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}

/// Splits a text where a line may be broken: after spaces, and after a hyphen between letters or digits.
fn parts(words: &str) -> impl Iterator<Item = &str> {
    let mut rest = words;
    std::iter::from_fn(move || {
        let mut before = [None, None];
        let end = rest.char_indices().find(|&(_, letter)| {
            let is_break = match before {
                [_, Some(' ')] => letter != ' ',
                [Some(first), Some('-')] => char::is_alphanumeric(first) && letter.is_alphanumeric(),
                _ => false,
            };
            before = [before[1], Some(letter)];
            is_break
        });
        let (part, next) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = next;
        (!part.is_empty()).then_some(part)
    })
}

/// Counts the columns of a text: its characters without the escape sequences of styles.
fn columns_of(text: &str) -> usize {
    let mut in_escape = false;
    let visible = text.chars().filter(|&letter| {
        let was_in_escape = in_escape;
        in_escape = letter == '\x1b' || in_escape && letter != 'm';
        !was_in_escape && !in_escape
    });
    visible.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(width: usize, words: &str) -> String {
        let mut tree = Tree { text: String::new(), width };
        tree.line("* ", "    ", words);
        tree.into_text()
    }

    #[test]
    fn long_line_is_broken_at_spaces_and_inner_hyphens() {
        assert_eq!(wrapped(12, "a pool-of-emea x"), "* a pool-of-\n    emea x\n");
        assert_eq!(wrapped(12, "abc def  ghi"), "* abc def\n    ghi\n");
        assert_eq!(wrapped(12, "abcdefgh --flag"), "* abcdefgh\n    --flag\n");
    }

    #[test]
    fn word_longer_than_a_line_stays_whole() {
        assert_eq!(wrapped(8, "abcdefghijkl m"), "* abcdefghijkl\n    m\n");
    }

    #[test]
    fn styles_take_no_column() {
        let words = "\x1b[1m\x1b[32mabcd\x1b[0m efgh";
        assert_eq!(wrapped(11, words), format!("* {words}\n"));
        assert_eq!(wrapped(10, words), "* \x1b[1m\x1b[32mabcd\x1b[0m\n    efgh\n");
    }
}
