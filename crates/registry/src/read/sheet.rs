//! CSV files with a header row: RFC 4180, UTF-8, columns in any order.

use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use super::layout::SourceFile;
use crate::redact::{quoted, quoted_list};
use crate::suggest::{closest, did_you_mean};
use crate::{Code, Findings, Place, Span};

/// Each unknown column is a finding of its own. A row of commas would have a million.
const MAX_COLUMNS: usize = 1000;
/// A file with so many faulty rows is not a file of the kind, and its findings take fifty times its size. The
/// rest is not read.
const MAX_FAULTY_ROWS: usize = 10_000;
/// The fewest bytes of a usual row.
const SHORT_ROW_BYTES: usize = 24;

/// A file whose header is understood. `N` is the number of known columns.
pub(super) struct Sheet<'f, const N: usize> {
    file: SourceFile<'f>,
    reader: Reader<&'f [u8]>,
    lines: RowLines<'f>,
    known: [&'static str; N],
    /// The index of each known column in the file.
    columns: [Option<usize>; N],
    width: usize,
    /// A known column that is absent may be one of the unknown ones, mistyped.
    has_unknown_columns: bool,
}

impl<'f, const N: usize> Sheet<'f, N> {
    /// Reads the header. Returns `None` if the rows cannot be read by it.
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
                let message = "the file is empty, without a header row";
                let help = format!("begin it with `{}`, or remove it", known.join(","));
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
            let message = format!("the header row has {} columns, of at most {MAX_COLUMNS}", header.len());
            findings.add(&place, Code::UnknownColumn, message, "remove those that are empty or not known");
            return None;
        }
        let width = header.len();
        let columns = [None; N];
        let mut sheet = Sheet { file, reader, lines, known, columns, width, has_unknown_columns: false };
        sheet.find_columns(&header, required, &place, findings).then_some(sheet)
    }

    /// Finds every known column, and reports the others. Returns whether the rows can be read.
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
                    let message = format!("column {} is there twice", quoted(name));
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
            // A required column under another name is one fault, not two.
            let renamed = closest(name, absent.iter().copied()).or_else(|| missing.first().copied());
            missing.retain(|name| Some(*name) != renamed);
            let help = match renamed {
                Some(renamed) => format!("did you mean `{renamed}`?"),
                None => did_you_mean(name, self.known.iter().copied(), || {
                    format!("remove it; the columns here are {}", quoted_list(self.known))
                }),
            };
            let message = format!("unknown column {}", quoted(name));
            findings.add(place, Code::UnknownColumn, message, help).primary(Span::Cell(*index));
        }
        for name in &missing {
            let help = "add it to the header row, and its value to every row";
            findings.add(place, Code::MissingColumn, format!("there is no column `{name}`"), help);
        }
        self.has_unknown_columns = !unknown.is_empty();
        !has_duplicates && !required.iter().any(|name| absent.contains(name))
    }

    /// Returns whether the column, if it is absent, is really missing and not mistyped.
    pub(super) fn can_tell_missing(&self, column: &str) -> bool {
        !self.has_unknown_columns || self.has_column(column)
    }

    pub(super) fn has_column(&self, column: &str) -> bool {
        self.known.iter().zip(&self.columns).any(|(known, index)| *known == column && index.is_some())
    }

    /// Returns a capacity for the rows: the number of lines, at most file size / 24, so that a file of line
    /// ends reserves little.
    pub(super) fn capacity(&self) -> usize {
        memchr::memchr_iter(b'\n', self.lines.data).count().min(self.lines.data.len() / SHORT_ROW_BYTES)
    }

    /// Calls `read_row` with the cells of every row, in the order of the known columns. The cell of an absent
    /// column is empty. Returns whether the file could be read as a whole: its encoding, its quotes and its
    /// columns. A row with the wrong number of cells is one fault and does not affect the rest.
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
                    // The other kinds are errors of the underlying reader, and a slice has none.
                    let ErrorKind::Utf8 { pos, .. } = error.kind() else { break };
                    place.line = self.lines.line_of_row(pos.as_ref().map_or(0, csv::Position::byte));
                    not_utf8.get_or_insert_with(|| (place.clone(), 0)).1 += 1;
                    continue;
                }
            }
            // Spreadsheets leave such rows below a table.
            if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
                continue;
            }
            place.line = self.lines.line_of_row(record.position().map_or(0, csv::Position::byte));
            if faulty_rows == MAX_FAULTY_ROWS {
                complete = false;
                let message = format!("{MAX_FAULTY_ROWS} rows above this one are faulty: reading ends here");
                findings.add(&place, Code::Limit, message, "mend those first");
                break;
            }
            let added = findings.added();
            let end = usize::try_from(self.reader.position().byte()).unwrap_or(usize::MAX);
            if self.lines.ends_in_open_quote(end) {
                complete = false;
                let help = "close it; a quote within a quoted cell is written twice";
                findings.add(&place, Code::Syntax, "a quote is opened on this line and never closed", help);
            } else if record.len() == self.width {
                let cell =
                    |index: Option<usize>| index.and_then(|index| record.get(index)).unwrap_or_default();
                read_row(self.columns.map(cell), &place, findings);
            } else {
                let message = format!("the row has {} cells, the header row {}", record.len(), self.width);
                let help =
                    "give every row as many commas as the header row; quote a cell that has a comma in it";
                findings.add(&place, Code::Syntax, message, help);
            }
            faulty_rows += usize::from(findings.added() > added);
        }
        if let Some((place, count)) = not_utf8 {
            let more = if count > 1 { format!(" (nor are {} more rows)", count - 1) } else { String::new() };
            let message = format!("the row is not UTF-8 text{more}");
            findings.add(&place, Code::Syntax, message, "save the file as CSV UTF-8");
        }
        complete
    }
}

/// Counts the lines before a row. The positions of the `csv` crate cannot be used directly: they stand before
/// the empty lines and the second half of the CR LF that precede a row.
struct RowLines<'f> {
    data: &'f [u8],
    offset: usize,
    line: u32,
}

impl RowLines<'_> {
    /// Returns the line of the row that the `csv` crate places at this offset, from 1. Rows must be passed in
    /// order.
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

    /// Returns whether the last row ends at the end of the file because of a quote that is never closed.
    fn ends_in_open_quote(&self, end: usize) -> bool {
        if end < self.data.len() {
            return false;
        }
        let row = self.data.get(self.offset..).unwrap_or_default();
        memchr::memchr_iter(b'"', row).count() % 2 == 1
    }
}
