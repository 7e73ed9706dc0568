//! The changes as text: totals, then groups of similar changes, errors first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::rc::Rc;

use anstyle::Style;
use switchboard_model::{Region, Role, SelectError};
use switchboard_pipeline::analysis::compare::{
    CandidateDifference, Cells, Change, ChangeGroup, Changes, Comparison, DecisionChange, StepChange,
};
use switchboard_pipeline::analysis::replay::{AnswerChange, Replay, SelectionChange};
use switchboard_pipeline::analysis::{Decision, DecisionTable};

use crate::cli::output::{ERROR, HEADING, SUCCESS, WARNING, count, ous_up};

/// Maximum number of ids in a list. Further ids are counted.
const MAX_IDS: usize = 3;
const MAX_COUNTRIES: usize = 12;
/// Maximum number of lines with OUs and countries for one change.
const MAX_CELLS: usize = 4;
/// Maximum number of changes of one kind.
const MAX_FOLDS: usize = 100;
/// Maximum number of recorded queries that are named as examples.
const MAX_EXAMPLE_LINES: usize = 3;

/// Returns a line if the number of companies changes from one to several.
pub(super) fn company_line(comparison: &Comparison<'_>) -> String {
    if !comparison.is_one_to_several() {
        return String::new();
    }
    format!(
        "{WARNING}the companies change from 1 to {}{WARNING:#}: queries that leave out `company` become bad_request\n",
        comparison.new.snapshot().companies().len()
    )
}

/// Renders all changes, with styles for a terminal.
pub(super) fn render<'s>(
    comparison: &mut Comparison<'s>,
    changes: &Changes<'s>,
    replay: Option<&Replay<'_>>,
) -> String {
    let mut text = totals(changes);
    let Folded { one_sided, folds } = fold(comparison, changes);
    if !one_sided.is_empty() {
        text.push('\n');
    }
    for (missing, decisions) in &one_sided {
        text.push_str(&missing_line(*missing, decisions));
    }
    for change in DecisionChange::ALL {
        let folds_of_change: Vec<&ChangeFold<'_>> =
            folds.iter().filter(|fold| fold.change == change).collect();
        let (heading, style) = heading(change);
        if !folds_of_change.is_empty() {
            let _ = writeln!(text, "\n{style}{heading}{style:#}");
        }
        for fold in folds_of_change.iter().take(MAX_FOLDS) {
            write_change(&mut text, fold);
        }
        if let more @ 1.. = folds_of_change.len().saturating_sub(MAX_FOLDS) {
            let _ = writeln!(text, "  … and {more} more such changes; --format json lists every change");
        }
    }
    if let Some(replay) = replay {
        write_replay(&mut text, replay);
    }
    text
}

/// Renders the number of changes of each kind, errors first. Only the first number has its noun.
fn totals(changes: &Changes<'_>) -> String {
    let mut parts = Vec::new();
    for (change, number) in changes.counts() {
        let words = match change {
            Change::BecomesError if number == 1 => "becomes an error",
            Change::BecomesError => "become errors",
            Change::OtherError => "fail with another code",
            Change::Answered => "no longer fail",
            Change::Answer(StepChange::Moved) => "change rule, level or pool",
            Change::Answer(StepChange::Accounts) => "change accounts",
            Change::Answer(StepChange::Level) => "change only the level",
        };
        let (_, style) = heading(change);
        if number > 0 {
            let noun =
                if parts.is_empty() { count(number, "decision", "decisions") } else { number.to_string() };
            parts.push(format!("{style}{noun} {words}{style:#}"));
        }
    }
    let changed: usize = changes.counts().iter().map(|(_, number)| number).sum();
    if parts.is_empty() {
        return format!("{SUCCESS}no decision changes{SUCCESS:#}; {} compared\n", changes.compared);
    }
    format!("{}; {} of {} are unchanged\n", parts.join(", "), changes.compared - changed, changes.compared)
}

fn heading(change: DecisionChange) -> (&'static str, Style) {
    match change {
        Change::BecomesError => ("become errors", ERROR),
        Change::OtherError => ("fail with another code", WARNING),
        Change::Answered => ("no longer fail", SUCCESS),
        Change::Answer(StepChange::Moved) => ("change rule, level or pool", WARNING),
        Change::Answer(StepChange::Accounts) => ("change accounts", HEADING),
        Change::Answer(StepChange::Level) => ("change only the level: the accounts stay the same", HEADING),
    }
}

fn missing_line(missing: Missing<'_>, decisions: &OneSided<'_>) -> String {
    let Missing { company, old_has, code } = missing;
    let OneSided { names, answered, refused } = decisions;
    let (singular, plural, listed) = match code {
        SelectError::UnknownOu => ("OU", "OUs", format!(" {}", ids(names.iter().copied()))),
        SelectError::UnknownChannel => ("channel", "channels", format!(" {}", ids(names.iter().copied()))),
        _ => ("company", "companies", String::new()),
    };
    let noun = if names.len() > 1 { count(names.len(), singular, plural) } else { format!("the {singular}") };
    let (are, code) = (if names.len() > 1 { "are" } else { "is" }, code.as_str());
    let failed = |words: &str| if *refused > 0 { format!(", {refused} {words}") } else { String::new() };
    let answered = count(*answered, "decision", "decisions");
    let (style, what, words) = if old_has {
        (ERROR, "removed", format!("{answered} become {code}{}", failed("failed before")))
    } else {
        (SUCCESS, "new", format!("{answered} have an account{}", failed("have none")))
    };
    format!("{HEADING}{company}{HEADING:#}: {noun}{listed} {are} {style}{what}{style:#}: {words}\n")
}

fn write_change(text: &mut String, fold: &ChangeFold<'_>) {
    let ChangeFold { company, channel, roles, cells, .. } = fold;
    for (at, Cells { ous, countries }) in cells.iter().take(MAX_CELLS).enumerate() {
        let subject = if at == 0 {
            format!("{HEADING}{company} {channel} {}{HEADING:#}: ", role_names(roles))
        } else {
            "  ".to_owned()
        };
        let _ = writeln!(text, "  {subject}{}: {}", ids(ous.iter().copied()), country_list(countries));
    }
    if let more @ 1.. = cells.len().saturating_sub(MAX_CELLS) {
        let rest: usize = cells.iter().skip(MAX_CELLS).map(Cells::decisions).sum();
        let _ =
            writeln!(text, "    … and {more} more groups of OUs, {}", count(rest, "decision", "decisions"));
    }
    if cells.len() > 1 || roles.len() > 1 {
        let _ = writeln!(text, "    {} in total", count(fold.decisions(), "decision", "decisions"));
    }
    match &fold.difference {
        _ if fold.change == Change::Answer(StepChange::Level) => {
            let _ = writeln!(text, "    old: {}; new: {}", up(fold.old_climbed), up(fold.new_climbed));
        }
        Some(difference) => {
            let _ = writeln!(text, "    {}", decision(&fold.old, fold.old_climbed));
            write_difference(text, difference);
        }
        None => {
            let _ = writeln!(
                text,
                "    old: {}{}",
                decision(&fold.old, fold.old_climbed),
                account_list(&fold.old_accounts)
            );
            let _ = writeln!(
                text,
                "    new: {}{}",
                decision(&fold.new, fold.new_climbed),
                account_list(&fold.new_accounts)
            );
        }
    }
}

fn write_difference(text: &mut String, difference: &CandidateDifference<'_>) {
    let CandidateDifference { lost, gained, reweighted, altered } = difference;
    let weights = reweighted.iter().map(|(id, old, new)| format!("{id} from {old} to {new}"));
    let weights: Vec<String> = weights.collect();
    let lists = [
        ("accounts removed:", lost.clone()),
        ("accounts added:", gained.clone()),
        ("weight changed:", weights.iter().map(String::as_str).collect()),
        ("address or country changed:", altered.clone()),
    ];
    for (what, list) in lists {
        if !list.is_empty() {
            let _ = writeln!(text, "      {what} {}", ids(list.into_iter()));
        }
    }
}

/// Renders `primary`, `secondary`, or `primary and secondary`.
fn role_names(roles: &BTreeSet<Role>) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" and ")
}

/// Renders `country, pool emea-whatsapp at emea, 1 OU up`, or the code of a problem.
fn decision(summary: &DecisionSummary<'_>, climbed: ClimbRange) -> String {
    match &summary.pool {
        None => format!("{ERROR}{}{ERROR:#}", summary.rule),
        Some(pool) => {
            let up = match climbed {
                None | Some((0, 0)) => String::new(),
                climbed => format!(", {}", up(climbed)),
            };
            format!("{}, pool {} at {}{up}", summary.rule, pool.id, pool.ou)
        }
    }
}

fn up(climbed: ClimbRange) -> String {
    match climbed {
        Some((least, most)) if least < most => format!("{least} to {most} OUs up"),
        climbed => ous_up(climbed.map_or(0, |(least, _)| least)),
    }
}

fn account_list(accounts: &BTreeSet<&str>) -> String {
    if accounts.is_empty() { String::new() } else { format!(": {}", ids(accounts.iter().copied())) }
}

/// Renders the first ids, and the number of the others.
fn ids<'i>(ids: impl ExactSizeIterator<Item = &'i str>) -> String {
    let more = ids.len().saturating_sub(MAX_IDS);
    let named = ids.take(MAX_IDS).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{named} +{more} more") } else { named }
}

fn country_list(countries: &[Region]) -> String {
    if countries.len() == Region::COUNT {
        return "every country".to_owned();
    }
    let named: Vec<&str> = countries.iter().take(MAX_COUNTRIES).map(|region| region.alpha2()).collect();
    let more = if countries.len() > MAX_COUNTRIES { " …" } else { "" };
    let noun = if countries.len() == 1 { "country" } else { "countries" };
    format!("{} {noun} ({}{more})", countries.len(), named.join(" "))
}

fn write_replay(text: &mut String, replay: &Replay<'_>) {
    let percent = |number: usize| {
        let share = if replay.asked == 0 { 0.0 } else { number as f64 * 100.0 / replay.asked as f64 };
        format!("{number:>9}  {share:>6.2} %")
    };
    let transitions = replay.named_transitions();
    let asked = count(replay.asked, "recorded query", "recorded queries");
    let _ = writeln!(text, "\n{HEADING}{asked}{HEADING:#}");
    let _ = writeln!(text, "  {}  are unchanged", percent(replay.same()));
    for change in AnswerChange::ALL {
        let (words, style) = match change {
            Change::BecomesError => ("become errors", ERROR),
            Change::OtherError => ("fail with another code", WARNING),
            Change::Answered => ("no longer fail", SUCCESS),
            Change::Answer(SelectionChange::OtherAccount) => ("get another account", WARNING),
            Change::Answer(SelectionChange::SameAccount) => {
                ("get the same account, with other fields", HEADING)
            }
        };
        let number = replay.count(change);
        if number == 0 && change != Change::BecomesError {
            continue;
        }
        let style = if number > 0 { style } else { Style::new() };
        let _ = writeln!(text, "  {}  {style}{words}{style:#}", percent(number));
        for ((_, old, new), lines) in transitions.iter().filter(|((of, ..), _)| *of == change) {
            let named: Vec<String> = lines.iter().take(MAX_EXAMPLE_LINES).map(usize::to_string).collect();
            let more = if lines.len() > MAX_EXAMPLE_LINES { " …" } else { "" };
            let noun = if lines.len() == 1 { "line" } else { "lines" };
            let (share, named) = (percent(lines.len()), named.join(", "));
            let _ = writeln!(text, "  {share}    {old} → {new}: {noun} {named}{more}");
        }
    }
    if let malformed @ 1.. = replay.bad.len() {
        let lines = count(malformed, "line", "lines");
        let _ = writeln!(text, "  {ERROR}not counted above: {lines} with a malformed query{ERROR:#}");
    }
}

/// The rule and the pool of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct DecisionSummary<'s> {
    /// The rule of the decision, or the code of the problem.
    rule: &'static str,
    pool: Option<PoolAt<'s>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PoolAt<'s> {
    id: &'s str,
    ou: &'s str,
}

/// The smallest and the largest number of levels climbed.
type ClimbRange = Option<(u32, u32)>;

/// Decisions that change in the same way.
struct ChangeFold<'s> {
    change: DecisionChange,
    company: &'s str,
    channel: &'s str,
    /// The roles whose decisions change so, for the same OUs and countries.
    roles: BTreeSet<Role>,
    old: DecisionSummary<'s>,
    new: DecisionSummary<'s>,
    old_climbed: ClimbRange,
    new_climbed: ClimbRange,
    /// The difference between the accounts, if only the accounts change.
    difference: Option<Rc<CandidateDifference<'s>>>,
    /// The available accounts, of all countries together.
    old_accounts: BTreeSet<&'s str>,
    new_accounts: BTreeSet<&'s str>,
    cells: Vec<Cells<'s>>,
}

/// The decisions about OUs, channels or a company that only one side has.
#[derive(Debug, Default, PartialEq, Eq)]
struct OneSided<'s> {
    /// The OUs or channels that are missing on the other side. Empty if the company is missing.
    names: BTreeSet<&'s str>,
    /// Number of decisions with an account, on the side that has them.
    answered: usize,
    refused: usize,
}

/// The part that is missing on one side. It is the key of [`OneSided`] decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Missing<'s> {
    company: &'s str,
    old_has: bool,
    /// The problem code on the side without this part.
    code: SelectError,
}

struct Folded<'s> {
    one_sided: BTreeMap<Missing<'s>, OneSided<'s>>,
    folds: Vec<ChangeFold<'s>>,
}

/// Folds groups of changes that have the same rules and pools on both sides. Their accounts may differ by
/// country.
fn fold<'s>(comparison: &mut Comparison<'s>, changes: &Changes<'s>) -> Folded<'s> {
    let mut folded = Folded { one_sided: BTreeMap::new(), folds: Vec::new() };
    let mut fold_of_key: BTreeMap<_, usize> = BTreeMap::new();
    for group in &changes.groups {
        let ChangeGroup { change, company, channel, role, old, new, cells: of } = group;
        if let Some((missing, names)) = find_missing(company, old, new) {
            let one = folded.one_sided.entry(missing).or_default();
            match names {
                Names::Ous => one.names.extend(of.iter().flat_map(|place| &place.ous)),
                Names::Channel => drop(one.names.insert(channel)),
                Names::Nothing => {}
            }
            let answered = if missing.old_has { old.served() } else { new.served() };
            *(if answered.is_some() { &mut one.answered } else { &mut one.refused }) += group.decisions();
            continue;
        }
        let difference = match (change, old, new) {
            (Change::Answer(StepChange::Accounts), Decision::Served(old), Decision::Served(new)) => {
                comparison.difference(old, new)
            }
            _ => None,
        };
        let summaries =
            (DecisionSummary::new(&comparison.old, old), DecisionSummary::new(&comparison.new, new));
        let next = folded.folds.len();
        // If only the level changes, rules and pools are not shown.
        let summary_key = (*change != Change::Answer(StepChange::Level)).then_some(summaries);
        let at = *fold_of_key
            .entry((*change, *company, *channel, *role, summary_key, difference.clone()))
            .or_insert(next);
        if at == next {
            folded.folds.push(ChangeFold {
                change: *change,
                company,
                channel,
                roles: BTreeSet::from([*role]),
                old: summaries.0,
                new: summaries.1,
                old_climbed: None,
                new_climbed: None,
                difference,
                old_accounts: BTreeSet::new(),
                new_accounts: BTreeSet::new(),
                cells: Vec::new(),
            });
        }
        if let Some(fold) = folded.folds.get_mut(at) {
            extend_range(&mut fold.old_climbed, old);
            extend_range(&mut fold.new_climbed, new);
            fold.old_accounts.extend(comparison.old.available_ids(old));
            fold.new_accounts.extend(comparison.new.available_ids(new));
            fold.cells.extend(of.iter().cloned());
        }
    }
    for fold in &mut folded.folds {
        fold.cells = Cells::merge(std::mem::take(&mut fold.cells));
    }
    folded.folds = merge_roles(folded.folds);
    folded
}

/// Merges folds that differ only in the role and in the accounts.
fn merge_roles(folds: Vec<ChangeFold<'_>>) -> Vec<ChangeFold<'_>> {
    let mut merged: Vec<ChangeFold<'_>> = Vec::with_capacity(folds.len());
    let mut position_of_key = BTreeMap::new();
    for fold in folds {
        let decisions = (fold.change, fold.company, fold.channel, fold.old, fold.new);
        let climbed = (fold.old_climbed, fold.new_climbed);
        let key = (decisions, climbed, fold.difference.clone(), fold.cells.clone());
        let at = *position_of_key.entry(key).or_insert(merged.len());
        match merged.get_mut(at) {
            Some(other) => {
                other.roles.extend(fold.roles);
                other.old_accounts.extend(fold.old_accounts);
                other.new_accounts.extend(fold.new_accounts);
            }
            None => merged.push(fold),
        }
    }
    merged
}

impl ChangeFold<'_> {
    fn decisions(&self) -> usize {
        self.roles.len() * self.cells.iter().map(Cells::decisions).sum::<usize>()
    }
}

impl<'s> DecisionSummary<'s> {
    fn new(table: &DecisionTable<'s>, decision: &Decision) -> DecisionSummary<'s> {
        let snapshot = table.snapshot();
        let pool =
            decision.served().map(|served| PoolAt { id: served.pool(snapshot), ou: served.ou(snapshot) });
        DecisionSummary { rule: decision.as_str(), pool }
    }
}

fn extend_range(range: &mut ClimbRange, decision: &Decision) {
    if let Some(served) = decision.served() {
        let (least, most) = range.unwrap_or((served.climbed, served.climbed));
        *range = Some((least.min(served.climbed), most.max(served.climbed)));
    }
}

/// The kind of names that a missing part is listed with.
enum Names {
    Nothing,
    Channel,
    Ous,
}

/// Returns the missing part, if one of the sides does not have the company, the channel or the OU.
fn find_missing<'s>(company: &'s str, old: &Decision, new: &Decision) -> Option<(Missing<'s>, Names)> {
    [(new, true), (old, false)].into_iter().find_map(|(decision, old_has)| {
        let Decision::Refused(code) = decision else { return None };
        let names = match code {
            SelectError::UnknownCompany => Names::Nothing,
            SelectError::UnknownChannel => Names::Channel,
            SelectError::UnknownOu => Names::Ous,
            _ => return None,
        };
        Some((Missing { company, old_has, code: *code }, names))
    })
}
