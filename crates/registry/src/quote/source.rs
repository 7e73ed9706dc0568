//! The files that findings point into, each looked through once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::excerpt::{Quote, excerpt};
use super::{entry, row};
use crate::read::{Lines, sections};
use crate::{Files, Mark, Place};
use switchboard_model::E164;

/// As many lines as a quote begins above what it underlines: an entry's header, where that is near.
const ABOVE: u32 = 6;

/// A registry's files, to be quoted from.
pub struct Quotes<'f> {
    files: &'f Files,
    looked_through: HashMap<Arc<str>, Option<Source<'f>>>,
}

/// A file, and where in it things begin.
struct Source<'f> {
    text: Cow<'f, str>,
    lines: Lines,
    form: Form,
}

enum Form {
    /// Its parts, each of which can be parsed by itself.
    Toml(Vec<Range<usize>>),
    /// Its columns.
    Sheet(Vec<String>),
}

impl<'f> Quotes<'f> {
    /// Nothing is looked through yet.
    pub fn of(files: &'f Files) -> Quotes<'f> {
        Quotes { files, looked_through: HashMap::new() }
    }

    /// The line of a place with what is marked on it, in at most so many characters a line. `None` where the
    /// fault is the file as a whole, or what is marked is not there.
    pub fn quote(&mut self, place: &Place, mark: &Mark, width: usize) -> Option<Quote> {
        let named = matches!(mark, Mark::Value(_));
        if place.line == 0 && !named {
            return None;
        }
        let source = self.source(&place.file)?;
        let fault = source.find(place.line.max(1), mark)?;
        let line = source.lines.at(fault.start);
        let first =
            if (1..=line).contains(&place.line) && line - place.line <= ABOVE { place.line } else { line };
        let spans: Vec<Range<usize>> =
            (first..=line).map(|line| source.lines.span(line, &source.text)).collect();
        let bare: Vec<Option<Range<usize>>> = (first..=line).map(|line| source.address(line)).collect();
        Some(excerpt(&source.text, first, &spans, &bare, fault, width))
    }

    fn source(&mut self, file: &Arc<str>) -> Option<&Source<'f>> {
        let files = self.files;
        let look = || {
            let bytes = files.files.get(file)?;
            let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
            let text = String::from_utf8_lossy(bytes);
            let lines = Lines::of(&text);
            let form = if file.ends_with(".csv") {
                let header = row::cells(&text, 0);
                let name = |cell: Range<usize>| row::value(text.get(cell).unwrap_or_default());
                Form::Sheet(header.into_iter().map(name).collect())
            } else {
                Form::Toml(sections(&text))
            };
            Some(Source { text, lines, form })
        };
        self.looked_through.entry(file.clone()).or_insert_with(look).as_ref()
    }
}

impl Source<'_> {
    /// The bytes of what is marked, on one line; of a whole line, without what surrounds its text.
    fn find(&self, line: u32, mark: &Mark) -> Option<Range<usize>> {
        let on = self.lines.span(line, &self.text);
        let found = match (mark, &self.form) {
            (Mark::Line, _) => on,
            (Mark::Bytes(bytes), _) => bytes.clone(),
            (Mark::Cell(at), _) => row::cells(&self.text, on.start).get(*at).cloned()?,
            (Mark::Value(name), Form::Sheet(columns)) => {
                let at = columns.iter().position(|column| **column == **name)?;
                row::cells(&self.text, on.start).get(at).cloned()?
            }
            (Mark::Entry(_) | Mark::Item(_), Form::Sheet(_)) => on,
            (_, Form::Toml(sections)) => {
                let at = sections.partition_point(|section| section.end <= on.start);
                let section = sections.get(at)?;
                let body = self.text.get(section.clone())?;
                let found = entry::find(body, on.start.saturating_sub(section.start), mark)?;
                section.start + found.start..section.start + found.end
            }
        };
        let end_of_line = self.lines.span(self.lines.at(found.start), &self.text).end;
        let end = found.end.min(end_of_line).max(found.start);
        let text = self.text.get(found.start..end)?;
        let start = found.start + (text.len() - text.trim_start().len());
        Some(if text.trim().is_empty() { found.start..found.start } else { start..start + text.trim().len() })
    }

    /// Where a line of accounts has its address: the company's own, and so shown.
    fn address(&self, line: u32) -> Option<Range<usize>> {
        let Form::Sheet(columns) = &self.form else { return None };
        let at = columns.iter().position(|column| column == "address")?;
        let cell = row::cells(&self.text, self.lines.span(line, &self.text).start).get(at).cloned()?;
        let address = self.text.get(cell.clone())?;
        // What is no number at all may be anybody's, written in some other way.
        (address.starts_with('+') && E164::parse(address).is_ok()).then_some(cell)
    }
}
