//! The table: a line for every OU and channel, with totals.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::Style;

use crate::cli::output::{ERROR, PLACE, count};
use switchboard_model::Region;
use switchboard_pipeline::analysis::{Scoped, Survey, Tally};
use switchboard_snapshot::OuIdx;

/// Longer names are cut short: the table must fit. CSV and JSON have them whole.
const LONGEST: usize = 40;
/// What is left of a name at least, on however narrow a terminal.
const SHORTEST: usize = 10;
/// Between columns.
const GAP: usize = 2;
/// Of nothing.
const NOTHING: &str = "-";

/// In two lines, so that six columns and the names fit 80.
const HEADERS: [[&str; 2]; 6] =
    [["", "country"], ["calling", "code"], ["", "mapping"], ["", "default"], ["", "climbed"], ["", "none"]];
/// As wide as the widest header.
const NARROWEST: usize = 7;

/// A line of the table.
struct Line<'s> {
    ou: &'s str,
    /// How many OUs beside it the line is about: ` +5`.
    more: String,
    channel: &'s str,
    tally: Tally,
}

/// The tables of all companies, with styles, in lines of this width where there is room for it.
pub(super) fn render(
    survey: &mut Survey<'_>,
    scope: &[Scoped],
    fold: bool,
    terminal: Option<usize>,
) -> String {
    let snapshot = survey.snapshot();
    let mut text = String::new();
    let mut all = Tally::default();
    for scoped in scope {
        let (lines, total) = lines(survey, scoped, fold);
        let company = snapshot.company(scoped.company).id();
        if !text.is_empty() {
            text.push('\n');
        }
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "{PLACE}{company}{PLACE:#}: {}, {}, {} countries each",
            count(scoped.ous.len(), "OU"),
            count(scoped.channels.len(), "channel"),
            Region::COUNT,
        );
        match (scoped.ous.is_empty(), scoped.channels.is_empty()) {
            (true, _) => text.push_str("it has no OU, so there is nothing to decide\n"),
            (_, true) => text.push_str(
                "it has no pool, so there is nothing to decide; --channel ID shows one all the same\n",
            ),
            _ => table(&mut text, &lines, &total, terminal.unwrap_or(usize::MAX)),
        }
        all.add(&total, 1);
    }
    if scope.len() > 1 {
        let _ = writeln!(text, "\n{PLACE}all companies{PLACE:#}: {}", in_words(&all));
    }
    if scope.is_empty() {
        text.push_str("there is no company, so there is nothing to decide\n");
    }
    text
}

fn lines<'s>(survey: &mut Survey<'s>, scoped: &Scoped, fold: bool) -> (Vec<Line<'s>>, Tally) {
    let snapshot = survey.snapshot();
    let (mut lines, mut total) = (Vec::new(), Tally::default());
    let mut tallies: BTreeMap<usize, Tally> = BTreeMap::new();
    // Those that decide alike on all channels, in the order of the first.
    let mut alike: Vec<(Vec<usize>, Vec<OuIdx>)> = Vec::new();
    let mut places: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    for &ou in &scoped.ous {
        let rows: Vec<usize> =
            scoped.channels.iter().map(|&channel| survey.ask(scoped.company, ou, channel)).collect();
        let next = alike.len();
        let place = if fold { *places.entry(rows.clone()).or_insert(next) } else { next };
        match alike.get_mut(place) {
            Some((_, ous)) => ous.push(ou),
            None => alike.push((rows, vec![ou])),
        }
    }
    for (rows, ous) in &alike {
        let Some(&first) = ous.first() else { continue };
        let ou = snapshot.ou(first).id();
        let more = if ous.len() > 1 { format!(" +{}", ous.len() - 1) } else { String::new() };
        for (&row, &channel) in rows.iter().zip(&scoped.channels) {
            let tally = tallies.entry(row).or_insert_with(|| Tally::of(&survey.row(row)));
            total.add(tally, ous.len());
            let channel = snapshot.channel(channel).id();
            lines.push(Line { ou, more: more.clone(), channel, tally: tally.clone() });
        }
    }
    (lines, total)
}

fn table(text: &mut String, lines: &[Line<'_>], total: &Tally, terminal: usize) {
    let longest = |of: fn(&Line<'_>) -> usize| lines.iter().map(of).max().unwrap_or(0);
    let number = total.sum().to_string().len().max(NARROWEST);
    let channel = longest(|line| line.channel.len()).clamp("channel".len(), LONGEST);
    let rest = channel + HEADERS.len() * (number + GAP) + GAP;
    let ou = terminal.saturating_sub(rest).clamp(SHORTEST, LONGEST);
    let ou = longest(|line| line.ou.len() + line.more.len()).clamp("total".len(), ou);
    let reasons = lines.iter().map(|line| why(&line.tally.reasons).len()).max().unwrap_or(0);
    let widths = Widths { ou, channel, number, reasons: ou + rest + GAP + reasons <= terminal };
    for line in [0, 1] {
        let (ou, channel) = if line == 0 { ("", "") } else { ("OU", "channel") };
        let mut header = format!("{ou:<0$}  {channel:<1$}", widths.ou, widths.channel);
        for text in HEADERS.iter().filter_map(|header| header.get(line)) {
            let _ = write!(header, "  {text:>0$}", widths.number);
        }
        let _ = writeln!(text, "{PLACE}{}{PLACE:#}", header.trim_end());
    }
    let mut last = "";
    for line in lines {
        // An OU is named once; what follows is blank.
        let ou = match line.ou == last {
            true => String::new(),
            // However little room there is, the number is whole.
            false => short(line.ou, widths.ou.saturating_sub(line.more.len())) + &line.more,
        };
        last = line.ou;
        row(text, &widths, &ou, line.channel, &line.tally, Style::new());
    }
    row(text, &Widths { reasons: false, ..widths }, "total", "", total, PLACE);
    if total.none > 0 {
        let _ = writeln!(text, "{ERROR}none{ERROR:#}: {}", why(&total.reasons));
    }
}

/// Of the columns.
struct Widths {
    ou: usize,
    channel: usize,
    number: usize,
    /// Whether there is room for why nothing serves.
    reasons: bool,
}

fn row(text: &mut String, widths: &Widths, ou: &str, channel: &str, tally: &Tally, style: Style) {
    let channel = short(channel, widths.channel);
    let _ = write!(text, "{style}{ou:<0$}  {channel:<1$}", widths.ou, widths.channel);
    let Tally { country, calling_code, mapping, default, climbed, none, reasons } = tally;
    for count in [country, calling_code, mapping, default, climbed] {
        let count = if *count == 0 { NOTHING.to_owned() } else { count.to_string() };
        let _ = write!(text, "  {count:>0$}", widths.number);
    }
    let _ = match none {
        0 => writeln!(text, "  {NOTHING:>0$}{style:#}", widths.number),
        none => {
            let why = if widths.reasons { format!("  {}", why(reasons)) } else { String::new() };
            writeln!(text, "{style:#}{ERROR}  {none:>0$}{ERROR:#}{why}", widths.number)
        }
    };
}

fn why(reasons: &BTreeMap<&'static str, usize>) -> String {
    let reasons: Vec<String> = match reasons.len() {
        1 => reasons.keys().map(|reason| (*reason).to_owned()).collect(),
        _ => reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect(),
    };
    reasons.join(", ")
}

fn in_words(tally: &Tally) -> String {
    let Tally { country, calling_code, mapping, default, climbed, none, reasons } = tally;
    let mut text = format!(
        "{} decisions: {country} by country, {calling_code} by calling code, {mapping} by mapping, {default} by \
         default, {climbed} climbed, {none} none",
        tally.sum()
    );
    if *none > 0 {
        let _ = write!(text, " ({})", why(reasons));
    }
    text
}

fn short(name: &str, width: usize) -> String {
    match name.char_indices().nth(width) {
        None => name.to_owned(),
        Some(_) => name.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}
