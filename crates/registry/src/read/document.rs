//! A TOML file as a tree whose every key knows its line.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::fields::Fields;
use super::lines::Lines;
use crate::shown;
use crate::{Code, Findings, Mark, Place};

/// A parsed file.
pub(super) struct Document<'t> {
    file: Arc<str>,
    lines: Lines,
    root: DeTable<'t>,
}

impl<'t> Document<'t> {
    pub(super) fn parse(file: &Arc<str>, sound: &'t str) -> Document<'t> {
        // The faults of this text are reported already.
        let (root, _) = DeTable::parse_recoverable(sound);
        Document { file: file.clone(), lines: Lines::of(sound), root: root.into_inner() }
    }

    /// The keys outside any table.
    pub(super) fn root(&self) -> Fields<'_> {
        Fields::new(&self.file, &self.lines, &self.root, 0)
    }

    /// The entries of `[[name]]`, and whether they are a list at all.
    pub(super) fn entries(&self, name: &str, findings: &mut Findings) -> (Vec<Fields<'_>>, bool) {
        let mut entries = Vec::new();
        let Some((key, value)) = self.root.get_key_value(name) else { return (entries, true) };
        let mut wrong = |span: Range<usize>| {
            let place = Place { file: self.file.clone(), line: self.lines.at(span.start) };
            let message = format!("{} is not a list of tables", shown(name));
            let help = format!("write each entry under its own `[[{name}]]`");
            findings.add(&place, Code::InvalidValue, message, help).at(Mark::Bytes(span));
        };
        let DeValue::Array(items) = value.get_ref() else {
            wrong(key.span());
            return (entries, false);
        };
        for item in items {
            let line = self.lines.at(item.span().start);
            match item.get_ref() {
                DeValue::Table(table) => entries.push(Fields::new(&self.file, &self.lines, table, line)),
                _ => wrong(item.span()),
            }
        }
        (entries, true)
    }
}
