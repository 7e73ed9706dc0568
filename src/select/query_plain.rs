//! A query as nearly everybody writes it: a flat JSON object of texts, without an escape. Read in three fifths of the
//! instructions that a general parser takes, and reading is half of what a line of a batch takes. Whatever
//! else it may be is [`Query::read_json`]'s.

use std::borrow::Cow;

use memchr::memchr;

use super::query::{BadQuery, Fields, Query};

/// Reads the object into a query; `None` where it is not as simple as that, or is no JSON.
pub(super) fn read<'a>(bytes: &'a [u8], into: &mut Query<'a>) -> Option<Result<(), BadQuery>> {
    // Bytes below a space are faults within texts; between them, they are for people.
    if bytes.iter().fold(false, |found, &byte| found | (byte < b' ')) || memchr(b'\\', bytes).is_some() {
        return None;
    }
    let mut fields = Fields::of(into);
    let mut rest = spaces(str::from_utf8(bytes).ok()?).strip_prefix('{')?;
    loop {
        let (name, after) = text(rest)?;
        let (value, after) = text(spaces(after).strip_prefix(':')?)?;
        if name == "exclude" {
            return None;
        }
        fields.set(name, Cow::Borrowed(value));
        let after = spaces(after);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return spaces(after.strip_prefix('}')?).is_empty().then(|| fields.finish()),
        }
    }
}

/// A text in quotes, and what follows it.
fn text(json: &str) -> Option<(&str, &str)> {
    let inner = spaces(json).strip_prefix('"')?;
    let end = memchr(b'"', inner.as_bytes())?;
    Some((inner.get(..end)?, inner.get(end + 1..)?))
}

fn spaces(json: &str) -> &str {
    let spaces = json.bytes().take_while(|&byte| byte == b' ').count();
    json.get(spaces..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random lines, spoilt and not: what is read here is what the general parser reads.
    #[test]
    fn it_is_what_the_general_parser_reads() {
        let lines = [
            r#"{"channel":"sms","ou":"a","phone":"+447400123456","client":"c-1"}"#,
            r#" { "company" : "acme", "channel": "sms", "ou": "Łódź", "country": "GB" } "#,
            r#"{"channel":"sms","channel":"line"}"#,
            r#"{"channel":"sms","ou":"a","colour":"red","fallback":"none"}"#,
            r#"{"channel":"","ou":"","exclude":"a","role":"primary"}"#,
        ];
        let pieces = [
            "\"", "\\", "\\u0041", ",", ":", "{", "}", "[]", "null", "1", " ", "\t", "\n", "é", "\u{7f}", "",
        ];
        let mut random = 11_u64;
        let mut below = |most: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % most
        };
        let (mut read_here, mut all) = (0, 0);
        for _ in 0..100_000 {
            let mut line = lines[below(lines.len())].as_bytes().to_vec();
            for _ in 0..below(3) {
                let at = below(line.len());
                let to = (at + below(3)).min(line.len());
                line.splice(at..to, pieces[below(pieces.len())].bytes());
            }
            all += 1;
            let (mut query, mut other) = (Query::default(), Query::default());
            if let Some(read) = read(&line, &mut query) {
                read_here += 1;
                let read = read.map(|()| query);
                let general = other.read_any_json(&line).map(|()| other);
                let text = String::from_utf8_lossy(&line);
                assert!(read == general, "{text}: {:?}, not {:?}", read.err(), general.err());
            }
        }
        assert!(read_here > all / 5 && read_here < all, "{read_here} of {all}");
    }
}
