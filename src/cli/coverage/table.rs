//! The coverage as text: a table for each company, with a line for each OU and channel, and totals.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::Style;
use switchboard_model::Region;
use switchboard_pipeline::analysis::{DecisionTable, RuleCounts, Scoped};
use switchboard_snapshot::OuIdx;

use crate::cli::output::{ERROR, HEADING, count};

/// Longer names are shortened to this width, so that the table fits a terminal.
const MAX_NAME_COLUMN: usize = 40;
/// Minimum width of the column of OUs, even if the table does not fit the terminal.
const MIN_NAME_COLUMN: usize = 10;
const COLUMN_GAP: usize = 2;
const ZERO: &str = "-";

/// The headers have two lines, so that the table fits a terminal of 80 columns.
const HEADERS: [[&str; 2]; 6] = [
    ["", "country"],
    ["calling", "code"],
    ["geo-", "graphy"],
    ["default", "region"],
    ["", "climbed"],
    ["no", "account"],
];
/// The width of the widest header.
const MIN_NUMBER_COLUMN: usize = 7;

struct TableLine<'s> {
    ou: &'s str,
    /// The number of further OUs with the same decisions, such as ` +5`.
    more: String,
    channel: &'s str,
    counts: RuleCounts,
}

/// Renders the tables of all companies. With `fold`, OUs with the same decisions share a line.
pub(super) fn render(
    decisions: &mut DecisionTable<'_>,
    scope: &[Scoped],
    fold: bool,
    terminal: Option<usize>,
) -> String {
    let snapshot = decisions.snapshot();
    let mut text = String::new();
    let mut all = RuleCounts::default();
    for scoped in scope {
        let (lines, total) = lines(decisions, scoped, fold);
        let company = snapshot.company(scoped.company).id();
        if !text.is_empty() {
            text.push('\n');
        }
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "{HEADING}{company}{HEADING:#}: {}, {}, {} countries each",
            count(scoped.ous.len(), "OU", "OUs"),
            count(scoped.channels.len(), "channel", "channels"),
            Region::COUNT,
        );
        match (scoped.ous.is_empty(), scoped.channels.is_empty()) {
            (true, _) => text.push_str("The company has no OU, so it has no decisions.\n"),
            (_, true) => text.push_str(
                "The company has no pool, so it has no decisions. --channel ID shows a channel without a pool.\n",
            ),
            _ => table(&mut text, &lines, &total, terminal.unwrap_or(usize::MAX)),
        }
        all.add(&total, 1);
    }
    if scope.len() > 1 {
        let _ = writeln!(text, "\n{HEADING}all companies{HEADING:#}: {}", in_words(&all));
    }
    if scope.is_empty() {
        text.push_str("The source has no company, so it has no decisions.\n");
    }
    text
}

fn lines<'s>(
    decisions: &mut DecisionTable<'s>,
    scoped: &Scoped,
    fold: bool,
) -> (Vec<TableLine<'s>>, RuleCounts) {
    let snapshot = decisions.snapshot();
    let (mut lines, mut total) = (Vec::new(), RuleCounts::default());
    let mut counts_of_row: BTreeMap<usize, RuleCounts> = BTreeMap::new();
    // Groups OUs by their rows on all channels, in the order of the first OU of each group.
    let mut groups: Vec<(Vec<usize>, Vec<OuIdx>)> = Vec::new();
    let mut group_of_rows: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    for &ou in &scoped.ous {
        let rows: Vec<usize> =
            scoped.channels.iter().map(|&channel| decisions.row_of(scoped.company, ou, channel)).collect();
        let next = groups.len();
        let group = if fold { *group_of_rows.entry(rows.clone()).or_insert(next) } else { next };
        match groups.get_mut(group) {
            Some((_, ous)) => ous.push(ou),
            None => groups.push((rows, vec![ou])),
        }
    }
    for (rows, ous) in &groups {
        let Some(&first) = ous.first() else { continue };
        let ou = snapshot.ou(first).id();
        let more = if ous.len() > 1 { format!(" +{}", ous.len() - 1) } else { String::new() };
        for (&row, &channel) in rows.iter().zip(&scoped.channels) {
            let counts =
                counts_of_row.entry(row).or_insert_with(|| RuleCounts::from_row(&decisions.row(row)));
            total.add(counts, ous.len());
            let channel = snapshot.channel(channel).id();
            lines.push(TableLine { ou, more: more.clone(), channel, counts: counts.clone() });
        }
    }
    (lines, total)
}

fn table(text: &mut String, lines: &[TableLine<'_>], total: &RuleCounts, terminal: usize) {
    let longest = |of: fn(&TableLine<'_>) -> usize| lines.iter().map(of).max().unwrap_or(0);
    let number = total.total().to_string().len().max(MIN_NUMBER_COLUMN);
    let channel = longest(|line| line.channel.len()).clamp("channel".len(), MAX_NAME_COLUMN);
    let rest = channel + HEADERS.len() * (number + COLUMN_GAP) + COLUMN_GAP;
    let ou = terminal.saturating_sub(rest).clamp(MIN_NAME_COLUMN, MAX_NAME_COLUMN);
    let ou = longest(|line| line.ou.len() + line.more.len()).clamp("total".len(), ou);
    let reasons = lines.iter().map(|line| why(&line.counts.reasons).len()).max().unwrap_or(0);
    let widths = Widths { ou, channel, number, reasons: ou + rest + COLUMN_GAP + reasons <= terminal };
    for line in [0, 1] {
        let (ou, channel) = if line == 0 { ("", "") } else { ("OU", "channel") };
        let mut header = format!("{ou:<0$}  {channel:<1$}", widths.ou, widths.channel);
        for text in HEADERS.iter().filter_map(|header| header.get(line)) {
            let _ = write!(header, "  {text:>0$}", widths.number);
        }
        let _ = writeln!(text, "{HEADING}{}{HEADING:#}", header.trim_end());
    }
    let mut previous = "";
    for line in lines {
        // Only the first line of an OU has its name. The name is shortened, the number of further OUs is not.
        let ou = match line.ou == previous {
            true => String::new(),
            false => short(line.ou, widths.ou.saturating_sub(line.more.len())) + &line.more,
        };
        previous = line.ou;
        row(text, &widths, &ou, line.channel, &line.counts, Style::new());
    }
    row(text, &Widths { reasons: false, ..widths }, "total", "", total, HEADING);
    if total.none > 0 {
        let _ = writeln!(text, "{ERROR}none{ERROR:#}: {}", why(&total.reasons));
    }
}

struct Widths {
    ou: usize,
    channel: usize,
    number: usize,
    /// Whether the lines have room for problem codes.
    reasons: bool,
}

fn row(text: &mut String, widths: &Widths, ou: &str, channel: &str, counts: &RuleCounts, style: Style) {
    let channel = short(channel, widths.channel);
    let _ = write!(text, "{style}{ou:<0$}  {channel:<1$}", widths.ou, widths.channel);
    let RuleCounts { country, calling_code, mapping, default, climbed, none, reasons } = counts;
    for number in [country, calling_code, mapping, default, climbed] {
        let number = if *number == 0 { ZERO.to_owned() } else { number.to_string() };
        let _ = write!(text, "  {number:>0$}", widths.number);
    }
    let _ = match none {
        0 => writeln!(text, "  {ZERO:>0$}{style:#}", widths.number),
        none => {
            let reasons = if widths.reasons { format!("  {}", why(reasons)) } else { String::new() };
            writeln!(text, "{style:#}{ERROR}  {none:>0$}{ERROR:#}{reasons}", widths.number)
        }
    };
}

fn why(reasons: &BTreeMap<&'static str, usize>) -> String {
    let reasons: Vec<String> = match reasons.len() {
        1 => reasons.keys().map(|reason| (*reason).to_owned()).collect(),
        _ => reasons.iter().map(|(reason, number)| format!("{reason} {number}")).collect(),
    };
    reasons.join(", ")
}

fn in_words(counts: &RuleCounts) -> String {
    let RuleCounts { country, calling_code, mapping, default, climbed, none, reasons } = counts;
    let mut text = format!(
        "{} decisions: {country} by country, {calling_code} by calling code, {mapping} by mapping, {default} by \
         default, {climbed} climbed, {none} none",
        counts.total()
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
