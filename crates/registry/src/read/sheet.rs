//! Reads sheets: CSV files with a header row and with columns in any order.

use std::borrow::Cow;

use switchboard_model::{find_invisible, is_invisible};

use super::csv::{Dialect, QuoteFault, QuoteFaultKind, Row, Rows, cell_value};
use super::layout::SourceFile;
use super::text::{count_line_ends, find_binary, find_not_utf8, line_end, next_line};
use crate::redact::{quoted, quoted_list};
use crate::suggest::{closest, did_you_mean};
use crate::{Code, Findings, Place, Span, UnreadPart};

/// The maximum number of columns. Each unknown column is a finding, and a row of commas could have a million.
const MAX_COLUMNS: usize = 1000;
/// The maximum number of faulty rows that are read. A file with more is probably no file of this kind, and
/// its findings would take fifty times its size.
const MAX_FAULTY_ROWS: usize = 10_000;
/// The length of a short row in bytes, for an estimate of the number of rows.
const SHORT_ROW_BYTES: usize = 24;

const SAVE_HELP: &str = "in Excel, save the file as CSV UTF-8 (Comma delimited); in other programs, choose the \
                         encoding UTF-8";

/// A CSV file whose header row was read. `N` is the number of known columns.
pub(super) struct Sheet<'f, const N: usize> {
    file: SourceFile<'f>,
    dialect: Dialect,
    rows: Rows<'f>,
    known: [&'static str; N],
    /// The index in the file of each known column. `None` if the file does not have the column.
    columns: [Option<usize>; N],
    /// The minimum and the maximum number of cells of a row. They differ if the last columns have no name.
    widths: (usize, usize),
    /// The columns without a name. All their cells must be empty.
    unnamed: Vec<usize>,
    /// The columns whose names begin with a hash. Their cells are comments.
    comments: Vec<usize>,
    /// Whether the file has unknown columns. One of them may be the mistyped name of an absent column.
    has_unknown_columns: bool,
    not_utf8: NotUtf8,
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
        if let Some(fault) = find_binary(data) {
            file.report_encoding(fault, SAVE_HELP, findings);
            return None;
        }
        let dialect = Dialect::of(data);
        let mut rows = Rows::new(data, dialect, MAX_COLUMNS + 1);
        let header = loop {
            match rows.next() {
                Some(Ok(row)) if row.used == 0 => {}
                Some(Ok(row)) => break row,
                Some(Err(fault)) => {
                    report_quote(&file, dialect, fault, findings);
                    return None;
                }
                None => {
                    let message = "the file is empty and has no header row";
                    let help = format!("write the header row `{}`, or remove the file", known.join(","));
                    findings.add(&file.place(1), Code::MissingColumn, message, help);
                    return None;
                }
            }
        };
        let place = file.place(header.line);
        if header.width > MAX_COLUMNS {
            let message =
                format!("the header row has {} columns, but at most {MAX_COLUMNS} are allowed", header.width);
            findings.add(&place, Code::UnknownColumn, message, "remove empty and unknown columns");
            return None;
        }
        if let (1, Some(named)) = (header.width, dialect.named_separator())
            && let Some(other) =
                Dialect::of(data.get(header.bytes.clone()).unwrap_or_default()).found_separator()
        {
            let message = format!(
                "the first line names {named} as the separator, but the header row on line {} has {other}",
                header.line
            );
            let help = format!("remove the first line, or name {other} in it");
            findings.add(&file.place(1), Code::Syntax, message, help);
            return None;
        }
        let mut not_utf8 = NotUtf8::default();
        not_utf8.check(data, &header);
        let cells = rows.cells().iter().map(|cell| data.get(cell.clone()).unwrap_or_default());
        let names: Vec<Cow<'_, str>> = cells.map(String::from_utf8_lossy).collect();
        let names: Vec<Cow<'_, str>> = names.iter().map(|name| cell_value(name)).collect();
        let mut sheet = Sheet {
            file,
            dialect,
            rows,
            known,
            columns: [None; N],
            widths: (header.used, header.width),
            unnamed: Vec::new(),
            comments: Vec::new(),
            has_unknown_columns: false,
            not_utf8,
        };
        if sheet.find_columns(&names, required, &place, findings) {
            return Some(sheet);
        }
        sheet.not_utf8.report(&file, findings);
        None
    }

    /// Finds the known columns, and reports unknown, repeated and missing ones. Returns whether the rows can
    /// be read.
    fn find_columns(
        &mut self,
        header: &[Cow<'_, str>],
        required: &[&'static str],
        place: &Place,
        findings: &mut Findings,
    ) -> bool {
        let mut has_duplicates = false;
        let mut unknown = Vec::new();
        let mut respelled = Vec::new();
        for (index, name) in header.iter().enumerate() {
            let trimmed = name.trim();
            if trimmed.is_empty() {
                self.unnamed.push(index);
                continue;
            }
            if trimmed.starts_with('#') {
                self.comments.push(index);
                continue;
            }
            let is_meant = |known: &str| known.eq_ignore_ascii_case(trimmed);
            match self.known.iter().zip(&mut self.columns).find(|(known, _)| is_meant(known)) {
                Some((known, column @ None)) => {
                    *column = Some(index);
                    respelled.extend((*known != name).then_some((index, &**name, *known)));
                }
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
        if let Some((first, ..)) = respelled.first() {
            let message = format!(
                "the header row writes {} in other letters than the names of the columns",
                quoted_list(respelled.iter().map(|(_, name, _)| *name))
            );
            let help = format!("write {}", quoted_list(respelled.iter().map(|(.., known)| *known)));
            findings.add(place, Code::ColumnCase, message, help).primary(Span::Cell(*first));
        }
        let absent: Vec<_> = self.known.into_iter().filter(|name| !self.has_column(name)).collect();
        let mut missing: Vec<_> = required.iter().copied().filter(|name| absent.contains(name)).collect();
        for (index, name) in &unknown {
            let visible: String = name.chars().filter(|&letter| !is_invisible(letter)).collect();
            let meant = self.known.into_iter().find(|known| known.eq_ignore_ascii_case(&visible));
            // If a required column has another name, that is one fault, not two.
            let renamed =
                meant.or_else(|| closest(name, absent.iter().copied())).or_else(|| missing.first().copied());
            missing.retain(|name| Some(*name) != renamed);
            // The name was not UTF-8, which is a finding already.
            if name.contains(char::REPLACEMENT_CHARACTER) {
                continue;
            }
            if let (Some(meant), Some(found)) = (meant, find_invisible(name)) {
                let message = format!("the name of column `{meant}` has {found}");
                let help = "delete the character, or type the name again";
                findings.add(place, Code::UnknownColumn, message, help).primary(Span::Cell(*index));
                continue;
            }
            let help = match renamed {
                Some(renamed) => format!("did you mean `{renamed}`?"),
                None => did_you_mean(name, self.known.iter().copied(), || {
                    format!(
                        "remove it, or begin its name with a hash if it is a comment; the known columns are {}",
                        quoted_list(self.known)
                    )
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
        count_line_ends(self.file.text()).min(self.file.text().len() / SHORT_ROW_BYTES)
    }

    /// Calls `read_row` with the cells of every row, in the order of the known columns. The cell of an absent
    /// column is empty. Returns the part of the file that was not read.
    pub(super) fn read_rows(
        mut self,
        findings: &mut Findings,
        mut read_row: impl FnMut([&str; N], &Place, &mut Findings),
    ) -> UnreadPart {
        let data = self.file.text();
        let mut unread = UnreadPart::default();
        if self.has_unknown_columns && self.columns.iter().any(Option::is_none) {
            unread = UnreadPart::Everything;
        }
        let mut place = self.file.place(0);
        let mut faulty_rows = 0;
        while let Some(row) = self.rows.next() {
            // Spreadsheet programs write rows of empty cells below a table.
            if row.as_ref().is_ok_and(|row| row.used == 0) {
                continue;
            }
            place.line = match &row {
                Ok(row) => row.line,
                Err(fault) => fault.line,
            };
            if faulty_rows == MAX_FAULTY_ROWS {
                unread = UnreadPart::Everything;
                let message = format!(
                    "{MAX_FAULTY_ROWS} rows above this one are faulty, so the rest of the file is not read"
                );
                findings.add(&place, Code::Limit, message, "correct these rows first");
                break;
            }
            let added = findings.added();
            match row {
                Err(fault) => {
                    let skipped = data.get(fault.skipped.clone()).unwrap_or_default();
                    unread.add_text(&String::from_utf8_lossy(skipped));
                    report_quote(&self.file, self.dialect, fault, findings);
                }
                Ok(row) => {
                    self.warn_of_a_row_in_a_cell(&row, findings);
                    let bytes = data.get(row.bytes.clone()).unwrap_or_default();
                    let text = str::from_utf8(bytes).ok().filter(|_| self.fits(&row, &place, findings));
                    match text {
                        Some(text) => {
                            let cells = self.cells(text, row.bytes.start);
                            read_row(cells.each_ref().map(|cell| &**cell), &place, findings);
                        }
                        // A copy that ends too early ends within a row, and the rows behind it are lost too.
                        None if row.width < self.widths.0 && row.bytes.end == data.len() => {
                            unread = UnreadPart::Everything;
                        }
                        None => {
                            unread.add_text(&String::from_utf8_lossy(bytes));
                            self.not_utf8.check(data, &row);
                        }
                    }
                }
            }
            faulty_rows += usize::from(findings.added() > added);
        }
        self.not_utf8.report(&self.file, findings);
        unread
    }

    /// Warns of a quoted cell with a line that has as many cells as a row. Such a cell is allowed, but two stray
    /// quotes make one too, and the rows between them would disappear without a finding.
    fn warn_of_a_row_in_a_cell(&self, row: &Row, findings: &mut Findings) {
        let data = self.file.text();
        if self.widths.1 < 2 || line_end(data, row.bytes.start) >= row.bytes.end {
            return;
        }
        let line_at = |offset: usize| {
            let before = data.get(row.bytes.start..offset).unwrap_or_default();
            row.line.saturating_add(u32::try_from(count_line_ends(before)).unwrap_or(u32::MAX))
        };
        let quoted = self.rows.cells().iter().enumerate().filter(|(index, _)| !self.comments.contains(index));
        for (_, cell) in quoted {
            let mut next = next_line(data, cell.start);
            while let Some(line) = next.filter(|&line| line < cell.end) {
                let text = data.get(line..line_end(data, line).min(cell.end)).unwrap_or_default();
                let mut cells = text.split(|&byte| byte == self.dialect.separator);
                let is_as_wide = (self.widths.0.max(2)..=self.widths.1).contains(&cells.clone().count());
                if is_as_wide && cells.any(|cell| !cell.trim_ascii().is_empty()) {
                    let (first, at, last) = (line_at(cell.start), line_at(line), line_at(cell.end));
                    let message = format!(
                        "a quoted cell has the lines {first} to {last}, and line {at} has as many cells as a row"
                    );
                    let help = "if these lines are rows, remove the quotes around them; if not, write the cell on one \
                                line";
                    let span = Span::Bytes(cell.start..line_end(data, cell.start));
                    findings.add(&self.file.place(first), Code::RowInCell, message, help).primary(span);
                    return;
                }
                next = next_line(data, line);
            }
        }
    }

    /// Returns the cells of a row in the order of the known columns.
    fn cells<'t>(&self, row: &'t str, start: usize) -> [Cow<'t, str>; N] {
        self.columns.map(|index| {
            let bytes = index.and_then(|index| self.rows.cells().get(index));
            let cell = bytes.and_then(|bytes| row.get(bytes.start - start..bytes.end - start));
            cell_value(cell.unwrap_or_default())
        })
    }

    /// Returns whether a row has as many cells as the header row. Reports any other row.
    fn fits(&self, row: &Row, place: &Place, findings: &mut Findings) -> bool {
        let (least, most) = self.widths;
        let separator = self.dialect.separator_name();
        if row.width < least || row.used > most {
            let message = format!("the row has {} cells, but the header row has {most}", row.width);
            let help = format!(
                "write as many cells as the header row has, separated by {separator}; put a cell that contains \
                 {separator} in quotes"
            );
            findings.add(place, Code::Syntax, message, help);
            return false;
        }
        for &index in self.unnamed.iter().filter(|&&index| index < row.used) {
            let cell = self.rows.cells().get(index).and_then(|bytes| self.file.text().get(bytes.clone()));
            if cell.is_some_and(|cell| !cell.trim_ascii().is_empty() && cell != b"\"\"") {
                let message = format!("the row has a value in column {}, which has no name", index + 1);
                let help = "write a name in the header row, or empty the cell; a name that begins with `#` makes \
                            the column a comment";
                findings.add(place, Code::UnknownColumn, message, help).primary(Span::Cell(index));
            }
        }
        true
    }
}

fn report_quote(file: &SourceFile<'_>, dialect: Dialect, fault: QuoteFault, findings: &mut Findings) {
    let separator = dialect.separator_name();
    let (message, help) = match fault.kind {
        QuoteFaultKind::InsideUnquoted => (
            "a quote is inside a cell that does not begin with a quote".to_owned(),
            "put the whole cell in quotes, and write each quote inside it twice; or remove the quote"
                .to_owned(),
        ),
        QuoteFaultKind::AfterClosing => (
            "a text follows the closing quote of a cell".to_owned(),
            format!(
                "remove the text, or write each quote inside the cell twice; behind the closing quote, only \
                 {separator} or the end of the line may follow"
            ),
        ),
        QuoteFaultKind::NotClosed => (
            "a quote is opened on this line and not closed".to_owned(),
            "add the closing quote, or remove the opening one; write a quote inside a quoted cell twice"
                .to_owned(),
        ),
        QuoteFaultKind::ClosedBelow(close) => {
            let between = file.text().get(fault.bytes.start..close).unwrap_or_default();
            let line = fault.line.saturating_add(u32::try_from(count_line_ends(between)).unwrap_or(u32::MAX));
            (
                format!(
                    "a quote is opened on this line, and a text follows the next quote, which is on line {line}"
                ),
                format!(
                    "close the quote on this line, or remove it; if the cell ends on line {line}, remove the text \
                     behind its closing quote"
                ),
            )
        }
    };
    findings.add(&file.place(fault.line), Code::Syntax, message, help).primary(Span::Bytes(fault.bytes));
}

/// The rows that are not UTF-8 text. They are one finding together.
#[derive(Default)]
struct NotUtf8 {
    /// The message, line and offset of the first row.
    first: Option<(String, u32, usize)>,
    count: usize,
}

impl NotUtf8 {
    fn check(&mut self, data: &[u8], row: &Row) {
        let bytes = data.get(row.bytes.clone()).unwrap_or_default();
        let Some(fault) = find_not_utf8(bytes) else { return };
        self.count += 1;
        self.first.get_or_insert_with(|| {
            let before = bytes.get(..fault.offset).unwrap_or_default();
            let line = row.line.saturating_add(u32::try_from(count_line_ends(before)).unwrap_or(u32::MAX));
            (fault.message, line, row.bytes.start + fault.offset)
        });
    }

    fn report(self, file: &SourceFile<'_>, findings: &mut Findings) {
        let Some((mut message, line, offset)) = self.first else { return };
        if self.count > 1 {
            message += &format!(" (and {} more rows are not UTF-8)", self.count - 1);
        }
        let span = Span::Bytes(offset..offset + 1);
        findings.add(&file.place(line), Code::Syntax, message, SAVE_HELP).primary(span);
    }
}
