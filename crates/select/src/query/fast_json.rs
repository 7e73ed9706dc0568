//! Fast reader of the usual form of a query: a flat JSON object of strings without escapes. Finds quotes 16
//! bytes at a time, and compares only the bytes between two strings one by one. [`Query::read_json`] reads
//! every other form.

use std::borrow::Cow;

use wide::u8x16;

use super::{BadQuery, Query, QueryFields};

/// Number of bytes in a vector.
const LANES: usize = 16;
/// Number of bytes that a 64-bit word describes, with one bit each.
const BLOCK: usize = 64;

/// Reads a JSON object into a query. Returns `None` if the text has another form, or is not JSON.
pub(super) fn read<'a>(bytes: &'a [u8], into: &mut Query<'a>) -> Option<Result<(), BadQuery>> {
    let json = str::from_utf8(bytes).ok()?;
    let mut fields = QueryFields::new(into);
    let mut quotes = Quotes::new(bytes);
    let mut end = 0;
    let mut before = b'{';
    // A pair of name and value has four quotes.
    while let Some(open) = quotes.next() {
        is_only(before, bytes.get(end..open)?)?;
        let name = json.get(open + 1..quotes.next()?)?;
        end = open + name.len() + 2;
        let open = quotes.next()?;
        is_only(b':', bytes.get(end..open)?)?;
        let value = json.get(open + 1..quotes.next()?)?;
        end = open + value.len() + 2;
        if name == "exclude" {
            return None;
        }
        fields.set(name, Cow::Borrowed(value));
        before = b',';
    }
    is_only(b'}', bytes.get(end..)?)?;
    (before == b',' && !quotes.odd.any()).then(|| fields.finish())
}

/// Returns `Some` if `between` is `byte` alone, with or without white space around it.
fn is_only(byte: u8, between: &[u8]) -> Option<()> {
    (between == [byte] || between.trim_ascii() == [byte]).then_some(())
}

/// Iterator over the positions of the quotes in a text, in ascending order.
struct Quotes<'t> {
    text: &'t [u8],
    /// Position of the current block's first byte.
    block: usize,
    /// One bit for each quote of the block that was not returned so far.
    word: u64,
    /// Nonzero if the text has a backslash or a byte below the space. In strings these are escapes or faults;
    /// between strings they are rare.
    odd: u8x16,
}

impl<'t> Quotes<'t> {
    fn new(text: &'t [u8]) -> Quotes<'t> {
        let mut quotes = Quotes { text, block: 0, word: 0, odd: u8x16::ZERO };
        quotes.scan_block();
        quotes
    }

    fn next(&mut self) -> Option<usize> {
        while self.word == 0 {
            self.block += BLOCK;
            if self.block >= self.text.len() {
                return None;
            }
            self.scan_block();
        }
        let bit = self.word.trailing_zeros() as usize;
        self.word &= self.word - 1;
        Some(self.block + bit)
    }

    fn scan_block(&mut self) {
        let rest = self.text.get(self.block..).unwrap_or_default();
        let (whole, last) = rest.get(..BLOCK).unwrap_or(rest).as_chunks::<LANES>();
        for (at, lanes) in whole.iter().enumerate() {
            self.word |= self.quotes_of(*lanes) << (at * LANES);
        }
        if !last.is_empty() {
            // Reads the last 16 bytes of the text, and shifts out those that were read before.
            let quotes = match self.text.last_chunk::<LANES>() {
                Some(lanes) => self.quotes_of(*lanes) >> (LANES - last.len()),
                None => self.quotes_of(padded(last)),
            };
            self.word |= quotes << (whole.len() * LANES);
        }
    }

    /// Returns one bit for each quote in the 16 bytes.
    fn quotes_of(&mut self, lanes: [u8; LANES]) -> u64 {
        let lanes = u8x16::from(lanes);
        self.odd |= lanes.simd_eq(u8x16::splat(b'\\'));
        self.odd |= lanes.saturating_sub(u8x16::splat(b' ' - 1)).simd_eq(u8x16::ZERO);
        lanes.simd_eq(u8x16::splat(b'"')).to_bitmask().into()
    }
}

/// Pads fewer than 16 bytes with spaces.
fn padded(bytes: &[u8]) -> [u8; LANES] {
    let mut lanes = [b' '; LANES];
    lanes.iter_mut().zip(bytes).for_each(|(lane, byte)| *lane = *byte);
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_reader_agrees_with_the_general_parser_on_damaged_lines() {
        let lines = [
            r#"{"channel":"sms","ou":"a","phone":"+447400123456","client":"c-1"}"#,
            r#" { "company" : "acme", "channel": "sms", "ou": "Łódź", "country": "GB" } "#,
            r#"{"channel":"sms","channel":"line"}"#,
            r#"{"channel":"sms","ou":"a","colour":"red","fallback":"none"}"#,
            r#"{"channel":"","ou":"","exclude":"a","role":"primary"}"#,
            r#"{"channel":"sms","ou":"a","bsuid":"US.1","user":"ann","current":"a,b"}"#,
            r#"{"channel":"sms","ou":"a","bsuid":"us.1","user":"an n","current":"a"}"#,
            r#"{"channel":"sms","ou":"a","user":"","current":"","phone":"","client":""}"#,
        ];
        let pieces = [
            "\"", "\\", "\\u0041", ",", ":", "{", "}", "[]", "null", "1", " ", "\t", "\n", "é", "\u{7f}", "",
            "\u{200b}",
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
