//! Finds the lines that a finding points at, for display.
//!
//! A [`Span`] names the faulty part of a line. This module finds the bytes of the part, and only when a
//! finding is shown.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use csv_core::ReadFieldResult;
use switchboard_model::E164;
use toml::de::{DeTable, DeValue};

use crate::read::{Lines, sections};
use crate::redact::redact_in_place;
use crate::{Files, Place, Span};

/// The maximum number of lines of a snippet above the fault. A snippet begins at the finding's line, such as
/// the header of an entry, if that line is not further away.
const MAX_LINES_ABOVE: u32 = 6;

/// Lines of a file with a part to underline. Phone numbers are redacted and long lines are shortened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The number of the first line, from 1.
    pub first_line: u32,
    /// The text of the lines, without the last line end.
    pub text: String,
    /// The part to underline, in bytes of `text`. Empty if something is missing at this position.
    pub fault: Range<usize>,
    /// The column in the file at which the fault begins, counted in characters from 1.
    pub column: usize,
    /// The column in the file after the end of the fault.
    pub end_column: usize,
}

/// Finds snippets in the files of a registry. Parses each file once.
pub struct Snippets<'f> {
    files: &'f Files,
    parsed: HashMap<Arc<str>, Option<ParsedFile<'f>>>,
}

struct ParsedFile<'f> {
    text: Cow<'f, str>,
    lines: Lines,
    format: Format,
}

enum Format {
    /// A TOML file with the bytes of its sections. Each section can be parsed alone.
    Toml(Vec<Range<usize>>),
    /// A CSV file with the names of its columns.
    Csv(Vec<String>),
}

impl<'f> Snippets<'f> {
    /// Creates a finder for the files that were read and checked. Parses no file before it is needed.
    pub fn new(files: &'f Files) -> Snippets<'f> {
        Snippets { files, parsed: HashMap::new() }
    }

    /// Returns the snippet of a span, with at most `width` characters a line. Returns `None` if the place is
    /// a file as a whole, or if the file does not have the span.
    pub fn find(&mut self, place: &Place, span: &Span, width: usize) -> Option<Snippet> {
        if place.line == 0 && !matches!(span, Span::Value(_)) {
            return None;
        }
        let file = self.parsed_file(&place.file)?;
        let fault = file.find(place.line.max(1), span)?;
        let last = file.lines.line_at(fault.start);
        let is_near = (1..=last).contains(&place.line) && last - place.line <= MAX_LINES_ABOVE;
        let first = if is_near { place.line } else { last };
        file.snippet(first..=last, fault, width)
    }

    fn parsed_file(&mut self, path: &Arc<str>) -> Option<&ParsedFile<'f>> {
        let files = self.files;
        let parse = || Some(ParsedFile::new(path, files.get(path)?));
        self.parsed.entry(path.clone()).or_insert_with(parse).as_ref()
    }
}

impl<'f> ParsedFile<'f> {
    fn new(path: &str, content: &'f [u8]) -> ParsedFile<'f> {
        let text = String::from_utf8_lossy(content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content));
        let lines = Lines::new(&text);
        let format = if path.ends_with(".csv") {
            let names = cells(&text, 0).into_iter().filter_map(|cell| text.get(cell)).map(cell_value);
            Format::Csv(names.collect())
        } else {
            Format::Toml(sections(&text))
        };
        ParsedFile { text, lines, format }
    }

    /// Returns the bytes of a span, up to the end of its first line and without surrounding white space.
    fn find(&self, line: u32, span: &Span) -> Option<Range<usize>> {
        let line_bytes = self.lines.bytes_of(line, &self.text);
        let found = match (span, &self.format) {
            (Span::Line, _) => line_bytes,
            (Span::Bytes(bytes), _) => bytes.clone(),
            (Span::Cell(index), _) => cells(&self.text, line_bytes.start).get(*index).cloned()?,
            (Span::Value(name), Format::Csv(_)) => self.cell(line, name)?,
            (Span::Entry(_) | Span::Item(_), Format::Csv(_)) => line_bytes,
            (_, Format::Toml(sections)) => {
                let at = sections.partition_point(|section| section.end <= line_bytes.start);
                let section = sections.get(at)?;
                let body = self.text.get(section.clone())?;
                let found = find_in_section(body, line_bytes.start.saturating_sub(section.start), span)?;
                section.start + found.start..section.start + found.end
            }
        };
        let end_of_line = self.lines.bytes_of(self.lines.line_at(found.start), &self.text).end;
        let end = found.end.min(end_of_line).max(found.start);
        let text = self.text.get(found.start..end)?;
        let start = found.start + (text.len() - text.trim_start().len());
        Some(if text.trim().is_empty() { found.start..found.start } else { start..start + text.trim().len() })
    }

    /// Returns the bytes of a row's cell in a column. Returns `None` if the file is not CSV or has no such
    /// column.
    fn cell(&self, line: u32, column: &str) -> Option<Range<usize>> {
        let Format::Csv(columns) = &self.format else { return None };
        let index = columns.iter().position(|name| name == column)?;
        cells(&self.text, self.lines.bytes_of(line, &self.text).start).get(index).cloned()
    }

    /// Returns the bytes of a line that are not redacted. They are the address of an account, because that
    /// number belongs to the company. A malformed address is redacted, because it may be a client's number.
    fn unredacted(&self, line: u32) -> Option<Range<usize>> {
        let cell = self.cell(line, "address")?;
        let address = self.text.get(cell.clone())?;
        (address.starts_with('+') && E164::parse(address).is_ok()).then_some(cell)
    }

    /// Returns the snippet of some lines. The last line has the fault.
    fn snippet(
        &self,
        lines: std::ops::RangeInclusive<u32>,
        fault: Range<usize>,
        width: usize,
    ) -> Option<Snippet> {
        let (first_line, last_line) = (*lines.start(), *lines.end());
        let mut text = String::new();
        for line in first_line..last_line {
            let bytes = self.lines.bytes_of(line, &self.text);
            let (cut_line, _) = cut(&self.redacted(line, bytes)?, 0..0, width);
            text.push_str(&cut_line);
            text.push('\n');
        }
        let bytes = self.lines.bytes_of(last_line, &self.text);
        let column_of = |offset: usize| Some(self.text.get(bytes.start..offset)?.chars().count());
        let columns = column_of(fault.start)?..column_of(fault.end)?;
        let (cut_line, focus) = cut(&self.redacted(last_line, bytes.clone())?, columns.clone(), width);
        let bytes_of = |chars: usize| cut_line.chars().take(chars).map(char::len_utf8).sum::<usize>();
        let fault = text.len() + bytes_of(focus.start)..text.len() + bytes_of(focus.end);
        text.push_str(&cut_line);
        Some(Snippet { first_line, text, fault, column: columns.start + 1, end_column: columns.end + 1 })
    }

    fn redacted(&self, line: u32, bytes: Range<usize>) -> Option<Vec<char>> {
        let original: Vec<char> = self.text.get(bytes.clone())?.chars().collect();
        let mut letters = original.clone();
        redact_in_place(&mut letters);
        if let Some(visible) = self.unredacted(line) {
            let start = self.text.get(bytes.start..visible.start)?.chars().count();
            let end = start + self.text.get(visible)?.chars().count();
            letters.get_mut(start..end)?.copy_from_slice(original.get(start..end)?);
        }
        Some(letters)
    }
}

/// Shortens a line to at most `width` characters around the focus. Returns the line and the focus in it.
fn cut(letters: &[char], focus: Range<usize>, width: usize) -> (String, Range<usize>) {
    if letters.len() <= width {
        return (letters.iter().collect(), focus);
    }
    // If the focus is long, its beginning is shown, with some text before it.
    let lead = width / 4;
    let room = width.saturating_sub(2).max(1);
    let start = if focus.end < room { 0 } else { focus.start.saturating_sub(lead) };
    let start = start.min(letters.len().saturating_sub(room));
    let end = (start + room).min(letters.len());
    let mut out = String::new();
    if start > 0 {
        out.push('…');
    }
    out.extend(letters.iter().take(end).skip(start));
    if end < letters.len() {
        out.push('…');
    }
    let moved = |at: usize| at.clamp(start, end) - start + usize::from(start > 0);
    (out, moved(focus.start)..moved(focus.end))
}

/// Returns the bytes of each cell of the CSV row that begins at `start`, including quotes.
fn cells(text: &str, start: usize) -> Vec<Range<usize>> {
    let mut reader = csv_core::Reader::new();
    let mut content = [0; 256];
    let mut cells = Vec::new();
    let (mut cell_start, mut at) = (start, start);
    loop {
        let rest = text.as_bytes().get(at..).unwrap_or_default();
        let (result, read, _) = reader.read_field(rest, &mut content);
        at += read;
        match result {
            // At the end of the text, the next call gets no bytes and returns the last cell.
            ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
            ReadFieldResult::Field { record_end } => {
                let cell = text.get(cell_start..at).unwrap_or_default();
                let cell_bytes = cell.strip_suffix([',', '\n', '\r']).unwrap_or(cell).len();
                cells.push(cell_start..cell_start + cell_bytes);
                cell_start = at;
                if record_end {
                    return cells;
                }
            }
            ReadFieldResult::End => return cells,
        }
    }
}

/// Returns the content of a cell without its quotes.
fn cell_value(cell: &str) -> String {
    match cell.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => cell.to_owned(),
    }
}

/// Returns the bytes of a span in one section of a TOML file. If several values match, prefers one that
/// begins on the line at offset `line`, then the least nested one.
fn find_in_section(section: &str, line: usize, span: &Span) -> Option<Range<usize>> {
    let (root, _) = DeTable::parse_recoverable(section);
    let mut found = Vec::new();
    find_in_table(root.get_ref(), span, &mut found);
    let line_bytes = section.get(line..)?.find('\n');
    let on_line = line..line_bytes.map_or(section.len(), |length| line + length);
    let first = found.iter().find(|bytes| on_line.contains(&bytes.start)).or_else(|| found.first());
    first.filter(|bytes| section.get((*bytes).clone()).is_some()).cloned()
}

fn find_in_table(table: &DeTable<'_>, span: &Span, found: &mut Vec<Range<usize>>) {
    for (key, value) in table.iter() {
        match span {
            Span::Value(name) if **name == **key.get_ref() => found.push(value.span()),
            Span::Entry(name) if name.eq_ignore_ascii_case(key.get_ref()) => {
                found.push(key.span().start..value.span().end);
            }
            _ => {}
        }
    }
    for (_, value) in table.iter() {
        find_in_value(value.get_ref(), span, found);
    }
}

fn find_in_value(value: &DeValue<'_>, span: &Span, found: &mut Vec<Range<usize>>) {
    match value {
        DeValue::Table(table) => find_in_table(table, span, found),
        DeValue::Array(items) => {
            for item in items {
                match (item.get_ref(), span) {
                    (DeValue::String(text), Span::Item(named)) if **text == **named => {
                        found.push(item.span());
                    }
                    (inner, _) => find_in_value(inner, span, found),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str =
        "[[pool]]\nid = \"p\" # id\nous = [\n  \"a\",\n  \"b\",\n]\ngeography = { nl = \"DE\" }\n";

    fn found(section: &str, line: usize, span: Span) -> Option<&str> {
        find_in_section(section, line, &span).map(|bytes| &section[bytes])
    }

    #[test]
    fn values_items_and_entries_are_found_by_name() {
        assert_eq!(found(POOL, 0, Span::value("id")), Some("\"p\""));
        assert_eq!(found(POOL, 0, Span::Item("b".into())), Some("\"b\""));
        assert_eq!(found(POOL, 0, Span::Entry("NL".into())), Some("nl = \"DE\""));
        assert_eq!(found(POOL, 0, Span::value("channel")), None);
    }

    #[test]
    fn values_on_the_line_are_preferred() {
        let text = "a = { x = 1 }\nb = { x = 2 }\nx = 3\n";
        for (line, value) in [(0, "1"), (14, "2"), (28, "3")] {
            assert_eq!(found(text, line, Span::value("x")), Some(value));
        }
    }

    #[test]
    fn faulty_sections_have_no_value() {
        assert_eq!(found("[[ou]\nid = \"x\"\n", 0, Span::value("name")), None);
        assert_eq!(found("", 0, Span::value("name")), None);
    }

    fn cell_texts(text: &str, start: usize) -> Vec<&str> {
        cells(text, start).into_iter().map(|cell| &text[cell]).collect()
    }

    #[test]
    fn cells_keep_their_quotes() {
        let text = "id,name\r\na,\"x, \"\"y\"\"\"\r\nb,\n,,\nlast,";
        assert_eq!(cell_texts(text, 0), ["id", "name"]);
        assert_eq!(cell_texts(text, 9), ["a", "\"x, \"\"y\"\"\""]);
        assert_eq!(cell_value("\"x, \"\"y\"\"\""), "x, \"y\"");
        let rest = text.find("b,").unwrap();
        assert_eq!(cell_texts(text, rest), ["b", ""]);
        assert_eq!(cell_texts(text, rest + 3), ["", "", ""]);
        assert_eq!(cell_texts(text, rest + 6), ["last", ""]);
        assert_eq!(cell_texts("", 0), Vec::<&str>::new());
        assert_eq!(cell_texts("\"open,\n", 0), ["\"open,"]);
    }

    #[test]
    fn cells_may_be_longer_than_the_buffer() {
        let text = format!("{},b\n", "é".repeat(2000));
        assert_eq!(cell_texts(&text, 0)[1], "b");
    }

    #[test]
    fn long_lines_are_cut_around_the_focus() {
        let line: Vec<char> = format!("{}FAULT{}", "a".repeat(500), "b".repeat(500)).chars().collect();
        let (text, focus) = cut(&line, 500..505, 40);
        assert_eq!(text, format!("…{}FAULT{}…", "a".repeat(10), "b".repeat(23)));
        assert_eq!(text.chars().skip(focus.start).take(focus.len()).collect::<String>(), "FAULT");
        let (text, focus) = cut(&line, 3..4, 40);
        assert!(text.starts_with("aaa") && text.ends_with('…') && text.chars().count() == 39);
        assert_eq!(focus, 3..4);
        let (text, focus) = cut(&line, 1005..1005, 40);
        assert!(text.starts_with('…') && text.ends_with('b'));
        assert_eq!(focus, 39..39);
        let (text, focus) = cut(&line, 0..1005, 40);
        assert_eq!((text.chars().count(), focus), (39, 0..38));
    }
}
