//! Reads TOML documents in which every key knows its line. A wrong type or value becomes a finding at that
//! line.

use std::ops::Range;
use std::sync::Arc;

use switchboard_model::Region;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layout::SourceFile;
use super::text::Lines;
use super::value::parse_country;
use crate::redact::quoted;
use crate::suggest::{closest, did_you_mean};
use crate::{Code, Findings, Place, Span};

/// The pieces of a file that make the text of a part, in the order of the file.
#[derive(Default)]
pub(super) struct Pieces {
    /// The offset of each piece in the part, and in the file.
    starts: Vec<(usize, usize)>,
    /// The length of all pieces in bytes.
    len: usize,
}

impl Pieces {
    /// Returns the only piece of a text that is the whole file.
    pub(super) fn whole(len: usize) -> Pieces {
        Pieces { starts: vec![(0, 0)], len }
    }

    /// Appends bytes of another part, which may be in several pieces.
    pub(super) fn add(&mut self, part: &Pieces, bytes: Range<usize>) {
        let mut at = bytes.start;
        while at < bytes.end {
            let next = part.starts.partition_point(|&(start, _)| start <= at);
            let end = part.starts.get(next).map_or(part.len, |&(start, _)| start).min(bytes.end);
            self.starts.push((self.len, part.in_file(at)));
            self.len += end.saturating_sub(at);
            at = end.max(at + 1);
        }
    }

    /// Returns the offset in the file of an offset in the part.
    pub(super) fn in_file(&self, offset: usize) -> usize {
        let piece = self.starts.partition_point(|&(start, _)| start <= offset).saturating_sub(1);
        let (start, in_file) = self.starts.get(piece).copied().unwrap_or_default();
        in_file + offset.saturating_sub(start)
    }

    /// Returns the bytes in the file of bytes in one piece of the part.
    pub(super) fn range_in_file(&self, bytes: &Range<usize>) -> Range<usize> {
        let start = self.in_file(bytes.start);
        start..start + bytes.len()
    }
}

/// A parsed part of a TOML file. Its places are those of the file.
pub(super) struct Document<'t> {
    path: &'t Arc<str>,
    lines: &'t Lines<'t>,
    pieces: &'t Pieces,
    root: DeTable<'t>,
}

impl<'t> Document<'t> {
    pub(super) fn new(
        file: &SourceFile<'t>,
        lines: &'t Lines<'t>,
        pieces: &'t Pieces,
        root: DeTable<'t>,
    ) -> Document<'t> {
        Document { path: file.path, lines, pieces, root }
    }

    /// Returns the root table of the part. Together, the parts have every key of the file's root table.
    pub(super) fn root(&self) -> Table<'_> {
        self.table(&self.root, 0)
    }

    fn table<'d>(&'d self, keys: &'d DeTable<'d>, line: u32) -> Table<'d> {
        Table { path: self.path, lines: self.lines, pieces: self.pieces, keys, line }
    }

    fn line_at(&self, offset: usize) -> u32 {
        self.lines.line_at(self.pieces.in_file(offset))
    }

    /// Returns the entries of `[[name]]`. The flag is false if the value is no list.
    pub(super) fn entries(&self, name: &str, findings: &mut Findings) -> (Vec<Table<'_>>, bool) {
        let mut entries = Vec::new();
        let Some((key, value)) = self.root.get_key_value(name) else { return (entries, true) };
        let mut report = |span: Range<usize>| {
            let place = Place { file: self.path.clone(), line: self.line_at(span.start) };
            let message = format!("{} is not a list of tables", quoted(name));
            let help = format!("write each entry under its own `[[{name}]]`");
            let span = Span::Bytes(self.pieces.range_in_file(&span));
            findings.add(&place, Code::InvalidValue, message, help).primary(span);
        };
        let DeValue::Array(items) = value.get_ref() else {
            report(key.span());
            return (entries, false);
        };
        for item in items {
            match item.get_ref() {
                DeValue::Table(keys) => entries.push(self.table(keys, self.line_at(item.span().start))),
                _ => report(item.span()),
            }
        }
        (entries, true)
    }
}

/// The result of reading the value of one key.
pub(super) enum Field<T> {
    /// The table does not have the key.
    Absent,
    /// The value is faulty, and the fault was reported.
    Faulty,
    /// The key has this value at this place.
    Given(T, Place),
}

impl<T> Field<T> {
    pub(super) fn given(self) -> Option<T> {
        match self {
            Field::Given(value, _) => Some(value),
            Field::Absent | Field::Faulty => None,
        }
    }

    /// Converts the value. If `convert` returns `None`, it must report the fault.
    pub(super) fn and_then<U>(
        self,
        findings: &mut Findings,
        convert: impl FnOnce(T, &Place, &mut Findings) -> Option<U>,
    ) -> Field<U> {
        match self {
            Field::Absent => Field::Absent,
            Field::Faulty => Field::Faulty,
            Field::Given(value, place) => match convert(value, &place, findings) {
                Some(value) => Field::Given(value, place),
                None => Field::Faulty,
            },
        }
    }
}

/// A table of a document, with the line of its header.
#[derive(Clone, Copy)]
pub(super) struct Table<'d> {
    path: &'d Arc<str>,
    lines: &'d Lines<'d>,
    pieces: &'d Pieces,
    keys: &'d DeTable<'d>,
    line: u32,
}

/// A key of a table with its value.
pub(super) struct KeyValue<'d> {
    pub(super) key: &'d str,
    pub(super) value: &'d Spanned<DeValue<'d>>,
    /// The line that has the key.
    pub(super) place: Place,
    /// The part of the line that is the key.
    pub(super) key_span: Span,
    /// The part of the line that is the value.
    pub(super) value_span: Span,
}

impl<'d> Table<'d> {
    /// Returns the line of the table's header.
    pub(super) fn place(&self) -> Place {
        Place { file: self.path.clone(), line: self.line }
    }

    fn place_at(&self, offset: usize) -> Place {
        Place { file: self.path.clone(), line: self.lines.line_at(self.pieces.in_file(offset)) }
    }

    fn span(&self, bytes: &Range<usize>) -> Span {
        Span::Bytes(self.pieces.range_in_file(bytes))
    }

    fn find(&self, key: &str) -> Option<(&'d Spanned<DeValue<'d>>, Place)> {
        let (key, value) = self.keys.get_key_value(key)?;
        Some((value, self.place_at(key.span().start)))
    }

    /// Returns whether the table has one of the keys that is none of the `others`.
    pub(super) fn has_any(&self, keys: &[&str], others: &[&str]) -> bool {
        keys.iter().any(|key| !others.contains(key) && self.keys.contains_key(*key))
    }

    /// Reports every unknown key. Returns the known keys that were probably meant.
    pub(super) fn report_unknown_keys(
        &self,
        known: &[&'static str],
        findings: &mut Findings,
    ) -> Vec<&'static str> {
        let mut meant = Vec::new();
        for key in self.keys.keys().filter(|key| !known.contains(&&**key.get_ref())) {
            meant.extend(closest(key.get_ref(), known.iter().copied()));
            let help = did_you_mean(key.get_ref(), known.iter().copied(), || {
                format!("remove it; the known keys are {}", known.join(", "))
            });
            let message = format!("key {} is unknown", quoted(key.get_ref()));
            findings
                .add(&self.place_at(key.span().start), Code::UnknownKey, message, help)
                .primary(self.span(&key.span()));
        }
        meant
    }

    /// Reports a missing key at the table's header. `what` names the owner of the key in the message.
    pub(super) fn report_missing(&self, key: &str, what: &str, findings: &mut Findings) {
        let message = format!("{what} has no {}", quoted(key));
        findings.add(&self.place(), Code::MissingKey, message, format!("add `{key} = …` below this line"));
    }

    /// Returns every key with its value, in the order of the file.
    pub(super) fn entries(&self) -> Vec<KeyValue<'d>> {
        let mut entries: Vec<_> = self.keys.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
            .into_iter()
            .map(|(key, value)| KeyValue {
                key: key.get_ref(),
                value,
                place: self.place_at(key.span().start),
                key_span: self.span(&key.span()),
                value_span: self.span(&value.span()),
            })
            .collect()
    }

    pub(super) fn table(&self, key: &str, findings: &mut Findings) -> Field<Table<'d>> {
        let Some((value, place)) = self.find(key) else { return Field::Absent };
        self.as_table(key, value, &place, findings).map_or(Field::Faulty, |table| Field::Given(table, place))
    }

    /// Returns a value of this table as a table. Reports a value of another type.
    pub(super) fn as_table(
        &self,
        key: &str,
        value: &'d Spanned<DeValue<'d>>,
        place: &Place,
        findings: &mut Findings,
    ) -> Option<Table<'d>> {
        match value.get_ref() {
            DeValue::Table(keys) => Some(Table { keys, line: place.line, ..*self }),
            _ => {
                self.report_wrong_type(key, value, "a table", place, findings);
                None
            }
        }
    }

    pub(super) fn text(&self, key: &str, findings: &mut Findings) -> Field<&'d str> {
        let Some((value, place)) = self.find(key) else { return Field::Absent };
        self.as_text(key, value, &place, findings).map_or(Field::Faulty, |text| Field::Given(text, place))
    }

    /// Reads a value that is `true` or `false`.
    pub(super) fn flag(&self, key: &str, findings: &mut Findings) -> Field<bool> {
        let Some((value, place)) = self.find(key) else { return Field::Absent };
        match value.get_ref() {
            DeValue::Boolean(flag) => Field::Given(*flag, place),
            _ => {
                self.report_wrong_type(key, value, "`true` or `false`", &place, findings);
                Field::Faulty
            }
        }
    }

    /// Reads a whole number of at most 64 bits.
    pub(super) fn integer(&self, key: &str, findings: &mut Findings) -> Field<i64> {
        let Some((value, place)) = self.find(key) else { return Field::Absent };
        let DeValue::Integer(number) = value.get_ref() else {
            self.report_wrong_type(key, value, "a whole number", &place, findings);
            return Field::Faulty;
        };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Field::Given(number, place),
            Err(_) => {
                let message = format!("{} does not fit into 64 bits", quoted(key));
                findings
                    .add(&place, Code::InvalidValue, message, "use a smaller number")
                    .primary(self.span(&value.span()));
                Field::Faulty
            }
        }
    }

    /// Reads a list of texts, each with its line. If an item is not a text, the whole list is faulty.
    pub(super) fn texts(&self, key: &str, findings: &mut Findings) -> Field<Vec<(&'d str, Place)>> {
        let Some((value, place)) = self.find(key) else { return Field::Absent };
        let DeValue::Array(items) = value.get_ref() else {
            self.report_wrong_type(key, value, "a list of texts in brackets", &place, findings);
            return Field::Faulty;
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            let item_place = self.place_at(item.span().start);
            let Some(text) = self.as_text(key, item, &item_place, findings) else { return Field::Faulty };
            texts.push((text, item_place));
        }
        Field::Given(texts, place)
    }

    /// Reads a text that must be one of these words. Returns the value of the word.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
        findings: &mut Findings,
    ) -> Field<T> {
        self.text(key, findings).and_then(findings, |text, place, findings| {
            let found = words.iter().find(|(word, _)| *word == text).map(|&(_, value)| value);
            if found.is_none() {
                let words = words.iter().map(|(word, _)| *word);
                report_unknown_word(key, text, words, place, Span::value(key), findings);
            }
            found
        })
    }

    /// Reads an assigned country code of two letters.
    pub(super) fn country(&self, key: &str, findings: &mut Findings) -> Field<Region> {
        self.text(key, findings).and_then(findings, |text, place, findings| {
            parse_country(key, text, place, || Span::value(key), findings)
        })
    }

    /// Returns a value of this table as a text. Reports a value of another type, and a text with NUL, which PostgreSQL
    /// cannot hold.
    pub(super) fn as_text(
        &self,
        key: &str,
        value: &'d Spanned<DeValue<'d>>,
        place: &Place,
        findings: &mut Findings,
    ) -> Option<&'d str> {
        match value.get_ref() {
            DeValue::String(text) if text.contains('\0') => {
                let message = format!("{} has the character NUL, written as an escape", quoted(key));
                findings
                    .add(place, Code::InvalidValue, message, "remove the escape, such as \\u0000")
                    .primary(self.span(&value.span()));
                None
            }
            DeValue::String(text) => Some(text),
            _ => {
                self.report_wrong_type(key, value, "a text in quotes", place, findings);
                None
            }
        }
    }

    fn report_wrong_type(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        wanted: &str,
        place: &Place,
        findings: &mut Findings,
    ) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "a truth value",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("{} is {found}, not {wanted}", quoted(key));
        let help = format!("write {wanted}");
        findings.add(place, Code::InvalidValue, message, help).primary(self.span(&value.span()));
    }
}

/// Reports a text that is not one of the expected words.
pub(super) fn report_unknown_word<'w>(
    key: &str,
    text: &str,
    words: impl Iterator<Item = &'w str> + Clone,
    place: &Place,
    span: Span,
    findings: &mut Findings,
) {
    let all = words.clone().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let help = did_you_mean(text, words, || format!("write one of {all}"));
    let message = format!("{} is {}, which is not one of {all}", quoted(key), quoted(text));
    findings.add(place, Code::InvalidValue, message, help).primary(span);
}
