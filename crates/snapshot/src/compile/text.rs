//! Compiles the arena of text: plain ids, and the parts of answers, which are already escaped as JSON.

use std::collections::HashMap;

use super::super::format::{IdAndAddress, Span};
use switchboard_model::{Region, Role};

/// All texts of a snapshot, one after the other.
#[derive(Default)]
pub(super) struct TextArena {
    pub(super) bytes: Vec<u8>,
    pub(super) suffixes: Vec<Span>,
    suffix_of: HashMap<(u16, Option<Role>, Option<Region>), usize>,
}

impl TextArena {
    /// Stores a text without escaping it.
    pub(super) fn plain(&mut self, text: &str) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        self.span(start)
    }

    /// Stores the id and the address of an account, escaped. Also returns the offset of the unescaped id,
    /// which is the same text if nothing is escaped.
    pub(super) fn id_and_address(&mut self, id: &str, address: &str) -> (IdAndAddress, u32) {
        let start = self.bytes.len();
        write_escaped(&mut self.bytes, id);
        let id_len = self.bytes.len() - start;
        write_escaped(&mut self.bytes, address);
        let len = self.bytes.len() - start;
        // Fits into 16 bits: an id has at most 128 bytes, and an address at most 128 characters or 254 bytes.
        let id_and_address = IdAndAddress { start: start as u32, len: len as u16, id_len: id_len as u16 };
        let id = if id_len == id.len() { id_and_address.start } else { self.plain(id).start };
        (id_and_address, id)
    }

    /// Stores the JSON of a location: the OU and the pool at which an answer finds its account.
    pub(super) fn location(&mut self, ou: &str, pool: &str) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(br#","ou":""#);
        write_escaped(&mut self.bytes, ou);
        self.bytes.extend_from_slice(br#"","pool":""#);
        write_escaped(&mut self.bytes, pool);
        self.bytes.extend_from_slice(br#"","climbed":"#);
        self.span(start)
    }

    /// Stores the JSON that follows the address in an answer. Equal texts are stored once.
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

    /// Returns the span from `start` to the end. Wraps beyond 4 GiB, where `finish` rejects the registry.
    fn span(&self, start: usize) -> Span {
        Span { start: start as u32, len: (self.bytes.len() - start) as u32 }
    }
}

/// Appends a text as a JSON string without its quotes.
fn write_escaped(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.extend_from_slice(text.as_bytes());
    } else {
        let quoted = serde_json::Value::from(text).to_string();
        out.extend_from_slice(quoted.get(1..quoted.len() - 1).unwrap_or_default().as_bytes());
    }
}
