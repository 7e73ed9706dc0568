//! Verifies texts: the arena is UTF-8, every range ends between characters, and the texts of answers are
//! valid JSON.

use super::super::format::{ArchivedIdAndAddress, ArchivedSpan};
use super::super::header::Rejection;
use super::{inconsistent, require};
use switchboard_model::is_id;

/// The arena of text, which is valid UTF-8.
pub(super) struct Texts<'a>(&'a str);

impl<'a> Texts<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Texts<'a>, Rejection> {
        let text = std::str::from_utf8(bytes).map_err(|_| inconsistent("a text is not UTF-8"))?;
        Ok(Texts(text))
    }

    pub(super) fn span(&self, span: &ArchivedSpan) -> Result<&'a str, Rejection> {
        self.run(span.start.to_native(), span.len.to_native())
    }

    /// Returns a text. Rejects a text that is not an id.
    pub(super) fn id(&self, span: &ArchivedSpan) -> Result<&'a str, Rejection> {
        let id = self.span(span)?;
        require(is_id(id), "an id has a character that is not allowed in ids")?;
        Ok(id)
    }

    /// Returns a range of the arena. Rejects a range beyond its end, or one that begins or ends inside a
    /// character.
    pub(super) fn run(&self, start: u32, len: u32) -> Result<&'a str, Rejection> {
        let end = u64::from(start) + u64::from(len);
        self.0.get(start as usize..end as usize).ok_or_else(|| {
            let all = self.0.len();
            inconsistent(&format!(
                "a record refers to text {start}..{end} of {all}, which is no text of whole characters"
            ))
        })
    }

    /// Checks that the text has this id, escaped as JSON, and then an address that is valid inside a JSON
    /// string. Returns the escaped address.
    pub(super) fn address(
        &self,
        id_and_address: &ArchivedIdAndAddress,
        id: &str,
    ) -> Result<&'a str, Rejection> {
        let both = self.run(id_and_address.start.to_native(), u32::from(id_and_address.len.to_native()))?;
        let (escaped, address) =
            both.split_at_checked(usize::from(id_and_address.id_len.to_native())).unzip();
        require(
            escaped.and_then(|escaped| without_escaped(escaped, id)) == Some(""),
            "the JSON of an account does not begin with its id",
        )?;
        let address = address.filter(|address| is_escaped(address));
        address.ok_or_else(|| inconsistent("an address is not escaped as JSON"))
    }
}

/// Returns the rest of the text after an id that is escaped as JSON. Returns `None` if the text does not
/// begin with it.
pub(super) fn without_escaped<'j>(json: &'j str, id: &str) -> Option<&'j str> {
    if is_plain(id) {
        return json.strip_prefix(id);
    }
    // The only character of ids that JSON escapes is the backslash.
    let quoted = serde_json::Value::from(id).to_string();
    json.strip_prefix(quoted.strip_prefix('"')?.strip_suffix('"')?)
}

/// Returns whether a text is valid inside a JSON string. Accepts `\u` only for control characters, as the
/// compiler does.
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

/// Returns whether a text needs no escapes in JSON. Has no early return, so that the compiler vectorizes the
/// loop.
fn is_plain(text: &str) -> bool {
    !text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
}
