//! Reads CSV files with a header row: RFC 4180, UTF-8, columns in any order.

use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use super::layout::SourceFile;
use crate::redact::{quoted, quoted_list};
use crate::suggest::{closest, did_you_mean};
use crate::{Code, Findings, Place, Span};

/// The maximum number of columns. Each unknown column is a finding, and a row of commas could have a million.
const MAX_COLUMNS: usize = 1000;
/// The maximum number of faulty rows that are read. A file with more is probably no file of this kind, and
/// its findings would take fifty times its size.
const MAX_FAULTY_ROWS: usize = 10_000;
/// The length of a short row in bytes, for an estimate of the number of rows.
const SHORT_ROW_BYTES: usize = 24;

/// A CSV file whose header row was read. `N` is the number of known columns.
pub(super) struct Sheet<'f, const N: usize> {
    file: SourceFile<'f>,
    reader: Reader<&'f [u8]>,
    lines: RowLines<'f>,
    known: [&'static str; N],
    /// The index in the file of each known column. `None` if the file does not have the column.
    columns: [Option<usize>; N],
    width: usize,
    /// Whether the file has unknown columns. One of them may be the mistyped name of an absent column.
    has_unknown_columns: bool,
}

impl<'f, const N: usize> Sheet<'f, N> {
    /// Reads the header row. Returns `None` if the rows cannot be read with this header.
    pub(super) fn open(
        file: SourceFile<'f>,
        known: [&'static str; N],
        required: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Sheet<'f, N>> {
        let data = file.text();
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(data);
        let mut lines = RowLines { data, offset: 0, line: 1 };
        let mut header = StringRecord::new();
        match reader.read_record(&mut header) {
            Ok(true) => {}
            Ok(false) => {
                let message = "the file is empty and has no header row";
                let help = format!("write the header row `{}`, or remove the file", known.join(","));
                findings.add(&file.place(1), Code::MissingColumn, message, help);
                return None;
            }
            Err(_) => {
                let help = "save the file as CSV UTF-8";
                findings.add(&file.place(1), Code::Syntax, "the header row is not UTF-8 text", help);
                return None;
            }
        }
        let place = file.place(lines.line_of_row(header.position().map_or(0, csv::Position::byte)));
        if header.len() > MAX_COLUMNS {
            let message =
                format!("the header row has {} columns, but at most {MAX_COLUMNS} are allowed", header.len());
            findings.add(&place, Code::UnknownColumn, message, "remove empty and unknown columns");
            return None;
        }
        let width = header.len();
        let columns = [None; N];
        let mut sheet = Sheet { file, reader, lines, known, columns, width, has_unknown_columns: false };
        sheet.find_columns(&header, required, &place, findings).then_some(sheet)
    }

    /// Finds the known columns, and reports unknown, repeated and missing ones. Returns whether the rows can
    /// be read.
    fn find_columns(
        &mut self,
        header: &StringRecord,
        required: &[&'static str],
        place: &Place,
        findings: &mut Findings,
    ) -> bool {
        let mut has_duplicates = false;
        let mut unknown = Vec::new();
        for (index, name) in header.iter().enumerate() {
            match self.known.iter().zip(&mut self.columns).find(|(known, _)| **known == name) {
                Some((_, column @ None)) => *column = Some(index),
                Some(_) => {
                    has_duplicates = true;
                    let message = format!("column {} occurs twice", quoted(name));
                    findings
                        .add(place, Code::UnknownColumn, message, "remove one of the two")
                        .primary(Span::Cell(index));
                }
                None => unknown.push((index, name)),
            }
        }
        let absent: Vec<_> = self.known.into_iter().filter(|name| !self.has_column(name)).collect();
        let mut missing: Vec<_> = required.iter().copied().filter(|name| absent.contains(name)).collect();
        for (index, name) in &unknown {
            // If a required column has another name, that is one fault, not two.
            let renamed = closest(name, absent.iter().copied()).or_else(|| missing.first().copied());
            missing.retain(|name| Some(*name) != renamed);
            let help = match renamed {
                Some(renamed) => format!("did you mean `{renamed}`?"),
                None => did_you_mean(name, self.known.iter().copied(), || {
                    format!("remove it; the known columns are {}", quoted_list(self.known))
                }),
            };
            let message = format!("column {} is unknown", quoted(name));
            findings.add(place, Code::UnknownColumn, message, help).primary(Span::Cell(*index));
        }
        for name in &missing {
            let help = "add the column to the header row, and a value to every row";
            findings.add(place, Code::MissingColumn, format!("column `{name}` is missing"), help);
        }
        self.has_unknown_columns = !unknown.is_empty();
        !has_duplicates && !required.iter().any(|name| absent.contains(name))
    }

    /// Returns whether the column is absent and one of the unknown columns may be this column, mistyped.
    pub(super) fn may_be_mistyped(&self, column: &str) -> bool {
        self.has_unknown_columns && !self.has_column(column)
    }

    pub(super) fn has_column(&self, column: &str) -> bool {
        self.known.iter().zip(&self.columns).any(|(known, index)| *known == column && index.is_some())
    }

    /// Returns a capacity for the rows: the number of lines, but at most the file size / 24, because a file
    /// of line ends must not reserve much memory.
    pub(super) fn capacity(&self) -> usize {
        memchr::memchr_iter(b'\n', self.lines.data).count().min(self.lines.data.len() / SHORT_ROW_BYTES)
    }

    /// Calls `read_row` with the cells of every row, in the order of the known columns. The cell of an absent
    /// column is empty.
    ///
    /// Returns whether the whole file could be read. A wrong encoding, an open quote or an unknown column
    /// makes the result false. A row with a wrong number of cells does not, because it affects no other row.
    pub(super) fn read_rows(
        mut self,
        findings: &mut Findings,
        mut read_row: impl FnMut([&str; N], &Place, &mut Findings),
    ) -> bool {
        let mut complete = !self.has_unknown_columns || self.columns.iter().all(Option::is_some);
        let mut record = StringRecord::new();
        let mut place = self.file.place(0);
        let mut not_utf8: Option<(Place, usize)> = None;
        let mut faulty_rows = 0;
        loop {
            match self.reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    complete = false;
                    // All other kinds are errors of the underlying reader, and reading a slice cannot fail.
                    let ErrorKind::Utf8 { pos, .. } = error.kind() else { break };
                    place.line = self.lines.line_of_row(pos.as_ref().map_or(0, csv::Position::byte));
                    not_utf8.get_or_insert_with(|| (place.clone(), 0)).1 += 1;
                    continue;
                }
            }
            // Spreadsheet programs write rows of empty cells below a table.
            if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
                continue;
            }
            place.line = self.lines.line_of_row(record.position().map_or(0, csv::Position::byte));
            if faulty_rows == MAX_FAULTY_ROWS {
                complete = false;
                let message = format!(
                    "{MAX_FAULTY_ROWS} rows above this one are faulty, so the rest of the file is not read"
                );
                findings.add(&place, Code::Limit, message, "correct these rows first");
                break;
            }
            let added = findings.added();
            let end = usize::try_from(self.reader.position().byte()).unwrap_or(usize::MAX);
            if self.lines.ends_in_open_quote(end) {
                complete = false;
                let help = "add the closing quote; write a quote inside a quoted cell twice";
                findings.add(&place, Code::Syntax, "a quote is opened on this line and never closed", help);
            } else if record.len() == self.width {
                let cell =
                    |index: Option<usize>| index.and_then(|index| record.get(index)).unwrap_or_default();
                read_row(self.columns.map(cell), &place, findings);
            } else {
                let message =
                    format!("the row has {} cells, but the header row has {}", record.len(), self.width);
                let help =
                    "write as many cells as the header row has; put a cell that contains a comma in quotes";
                findings.add(&place, Code::Syntax, message, help);
            }
            faulty_rows += usize::from(findings.added() > added);
        }
        if let Some((place, count)) = not_utf8 {
            let message = match count {
                1 => "the row is not UTF-8 text".to_owned(),
                _ => format!("this row and {} more rows are not UTF-8 text", count - 1),
            };
            findings.add(&place, Code::Syntax, message, "save the file as CSV UTF-8");
        }
        complete
    }
}

/// Counts the lines before a row. The `csv` crate reports the position of a row too early: before the empty
/// lines, or before the LF of a CR LF, that precede the row.
struct RowLines<'f> {
    data: &'f [u8],
    offset: usize,
    line: u32,
}

impl RowLines<'_> {
    /// Returns the line, from 1, of the row that the `csv` crate reports at this offset. Rows must be passed
    /// in order.
    fn line_of_row(&mut self, position: u64) -> u32 {
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        let ahead = self.data.get(position..).unwrap_or_default();
        let start = position + ahead.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = self.data.get(self.offset..start).unwrap_or_default();
        let newlines = memchr::memchr_iter(b'\n', passed).count();
        self.line = self.line.saturating_add(u32::try_from(newlines).unwrap_or(u32::MAX));
        self.offset = self.offset.max(start);
        self.line
    }

    /// Returns whether the row that ends at this offset has a quote that is never closed. Such a row extends
    /// to the end of the file.
    fn ends_in_open_quote(&self, end: usize) -> bool {
        if end < self.data.len() {
            return false;
        }
        let row = self.data.get(self.offset..).unwrap_or_default();
        memchr::memchr_iter(b'"', row).count() % 2 == 1
    }
}
