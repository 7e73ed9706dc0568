//! Reads as much as possible of a TOML file that has faults.
//!
//! After a fault, a TOML parser reports many of the following lines as faulty too. A faulty file is therefore
//! divided into sections, each from one table header to the next, and every section is parsed alone. A faulty
//! section becomes one finding and is replaced by spaces. The other sections are read.

use std::borrow::Cow;
use std::ops::Range;

use toml::de::DeTable;

use super::layout::SourceFile;
use super::text::{Lines, find_binary, find_not_utf8};
use crate::{Code, Findings, Span};

const TOML_HELP: &str =
    "correct the line: write texts in quotes, lists in brackets, and table headers as `[name]` or `[[name]]`";

/// The maximum length of a TOML file in bytes, which is enough for about 70,000 pools. The limit bounds the
/// parser's memory. A TOML file takes up to 102 times its size, and a file that is not TOML up to 230 times.
const MAX_TOML_BYTES: usize = 8 << 20;

/// The part of a file that can be parsed.
pub(super) struct Recovered<'f> {
    /// The text, with spaces in place of the faulty sections.
    pub(super) text: Cow<'f, str>,
    /// Whether the text has no fault, so that nothing of it is left out.
    pub(super) is_complete: bool,
}

/// Returns the text with every faulty section replaced by spaces, and reports these sections. Returns `None`
/// if nothing can be parsed.
pub(super) fn parse_recovering<'f>(file: SourceFile<'f>, findings: &mut Findings) -> Option<Recovered<'f>> {
    if file.len() > MAX_TOML_BYTES {
        let message = format!("the file has {} bytes, but at most {MAX_TOML_BYTES} are allowed", file.len());
        findings.add(&file.place(0), Code::Limit, message, "move OUs to `ous.csv`, or split the company");
        return None;
    }
    if let Some(fault) = find_binary(file.text()) {
        file.report_encoding(fault, "save the file as text in the encoding UTF-8", findings);
        return None;
    }
    let not_utf8 = find_not_utf8(file.text());
    let is_complete = not_utf8.is_none();
    if let Some(fault) = not_utf8 {
        file.report_encoding(fault, "save the file in the encoding UTF-8", findings);
    }
    let text = readable_text(file.text());
    let lines = Lines::new(&*text);
    if let Some(offset) = find_lone_cr(file.text()) {
        let place = file.place(lines.line_at(offset));
        let message = "the line ends with a carriage return alone, which TOML does not allow";
        let help = "save the file with the line ends of Unix (LF) or Windows (CR LF)";
        findings.add(&place, Code::Syntax, message, help).primary(Span::Bytes(offset..offset));
    }
    if faults(&text).is_empty() {
        drop(lines);
        return Some(Recovered { text, is_complete });
    }

    let mut report = |span: Range<usize>, message: &str| {
        let place = file.place(lines.line_at(span.start));
        let message = format!("the file is not valid TOML: {message}");
        findings.add(&place, Code::Syntax, message, TOML_HELP).primary(Span::Bytes(span));
    };
    let recovered = blank_faulty_sections(&text, &mut report)?;
    // Each remaining section is valid alone. A fault of the whole is therefore a duplicate, and the parser
    // keeps the first one.
    let mut last_line = 0;
    for (span, message) in &faults(&recovered) {
        let line = lines.line_at(span.start);
        if line != last_line {
            report(span.clone(), message);
        }
        last_line = line;
    }
    Some(Recovered { text: Cow::Owned(recovered), is_complete: false })
}

/// Returns the bytes as text in which every character has its place: a question mark stands for each byte
/// that is not UTF-8, and a line feed for each carriage return that ends a line alone.
pub(crate) fn readable_text(bytes: &[u8]) -> Cow<'_, str> {
    let lone_cr = find_lone_cr(bytes);
    if let (Ok(text), None) = (str::from_utf8(bytes), lone_cr) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    let mut is_cr = false;
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars().chain(chunk.invalid().iter().map(|_| '?')) {
            if is_cr {
                text.push(if letter == '\n' { '\r' } else { '\n' });
            }
            is_cr = letter == '\r';
            if !is_cr {
                text.push(letter);
            }
        }
    }
    if is_cr {
        text.push('\n');
    }
    Cow::Owned(text)
}

/// Returns the offset of the first carriage return without a line feed behind it.
fn find_lone_cr(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\r', bytes).find(|at| bytes.get(at + 1) != Some(&b'\n'))
}

/// Replaces every faulty section by spaces, and reports its first fault.
fn blank_faulty_sections(text: &str, report: &mut impl FnMut(Range<usize>, &str)) -> Option<String> {
    let mut recovered = text.as_bytes().to_vec();
    let mut last_lost: Option<&str> = None;
    for section in sections(text) {
        let body = text.get(section.clone())?;
        let header = body.lines().next().unwrap_or_default().trim();
        // A table inside a faulty entry has no entry to belong to.
        let orphaned = last_lost.is_some_and(|lost| belongs(header, lost));
        let fault = if orphaned { None } else { faults(body).into_iter().next() };
        if let Some((span, message)) = &fault {
            report(section.start + span.start..section.start + span.end, message);
            last_lost = Some(if header.starts_with('[') { header } else { "" });
        }
        if orphaned || fault.is_some() {
            blank(recovered.get_mut(section)?);
        }
    }
    String::from_utf8(recovered).ok()
}

/// Returns the faults that the parser reports, with their bytes and messages, in the order of the text.
fn faults(text: &str) -> Vec<(Range<usize>, String)> {
    let (_, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<(Range<usize>, String)> = errors
        .iter()
        .map(|error| (error.span().unwrap_or_default(), error.message().replace('\n', " ")))
        .collect();
    faults.sort_by_key(|(span, _)| span.start);
    faults
}

/// Divides the text into sections. A section begins at each line with a table header.
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

/// Returns whether a table such as `[pool.geography]` is part of the faulty `[[pool]]`.
fn belongs(header: &str, lost: &str) -> bool {
    let owner = lost.trim_start_matches('[').trim();
    let owner = owner.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
    let name = header.trim_start_matches('[').trim();
    !owner.is_empty() && name.strip_prefix(owner).is_some_and(|rest| rest.starts_with('.'))
}

/// Replaces all bytes except line ends by spaces, so that the other text keeps its lines and offsets.
fn blank(section: &mut [u8]) {
    section.iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn recovered(text: &str) -> (Option<String>, Vec<String>) {
        let path = Arc::from("acme/company.toml");
        let mut findings = Findings::default();
        let text = parse_recovering(SourceFile::new(&path, text.as_bytes()), &mut findings);
        (
            text.map(|recovered| recovered.text.into_owned()),
            findings.iter().map(|it| format!("{}: {}", it.place, it.message)).collect(),
        )
    }

    #[test]
    fn duplicates_are_reported_and_the_rest_is_kept() {
        for text in ["[a]\nx = 1\n[a]\ny = 2\n", "a = 1\n[b]\nx = 1\n[a]\ny = 2\n", "a = 1\n[a.b]\ny = 2\n"] {
            let (rest, findings) = recovered(text);
            assert_eq!((rest.as_deref(), findings.len()), (Some(text), 1), "{findings:?}");
        }
        let text = "[a]\nx = 1\n[a]\ny = 2\n";
        let (rest, findings) = recovered(text);
        assert_eq!(rest.as_deref(), Some(text));
        assert_eq!(findings, ["acme/company.toml:3: the file is not valid TOML: duplicate key"]);
    }

    #[test]
    fn faulty_sections_and_their_tables_are_blanked() {
        let (rest, findings) = recovered("a = 1\n[[p]]\nx =\n[p.q]\ny = 1\n[[p]]\nz = 1\n");
        assert_eq!(rest.as_deref(), Some("a = 1\n     \n   \n     \n     \n[[p]]\nz = 1\n"));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].starts_with("acme/company.toml:3: the file is not valid TOML: "), "{findings:?}");
    }
}
