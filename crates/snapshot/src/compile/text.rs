//! The arena of texts: ids as they are, and the pieces that answers are put together from, already
//! escaped as JSON.

use std::collections::HashMap;

use super::super::format::{IdAndAddress, Span};
use switchboard_model::{Region, Role};

/// All texts of a snapshot, one behind the other.
#[derive(Default)]
pub(super) struct TextArena {
    pub(super) bytes: Vec<u8>,
    pub(super) suffixes: Vec<Span>,
    suffix_of: HashMap<(u16, Option<Role>, Option<Region>), usize>,
}

impl TextArena {
    /// Stores a text as it is.
    pub(super) fn plain(&mut self, text: &str) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        self.span(start)
    }

    /// Stores an account's id and address. Returns both, and where the unescaped id begins: at the same byte if
    /// nothing is escaped.
    pub(super) fn id_and_address(&mut self, id: &str, address: &str) -> (IdAndAddress, u32) {
        let start = self.bytes.len();
        write_escaped(&mut self.bytes, id);
        let id_len = self.bytes.len() - start;
        write_escaped(&mut self.bytes, address);
        let len = self.bytes.len() - start;
        // An id has 128 bytes at most, an address 128 characters or 254 bytes: escaped, far fewer than 65,536.
        let id_and_address = IdAndAddress { start: start as u32, len: len as u16, id_len: id_len as u16 };
        let id = if id_len == id.len() { id_and_address.start } else { self.plain(id).start };
        (id_and_address, id)
    }

    /// Stores the location of an account in an answer.
    pub(super) fn location(&mut self, ou: &str, pool: &str) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(br#","ou":""#);
        write_escaped(&mut self.bytes, ou);
        self.bytes.extend_from_slice(br#"","pool":""#);
        write_escaped(&mut self.bytes, pool);
        self.bytes.extend_from_slice(br#"","climbed":"#);
        self.span(start)
    }

    /// Stores how an answer continues behind the address, once for equal accounts.
    pub(super) fn suffix(
        &mut self,
        number: u16,
        channel: &str,
        role: Option<Role>,
        country: Option<Region>,
    ) -> usize {
        if let Some(&suffix) = self.suffix_of.get(&(number, role, country)) {
            return suffix;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(br#"","channel":""#);
        write_escaped(&mut self.bytes, channel);
        self.bytes.push(b'"');
        if let Some(role) = role {
            self.bytes.extend_from_slice(format!(r#","role":"{}""#, role.as_str()).as_bytes());
        }
        if let Some(country) = country {
            self.bytes.extend_from_slice(format!(r#","country":"{}""#, country.alpha2()).as_bytes());
        }
        self.bytes.extend_from_slice(br#","rule":""#);
        let span = self.span(start);
        self.suffixes.push(span);
        let suffix = self.suffixes.len() - 1;
        self.suffix_of.insert((number, role, country), suffix);
        suffix
    }

    /// Past 4 GiB the numbers wrap; `finish` sees the length and rejects the whole.
    fn span(&self, start: usize) -> Span {
        Span { start: start as u32, len: (self.bytes.len() - start) as u32 }
    }
}

/// A JSON string without its quotes.
fn write_escaped(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.extend_from_slice(text.as_bytes());
    } else {
        let quoted = serde_json::Value::from(text).to_string();
        out.extend_from_slice(quoted.get(1..quoted.len() - 1).unwrap_or_default().as_bytes());
    }
}
