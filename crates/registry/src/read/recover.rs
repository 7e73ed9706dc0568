//! Reads a TOML file part by part, and as much as possible of a file that has faults.
//!
//! A part is a table, or one entry of `[[name]]` with its own tables. Only one part at a time is in memory as a
//! tree, because a tree takes 30 to 200 times its text. After a fault, a TOML parser reports many of the
//! following lines as faulty too. A faulty part is therefore divided into sections, each from one table header
//! to the next, and every section is parsed alone. A faulty section becomes one finding and is replaced by
//! spaces. The other sections are read.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use toml::de::DeTable;
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use super::layout::SourceFile;
use super::text::{Lines, find_binary, find_not_utf8};
use super::toml::{Document, Pieces};
use crate::{Code, Findings, Span};

const TOML_HELP: &str =
    "correct the line: write texts in quotes, lists in brackets, and table headers as `[name]` or `[[name]]`";

/// The memory in bytes that the tree of a part may always take. It is enough for 30,000 texts in a list.
const MIN_TREE_BYTES: u64 = 16 << 20;
/// The memory that the tree of a part may take for each byte of its file.
const TREE_BYTES_PER_BYTE: u64 = 2;
/// The memory that the tree of a part may take for each line of its file.
const TREE_BYTES_PER_LINE: u64 = 512;

/// The length of the beginning of a part in which a fault is looked for, if the part is not read.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// The memory in bytes that a token takes while its part is parsed.
const TOKEN_COST: u64 = 72;
/// The memory of an element of a list, whose buffer doubles as it grows.
const ELEMENT_COST: u64 = 220;
/// The memory of a value in a table.
const VALUE_COST: u64 = 220;
/// The memory of a table with one value. Its first node has room for eleven values.
const TABLE_COST: u64 = 1200;
/// The memory of the message about a wrong token.
const FAULT_COST: u64 = 256;

/// A part of a TOML file.
struct Part<'t> {
    text: Cow<'t, str>,
    pieces: Pieces,
    /// An upper estimate of the memory in bytes that the tree takes.
    cost: u64,
}

/// A section of a file: a table header with the keys below it.
struct PartSection {
    /// The number of the part that the section belongs to.
    part: u32,
    bytes: Range<usize>,
    cost: u64,
}

/// Calls `read` with each part of a file that can be parsed, and reports the faulty sections. Returns whether the
/// whole file could be read.
pub(super) fn read_parts(
    file: SourceFile<'_>,
    findings: &mut Findings,
    read: impl FnMut(&Document<'_>, &mut Findings),
) -> bool {
    if let Some(fault) = find_binary(file.text()) {
        file.report_encoding(fault, "save the file as text in the encoding UTF-8", findings);
        return false;
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
    let (bytes, line_count) = (text.len() as u64, u64::from(lines.line_at(text.len())));
    let max_cost = MIN_TREE_BYTES.max(TREE_BYTES_PER_BYTE * bytes).max(TREE_BYTES_PER_LINE * line_count);
    let mut reader = PartReader { file, lines: &lines, max_cost, is_complete, findings, read };
    for_each_part(&text, &Pieces::whole(text.len()), |part| reader.read_part(&part));
    reader.is_complete
}

/// Reads the parts of one file.
struct PartReader<'r, F> {
    file: SourceFile<'r>,
    lines: &'r Lines<'r>,
    /// The maximum memory in bytes that the tree of a part may take.
    max_cost: u64,
    /// Whether the parts have no fault, so that nothing of them is left out.
    is_complete: bool,
    findings: &'r mut Findings,
    read: F,
}

impl<F: FnMut(&Document<'_>, &mut Findings)> PartReader<'_, F> {
    fn read_part(&mut self, part: &Part<'_>) {
        if part.cost > self.max_cost {
            return self.report_too_large(part);
        }
        match DeTable::parse(&part.text) {
            Ok(root) => self.read_root(root.into_inner(), &part.pieces),
            Err(_) => self.recover(part),
        }
    }

    fn read_root(&mut self, root: DeTable<'_>, pieces: &Pieces) {
        let document = Document::new(&self.file, self.lines, pieces, root);
        (self.read)(&document, self.findings);
    }

    /// Reads the sections of a part that are valid, and reports the others.
    fn recover(&mut self, part: &Part<'_>) {
        self.is_complete = false;
        let Some(recovered) = self.blank_faulty_sections(part) else { return };
        for_each_part(&recovered, &part.pieces, |part| {
            if part.cost > self.max_cost {
                return self.report_too_large(&part);
            }
            // Each section is valid alone. A fault of the whole is therefore a duplicate, and the parser keeps the
            // first one.
            let (root, faults) = parse(&part.text, self.max_cost);
            let mut last_line = 0;
            for (span, message) in faults {
                let line = self.lines.line_at(part.pieces.in_file(span.start));
                if line != last_line {
                    self.report(&part.pieces, span, &message);
                }
                last_line = line;
            }
            if let Some(root) = root {
                self.read_root(root, &part.pieces);
            }
        });
    }

    /// Returns the text with every faulty section replaced by spaces. Reports the first fault of each.
    fn blank_faulty_sections(&mut self, part: &Part<'_>) -> Option<String> {
        let text = &*part.text;
        let mut recovered = text.as_bytes().to_vec();
        let mut last_lost: Option<&str> = None;
        for section in sections(text) {
            let body = text.get(section.clone())?;
            let header = body.lines().next().unwrap_or_default().trim();
            // A table inside a faulty entry has no entry to belong to.
            let orphaned = last_lost.is_some_and(|lost| belongs(header, lost));
            let fault = if orphaned { None } else { parse(body, self.max_cost).1.into_iter().next() };
            if let Some((span, message)) = &fault {
                self.report(&part.pieces, section.start + span.start..section.start + span.end, message);
                last_lost = Some(if header.starts_with('[') { header } else { "" });
            }
            if orphaned || fault.is_some() {
                blank(recovered.get_mut(section)?);
            }
        }
        String::from_utf8(recovered).ok()
    }

    fn report(&mut self, pieces: &Pieces, span: Range<usize>, message: &str) {
        let span = pieces.range_in_file(&span);
        let place = self.file.place(self.lines.line_at(span.start));
        let message = format!("the file is not valid TOML: {message}");
        self.findings.add(&place, Code::Syntax, message, TOML_HELP).primary(Span::Bytes(span));
    }

    fn report_too_large(&mut self, part: &Part<'_>) {
        self.is_complete = false;
        // A text that is no TOML usually has a fault near its beginning.
        let head = part.text.get(..part.text.floor_char_boundary(MAX_HEAD_BYTES)).unwrap_or_default();
        let head = head.rsplit_once('\n').map_or("", |(lines, _)| lines);
        if let Some((span, message)) = parse(head, self.max_cost).1.first()
            && span.end < head.len()
        {
            return self.report(&part.pieces, span.clone(), message);
        }
        let place = self.file.place(self.lines.line_at(part.pieces.in_file(0)));
        let message = format!(
            "the table that begins here has so many values that reading it could take {} MiB of memory, but at \
             most {} MiB are allowed",
            part.cost.div_ceil(1 << 20),
            self.max_cost >> 20
        );
        let help = "shorten its lists and tables, or write each item of a long list on a line of its own";
        self.findings.add(&place, Code::Limit, message, help);
    }
}

/// Calls `read` with each part of a text. `outer` has the places of the text in the file.
fn for_each_part(text: &str, outer: &Pieces, mut read: impl FnMut(Part<'_>)) {
    let mut sections = divide(text);
    sections.sort_by_key(|section| section.part);
    for sections in sections.chunk_by(|a, b| a.part == b.part) {
        let cost = sections.iter().map(|section| section.cost).sum();
        let is_contiguous =
            sections.windows(2).all(|pair| matches!(pair, [a, b] if a.bytes.end == b.bytes.start));
        let mut pieces = Pieces::default();
        let part = match (sections.first(), sections.last()) {
            (Some(first), Some(last)) if is_contiguous => {
                let bytes = first.bytes.start..last.bytes.end;
                pieces.add(outer, bytes.clone());
                Cow::Borrowed(text.get(bytes).unwrap_or_default())
            }
            _ => {
                let mut part = String::new();
                for section in sections {
                    pieces.add(outer, section.bytes.clone());
                    part += text.get(section.bytes.clone()).unwrap_or_default();
                }
                Cow::Owned(part)
            }
        };
        read(Part { text: part, pieces, cost });
    }
}

/// The last part that has a key of the root table.
struct Owner {
    part: u32,
    /// Whether the first header with this key was `[[key]]`.
    is_list: bool,
}

/// Divides a text into sections, each from one table header to the next, and numbers the part of each. Each
/// `[[name]]` begins a part. Any other section belongs to the last part with its first key, so that the parser
/// sees all tables that may contradict each other.
fn divide(text: &str) -> Vec<PartSection> {
    let mut sections = Vec::new();
    let mut owners: HashMap<&str, Owner> = HashMap::new();
    // Part 0 has the keys above the first header.
    let mut parts = 0;
    let mut section = PartSection { part: 0, bytes: 0..0, cost: 0 };
    let (mut is_line_start, mut is_header, mut depth) = (true, false, 0_u32);
    for token in Source::new(text).lex() {
        let (kind, at) = (token.kind(), token.span().start());
        let rest = text.get(at..).unwrap_or_default();
        if is_line_start && kind == TokenKind::LeftSquareBracket && (depth == 0 || is_likely_header(rest)) {
            section.bytes.end = at;
            let (key, is_entry) = first_key(rest);
            let known = owners.get(key).map(|owner| (owner.part, owner.is_list));
            let part = match known {
                Some((part, is_list)) if !is_entry || !is_list => part,
                _ => {
                    parts += 1;
                    parts
                }
            };
            owners.insert(key, Owner { part, is_list: known.map_or(is_entry, |(_, is_list)| is_list) });
            let next = PartSection { part, bytes: at..at, cost: 0 };
            let done = std::mem::replace(&mut section, next);
            if !done.bytes.is_empty() {
                sections.push(done);
            }
            (is_header, depth) = (true, 0);
        }
        let is_key = matches!(kind, TokenKind::Atom | TokenKind::BasicString | TokenKind::LiteralString);
        if is_line_start && depth == 0 && section.part == 0 && section.bytes.start == 0 && is_key {
            let key = unquoted(text.get(at..token.span().end()).unwrap_or_default());
            owners.entry(key).or_insert(Owner { part: 0, is_list: false });
        }
        section.cost += TOKEN_COST
            + match kind {
                TokenKind::Comma => ELEMENT_COST,
                TokenKind::Equals => VALUE_COST,
                TokenKind::Dot | TokenKind::LeftCurlyBracket => TABLE_COST,
                TokenKind::LeftSquareBracket if is_header => TABLE_COST,
                TokenKind::LeftSquareBracket => 2 * ELEMENT_COST,
                _ => 0,
            };
        match kind {
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => depth += 1,
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
        is_line_start = kind == TokenKind::Newline
            || (is_line_start && matches!(kind, TokenKind::Whitespace | TokenKind::Comment));
        if is_line_start && is_header {
            (is_header, depth) = (false, 0);
        }
        section.bytes.end = token.span().end();
    }
    section.bytes.end = text.len();
    sections.push(section);
    sections
}

/// Returns the first key of a table header, and whether the header is one of `[[key]]`.
fn first_key(header: &str) -> (&str, bool) {
    let is_double = header.starts_with("[[");
    let name = header.trim_start_matches('[').trim_start_matches([' ', '\t']);
    let end = match name.chars().next() {
        Some(quote @ ('"' | '\'')) => name.get(1..).and_then(|rest| rest.find(quote)).map(|end| end + 2),
        _ => name.find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '-')),
    };
    let (key, rest) = name.split_at_checked(end.unwrap_or(name.len())).unwrap_or((name, ""));
    (unquoted(key), is_double && rest.trim_start_matches([' ', '\t']).starts_with(']'))
}

fn unquoted(key: &str) -> &str {
    key.trim_matches(['"', '\''])
}

/// Returns whether a line within a list that is not closed is probably a table header. A list of lists has
/// only literals here.
fn is_likely_header(line: &str) -> bool {
    let (key, _) = first_key(line);
    key.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && !["true", "false", "inf", "nan"].contains(&key)
        && !line.trim_start_matches('[').trim_start().starts_with(['"', '\''])
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

/// A fault of a TOML text: its bytes and its message.
type Fault = (Range<usize>, String);

/// Parses a text. Returns what could be parsed of it, and its faults in the order of the text. If the messages
/// could take more memory than allowed, returns only the fault that the parser found first.
fn parse(text: &str, max_cost: u64) -> (Option<DeTable<'_>>, Vec<Fault>) {
    let describe =
        |error: &toml::de::Error| (error.span().unwrap_or_default(), error.message().replace('\n', " "));
    let tokens = Source::new(text).lex().count() as u64;
    if tokens * (TOKEN_COST + FAULT_COST) > max_cost {
        return match DeTable::parse(text) {
            Ok(root) => (Some(root.into_inner()), Vec::new()),
            Err(error) => (None, vec![describe(&error)]),
        };
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<Fault> = errors.iter().map(describe).collect();
    faults.sort_by_key(|(span, _)| span.start);
    (Some(root.into_inner()), faults)
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

    /// Returns the keys of the parts that were read, and the findings.
    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let path = Arc::from("acme/company.toml");
        let (mut findings, mut parts) = (Findings::default(), Vec::new());
        read_parts(SourceFile::new(&path, text.as_bytes()), &mut findings, |document, _| {
            let entries = document.root().entries();
            let keys = entries.iter().map(|entry| format!("{}:{}", entry.key, entry.place.line));
            parts.push(keys.collect::<Vec<_>>().join(" "));
        });
        (parts, findings.iter().map(|it| format!("{}: {}", it.place, it.message)).collect())
    }

    #[test]
    fn every_table_and_every_entry_of_a_list_is_a_part() {
        let text = "a = 1\nb.c = 2\n\n# x\n[[p]]\nx = 1\n[p.q]\n[[ou]]\nid = 1\n [p.r]\n[[p]]\n[g]\nx = [\n[1],\n[true]]\n\
                    [b.d]\ny = '''\n[[p]]\n'''\n[\"g\".h]\n[[ou]]";
        let (parts, findings) = read(text);
        assert_eq!(findings, Vec::<String>::new());
        assert_eq!(parts, ["a:1 b:2", "p:5", "ou:8", "p:11", "g:12", "ou:21"]);
    }

    #[test]
    fn duplicates_are_reported_and_the_rest_is_kept() {
        for (text, at, kept) in [
            ("[a]\nx = 1\n[a]\ny = 2\n", 3, "a"),
            ("a = 1\n[b]\nx = 1\n[a]\ny = 2\n", 4, "a b"),
            ("a = 1\n[a.b]\ny = 2\n", 2, "a"),
            ("[[a]]\nx = 1\n[b]\n[a]\ny = 2\n", 4, "a b"),
            ("[a]\nx = 1\n[b]\n[[a]]\ny = 2\n", 4, "a b"),
            ("a = []\n[[a]]\ny = 2\n", 2, "a"),
            ("[\"a\"]\nx = 1\n[b]\n[a]\n", 4, "a b"),
        ] {
            let (parts, findings) = read(text);
            let keys = parts.iter().flat_map(|part| part.split(' ')).filter_map(|key| key.split(':').next());
            assert_eq!(keys.collect::<Vec<_>>().join(" "), kept, "{text:?}");
            assert_eq!(findings.len(), 1, "{text:?} {findings:?}");
            assert!(
                findings[0].starts_with(&format!("acme/company.toml:{at}: the file is not valid TOML: ")),
                "{text:?} {findings:?}"
            );
        }
    }

    #[test]
    fn faulty_sections_and_their_tables_are_left_out() {
        let (parts, findings) = read("a = 1\n[[p]]\nx =\n[p.q]\ny = 1\n[[p]]\nz = 1\n");
        assert_eq!(parts.join(" ").trim(), "a:1  p:6");
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].starts_with("acme/company.toml:3: the file is not valid TOML: "), "{findings:?}");
    }

    /// A bracket or a quote that is not closed costs its own table.
    #[test]
    fn tables_behind_an_open_bracket_are_read() {
        for open in ["[", "{", "[ \"x\", [", "\"\"\"", "\"", "'''"] {
            let (parts, findings) = read(&format!("[[p]]\nx = {open}\n\n[[p]]\nz = 1\n\n[[ou]]\nid = 1\n"));
            assert_eq!(parts.concat().replace(' ', ""), "p:4ou:7", "{open}");
            assert_eq!(findings.len(), 1, "{open} {findings:?}");
        }
    }
}
