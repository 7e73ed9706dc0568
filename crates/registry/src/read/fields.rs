//! One TOML table, read key by key: wrong types and values become findings at the key's line.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::lines::Lines;
use crate::nearest::{did_you_mean, nearest};
use crate::shown;
use crate::{Code, Findings, Mark, Place};
use switchboard_model::Region;

/// What a key holds.
pub(super) enum Field<T> {
    /// The key is not there.
    Absent,
    /// It is, and a finding says what is wrong with it.
    Faulty,
    /// The value, and its line.
    Given(T, Place),
}

impl<T> Field<T> {
    pub(super) fn given(self) -> Option<T> {
        match self {
            Field::Given(value, _) => Some(value),
            Field::Absent | Field::Faulty => None,
        }
    }

    /// Turns the value into another, or reports why it cannot be one.
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

/// A table and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Fields<'d> {
    file: &'d Arc<str>,
    lines: &'d Lines,
    table: &'d DeTable<'d>,
    line: u32,
}

impl<'d> Fields<'d> {
    pub(super) fn new(file: &'d Arc<str>, lines: &'d Lines, table: &'d DeTable<'d>, line: u32) -> Fields<'d> {
        Fields { file, lines, table, line }
    }

    /// The line of the table's header.
    pub(super) fn place(&self) -> Place {
        Place { file: self.file.clone(), line: self.line }
    }

    fn place_at(&self, offset: usize) -> Place {
        Place { file: self.file.clone(), line: self.lines.at(offset) }
    }

    fn find(&self, key: &str) -> Option<(&'d Spanned<DeValue<'d>>, Place)> {
        let (key, value) = self.table.get_key_value(key)?;
        Some((value, self.place_at(key.span().start)))
    }

    /// Reports every key that is not one of these. Returns the keys that were probably meant.
    pub(super) fn demand_known(&self, known: &[&'static str], findings: &mut Findings) -> Vec<&'static str> {
        let mut meant = Vec::new();
        for key in self.table.keys().filter(|key| !known.contains(&&**key.get_ref())) {
            meant.extend(nearest(key.get_ref(), known.iter().copied()));
            let help = did_you_mean(key.get_ref(), known.iter().copied(), || {
                format!("remove it; the keys here are {}", known.join(", "))
            });
            let message = format!("unknown key {}", shown(key.get_ref()));
            findings
                .add(&self.place_at(key.span().start), Code::UnknownKey, message, help)
                .at(Mark::Bytes(key.span()));
        }
        meant
    }

    /// Every key with its value, its place and its bytes, in the order of the file.
    pub(super) fn each(&self) -> Vec<(&'d str, &'d Spanned<DeValue<'d>>, Place, Range<usize>)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
            .into_iter()
            .map(|(key, value)| (&**key.get_ref(), value, self.place_at(key.span().start), key.span()))
            .collect()
    }

    /// A table within this one.
    pub(super) fn table(&self, key: &str, findings: &mut Findings) -> Field<Fields<'d>> {
        let Some((value, place)) = self.find(key) else { return Field::Absent };
        self.as_table(key, value, &place, findings).map_or(Field::Faulty, |table| Field::Given(table, place))
    }

    /// A value as a table.
    pub(super) fn as_table(
        &self,
        key: &str,
        value: &'d Spanned<DeValue<'d>>,
        place: &Place,
        findings: &mut Findings,
    ) -> Option<Fields<'d>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Fields::new(self.file, self.lines, table, place.line)),
            _ => wrong_type(key, value, "a table", place, findings),
        }
    }

    /// A text.
    pub(super) fn text(&self, key: &str, findings: &mut Findings) -> Field<&'d str> {
        let Some((value, place)) = self.find(key) else { return Field::Absent };
        as_text(key, value, &place, findings).map_or(Field::Faulty, |text| Field::Given(text, place))
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str, findings: &mut Findings) -> Field<bool> {
        let Some((value, place)) = self.find(key) else { return Field::Absent };
        match value.get_ref() {
            DeValue::Boolean(flag) => Field::Given(*flag, place),
            _ => {
                wrong_type::<()>(key, value, "`true` or `false`", &place, findings);
                Field::Faulty
            }
        }
    }

    /// A whole number.
    pub(super) fn integer(&self, key: &str, findings: &mut Findings) -> Field<i64> {
        let Some((value, place)) = self.find(key) else { return Field::Absent };
        let DeValue::Integer(number) = value.get_ref() else {
            wrong_type::<()>(key, value, "a whole number", &place, findings);
            return Field::Faulty;
        };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Field::Given(number, place),
            Err(_) => {
                let message = format!("{} is beyond 64 bits", shown(key));
                findings
                    .add(&place, Code::InvalidValue, message, "use a smaller number")
                    .at(Mark::Bytes(value.span()));
                Field::Faulty
            }
        }
    }

    /// A list of texts, each with its line. One that is no text makes the whole list faulty.
    pub(super) fn texts(&self, key: &str, findings: &mut Findings) -> Field<Vec<(&'d str, Place)>> {
        let Some((value, place)) = self.find(key) else { return Field::Absent };
        let DeValue::Array(items) = value.get_ref() else {
            wrong_type::<()>(key, value, "a list of texts, in brackets", &place, findings);
            return Field::Faulty;
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            let at = self.place_at(item.span().start);
            let Some(text) = as_text(key, item, &at, findings) else { return Field::Faulty };
            texts.push((text, at));
        }
        Field::Given(texts, place)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
        findings: &mut Findings,
    ) -> Field<T> {
        self.text(key, findings).and_then(findings, |text, place, findings| {
            let found = words.iter().find(|(word, _)| *word == text).map(|&(_, value)| value);
            if found.is_none() {
                let mark = Mark::Value(key.into());
                unknown_word(key, text, words.iter().map(|(word, _)| *word), place, mark, findings);
            }
            found
        })
    }

    /// An assigned country.
    pub(super) fn country(&self, key: &str, findings: &mut Findings) -> Field<Region> {
        self.text(key, findings).and_then(findings, |text, place, findings| {
            super::cells::country(key, text, place, || Mark::Value(key.into()), findings)
        })
    }

    /// Reports that a key is missing, at the table's header.
    pub(super) fn missing(&self, key: &str, what: &str, findings: &mut Findings) {
        let message = format!("{what} has no {}", shown(key));
        findings.add(&self.place(), Code::MissingKey, message, format!("add `{key} = …` below this line"));
    }
}

/// Reports a word that is none of those expected.
pub(super) fn unknown_word<'w>(
    key: &str,
    text: &str,
    words: impl Iterator<Item = &'w str> + Clone,
    place: &Place,
    mark: Mark,
    findings: &mut Findings,
) {
    let all = words.clone().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let help = did_you_mean(text, words, || format!("write one of {all}"));
    let message = format!("{} is {}, which is none of {all}", shown(key), shown(text));
    findings.add(place, Code::InvalidValue, message, help).at(mark);
}

/// A value as a text.
pub(super) fn as_text<'d>(
    key: &str,
    value: &'d Spanned<DeValue<'d>>,
    place: &Place,
    findings: &mut Findings,
) -> Option<&'d str> {
    match value.get_ref() {
        DeValue::String(text) => Some(text),
        _ => wrong_type(key, value, "a text, in quotes", place, findings),
    }
}

fn wrong_type<T>(
    key: &str,
    value: &Spanned<DeValue<'_>>,
    wanted: &str,
    place: &Place,
    findings: &mut Findings,
) -> Option<T> {
    let found = match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    let message = format!("{} is {found}, not {wanted}", shown(key));
    findings.add(place, Code::InvalidValue, message, format!("write {wanted}")).at(Mark::Bytes(value.span()));
    None
}
