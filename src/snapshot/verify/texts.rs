//! Texts: UTF-8 from end to end, cut between characters, and JSON where an answer copies them raw.

use std::io::{self, ErrorKind, Write};

use super::super::format::ArchivedSpan;
use super::super::open::{Rejection, Stage};
use super::require;

/// The arena of texts.
pub(super) struct Texts<'a>(&'a str);

impl<'a> Texts<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Texts<'a>, Rejection> {
        let text = std::str::from_utf8(bytes).map_err(|_| Stage::Index.rejection("a text is not UTF-8"))?;
        Ok(Texts(text))
    }

    pub(super) fn span(&self, span: &ArchivedSpan) -> Result<&'a str, Rejection> {
        self.run(span.start.to_native(), span.len.to_native())
    }

    /// A text that is there, and neither begins nor ends within a character.
    pub(super) fn run(&self, start: u32, len: u32) -> Result<&'a str, Rejection> {
        let end = u64::from(start) + u64::from(len);
        self.0.get(start as usize..end as usize).ok_or_else(|| {
            let all = self.0.len();
            Stage::Index
                .rejection(format!("a record points at text {start}..{end}, of {all}, or splits a character"))
        })
    }

    /// An id and the same as a JSON string.
    pub(super) fn quoted(&self, id: &ArchivedSpan, json: &ArchivedSpan) -> Result<&'a str, Rejection> {
        let (id, json) = (self.span(id)?, self.span(json)?);
        require(without_json(json, id) == Some(""), "JSON of an id")?;
        Ok(id)
    }
}

/// Whether `json` is `{"account":"<id>","address":"…"`.
pub(super) fn begins_an_answer(json: &str, id: &str) -> bool {
    let behind_id = json.strip_prefix(r#"{"account":"#).and_then(|json| without_json(json, id));
    behind_id.and_then(|json| json.strip_prefix(r#","address":"#)).is_some_and(is_json_text)
}

/// What follows `text` as a JSON string.
pub(super) fn without_json<'j>(json: &'j str, text: &str) -> Option<&'j str> {
    if is_plain(text) {
        return json.strip_prefix('"')?.strip_prefix(text)?.strip_prefix('"');
    }
    let mut left = Left(json.as_bytes());
    serde_json::to_writer(&mut left, text).ok()?;
    json.get(json.len() - left.0.len()..)
}

/// Takes what is written to it off its front, where it is the same: an escaped text may be six times as long
/// as it is, and need not be made to be compared.
struct Left<'a>(&'a [u8]);

impl Write for Left<'_> {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(written).ok_or(ErrorKind::InvalidData)?;
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A JSON text that whoever reads it reads the same: `\u` stands for control characters alone.
fn is_json_text(json: &str) -> bool {
    let Some(inner) = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')) else { return false };
    if is_plain(inner) {
        return true;
    }
    let mut bytes = inner.bytes();
    while let Some(byte) = bytes.next() {
        let sound = match byte {
            b'\\' => match bytes.next() {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => true,
                Some(b'u') => {
                    let digits = [bytes.next(), bytes.next(), bytes.next(), bytes.next()]
                        .map(Option::unwrap_or_default);
                    digits.starts_with(b"00")
                        && matches!(digits, [_, _, b'0' | b'1', last] if last.is_ascii_hexdigit())
                }
                _ => false,
            },
            other => other >= 0x20 && other != b'"',
        };
        if !sound {
            return false;
        }
    }
    true
}

/// Whether a text stands in JSON as it is. Without a way out in the middle, so that it takes vectors.
fn is_plain(text: &str) -> bool {
    !text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
}
