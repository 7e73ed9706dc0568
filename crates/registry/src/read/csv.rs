//! Divides CSV text into rows and cells: RFC 4180, read strictly. The reader of sheets and the snippets of
//! findings share this code, so that a row has one place.
//!
//! A quote inside an unquoted cell and a text after a closing quote are faults. A lenient reader would take
//! the rows up to the next quote for the text of one cell. After a fault, reading continues at the next line.

use std::borrow::Cow;
use std::ops::Range;

use super::text::{count_line_ends, line_end, next_line};

/// The separator of a file, and the place where its header row may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) separator: u8,
    /// Where the separator was found.
    origin: SeparatorOrigin,
    /// The offset of the first line that can be the header row.
    start: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SeparatorOrigin {
    FirstLine,
    HeaderRow,
    Default,
}

impl Dialect {
    /// Finds the separator: the one that a first line such as `sep=;` names, or the comma, semicolon or tab
    /// that appears first in the header row outside quotes, or else the comma.
    pub(crate) fn of(text: &[u8]) -> Dialect {
        let first_line = text.get(..line_end(text, 0)).unwrap_or_default();
        // Excel accepts this line in quotes too. A program that saved the sheet again may have added empty cells.
        let unquoted = first_line.strip_prefix(b"\"").map(|rest| rest.trim_ascii_end());
        let unquoted = unquoted.and_then(|rest| rest.strip_suffix(b"\""));
        if let [s, e, p, b'=', separator, rest @ ..] = unquoted.unwrap_or(first_line)
            && [s, e, p].into_iter().zip(b"sep").all(|(letter, wanted)| letter.eq_ignore_ascii_case(wanted))
            && (*separator == b'\t' || (separator.is_ascii_punctuation() && *separator != b'"'))
            && rest.iter().all(|byte| byte == separator || b" \t,;".contains(byte))
        {
            let start = next_line(text, 0).unwrap_or(text.len());
            return Dialect { separator: *separator, origin: SeparatorOrigin::FirstLine, start };
        }
        let mut is_quoted = false;
        let mut is_row_empty = true;
        for &byte in text {
            match byte {
                b'"' => is_quoted = !is_quoted,
                b',' | b';' | b'\t' if !is_quoted => {
                    return Dialect { separator: byte, origin: SeparatorOrigin::HeaderRow, start: 0 };
                }
                b'\r' | b'\n' if !is_quoted && !is_row_empty => break,
                _ => {}
            }
            is_row_empty &= matches!(byte, b'\r' | b'\n');
        }
        Dialect { separator: b',', origin: SeparatorOrigin::Default, start: 0 }
    }

    /// Returns the word for the separator in messages.
    pub(super) fn separator_name(self) -> &'static str {
        match self.separator {
            b',' => "a comma",
            b';' => "a semicolon",
            b'\t' => "a tab",
            _ => "the separator",
        }
    }

    /// Returns the word for the separator if the first line names it.
    pub(super) fn named_separator(self) -> Option<&'static str> {
        (self.origin == SeparatorOrigin::FirstLine).then(|| self.separator_name())
    }

    /// Returns the word for the separator if the header row has it.
    pub(super) fn found_separator(self) -> Option<&'static str> {
        (self.origin == SeparatorOrigin::HeaderRow).then(|| self.separator_name())
    }
}

/// The rows of a text. Empty lines are no rows.
pub(crate) struct Rows<'t> {
    text: &'t [u8],
    dialect: Dialect,
    at: usize,
    /// The number of the line at `at`, from 1.
    line: u32,
    /// The maximum number of cells of a row whose bytes are kept.
    max_cells: usize,
    cells: Vec<Range<usize>>,
}

/// A row whose cells could be divided.
pub(crate) struct Row {
    /// The line on which the row begins.
    pub(crate) line: u32,
    /// The bytes of the row without its line end.
    pub(crate) bytes: Range<usize>,
    /// The number of cells.
    pub(crate) width: usize,
    /// The number of cells up to the last one that is not empty.
    pub(crate) used: usize,
}

/// A row with a faulty quote. Nothing of the row was read.
pub(crate) struct QuoteFault {
    pub(crate) kind: QuoteFaultKind,
    /// The line that has the fault.
    pub(crate) line: u32,
    /// The bytes to underline.
    pub(crate) bytes: Range<usize>,
    /// The bytes of all lines that were skipped.
    pub(crate) skipped: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuoteFaultKind {
    /// An unquoted cell contains a quote.
    InsideUnquoted,
    /// Something follows the closing quote of a cell on the same line.
    AfterClosing,
    /// A quote is not closed before the end of the file.
    NotClosed,
    /// A text follows the next quote, which is on a later line, at this offset. The next quote probably opens a
    /// cell there.
    ClosedBelow(usize),
}

impl<'t> Rows<'t> {
    pub(crate) fn new(text: &'t [u8], dialect: Dialect, max_cells: usize) -> Rows<'t> {
        let line = if dialect.start > 0 { 2 } else { 1 };
        Rows { text, dialect, at: dialect.start, line, max_cells, cells: Vec::new() }
    }

    /// Returns the rows from the line at an offset, of which only the cells are of interest.
    pub(crate) fn at(text: &'t [u8], dialect: Dialect, at: usize, max_cells: usize) -> Rows<'t> {
        Rows { text, dialect, at, line: 1, max_cells, cells: Vec::new() }
    }

    /// Returns the bytes of the first cells of the last row, with their quotes.
    pub(crate) fn cells(&self) -> &[Range<usize>] {
        &self.cells
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    /// Reads the next row.
    pub(crate) fn next(&mut self) -> Option<Result<Row, QuoteFault>> {
        self.cells.clear();
        while matches!(self.byte(self.at), Some(b'\r' | b'\n')) {
            self.advance(self.at);
        }
        let start = self.at;
        self.byte(start)?;
        let (mut width, mut used) = (0, 0);
        let mut cell_start = start;
        let end = loop {
            let end = match self.end_of_cell(cell_start) {
                Ok(end) => end,
                Err((kind, bytes)) => return Some(Err(self.recover(start, kind, bytes))),
            };
            width += 1;
            let cell = self.text.get(cell_start..end).unwrap_or_default();
            if !cell.trim_ascii().is_empty() && cell != b"\"\"" {
                used = width;
            }
            if self.cells.len() < self.max_cells {
                self.cells.push(cell_start..end);
            }
            if self.byte(end) != Some(self.dialect.separator) {
                break end;
            }
            cell_start = end + 1;
        };
        let line = self.line;
        self.advance(end);
        Some(Ok(Row { line, bytes: start..end, width, used }))
    }

    /// Moves to the line after the one that contains an offset.
    fn advance(&mut self, from: usize) {
        let next = next_line(self.text, from).unwrap_or(self.text.len());
        self.line = self.line_at(next);
        self.at = next;
    }

    /// Returns the line of an offset at or behind the present place.
    fn line_at(&self, offset: usize) -> u32 {
        let passed = self.text.get(self.at..offset).unwrap_or_default();
        self.line.saturating_add(u32::try_from(count_line_ends(passed)).unwrap_or(u32::MAX))
    }

    /// Returns the end of the cell that begins at an offset.
    fn end_of_cell(&self, start: usize) -> Result<usize, (QuoteFaultKind, Range<usize>)> {
        if self.byte(start) == Some(b'"') {
            return self.end_of_quoted(start);
        }
        let rest = self.text.get(start..).unwrap_or_default();
        let ends = |&byte: &u8| byte == self.dialect.separator || matches!(byte, b'\r' | b'\n' | b'"');
        let end = start + rest.iter().position(ends).unwrap_or(rest.len());
        match self.byte(end) {
            Some(b'"') => Err((QuoteFaultKind::InsideUnquoted, end..end + 1)),
            _ => Ok(end),
        }
    }

    fn end_of_quoted(&self, open: usize) -> Result<usize, (QuoteFaultKind, Range<usize>)> {
        let mut from = open + 1;
        loop {
            let rest = self.text.get(from..).unwrap_or_default();
            let Some(length) = memchr::memchr(b'"', rest) else {
                return Err((QuoteFaultKind::NotClosed, open..line_end(self.text, open)));
            };
            let close = from + length;
            match self.byte(close + 1) {
                Some(b'"') => from = close + 2,
                None | Some(b'\r' | b'\n') => return Ok(close + 1),
                Some(byte) if byte == self.dialect.separator => return Ok(close + 1),
                Some(_) if line_end(self.text, open) < close => {
                    return Err((QuoteFaultKind::ClosedBelow(close), open..line_end(self.text, open)));
                }
                Some(_) => return Err((QuoteFaultKind::AfterClosing, close + 1..line_end(self.text, close))),
            }
        }
    }

    /// Continues at the line after a fault.
    fn recover(&mut self, start: usize, kind: QuoteFaultKind, bytes: Range<usize>) -> QuoteFault {
        let line = self.line_at(bytes.start);
        self.advance(bytes.start);
        QuoteFault { kind, line, bytes, skipped: start..self.at }
    }
}

/// Returns the content of a cell without its quotes.
pub(crate) fn cell_value(cell: &str) -> Cow<'_, str> {
    match cell.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        Some(inner) if inner.contains('"') => Cow::Owned(inner.replace("\"\"", "\"")),
        Some(inner) => Cow::Borrowed(inner),
        None => Cow::Borrowed(cell),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns each row as its line and cells, and each fault as its line and kind.
    fn rows(text: &str) -> Vec<(u32, Result<Vec<String>, QuoteFaultKind>)> {
        let mut rows = Rows::new(text.as_bytes(), Dialect::of(text.as_bytes()), usize::MAX);
        let mut found = Vec::new();
        while let Some(row) = rows.next() {
            found.push(match row {
                Ok(row) => {
                    let cells = rows.cells().iter();
                    (row.line, Ok(cells.map(|it| cell_value(&text[it.clone()]).into_owned()).collect()))
                }
                Err(fault) => (fault.line, Err(fault.kind)),
            });
        }
        found
    }

    fn cells(line: u32, cells: &[&str]) -> (u32, Result<Vec<String>, QuoteFaultKind>) {
        (line, Ok(cells.iter().map(|&cell| cell.to_owned()).collect()))
    }

    #[test]
    fn quoted_cells_may_have_separators_quotes_and_line_ends() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("id,name{end}a,\"x, \"\"y\"\"{end}z\"{end}{end},{end}last,\"\"");
            let within = format!("x, \"y\"{end}z");
            let wanted = [
                cells(1, &["id", "name"]),
                cells(2, &["a", &within]),
                cells(5, &["", ""]),
                cells(6, &["last", ""]),
            ];
            assert_eq!(rows(&text), wanted, "{end:?}");
        }
        assert_eq!(rows(""), []);
        assert_eq!(rows("\n\r\n"), []);
    }

    #[test]
    fn each_faulty_quote_is_a_fault_of_its_own_line() {
        use QuoteFaultKind::{AfterClosing, ClosedBelow, InsideUnquoted, NotClosed};
        for end in ["\n", "\r\n", "\r"] {
            for last in ["", end] {
                let text =
                    ["a,b", "1,19\" rack", "2,\"x\"y", "3,\"x", "4,y", "5,\"z\" ", "6, \"z\"", "7,\"z"];
                let wanted = [
                    cells(1, &["a", "b"]),
                    (2, Err(InsideUnquoted)),
                    (3, Err(AfterClosing)),
                    (4, Err(ClosedBelow(text.join(end).find("\"z\" ").unwrap()))),
                    cells(5, &["4", "y"]),
                    (6, Err(AfterClosing)),
                    (7, Err(InsideUnquoted)),
                    (8, Err(NotClosed)),
                ];
                assert_eq!(rows(&(text.join(end) + last)), wanted, "{end:?} {last:?}");
            }
        }
        // The second cell of a row that begins on line 2 is faulty on line 3.
        assert_eq!(
            rows("a,b\n\"x\ny\",19\" z\nc,d"),
            [cells(1, &["a", "b"]), (3, Err(InsideUnquoted)), cells(4, &["c", "d"])]
        );
    }

    #[test]
    fn separator_is_the_first_one_of_the_header_or_the_named_one() {
        for (text, separator, header) in [
            ("id,a;b", b',', 1),
            ("id;a,b", b';', 1),
            ("id\ta;b", b'\t', 1),
            ("id\na;b", b',', 1),
            ("\"a;b\",id", b',', 1),
            ("\n\r\nid;name", b';', 3),
            ("sep=;\nid,x;name", b';', 2),
            ("SEP=|\r\nid|name", b'|', 2),
            ("\"sep=\t\"\rid\tname", b'\t', 2),
            ("sep=; \nid,x;name", b';', 2),
            ("sep=;;;\nid,x;name", b';', 2),
            ("\"sep=;\",,\nid,x;name", b',', 1),
            ("\"sep=;\" \nid,x;name", b';', 2),
            ("sep=;x\nid,name", b';', 1),
            ("sep=\nid,name", b',', 1),
            ("", b',', 1),
        ] {
            let dialect = Dialect::of(text.as_bytes());
            assert_eq!(dialect.separator, separator, "{text:?}");
            let mut rows = Rows::new(text.as_bytes(), dialect, usize::MAX);
            if let Some(Ok(row)) = rows.next() {
                assert_eq!(row.line, header, "{text:?}");
            }
        }
    }

    /// Every line opens a quote that the next line closes with a text behind it.
    #[test]
    fn time_is_linear_in_the_number_of_faults() {
        let text = "\"a\n".repeat(200_000);
        assert_eq!(rows(&text).len(), 200_000);
    }
}
