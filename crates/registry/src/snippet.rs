//! Finds the lines that a finding points at, for display.
//!
//! A [`Span`] names the faulty part of a line. This module finds the bytes of the part, and only when a
//! finding is shown.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::read::{Dialect, Lines, Rows, cell_value, readable_text, sections};
use crate::redact::{hidden_in_tests, is_confidential, redact_in_place};
use crate::{Files, Place, Span};

/// The maximum number of lines of a snippet above the fault. A snippet begins at the finding's line, such as
/// the header of an entry, if that line is not further away.
const MAX_LINES_ABOVE: u32 = 6;
/// The maximum number of columns of a sheet whose names are read. The reader of sheets accepts fewer.
const MAX_CELLS: usize = 1000;

/// Lines of a file with a part to underline. Long lines are shortened. In `tests.toml`, comments and the values
/// of clients are hidden, and so are other phone numbers. The numbers in other files are official numbers.
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
    lines: Lines<'f>,
    format: Format,
    /// The parts that are not shown, in ascending order. `None` if the file has no data of clients.
    hidden: Option<Vec<Range<usize>>>,
}

enum Format {
    /// A TOML file with the bytes of its sections. Each section can be parsed alone.
    Toml(Vec<Range<usize>>),
    /// A CSV file with the names of its columns, in lower case.
    Csv(Dialect, Vec<String>),
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
        let lines = Lines::new(readable_text(content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content)));
        let format = if path.ends_with(".csv") {
            let text = lines.text();
            let dialect = Dialect::of(text.as_bytes());
            let mut rows = Rows::new(text.as_bytes(), dialect, MAX_CELLS);
            // The header row is the first row with a value.
            while rows.next().is_some_and(|row| row.is_ok_and(|row| row.used == 0)) {}
            let names = rows.cells().iter().filter_map(|cell| text.get(cell.clone()));
            let names = names.map(|name| cell_value(name).trim().to_ascii_lowercase()).collect();
            Format::Csv(dialect, names)
        } else {
            Format::Toml(sections(lines.text()))
        };
        let hidden = is_confidential(path).then(|| hidden_in_tests(lines.text()));
        ParsedFile { lines, format, hidden }
    }

    /// Returns the bytes of a span, up to the end of its first line and without surrounding white space.
    fn find(&self, line: u32, span: &Span) -> Option<Range<usize>> {
        let line_bytes = self.lines.bytes_of(line);
        let found = match (span, &self.format) {
            (Span::Line, _) => line_bytes,
            (Span::Bytes(bytes), _) => bytes.clone(),
            (Span::Cell(index), Format::Csv(dialect, _)) => self.cell(*dialect, line_bytes.start, *index)?,
            (Span::Value(name), Format::Csv(dialect, names)) => {
                let index = names.iter().position(|column| **column == **name)?;
                self.cell(*dialect, line_bytes.start, index)?
            }
            (Span::Entry(_) | Span::Item(_), Format::Csv(..)) => line_bytes,
            (Span::Cell(_), Format::Toml(_)) => return None,
            (_, Format::Toml(sections)) => {
                let at = sections.partition_point(|section| section.end <= line_bytes.start);
                let section = sections.get(at)?;
                let body = self.lines.text().get(section.clone())?;
                let found = find_in_section(body, line_bytes.start.saturating_sub(section.start), span)?;
                section.start + found.start..section.start + found.end
            }
        };
        let end_of_line = self.lines.bytes_of(self.lines.line_at(found.start)).end;
        let end = found.end.min(end_of_line).max(found.start);
        let text = self.lines.text().get(found.start..end)?;
        let start = found.start + (text.len() - text.trim_start().len());
        Some(if text.trim().is_empty() { found.start..found.start } else { start..start + text.trim().len() })
    }

    /// Returns the bytes of a cell of the row that begins at an offset, with its quotes.
    fn cell(&self, dialect: Dialect, row: usize, index: usize) -> Option<Range<usize>> {
        let mut rows = Rows::at(self.lines.text().as_bytes(), dialect, row, index + 1);
        rows.next()?.ok()?;
        rows.cells().get(index).cloned()
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
            let bytes = self.lines.bytes_of(line);
            let (cut_line, _) = self.shown(bytes.clone(), bytes.start..bytes.start, width)?;
            text.push_str(&cut_line);
            text.push('\n');
        }
        let bytes = self.lines.bytes_of(last_line);
        let column_of = |offset: usize| Some(self.lines.text().get(bytes.start..offset)?.chars().count());
        let columns = column_of(fault.start)?..column_of(fault.end)?;
        let (cut_line, focus) = self.shown(bytes, fault, width)?;
        let bytes_of = |chars: usize| cut_line.chars().take(chars).map(char::len_utf8).sum::<usize>();
        let fault = text.len() + bytes_of(focus.start)..text.len() + bytes_of(focus.end);
        text.push_str(&cut_line);
        Some(Snippet { first_line, text, fault, column: columns.start + 1, end_column: columns.end + 1 })
    }

    /// Returns a line as it is shown, and the characters of it that the fault has.
    fn shown(&self, line: Range<usize>, fault: Range<usize>, width: usize) -> Option<(String, Range<usize>)> {
        // Of a very long line, only the surroundings of the fault are decoded.
        let text = self.lines.text();
        let margin = 8 * width + 64;
        let mut start = fault.start.saturating_sub(margin).max(line.start);
        let mut end = fault.start.saturating_add(margin).min(line.end);
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let count = |bytes: Range<usize>| Some(text.get(bytes)?.chars().count());
        let focus = count(start..fault.start)?..count(start..fault.end.min(end))?;
        let mut letters: Vec<char> = text.get(start..end)?.chars().collect();
        if let Some(hidden) = &self.hidden {
            let first = hidden.partition_point(|part| part.end <= start);
            let parts = hidden.iter().skip(first).take_while(|part| part.start < end);
            for part in parts {
                let from = count(start..part.start.max(start))?;
                let to = count(start..part.end.min(end))?;
                letters.get_mut(from..to)?.fill('•');
            }
            redact_in_place(&mut letters);
        }
        Some(cut(&letters, focus, width))
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

    #[test]
    fn part_of_a_very_long_line_is_shown() {
        let text = format!("id,name\n{},{}é\n", "é".repeat(100_000), "x".repeat(100_000));
        let files = Files::from_iter([("acme/ous.csv", text)]);
        let place = Place { file: "acme/ous.csv".into(), line: 2 };
        let snippet = Snippets::new(&files).find(&place, &Span::value("name"), 40).unwrap();
        assert_eq!((snippet.column, snippet.end_column), (100_002, 200_003));
        assert_eq!(snippet.text, format!("…{},{}…", "é".repeat(9), "x".repeat(28)));
        assert!(snippet.text[snippet.fault].chars().all(|letter| letter == 'x'));
    }

    #[test]
    fn numbers_are_redacted_only_where_clients_may_be_named() {
        let files = Files::from_iter([
            ("a/tests.toml", "name = \"+447400123456\"\n"),
            ("a/accounts.csv", "id;Address\nx;\"+44 7400 123456\"\n"),
        ]);
        let mut snippets = Snippets::new(&files);
        let mut found = |file: &str, line, span| {
            let place = Place { file: file.into(), line };
            let snippet = snippets.find(&place, &span, 80).unwrap();
            snippet.text[snippet.fault].to_owned()
        };
        assert_eq!(found("a/tests.toml", 1, Span::Line), "name = \"+••••••••••56\"");
        assert_eq!(found("a/accounts.csv", 2, Span::value("address")), "\"+44 7400 123456\"");
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
