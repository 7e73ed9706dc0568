//! The arena of texts: ids as they are, and the pieces that answers are put together from, already
//! escaped as JSON.

use std::collections::HashMap;

use super::super::format::{Lead, Span};
use switchboard_model::Region;
use switchboard_model::Role;

/// All texts of a snapshot, one behind the other.
#[derive(Default)]
pub(super) struct Arena {
    pub(super) bytes: Vec<u8>,
    pub(super) tails: Vec<Span>,
    tail_of: HashMap<(u16, Option<Role>, Option<Region>), usize>,
}

impl Arena {
    /// A text as it is.
    pub(super) fn plain(&mut self, text: &str) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        self.span(start)
    }

    /// An account's lead, and where its id begins as it is: there, where nothing is escaped.
    pub(super) fn lead(&mut self, id: &str, address: &str) -> (Lead, u32) {
        let start = self.bytes.len();
        write_escaped(&mut self.bytes, id);
        let id_len = self.bytes.len() - start;
        write_escaped(&mut self.bytes, address);
        let len = self.bytes.len() - start;
        // An id has 128 bytes at most, an address 128 characters or 254 bytes: escaped, far fewer than 65,536.
        let lead = Lead { start: start as u32, len: len as u16, id_len: id_len as u16 };
        let id = if id_len == id.len() { lead.start } else { self.plain(id).start };
        (lead, id)
    }

    /// How an answer tells where an account was found.
    pub(super) fn place(&mut self, ou: &str, pool: &str) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(br#","ou":""#);
        write_escaped(&mut self.bytes, ou);
        self.bytes.extend_from_slice(br#"","pool":""#);
        write_escaped(&mut self.bytes, pool);
        self.bytes.extend_from_slice(br#"","climbed":"#);
        self.span(start)
    }

    /// How an answer goes on behind the address.
    pub(super) fn tail(
        &mut self,
        number: u16,
        channel: &str,
        role: Option<Role>,
        country: Option<Region>,
    ) -> usize {
        if let Some(&tail) = self.tail_of.get(&(number, role, country)) {
            return tail;
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
        self.tails.push(span);
        let tail = self.tails.len() - 1;
        self.tail_of.insert((number, role, country), tail);
        tail
    }

    /// Past 4 GiB the numbers wrap; `finish` sees the length and refuses the whole.
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
