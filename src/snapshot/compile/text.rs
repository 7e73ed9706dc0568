//! The arena of texts: ids as they are, and the pieces that answers are put together from, already
//! escaped as JSON.

use std::collections::HashMap;

use super::super::format::Span;
use crate::account::Role;
use crate::numbering::Region;

/// All texts of a snapshot, one behind the other.
#[derive(Default)]
pub(super) struct Arena {
    pub(super) bytes: Vec<u8>,
    pub(super) tails: Vec<Span>,
    tail_of: HashMap<(u16, Option<Role>, Option<Region>), u32>,
}

impl Arena {
    /// A text as it is.
    pub(super) fn plain(&mut self, text: &str) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        self.span(start)
    }

    /// A text and the same as a JSON string; where nothing needs escaping, the first lies within the second.
    pub(super) fn quoted(&mut self, text: &str) -> (Span, Span) {
        let start = self.bytes.len();
        write_json(&mut self.bytes, text);
        let json = self.span(start);
        let inner = Span { start: json.start + 1, len: json.len.saturating_sub(2) };
        let id = if inner.len as usize == text.len() { inner } else { self.plain(text) };
        (id, json)
    }

    /// How an account's answer begins, and where its id is.
    pub(super) fn account(&mut self, id: &str, address: &str) -> (Span, Span) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(br#"{"account":"#);
        let id_start = self.bytes.len();
        write_json(&mut self.bytes, id);
        let escaped = self.bytes.len() - id_start != id.len() + 2;
        self.bytes.extend_from_slice(br#","address":"#);
        write_json(&mut self.bytes, address);
        let json = self.span(start);
        let id = match escaped {
            true => self.plain(id),
            false => Span { start: id_start as u32 + 1, len: id.len() as u32 },
        };
        (json, id)
    }

    /// How an answer goes on behind the account's own part.
    pub(super) fn tail(
        &mut self,
        number: u16,
        channel: &str,
        role: Option<Role>,
        country: Option<Region>,
    ) -> u32 {
        if let Some(&tail) = self.tail_of.get(&(number, role, country)) {
            return tail;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(br#","channel":"#);
        write_json(&mut self.bytes, channel);
        if let Some(role) = role {
            self.bytes.extend_from_slice(format!(r#","role":"{}""#, role.text()).as_bytes());
        }
        if let Some(country) = country {
            self.bytes.extend_from_slice(format!(r#","country":"{}""#, country.alpha2()).as_bytes());
        }
        let span = self.span(start);
        self.tails.push(span);
        let tail = self.tails.len() as u32 - 1;
        self.tail_of.insert((number, role, country), tail);
        tail
    }

    /// Past 4 GiB the numbers wrap; `finish` sees the length and refuses the whole.
    fn span(&self, start: usize) -> Span {
        Span { start: start as u32, len: (self.bytes.len() - start) as u32 }
    }
}

/// A JSON string, quotes included.
fn write_json(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
    }
}
