//! For people: the sum, then what changes alike, errors first.

use std::collections::BTreeSet;
use std::fmt::Write;

use anstyle::Style;

use super::fold::{Climbed, Fold, Folded, OneSided, Shown, Side, fold};
use crate::cli::output::{ERROR, GOOD, PLACE, WARNING, count};
use switchboard_model::Region;
use switchboard_pipeline::analysis::candidates::Difference;
use switchboard_pipeline::analysis::changes::{Changes, Place};
use switchboard_pipeline::analysis::compare::{Comparison, Kind};
use switchboard_pipeline::analysis::replay::{Fate, Replay};
use switchboard_select::Code;

/// Most ids of a kind that are named, and the others counted.
const MOST_IDS: usize = 3;
/// Most countries that are named.
const MOST_COUNTRIES: usize = 12;
/// Most lines of OUs and countries of one change.
const MOST_PLACES: usize = 4;
/// Most changes of a kind.
const MOST_FOLDS: usize = 100;
/// Most lines of a recording that are named as examples.
const MOST_LINES: usize = 3;

/// The whole, with styles.
pub(super) fn render<'s>(
    comparison: &mut Comparison<'s>,
    changes: &Changes<'s>,
    replay: Option<&Replay<'_>>,
) -> String {
    let mut text = sum(changes);
    let Folded { one_sided, folds } = fold(comparison, changes);
    if !one_sided.is_empty() {
        text.push('\n');
    }
    for (side, one) in &one_sided {
        text.push_str(&missing(*side, one));
    }
    for kind in Kind::ALL {
        let of_kind: Vec<&Fold<'_>> = folds.iter().filter(|fold| fold.kind == kind).collect();
        let (heading, style) = heading(kind);
        if !of_kind.is_empty() {
            let _ = writeln!(text, "\n{style}{heading}{style:#}");
        }
        for fold in of_kind.iter().take(MOST_FOLDS) {
            change(&mut text, fold);
        }
        if let more @ 1.. = of_kind.len().saturating_sub(MOST_FOLDS) {
            let _ = writeln!(text, "  … and {more} more such changes: --format json has them all");
        }
    }
    if let Some(replay) = replay {
        replayed(&mut text, replay);
    }
    text
}

/// Errors first, and only what there is; the first number has its noun.
fn sum(changes: &Changes<'_>) -> String {
    let mut parts = Vec::new();
    for (kind, number) in changes.counts() {
        let words = match kind {
            Kind::BecomesError if number == 1 => "becomes an error",
            Kind::BecomesError => "become errors",
            Kind::OtherError => "fail for another reason",
            Kind::Answered => "are answered now",
            Kind::Moved => "change rule, level or pool",
            Kind::Accounts => "change accounts",
            Kind::Level => "change the level alone",
        };
        let (_, style) = heading(kind);
        if number > 0 {
            let noun = if parts.is_empty() { count(number, "decision") } else { number.to_string() };
            parts.push(format!("{style}{noun} {words}{style:#}"));
        }
    }
    let changed: usize = changes.counts().iter().map(|(_, number)| number).sum();
    if parts.is_empty() {
        return format!("{GOOD}no decision changes{GOOD:#}, of {}\n", changes.compared);
    }
    format!("{}; {} of {} stay as they are\n", parts.join(", "), changes.compared - changed, changes.compared)
}

fn heading(kind: Kind) -> (&'static str, Style) {
    match kind {
        Kind::BecomesError => ("become errors", ERROR),
        Kind::OtherError => ("fail for another reason", WARNING),
        Kind::Answered => ("are answered now", GOOD),
        Kind::Moved => ("change rule, level or pool", WARNING),
        Kind::Accounts => ("change accounts", PLACE),
        Kind::Level => ("change the level alone: the same accounts answer", PLACE),
    }
}

/// What one side does not have, in one line.
fn missing((company, old_has, code): Side<'_>, one: &OneSided<'_>) -> String {
    let OneSided { names, answered, refused } = one;
    let (noun, listed) = match code {
        Code::UnknownOu => ("OU", format!(" {}", ids(names.iter().copied()))),
        Code::UnknownChannel => ("channel", format!(" {}", ids(names.iter().copied()))),
        _ => ("company", String::new()),
    };
    let noun = if names.len() > 1 { count(names.len(), noun) } else { format!("the {noun}") };
    let (are, code) = (if names.len() > 1 { "are" } else { "is" }, code.text());
    let failed = |words: &str| if *refused > 0 { format!(", {refused} {words}") } else { String::new() };
    let answered = count(*answered, "decision");
    let (style, what, words) = if old_has {
        (ERROR, "gone", format!("{answered} to {code}{}", failed("that failed anyway")))
    } else {
        (GOOD, "new", format!("{answered} answered{}", failed("not")))
    };
    format!("{PLACE}{company}{PLACE:#}: {noun}{listed} {are} {style}{what}{style:#}: {words}\n")
}

fn change(text: &mut String, fold: &Fold<'_>) {
    let Fold { company, channel, places, .. } = fold;
    for (at, Place { ous, countries }) in places.iter().take(MOST_PLACES).enumerate() {
        let subject =
            if at == 0 { format!("{PLACE}{company} {channel}{PLACE:#}: ") } else { "  ".to_owned() };
        let _ = writeln!(text, "  {subject}{}: {}", ids(ous.iter().copied()), shown_countries(countries));
    }
    if let more @ 1.. = places.len().saturating_sub(MOST_PLACES) {
        let rest: usize = places.iter().skip(MOST_PLACES).map(Place::decisions).sum();
        let _ = writeln!(text, "    … and {more} more sets of OUs, {}", count(rest, "decision"));
    }
    if places.len() > 1 {
        let _ = writeln!(text, "    {} in all", count(fold.decisions(), "decision"));
    }
    match &fold.difference {
        _ if fold.kind == Kind::Level => {
            let _ = writeln!(text, "    old: {}; new: {}", up(fold.old_climbed), up(fold.new_climbed));
        }
        Some(difference) => {
            let _ = writeln!(text, "    {}", decision(&fold.old, fold.old_climbed));
            differences(text, difference);
        }
        None => {
            let _ = writeln!(
                text,
                "    old: {}{}",
                decision(&fold.old, fold.old_climbed),
                of_accounts(&fold.old_accounts)
            );
            let _ = writeln!(
                text,
                "    new: {}{}",
                decision(&fold.new, fold.new_climbed),
                of_accounts(&fold.new_accounts)
            );
        }
    }
}

fn differences(text: &mut String, difference: &Difference<'_>) {
    let Difference { lost, gained, reweighted, altered } = difference;
    let weights = reweighted.iter().map(|(id, old, new)| format!("{id} from {old} to {new}"));
    let weights: Vec<String> = weights.collect();
    let lists = [
        ("lost", lost.clone()),
        ("gained", gained.clone()),
        ("weight of", weights.iter().map(String::as_str).collect()),
        ("other address or country of", altered.clone()),
    ];
    for (what, list) in lists {
        if !list.is_empty() {
            let _ = writeln!(text, "      {what} {}", ids(list.into_iter()));
        }
    }
}

/// `country, pool emea-whatsapp at emea, 1 up`, or the code.
fn decision(shown: &Shown<'_>, climbed: Climbed) -> String {
    match &shown.at {
        None => format!("{ERROR}{}{ERROR:#}", shown.rule),
        Some(at) => {
            let up = match climbed {
                None | Some((0, 0)) => String::new(),
                climbed => format!(", {}", up(climbed)),
            };
            format!("{}, pool {} at {}{up}", shown.rule, at.pool, at.ou)
        }
    }
}

fn up(climbed: Climbed) -> String {
    match climbed {
        Some((least, most)) if least < most => format!("{least} to {most} up"),
        climbed => format!("{} up", climbed.map_or(0, |(least, _)| least)),
    }
}

fn of_accounts(accounts: &BTreeSet<&str>) -> String {
    if accounts.is_empty() { String::new() } else { format!(": {}", ids(accounts.iter().copied())) }
}

/// The first few, and how many more.
fn ids<'i>(ids: impl ExactSizeIterator<Item = &'i str>) -> String {
    let more = ids.len().saturating_sub(MOST_IDS);
    let named = ids.take(MOST_IDS).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{named} +{more} more") } else { named }
}

fn shown_countries(countries: &[Region]) -> String {
    if countries.len() == Region::COUNT {
        return "every country".to_owned();
    }
    let named: Vec<&str> = countries.iter().take(MOST_COUNTRIES).map(|region| region.alpha2()).collect();
    let more = if countries.len() > MOST_COUNTRIES { " …" } else { "" };
    let noun = if countries.len() == 1 { "country" } else { "countries" };
    format!("{} {noun} ({}{more})", countries.len(), named.join(" "))
}

fn replayed(text: &mut String, replay: &Replay<'_>) {
    let percent = |number: usize| {
        let share = if replay.asked == 0 { 0.0 } else { number as f64 * 100.0 / replay.asked as f64 };
        format!("{number:>9}  {share:>6.2} %")
    };
    let asked = count(replay.asked, "recorded query").replace("querys", "queries");
    let _ = writeln!(text, "\n{PLACE}{asked}{PLACE:#}");
    let _ = writeln!(text, "  {}  are answered as before", percent(replay.same()));
    for fate in Fate::ALL {
        let (words, style) = match fate {
            Fate::BecomesError => ("become errors", ERROR),
            Fate::OtherError => ("fail for another reason", WARNING),
            Fate::Answered => ("are answered now", GOOD),
            Fate::OtherAccount => ("get another account", WARNING),
            Fate::SameAccount => ("get the same account otherwise", PLACE),
        };
        let number = replay.count(fate);
        if number == 0 && fate != Fate::BecomesError {
            continue;
        }
        let style = if number > 0 { style } else { Style::new() };
        let _ = writeln!(text, "  {}  {style}{words}{style:#}", percent(number));
        for ((_, old, new), lines) in replay.transitions.iter().filter(|((of, ..), _)| *of == fate) {
            let named: Vec<String> = lines.iter().take(MOST_LINES).map(usize::to_string).collect();
            let more = if lines.len() > MOST_LINES { " …" } else { "" };
            let noun = if lines.len() == 1 { "line" } else { "lines" };
            let (share, named) = (percent(lines.len()), named.join(", "));
            let _ = writeln!(text, "  {share}    {old} → {new}: {noun} {named}{more}");
        }
    }
    if let bad @ 1.. = replay.bad.len() {
        let lines = count(bad, "line");
        let _ = writeln!(text, "  {ERROR}{lines} beside them cannot be read as a query{ERROR:#}");
    }
}
