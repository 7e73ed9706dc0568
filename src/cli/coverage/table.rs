//! The coverage as text: a table for each company, with a line for each OU and channel, and totals.

use std::collections::{BTreeMap, BTreeSet};
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

/// The names of the columns, in two parts. The parts share a line if the terminal is wide enough.
const HEADERS: [[&str; 2]; 6] = [
    ["", "country"],
    ["calling", "_code"],
    ["geo", "graphy"],
    ["default", "_region"],
    ["no ", "account"],
    ["thereof ", "climbed"],
];

struct TableLine<'s> {
    ou: &'s str,
    /// The number of further OUs with the same decisions, such as ` +5`.
    more: String,
    /// The channel, with the role if it is not the channel's conversation role.
    channel: String,
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
        let channels = scoped.channels.iter().map(|(channel, _)| channel).collect::<BTreeSet<_>>().len();
        let pairs = match scoped.channels.len() {
            pairs if pairs == channels => String::new(),
            pairs => format!(", {pairs} pairs of channel and role"),
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "{HEADING}{company}{HEADING:#}: {}, {}{pairs}, {} countries each",
            count(scoped.ous.len(), "OU", "OUs"),
            count(channels, "channel", "channels"),
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
        let rows: Vec<usize> = scoped
            .channels
            .iter()
            .map(|&(channel, role)| decisions.row_of(scoped.company, ou, channel, role))
            .collect();
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
        for (&row, &(channel, role)) in rows.iter().zip(&scoped.channels) {
            let counts =
                counts_of_row.entry(row).or_insert_with(|| RuleCounts::from_row(&decisions.row(row)));
            total.add(counts, ous.len());
            let channel = snapshot.channel(channel);
            let channel = match channel.conversation_role() == role {
                true => channel.id().to_owned(),
                false => format!("{} ({})", channel.id(), role.as_str()),
            };
            lines.push(TableLine { ou, more: more.clone(), channel, counts: counts.clone() });
        }
    }
    (lines, total)
}

fn table(text: &mut String, lines: &[TableLine<'_>], total: &RuleCounts, terminal: usize) {
    let longest = |of: fn(&TableLine<'_>) -> usize| lines.iter().map(of).max().unwrap_or(0);
    let channel = longest(|line| line.channel.len()).clamp("channel".len(), MAX_NAME_COLUMN);
    let names = longest(|line| line.ou.len() + line.more.len()).clamp("total".len(), MAX_NAME_COLUMN);
    let total_width = total.total().to_string().len();
    let columns = |is_wide: bool| {
        HEADERS.map(|[first, second]| match is_wide {
            true => total_width.max(first.len() + second.len()),
            false => total_width.max(first.trim_end().len()).max(second.len()),
        })
    };
    let rest =
        |is_wide: bool| channel + columns(is_wide).iter().sum::<usize>() + (HEADERS.len() + 1) * COLUMN_GAP;
    let is_wide = names + rest(true) <= terminal;
    let (numbers, rest) = (columns(is_wide), rest(is_wide));
    let ou = names.min(terminal.saturating_sub(rest).max(MIN_NAME_COLUMN));
    let reasons = lines.iter().map(|line| why(&line.counts.reasons).len()).max().unwrap_or(0);
    let widths = Widths { ou, channel, numbers, reasons: ou + rest + COLUMN_GAP + reasons <= terminal };
    for line in if is_wide { 1..2 } else { 0..2 } {
        let (ou, channel) = if line == 0 { ("", "") } else { ("OU", "channel") };
        let mut header = format!("{ou:<0$}  {channel:<1$}", widths.ou, widths.channel);
        for ([first, second], width) in HEADERS.iter().zip(widths.numbers) {
            let name = match (is_wide, line) {
                (true, _) => format!("{first}{second}"),
                (false, 0) => first.trim_end().to_owned(),
                (false, _) => (*second).to_owned(),
            };
            let _ = write!(header, "  {name:>width$}");
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
        row(text, &widths, &ou, &line.channel, &line.counts, Style::new());
    }
    row(text, &Widths { reasons: false, ..widths }, "total", "", total, HEADING);
    if total.none > 0 {
        let _ = writeln!(text, "{ERROR}no account{ERROR:#}: {}", why(&total.reasons));
    }
}

struct Widths {
    ou: usize,
    channel: usize,
    numbers: [usize; HEADERS.len()],
    /// Whether the lines have room for problem codes.
    reasons: bool,
}

fn row(text: &mut String, widths: &Widths, ou: &str, channel: &str, counts: &RuleCounts, style: Style) {
    let channel = short(channel, widths.channel);
    let _ = write!(text, "{style}{ou:<0$}  {channel:<1$}", widths.ou, widths.channel);
    let RuleCounts { country, calling_code, geography, default_region, none, climbed, reasons } = counts;
    let numbers = [country, calling_code, geography, default_region, none, climbed];
    for (at, (number, width)) in numbers.into_iter().zip(widths.numbers).enumerate() {
        // Those that climbed are counted in the columns of their rules as well.
        let number = match (number, at + 1 == HEADERS.len()) {
            (0, _) => ZERO.to_owned(),
            (number, false) => number.to_string(),
            (number, true) => format!("({number})"),
        };
        let is_gap = *none > 0 && at + 2 == HEADERS.len();
        let _ = match is_gap {
            true => write!(text, "{style:#}{ERROR}  {number:>width$}{ERROR:#}{style}"),
            false => write!(text, "  {number:>width$}"),
        };
    }
    let reasons = if widths.reasons && *none > 0 { format!("  {}", why(reasons)) } else { String::new() };
    let _ = writeln!(text, "{style:#}{reasons}");
}

fn why(reasons: &BTreeMap<&'static str, usize>) -> String {
    let reasons: Vec<String> = match reasons.len() {
        1 => reasons.keys().map(|reason| (*reason).to_owned()).collect(),
        _ => reasons.iter().map(|(reason, number)| format!("{reason} {number}")).collect(),
    };
    reasons.join(", ")
}

fn in_words(counts: &RuleCounts) -> String {
    let RuleCounts { country, calling_code, geography, default_region, none, climbed, reasons } = counts;
    let mut text = format!(
        "{} decisions: {country} country, {calling_code} calling_code, {geography} geography, {default_region} \
         default_region, {none} no account",
        counts.total()
    );
    if *none > 0 {
        let _ = write!(text, " ({})", why(reasons));
    }
    let _ = write!(text, "; {climbed} of them climbed");
    text
}

fn short(name: &str, width: usize) -> String {
    match name.char_indices().nth(width) {
        None => name.to_owned(),
        Some(_) => name.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}
