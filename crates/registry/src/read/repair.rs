//! Gets the most out of a TOML file that is not TOML throughout.
//!
//! A parser that recovers from one fault reports the next twenty lines as faulty as well. A
//! registry's file has natural seams, its table headers: each section is parsed by itself, a faulty
//! one gives one finding and is blanked out, line by line, and the rest is read as if nothing had been there.

use std::borrow::Cow;
use std::ops::Range;

use toml::de::DeTable;

use super::lines::Lines;
use crate::layout::Source;
use crate::{Code, Findings, Mark, Place};

const TOML_HELP: &str =
    "correct the line; texts stand in quotes, lists in brackets, tables as `[name]` or `[[name]]`";

/// In bytes: some 70,000 pools. While it is read, a document takes up to 102 times its text (one `[` after the
/// other), and what is no TOML up to 230 times: this bounds what a file can cost.
pub(super) const LARGEST: usize = 8 << 20;

/// The text that can be parsed; what is not UTF-8 or not TOML is reported. `None` where nothing can be saved.
pub(super) fn sound<'f>((file, bytes): Source<'f>, findings: &mut Findings) -> Option<Cow<'f, str>> {
    if bytes.len() > LARGEST {
        let place = Place { file: file.clone(), line: 0 };
        let message = format!("the file has {} bytes, of at most {LARGEST}", bytes.len());
        findings.add(&place, Code::Limit, message, "keep OUs in `ous.csv`, or split the company");
        return None;
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + memchr::memchr_iter(b'\n', before).count();
            let place = Place { file: file.clone(), line: u32::try_from(line).unwrap_or(u32::MAX) };
            findings.add(
                &place,
                Code::Syntax,
                "the file is not UTF-8 text",
                "save it with the encoding UTF-8",
            );
            return None;
        }
    };
    if faults(text).is_empty() {
        return Some(Cow::Borrowed(text));
    }

    let lines = Lines::of(text);
    let mut report = |span: Range<usize>, message: &str| {
        let place = Place { file: file.clone(), line: lines.at(span.start) };
        let message = format!("not TOML: {message}");
        findings.add(&place, Code::Syntax, message, TOML_HELP).at(Mark::Bytes(span));
    };
    let mut repaired = text.as_bytes().to_vec();
    let mut lost: Vec<String> = Vec::new();
    for section in sections(text) {
        let body = text.get(section.clone()).unwrap_or_default();
        let header = body.lines().next().unwrap_or_default().trim().to_owned();
        // A table inside an entry that was taken out has nothing to belong to.
        let orphan = lost.last().is_some_and(|lost| belongs(&header, lost));
        let first = if orphan { None } else { faults(body).into_iter().next() };
        if let Some((span, message)) = &first {
            report(section.start + span.start..section.start + span.end, message);
            lost.push(if header.starts_with('[') { header } else { String::new() });
        }
        if orphan || first.is_some() {
            blank(&mut repaired, section);
        }
    }
    let repaired = String::from_utf8(repaired).ok()?;
    let rest = faults(&repaired);
    let mut last = 0;
    for (span, message) in &rest {
        // What is left are keys and tables that are there twice, in sections sound by themselves.
        let line = lines.at(span.start);
        if line != last {
            report(span.clone(), message);
        }
        last = line;
        if !message.contains("duplicate") {
            return None;
        }
    }
    Some(Cow::Owned(repaired))
}

/// Where and what, in the order of the text.
fn faults(text: &str) -> Vec<(Range<usize>, String)> {
    let (_, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<(Range<usize>, String)> = errors
        .iter()
        .map(|error| (error.span().unwrap_or_default(), error.message().replace('\n', " ")))
        .collect();
    faults.sort_by_key(|(span, _)| span.start);
    faults
}

/// The text cut before every line that begins a table.
pub(crate) fn sections(text: &str) -> Vec<Range<usize>> {
    let mut sections = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let header = line.trim_start().trim_start_matches('[');
        let opens = line.trim_start().starts_with('[')
            && header.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
        if opens && at > start {
            sections.push(start..at);
            start = at;
        }
        at += line.len();
    }
    sections.push(start..at);
    sections
}

/// Whether `[pool.geography]` stands below the lost `[[pool]]`.
fn belongs(header: &str, lost: &str) -> bool {
    let name = |header: &str| header.trim_start_matches('[').trim().to_owned();
    let owner = name(lost);
    let owner = owner.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
    !owner.is_empty() && name(header).strip_prefix(owner).is_some_and(|rest| rest.starts_with('.'))
}

fn blank(bytes: &mut [u8], range: Range<usize>) {
    for byte in bytes.get_mut(range).unwrap_or_default() {
        if *byte != b'\n' && *byte != b'\r' {
            *byte = b' ';
        }
    }
}
