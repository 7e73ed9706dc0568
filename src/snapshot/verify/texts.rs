//! Texts: UTF-8 from end to end, cut between characters, and JSON where an answer copies them raw.

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
    json.strip_prefix(&*serde_json::Value::from(text).to_string())
}

fn is_json_text(json: &str) -> bool {
    match json.strip_prefix('"').and_then(|json| json.strip_suffix('"')) {
        Some(inner) => is_plain(inner) || serde_json::from_str::<String>(json).is_ok(),
        None => false,
    }
}

/// Whether a text stands in JSON as it is. Without a way out in the middle, so that it takes vectors.
fn is_plain(text: &str) -> bool {
    !text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
}
