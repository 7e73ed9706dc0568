//! Texts: UTF-8 from end to end, cut between characters, and JSON where an answer copies them raw.

use super::super::format::{ArchivedIdAndAddress, ArchivedSpan};
use super::super::rejection::{Rejection, RejectionStage};
use super::require;
use switchboard_model::is_id;

/// The arena of texts.
pub(super) struct Texts<'a>(&'a str);

impl<'a> Texts<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Texts<'a>, Rejection> {
        let text =
            std::str::from_utf8(bytes).map_err(|_| RejectionStage::Index.rejection("a text is not UTF-8"))?;
        Ok(Texts(text))
    }

    pub(super) fn span(&self, span: &ArchivedSpan) -> Result<&'a str, Rejection> {
        self.run(span.start.to_native(), span.len.to_native())
    }

    /// Returns a text that is an id.
    pub(super) fn id(&self, span: &ArchivedSpan) -> Result<&'a str, Rejection> {
        let id = self.span(span)?;
        require(is_id(id), "id")?;
        Ok(id)
    }

    /// Returns a text that exists, and neither begins nor ends within a character.
    pub(super) fn run(&self, start: u32, len: u32) -> Result<&'a str, Rejection> {
        let end = u64::from(start) + u64::from(len);
        self.0.get(start as usize..end as usize).ok_or_else(|| {
            let all = self.0.len();
            RejectionStage::Index
                .rejection(format!("a record points at text {start}..{end}, of {all}, or splits a character"))
        })
    }

    /// Checks an account's id, which is this one, and address: both are text that may stand between quotes in JSON.
    pub(super) fn id_and_address(
        &self,
        id_and_address: &ArchivedIdAndAddress,
        id: &str,
    ) -> Result<(), Rejection> {
        let both = self.run(id_and_address.start.to_native(), u32::from(id_and_address.len.to_native()))?;
        let (escaped, address) =
            both.split_at_checked(usize::from(id_and_address.id_len.to_native())).unzip();
        require(escaped.and_then(|escaped| without_escaped(escaped, id)) == Some(""), "JSON of an account")?;
        require(address.is_some_and(is_escaped), "JSON of an address")
    }
}

/// Returns what follows an id, escaped as JSON.
pub(super) fn without_escaped<'j>(json: &'j str, id: &str) -> Option<&'j str> {
    if is_plain(id) {
        return json.strip_prefix(id);
    }
    // Of what ids are made of, a backslash alone is escaped.
    let quoted = serde_json::Value::from(id).to_string();
    json.strip_prefix(quoted.strip_prefix('"')?.strip_suffix('"')?)
}

/// Whether a text can stand between quotes in JSON, and reads the same: only control characters are written with `\u`.
fn is_escaped(text: &str) -> bool {
    if is_plain(text) {
        return true;
    }
    let mut bytes = text.bytes();
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

/// Whether a text needs no escapes in JSON. Without an early return, so that it is vectorized.
fn is_plain(text: &str) -> bool {
    !text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
}
