//! A query as nearly everybody writes it: a flat JSON object of texts, without an escape. Its quotes are found sixteen
//! bytes at a time, and nothing but what lies between two texts is looked at byte by byte. Whatever else it may be is
//! [`Query::read_json`]'s.

use std::borrow::Cow;

use wide::u8x16;

use super::query::{BadQuery, Fields, Query};

/// Bytes that are looked at together.
const LANES: usize = 16;
/// Bytes with a bit each in a word.
const BLOCK: usize = 64;

/// Reads the object into a query; `None` where it is not as simple as that, or is no JSON.
pub(super) fn read<'a>(bytes: &'a [u8], into: &mut Query<'a>) -> Option<Result<(), BadQuery>> {
    let json = str::from_utf8(bytes).ok()?;
    let mut fields = Fields::of(into);
    let mut quotes = Quotes::of(bytes);
    let mut end = 0;
    let mut before = b'{';
    // Of a name and a value, four quotes.
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

/// Whether there is nothing but this byte, and spaces around it.
fn is_only(byte: u8, between: &[u8]) -> Option<()> {
    (between == [byte] || between.trim_ascii() == [byte]).then_some(())
}

/// Where the quotes of a text are, in order.
struct Quotes<'t> {
    text: &'t [u8],
    /// The block that is looked at.
    block: usize,
    /// A bit for each quote of it that is still to come.
    word: u64,
    /// Whether there is an escape so far, or a byte below a space: those are faults within texts, and between them they
    /// are for people.
    odd: u8x16,
}

impl<'t> Quotes<'t> {
    fn of(text: &'t [u8]) -> Quotes<'t> {
        let mut quotes = Quotes { text, block: 0, word: 0, odd: u8x16::ZERO };
        quotes.look();
        quotes
    }

    fn next(&mut self) -> Option<usize> {
        while self.word == 0 {
            self.block += BLOCK;
            if self.block >= self.text.len() {
                return None;
            }
            self.look();
        }
        let bit = self.word.trailing_zeros() as usize;
        self.word &= self.word - 1;
        Some(self.block + bit)
    }

    fn look(&mut self) {
        let rest = self.text.get(self.block..).unwrap_or_default();
        let (whole, last) = rest.get(..BLOCK).unwrap_or(rest).as_chunks::<LANES>();
        for (at, lanes) in whole.iter().enumerate() {
            self.word |= self.quotes_of(*lanes) << (at * LANES);
        }
        if !last.is_empty() {
            // The last sixteen bytes of all, of which some have had their turn.
            let quotes = match self.text.last_chunk::<LANES>() {
                Some(lanes) => self.quotes_of(*lanes) >> (LANES - last.len()),
                None => self.quotes_of(filled(last)),
            };
            self.word |= quotes << (whole.len() * LANES);
        }
    }

    /// A bit for each of them.
    fn quotes_of(&mut self, lanes: [u8; LANES]) -> u64 {
        let lanes = u8x16::from(lanes);
        self.odd |= lanes.simd_eq(u8x16::splat(b'\\'));
        self.odd |= lanes.saturating_sub(u8x16::splat(b' ' - 1)).simd_eq(u8x16::ZERO);
        lanes.simd_eq(u8x16::splat(b'"')).to_bitmask().into()
    }
}

/// Fewer than sixteen bytes, and spaces behind them.
fn filled(bytes: &[u8]) -> [u8; LANES] {
    let mut lanes = [b' '; LANES];
    lanes.iter_mut().zip(bytes).for_each(|(lane, byte)| *lane = *byte);
    lanes
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
