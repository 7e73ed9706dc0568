//! The answer and the explanation of a query as text: the answer first, then every step of the chain, level by level.
//!
//! `model` has the facts, from the JSON of the API and from a trace. This file draws them. The number of the client is
//! never shown.

mod model;

use serde_json::Value;
use switchboard_model::{Region, Rule, SelectError};
use switchboard_select::{Availability, CurrentIgnored, Trace};
use switchboard_snapshot::Snapshot;

use crate::cli::output::{
    BRANCH, BRANCH_REST, CORNER, CORNER_REST, DIMMED, ERROR, HEADING, SUCCESS, Tree, WARNING, count, ous_up,
    printable,
};
use model::{
    CURRENT, Current, CurrentFate, ExplainedAnswer, ExplainedCandidate, Explanation, Level, Selected, Step,
    Unlisted, User,
};

/// The beginning of a line without a label.
const REST: &str = "          ";
const ACCOUNT: &str = "│    ";
const ACCOUNT_REST: &str = "│       ";
/// Levels that are shown at the start of a chain, and around the level where the search ended. A chain may
/// have 20,000.
const LEVELS_AT_START: usize = 20;
const LEVELS_BEFORE_END: usize = 5;
const LEVELS_AFTER_END: usize = 5;
/// Maximum number of accounts that a step shows. Further accounts are counted.
const MAX_ACCOUNTS: usize = 12;
/// Maximum width of the column of ids. Longer ids do not widen it.
const MAX_ID_COLUMN: usize = 32;
/// The advice of a problem that is wrong in an explanation.
const EXPLAIN_ADVICE: &str = " Send the query to /v1/explain";

/// Renders the JSON of `/v1/explain`. `fields` are those of the query.
pub(super) fn render_explanation(json: &Value, fields: &[(&str, &str)]) -> String {
    draw(&Explanation::from_json(json, fields))
}

/// Renders the JSON of `/v1/explain` together with the trace that it was made of.
pub(super) fn render_trace(
    json: &Value,
    fields: &[(&str, &str)],
    snapshot: &Snapshot,
    trace: &Trace,
) -> String {
    let mut explanation = Explanation::from_json(json, fields);
    explanation.add_trace(snapshot, trace);
    draw(&explanation)
}

/// Renders the JSON of `/v1/select`. `current` is that of the query.
pub(super) fn render_selection(json: &Value, current: Option<&str>) -> String {
    let mut tree = Tree::new();
    let selected = Selected::from_json(json);
    draw_selected(&mut tree, &selected);
    if let Some(country) = &selected.client_country {
        tree.line("client    ", REST, country);
    }
    if let Some(why) = &selected.current_ignored {
        let is_unknown = why == CurrentIgnored::Unknown.as_str();
        let name = current.filter(|_| !is_unknown).map_or_else(|| NAMED_ACCOUNT.to_owned(), printable);
        tree.line(
            "current   ",
            REST,
            &format!("{name} is {WARNING}not kept{WARNING:#}: {}", why_ignored(why)),
        );
    }
    tree.into_text()
}

/// Renders the problem of a query that has no chain to explain. `advises_explain` is whether the command `explain`
/// would help.
pub(super) fn render_problem(code: &str, title: &str, detail: &str, advises_explain: bool) -> String {
    let mut tree = Tree::new();
    draw_problem(&mut tree, code, title, detail, advises_explain);
    tree.into_text()
}

fn draw(explanation: &Explanation) -> String {
    let mut tree = Tree::new();
    match &explanation.answer {
        ExplainedAnswer::Selected(selected) => draw_selected(&mut tree, selected),
        ExplainedAnswer::Problem { code, title, detail } => {
            draw_problem(&mut tree, code, title, detail, false)
        }
    }
    tree.line("client    ", REST, &client_line(explanation));
    tree.line("query     ", REST, &query_line(explanation));
    tree.empty_line();
    draw_preamble(&mut tree, explanation);
    Chain::new(explanation).draw(&mut tree);
    tree.into_text()
}

/// Draws the problem of a query without an answer.
fn draw_problem(tree: &mut Tree, code: &str, title: &str, detail: &str, advises_explain: bool) {
    tree.line("answer    ", REST, &format!("{ERROR}none: {code}{ERROR:#}"));
    // The advice is for programs. For people there is a command.
    let (detail, advice) = match detail.split_once(EXPLAIN_ADVICE) {
        Some((before, _)) if advises_explain => (before, " `switchboard explain` shows every step."),
        Some((before, _)) => (before, ""),
        None => (detail, ""),
    };
    tree.line(REST, REST, &format!("{title}: {detail}{advice}"));
}

fn draw_selected(tree: &mut Tree, selected: &Selected) {
    let Selected { account, address, channel, role, country, rule, pool, ou, climbed, .. } = selected;
    tree.line("answer    ", REST, &format!("{SUCCESS}{account}{SUCCESS:#}  {address}"));
    let facts = [Some(&**channel), Some(role.as_deref().unwrap_or("dedicated")), country.as_deref()];
    tree.line(REST, REST, &facts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    let known = Rule::ALL.into_iter().find(|known| known.as_str() == rule);
    let why = known.map_or(String::new(), |rule| format!(": {}", meaning(rule)));
    tree.line("rule      ", REST, &format!("{HEADING}{rule}{HEADING:#}{why}"));
    if let (Some(pool), Some(ou)) = (pool, ou) {
        let far = match climbed {
            0 => "the OU of the query".to_owned(),
            climbed => ous_up(*climbed),
        };
        tree.line("found     ", REST, &format!("pool {pool}, OU {ou}, {far}"));
    }
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

fn client_line(explanation: &Explanation) -> String {
    let Explanation { client, query, .. } = explanation;
    let country = match &client.country {
        Some(country) => format!("{HEADING}{country}{HEADING:#}"),
        None => "no country".to_owned(),
    };
    let source = match (&*client.source, &client.country) {
        ("query", _) => ", given in the query",
        ("bsuid", _) => ", derived from the business-scoped user id",
        ("phone", Some(_)) => ", derived from the phone number",
        ("phone", None) => ", because the phone number has none; only default regions can match",
        _ => "",
    };
    let mut line = format!("{country}{source}");
    if client.is_guessed {
        line += &format!(" {WARNING}(guessed){WARNING:#}: the number is not valid");
    }
    if client.has_conflict {
        let ignored = match client.source == "query" && query.has_phone {
            true => "phone number",
            false => "business-scoped user id",
        };
        line += &format!("; {WARNING}the {ignored} is of another country{WARNING:#}, which is ignored");
    }
    line
}

fn query_line(explanation: &Explanation) -> String {
    let asked = &explanation.query;
    let of_company = asked.company.as_ref().map_or(String::new(), |company| format!(" of {company}"));
    let role = asked.role.as_ref().map_or(String::new(), |role| format!("; role {role}"));
    let unusual =
        if asked.is_usual_role == Some(false) { ", not the conversation role of the channel" } else { "" };
    let fallback = if asked.without_fallback { "; fallback none" } else { "" };
    format!("{} for OU {}{of_company}{role}{unusual}{fallback}", asked.channel, asked.ou)
}

/// Draws the accounts that are considered before the chain: the current account and the dedicated account.
fn draw_preamble(tree: &mut Tree, explanation: &Explanation) {
    let current = explanation.current.as_ref().map(current_line);
    let dedicated = explanation.user.as_ref().map(|user| dedicated_line(user, &explanation.answer));
    let lines: Vec<String> = [current, dedicated].into_iter().flatten().collect();
    let Some(last) = lines.len().checked_sub(1) else { return };
    tree.line("", "", &format!("{HEADING}before the chain{HEADING:#}"));
    for (at, line) in lines.iter().enumerate() {
        let (first, rest) = if at == last { (CORNER, CORNER_REST) } else { (BRANCH, BRANCH_REST) };
        tree.line(first, rest, line);
    }
}

/// The name of an account that the company does not have. Its id may be any text, such as a phone number.
const NAMED_ACCOUNT: &str = "the named account";

fn current_line(current: &Current) -> String {
    let name = current.account.as_deref().unwrap_or(NAMED_ACCOUNT);
    match &current.outcome {
        CurrentFate::Kept { is_draining } => {
            let draining = if *is_draining { "; a draining account keeps its clients" } else { "" };
            format!(
                "{SUCCESS}✔ current: {name}  CHOSEN{SUCCESS:#}: the client already talks to this account{draining}"
            )
        }
        CurrentFate::Ignored(why) => {
            let why = why.as_ref().map_or(String::new(), |why| format!(": {}", why_ignored(why)));
            format!("{ERROR}✘{ERROR:#} current: {name} is not kept{why}")
        }
    }
}

/// Returns the meaning of a code in `current_ignored`. A newer daemon may have other codes.
fn why_ignored(code: &str) -> &str {
    match CurrentIgnored::ALL.into_iter().find(|known| known.as_str() == code) {
        Some(CurrentIgnored::Unknown) => "the company has no such account",
        Some(CurrentIgnored::OtherChannel) => "the account is of another channel",
        Some(CurrentIgnored::OtherRole) => "the account has another role, or no role",
        Some(CurrentIgnored::Suspended) => "the account is suspended",
        Some(CurrentIgnored::Excluded) => "the query excludes the account",
        Some(CurrentIgnored::Resting) => "the account is still resting",
        Some(CurrentIgnored::NotInChain) => {
            "no step of the chain has the account, and it is not dedicated to the user"
        }
        None => code,
    }
}

fn dedicated_line(user: &User, answer: &ExplainedAnswer) -> String {
    let Some(candidate) = &user.account else {
        let near = user.near.as_ref().map(|near| format!("; did you mean {near}?"));
        let near = near.unwrap_or_default();
        return format!("{DIMMED}· dedicated: the user has no account{near}{DIMMED:#}");
    };
    let (name, why) = (&candidate.account, reason(candidate));
    let is_available = candidate.availability == Availability::Available.as_str();
    let is_refused = matches!(answer, ExplainedAnswer::Problem { code, .. } if code == SelectError::DedicatedUnavailable.as_str());
    let failed =
        |then: &str| format!("{ERROR}✘{ERROR:#} dedicated: the user's account {name} is {why}; {then}");
    match user.has_fitting_role {
        _ if answer.is_by(Rule::Dedicated) => {
            format!("{SUCCESS}✔ dedicated: {name}  CHOSEN{SUCCESS:#}: the account is dedicated to the user")
        }
        _ if answer.is_by(Rule::Current) && candidate.is_chosen => {
            format!("{DIMMED}· dedicated: the current account is also dedicated to the user{DIMMED:#}")
        }
        _ if is_refused => failed("`dedicated_unavailable` of the company makes this an error"),
        _ if answer.is_by(Rule::Current) => {
            let free = if is_available { "" } else { " (and not available)" };
            format!("{DIMMED}· dedicated: the user's account {name} is not needed{free}{DIMMED:#}")
        }
        // An account that is available and was not selected has another role than the query.
        Some(false) => other_role(name),
        None if is_available => other_role(name),
        _ => failed("`dedicated_unavailable` of the company lets the pools answer"),
    }
}

fn other_role(name: &str) -> String {
    format!(
        "{DIMMED}· dedicated: the user's account {name} is not considered, because the query names another role than \
         the conversation role{DIMMED:#}"
    )
}

/// Returns the reason why an account is not available.
fn reason(candidate: &ExplainedCandidate) -> String {
    let by = if candidate.by_standing { " by a live standing" } else { "" };
    let availability = &candidate.availability;
    match Availability::ALL.into_iter().find(|known| known.as_str() == availability) {
        Some(Availability::Available) => "available".to_owned(),
        Some(Availability::Draining) => format!("draining{by}: keeps its clients, gets no new clients"),
        Some(Availability::Suspended) => format!("suspended{by}: never selected"),
        Some(Availability::Excluded) => "excluded by the query".to_owned(),
        Some(Availability::Resting) => match &candidate.rests_until {
            Some(until) => format!("resting until {until}"),
            None => "resting".to_owned(),
        },
        // A newer daemon may have other outcomes.
        None => availability.clone(),
    }
}

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

/// The levels of an explanation, and the place where the search ended.
struct Chain<'e> {
    explanation: &'e Explanation,
    /// Whether the search ended before the chain, so that no step was tried.
    is_skipped: bool,
    /// Level and step of the selected account.
    chosen: Option<(usize, usize)>,
}

impl<'e> Chain<'e> {
    fn new(explanation: &'e Explanation) -> Chain<'e> {
        let is_skipped = match &explanation.answer {
            ExplainedAnswer::Problem { code, .. } => code == SelectError::DedicatedUnavailable.as_str(),
            answer => answer.is_by(Rule::Current) || answer.is_by(Rule::Dedicated),
        };
        let has_chosen = |step: &Step| step.candidates.iter().any(|candidate| candidate.is_chosen);
        let mut levels = explanation.levels.iter().enumerate();
        let chosen = levels.find_map(|(at, level)| Some((at, level.steps.iter().position(has_chosen)?)));
        Chain { explanation, is_skipped, chosen }
    }

    /// Returns the level where the search ended: the level of the selected account, or the last level that was
    /// searched.
    fn end(&self) -> Option<usize> {
        let without_fallback = self.explanation.query.without_fallback.then_some(0);
        let last = self.explanation.levels.len().saturating_sub(1);
        let end = self.chosen.map(|(level, _)| level).or(without_fallback).unwrap_or(last);
        (!self.is_skipped).then_some(end)
    }

    /// Draws every level of the chain.
    fn draw(&self, tree: &mut Tree) {
        let levels = &self.explanation.levels;
        if levels.is_empty() {
            draw_heading(tree, &self.explanation.query.ou, 0, "");
            let words = match self.explanation.has_all_levels {
                true => "no pool of this channel here, and no pool to inherit from above",
                false => "no step applies without a country",
            };
            tree.line(CORNER, CORNER_REST, words);
            return;
        }
        let end = self.end();
        let pivot = end.unwrap_or(0);
        let is_shown = |at: usize| {
            at < LEVELS_AT_START.min(pivot + LEVELS_AFTER_END)
                || (at + LEVELS_BEFORE_END >= pivot && at <= pivot + LEVELS_AFTER_END)
        };
        let mut folded = 0;
        let mut previous = None;
        for (at, level) in levels.iter().enumerate() {
            if !is_shown(at) {
                folded += 1;
                previous = Some(level);
                continue;
            }
            draw_folded(tree, &mut folded, end.is_some_and(|end| at <= end));
            self.draw_ous_between(tree, previous, level);
            let state = match end {
                Some(end) if at < end => LevelState::PassedOver,
                Some(end) if at == end && self.chosen.is_some() => LevelState::Answered,
                Some(end) if at == end => LevelState::PassedOver,
                _ => LevelState::NotReached,
            };
            let note = match state {
                LevelState::NotReached if self.explanation.answer.selected().is_some() => ": not needed",
                LevelState::NotReached => ": not tried",
                _ => "",
            };
            draw_heading(tree, &level.ou, level.climbed, note);
            self.draw_steps(tree, at, level);
            tree.line(CORNER, CORNER_REST, &self.level_ending(level, state, at + 1 == levels.len()));
            previous = Some(level);
        }
        draw_folded(tree, &mut folded, false);
    }

    /// Draws the OUs without a pool between the previous level and this one. Only the OU of the query is named.
    fn draw_ous_between(&self, tree: &mut Tree, previous: Option<&Level>, level: &Level) {
        let is_known = self.explanation.has_all_levels;
        let below = match previous {
            Some(previous) => previous.climbed,
            None if level.climbed == 0 => return,
            None => {
                draw_heading(tree, &self.explanation.query.ou, 0, "");
                let words = match is_known {
                    true => "no pool of this channel: inherits from the OU above ↑",
                    false => "no step applies without a country: continues at the OU above ↑",
                };
                tree.line(CORNER, CORNER_REST, words);
                0
            }
        };
        let without = level.climbed.saturating_sub(below).saturating_sub(1);
        if without > 0 {
            let ous = count(without as usize, "OU", "OUs");
            let what = if is_known { "a pool of this channel" } else { "a step" };
            tree.line("", "", &format!("{DIMMED}({ous} without {what} ↑){DIMMED:#}"));
        }
    }

    /// Returns the reason why the search ended at a level or continued.
    fn level_ending(&self, level: &Level, state: LevelState, is_last: bool) -> String {
        let nothing = if level.steps.is_empty() { "no step applies without a country; " } else { "" };
        let without_fallback = self.explanation.query.without_fallback;
        let onward = match (is_last, level.is_root) {
            _ if state == LevelState::Answered => "the account is found, so the search ends here",
            _ if without_fallback && state == LevelState::PassedOver => {
                "the search ends here, because the query has `fallback=none`"
            }
            (false, _) => "continues at the OU above, because a pool here has `fallback_upward` ↑",
            (true, Some(true)) => "end of the chain: there is no OU above",
            (true, _) => "end of the chain: no pool here has `fallback_upward`, or no OU above has a pool",
        };
        match state {
            LevelState::NotReached => format!("{DIMMED}{nothing}{onward}{DIMMED:#}"),
            _ => format!("{nothing}{onward}"),
        }
    }

    /// Draws the steps of the level with this index.
    fn draw_steps(&self, tree: &mut Tree, level_at: usize, level: &Level) {
        let mut at = 0;
        // Steps without accounts share a line if their rule and country are the same.
        let is_alike = |a: &Step, b: &Step| {
            a.len() == 0 && b.len() == 0 && (&a.rule, &a.country) == (&b.rule, &b.country)
        };
        for group in level.steps.chunk_by(is_alike) {
            let Some(step) = group.first() else { continue };
            let state = self.step_state((level_at, at), step);
            tree.line(BRANCH, BRANCH_REST, &self.step_line(group, step, state));
            if matches!(state, StepState::PassedOver | StepState::Chosen) {
                self.draw_accounts(tree, step);
            }
            at += group.len();
        }
    }

    fn step_state(&self, at: (usize, usize), step: &Step) -> StepState {
        // `fallback=none` allows the country rule of the first level alone.
        let is_allowed =
            !self.explanation.query.without_fallback || (at.0 == 0 && step.rule == Rule::Country.as_str());
        match self.chosen {
            _ if self.is_skipped => StepState::NotNeeded,
            Some(chosen) if chosen == at => StepState::Chosen,
            _ if !is_allowed => StepState::NotTried,
            Some(chosen) if chosen < at => StepState::NotNeeded,
            _ => StepState::PassedOver,
        }
    }

    fn step_line(&self, group: &[Step], step: &Step, state: StepState) -> String {
        let pools: Vec<&str> = group.iter().map(|step| &*step.pool).collect();
        let pools = pools.join(", ");
        let target = self.step_target(step);
        match (state, step.len()) {
            (StepState::Chosen, _) => format!("{SUCCESS}{target}{SUCCESS:#} in {pools}"),
            (StepState::PassedOver, 0) => format!("{target} in {pools}: no account"),
            (StepState::PassedOver, _) => format!("{target} in {pools}: no account is available"),
            (StepState::NotNeeded | StepState::NotTried, accounts) => {
                let accounts = match accounts {
                    0 => "no account".to_owned(),
                    number => {
                        let number = count(number, "account", "accounts");
                        format!("{number} ({})", counts(step.candidates.iter(), &step.unlisted))
                    }
                };
                let why = if state == StepState::NotTried { ", not tried" } else { "" };
                format!("{DIMMED}{target} in {pools}: {accounts}{why}{DIMMED:#}")
            }
        }
    }

    fn step_target(&self, step: &Step) -> String {
        let name = |country: &Option<String>| country.clone().unwrap_or_else(|| "—".to_owned());
        let client = &self.explanation.client.country;
        let country = name(&step.country);
        match Rule::ALL.into_iter().find(|rule| rule.as_str() == step.rule) {
            Some(Rule::CallingCode) => {
                let region = client.as_deref().and_then(Region::from_alpha2);
                match region.and_then(Region::calling_code) {
                    Some(code) => format!("calling code {code}"),
                    None => "calling code".to_owned(),
                }
            }
            Some(Rule::Geography) => format!("geography: {} is mapped to {country}", name(client)),
            Some(Rule::DefaultRegion) => format!("default region {country}"),
            // A step never has the rules of the accounts before the chain.
            Some(Rule::Country | Rule::Current | Rule::Dedicated) => format!("country {country}"),
            None => format!("{} {country}", step.rule),
        }
    }

    fn draw_accounts(&self, tree: &mut Tree, step: &Step) {
        let shown =
            |(at, candidate): &(usize, &ExplainedCandidate)| *at < first_shown(step) || candidate.is_chosen;
        let (listed, hidden): (Vec<_>, Vec<_>) = step.candidates.iter().enumerate().partition(shown);
        let lengths = listed.iter().map(|(_, candidate)| candidate.account.len());
        let column = lengths.filter(|&len| len <= MAX_ID_COLUMN).max().unwrap_or(0);
        for (_, candidate) in &listed {
            let id = &candidate.account;
            let weight = match candidate.weight {
                None | Some(1) => String::new(),
                Some(weight) => format!(" (weight {weight})"),
            };
            let line = if candidate.is_chosen {
                format!("{SUCCESS}✔ {id:column$}  CHOSEN{SUCCESS:#}{}", self.how_picked(step, &weight))
            } else if candidate.availability == Availability::Available.as_str() {
                format!(
                    "{DIMMED}·{DIMMED:#} {id:column$}  {DIMMED}available, but another account was picked{weight}{DIMMED:#}"
                )
            } else {
                format!("{ERROR}✘{ERROR:#} {id:column$}  {}", reason(candidate))
            };
            tree.line(ACCOUNT, ACCOUNT_REST, &line);
        }
        let more = step.len() - listed.len();
        if more > 0 {
            let counts = counts(hidden.into_iter().map(|(_, candidate)| candidate), &step.unlisted);
            tree.line(ACCOUNT, ACCOUNT_REST, &format!("{DIMMED}… and {more} more: {counts}{DIMMED:#}"));
        }
    }

    /// Returns how the chosen account was picked among the available accounts.
    fn how_picked(&self, step: &Step, weight: &str) -> String {
        let is_available = |of: &str| of == Availability::Available.as_str();
        let listed = step.candidates.iter().filter(|candidate| is_available(&candidate.availability)).count();
        let (available, at_least) = match &step.unlisted {
            Unlisted::ByAvailability(counts) => {
                let unlisted = counts.iter().filter(|(of, _)| is_available(of)).map(|(_, number)| number);
                (listed + unlisted.sum::<usize>(), "")
            }
            Unlisted::Counted(0) => (listed, ""),
            Unlisted::Counted(_) => (listed, "at least "),
        };
        match (available, self.explanation.query.names_client) {
            (0 | 1, _) => String::new(),
            (_, true) => format!(" among {at_least}{available}{weight}: the same for this client each time"),
            (_, false) => {
                format!(" among {at_least}{available}{weight}, at random: the query has no `client`")
            }
        }
    }
}

/// Returns the number of accounts that a step shows from its beginning. A chosen account beyond them is shown, too.
fn first_shown(step: &Step) -> usize {
    let is_beyond = step.candidates.iter().skip(MAX_ACCOUNTS).any(|candidate| candidate.is_chosen);
    MAX_ACCOUNTS - usize::from(is_beyond)
}

/// Counts accounts by availability, such as `1 available, 2 draining`.
fn counts<'c>(
    candidates: impl Iterator<Item = &'c ExplainedCandidate> + Clone,
    unlisted: &Unlisted,
) -> String {
    let of = |availability: &str| {
        let listed = candidates.clone().filter(|candidate| candidate.availability == availability).count();
        let unlisted = match unlisted {
            Unlisted::ByAvailability(counts) => {
                counts.iter().find(|(of, _)| *of == availability).map_or(0, |(_, number)| *number)
            }
            Unlisted::Counted(_) => 0,
        };
        listed + unlisted
    };
    let known = std::iter::once(CURRENT).chain(Availability::ALL.map(Availability::as_str));
    let mut parts: Vec<String> = known
        .map(|availability| (of(availability), availability))
        .filter(|(number, _)| *number > 0)
        .map(|(number, availability)| format!("{number} {availability}"))
        .collect();
    if let Unlisted::Counted(more @ 1..) = unlisted {
        parts.push(format!("{more} not listed"));
    }
    parts.join(", ")
}

fn draw_folded(tree: &mut Tree, folded: &mut usize, passed: bool) {
    if *folded > 0 {
        let condition = if passed { " without an available account" } else { "" };
        let levels = count(*folded, "more level", "more levels");
        tree.line("", "", &format!("{DIMMED}… {levels}{condition}{DIMMED:#}"));
        *folded = 0;
    }
}

fn draw_heading(tree: &mut Tree, ou: &str, climbed: u32, note: &str) {
    let far = match climbed {
        0 => "OU of the query".to_owned(),
        climbed => ous_up(climbed),
    };
    tree.line("", "  ", &format!("{HEADING}OU {ou}{HEADING:#} {DIMMED}({far}){note}{DIMMED:#}"));
}
