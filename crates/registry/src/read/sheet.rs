//! A CSV file with a header row: RFC 4180, UTF-8, columns in any order.

use std::sync::Arc;

use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use crate::layout::Source;
use crate::nearest::{did_you_mean, nearest};
use crate::shown::{shown, shown_list};
use crate::{Code, Findings, Mark, Place};

/// Each column that is not known is a finding of its own: a row of commas would be a million.
const MOST_COLUMNS: usize = 1000;
/// A file with so many faulty rows is no file of the kind, and what is found in it takes fifty times its
/// size: the rest is not read.
const MOST_FAULTY: usize = 10_000;
/// Bytes of a short row; most of an account are its id, its channel and its address.
const SHORT_ROW: usize = 24;

/// A file whose header is understood. `N` is the number of columns that it may have.
pub(super) struct Sheet<'f, const N: usize> {
    reader: Reader<&'f [u8]>,
    lines: RowLines<'f>,
    file: &'f Arc<str>,
    known: [&'static str; N],
    /// Where each known column is.
    at: [Option<usize>; N],
    width: usize,
    /// The header has a column that is not known: a known one that is absent may be that one.
    doubtful: bool,
}

impl<'f, const N: usize> Sheet<'f, N> {
    /// Reads the header. `None` where the rows cannot be read by it.
    pub(super) fn open(
        (file, bytes): Source<'f>,
        known: [&'static str; N],
        required: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Sheet<'f, N>> {
        let data = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(data);
        let mut lines = RowLines { data, offset: 0, line: 1 };
        let mut header = StringRecord::new();
        let start = Place { file: file.clone(), line: 1 };
        match reader.read_record(&mut header) {
            Ok(true) => {}
            Ok(false) => {
                let message = "the file is empty, without a header row";
                let help = format!("begin it with `{}`, or remove it", known.join(","));
                findings.add(&start, Code::MissingColumn, message, help);
                return None;
            }
            Err(_) => {
                findings.add(
                    &start,
                    Code::Syntax,
                    "the header row is not UTF-8 text",
                    "save the file as CSV UTF-8",
                );
                return None;
            }
        }
        let line = lines.of(header.position().map_or(0, csv::Position::byte));
        let place = Place { file: file.clone(), line };
        if header.len() > MOST_COLUMNS {
            let message = format!("the header row has {} columns, of at most {MOST_COLUMNS}", header.len());
            findings.add(&place, Code::UnknownColumn, message, "remove those that are empty or not known");
            return None;
        }
        let mut sheet =
            Sheet { reader, lines, file, known, at: [None; N], width: header.len(), doubtful: false };
        sheet.place_columns(&header, required, &place, findings).then_some(sheet)
    }

    /// Finds every known column, and reports whatever else the header has. `false`: the rows
    /// cannot be told apart, or are not worth reading.
    fn place_columns(
        &mut self,
        header: &StringRecord,
        required: &[&'static str],
        place: &Place,
        findings: &mut Findings,
    ) -> bool {
        let mut twice = false;
        let mut unknown = Vec::new();
        for (index, name) in header.iter().enumerate() {
            match self.known.iter().zip(&mut self.at).find(|(known, _)| **known == name) {
                Some((_, slot @ None)) => *slot = Some(index),
                Some(_) => {
                    twice = true;
                    let message = format!("column {} is there twice", shown(name));
                    findings
                        .add(place, Code::UnknownColumn, message, "remove one of the two")
                        .at(Mark::Cell(index));
                }
                None => unknown.push((index, name)),
            }
        }
        let absent: Vec<_> =
            self.known.iter().zip(&self.at).filter(|(_, at)| at.is_none()).map(|(name, _)| *name).collect();
        let mut missing: Vec<_> = required.iter().copied().filter(|name| absent.contains(name)).collect();
        for (index, name) in &unknown {
            // A required column under another name is one fault, not two.
            let renamed = nearest(name, absent.iter().copied()).or_else(|| missing.first().copied());
            missing.retain(|name| Some(*name) != renamed);
            let help = match renamed {
                Some(renamed) => format!("did you mean `{renamed}`?"),
                None => did_you_mean(name, self.known.iter().copied(), || {
                    format!("remove it; the columns here are {}", shown_list(self.known))
                }),
            };
            let message = format!("unknown column {}", shown(name));
            findings.add(place, Code::UnknownColumn, message, help).at(Mark::Cell(*index));
        }
        for name in &missing {
            let help = "add it to the header row, and its value to every row";
            findings.add(place, Code::MissingColumn, format!("there is no column `{name}`"), help);
        }
        self.doubtful = !unknown.is_empty();
        !twice && !required.iter().any(|name| absent.contains(name))
    }

    /// Whether an absent column can be told from a mistyped one.
    pub(super) fn judges(&self, column: &str) -> bool {
        !self.doubtful || self.has(column)
    }

    /// Whether the file has a column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.known.iter().zip(&self.at).any(|(known, at)| *known == column && at.is_some())
    }

    /// An estimate, so that a million rows need one allocation; as many line ends are no reason for one.
    pub(super) fn rows(&self) -> usize {
        memchr::memchr_iter(b'\n', self.lines.data).count().min(self.lines.data.len() / SHORT_ROW)
    }

    /// Gives every row's cells in the order of the known columns; those that are absent are empty.
    /// Returns whether the file could be read as a whole: its encoding, its quotes and its columns. A row
    /// that is wrong by itself is only that row.
    pub(super) fn each(
        mut self,
        findings: &mut Findings,
        mut row: impl FnMut([&str; N], &Place, &mut Findings),
    ) -> bool {
        let mut complete = !self.doubtful || self.at.iter().all(Option::is_some);
        let mut record = StringRecord::new();
        let mut place = Place { file: self.file.clone(), line: 0 };
        let mut not_utf8: Option<(Place, usize)> = None;
        let mut faulty = 0;
        loop {
            match self.reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    complete = false;
                    // The rest of the cases are those of readers that can fail; a slice cannot.
                    let ErrorKind::Utf8 { pos, .. } = error.kind() else { break };
                    place.line = self.lines.of(pos.as_ref().map_or(0, csv::Position::byte));
                    not_utf8.get_or_insert_with(|| (place.clone(), 0)).1 += 1;
                    continue;
                }
            }
            // What spreadsheets leave below a table.
            if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
                continue;
            }
            place.line = self.lines.of(record.position().map_or(0, csv::Position::byte));
            if faulty == MOST_FAULTY {
                complete = false;
                let message = format!("{MOST_FAULTY} rows above this one are faulty: reading ends here");
                findings.add(&place, Code::Limit, message, "mend those first");
                break;
            }
            let found = findings.added();
            let end = usize::try_from(self.reader.position().byte()).unwrap_or(usize::MAX);
            if self.lines.ends_in_open_quote(end) {
                complete = false;
                let help = "close it; a quote within a quoted cell is written twice";
                findings.add(&place, Code::Syntax, "a quote is opened on this line and never closed", help);
            } else if record.len() == self.width {
                let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default();
                row(self.at.map(cell), &place, findings);
            } else {
                let message = format!("the row has {} cells, the header row {}", record.len(), self.width);
                let help =
                    "give every row as many commas as the header row; quote a cell that has a comma in it";
                findings.add(&place, Code::Syntax, message, help);
            }
            faulty += usize::from(findings.added() > found);
        }
        if let Some((place, count)) = not_utf8 {
            let more = if count > 1 { format!(" (nor are {} more rows)", count - 1) } else { String::new() };
            let message = format!("the row is not UTF-8 text{more}");
            findings.add(&place, Code::Syntax, message, "save the file as CSV UTF-8");
        }
        complete
    }
}

/// Counts lines up to a row. The `csv` crate's own positions stand before the empty lines and the
/// second half of the CR LF that precede a row, so they are one or more lines early.
struct RowLines<'f> {
    data: &'f [u8],
    offset: usize,
    line: u32,
}

impl RowLines<'_> {
    fn of(&mut self, position: u64) -> u32 {
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        let ahead = self.data.get(position..).unwrap_or_default();
        let start = position + ahead.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = self.data.get(self.offset..start).unwrap_or_default();
        let newlines = memchr::memchr_iter(b'\n', passed).count();
        self.line = self.line.saturating_add(u32::try_from(newlines).unwrap_or(u32::MAX));
        self.offset = self.offset.max(start);
        self.line
    }

    /// Whether the row that was just placed runs to the end of the file because of a quote.
    fn ends_in_open_quote(&self, end: usize) -> bool {
        if end < self.data.len() {
            return false;
        }
        let row = self.data.get(self.offset..).unwrap_or_default();
        memchr::memchr_iter(b'"', row).count() % 2 == 1
    }
}
