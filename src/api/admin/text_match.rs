//! Finds a text in ids, addresses and users, without case. A million accounts are searched for each request, so a
//! search allocates nothing for a text of ASCII.

use memchr::memchr2_iter;

/// Number of digits in a row that may be a phone number.
const PHONE_DIGITS: usize = 5;

/// A text to find.
pub(super) struct Needle {
    /// The text in lower case.
    lower: String,
    /// The digits of a text that is written as a phone number, such as `+44 7400 123456`. Addresses have the digits
    /// without spaces.
    digits: Option<String>,
    /// Holds a text that is not ASCII, in lower case.
    buffer: String,
}

impl Needle {
    pub(super) fn new(text: &str) -> Needle {
        let digits: String = text.chars().filter(|c| !is_separator(*c)).collect();
        let is_number = digits.len() >= PHONE_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        Needle {
            lower: text.chars().flat_map(char::to_lowercase).collect(),
            digits: is_number.then_some(digits),
            buffer: String::new(),
        }
    }

    /// Returns whether the text is part of `text`.
    pub(super) fn is_in(&mut self, text: &str) -> bool {
        if text.is_ascii() {
            return contains(text.as_bytes(), self.lower.as_bytes());
        }
        self.buffer.clear();
        self.buffer.extend(text.chars().flat_map(char::to_lowercase));
        self.buffer.contains(&self.lower)
    }

    /// Returns whether the text is part of an address, also as a phone number with spaces.
    pub(super) fn is_in_address(&mut self, address: &str) -> bool {
        let has = |digits: &String| contains(address.as_bytes(), digits.as_bytes());
        self.digits.as_ref().is_some_and(has) || self.is_in(address)
    }
}

/// Returns whether a text may be a phone number: five digits in a row, also with separators between them.
pub(super) fn may_be_phone(text: &str) -> bool {
    let digits = text.chars().filter(|c| !is_separator(*c));
    let longest = digits.scan(0, |row, c| {
        *row = if c.is_numeric() { *row + 1 } else { 0 };
        Some(*row)
    });
    longest.max().is_some_and(|longest| longest >= PHONE_DIGITS)
}

/// Returns whether people write the character between the digits of a phone number.
fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '+' | '-' | '.' | '/' | '(' | ')')
}

/// Returns whether `text` contains `lower`, which is in lower case. Compares ASCII letters without case.
fn contains(text: &[u8], lower: &[u8]) -> bool {
    let Some((&first, rest)) = lower.split_first() else { return true };
    let Some(last) = text.len().checked_sub(lower.len()) else { return false };
    let starts = text.get(..=last).unwrap_or_default();
    memchr2_iter(first, first.to_ascii_uppercase(), starts)
        .any(|at| text.get(at + 1..at + lower.len()).is_some_and(|found| found.eq_ignore_ascii_case(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_of_a_text_is_found_without_case() {
        for (needle, text, found) in [
            ("gb-1", "WA-GB-1", true),
            ("WA-gb", "wa-GB-1", true),
            ("1", "wa-gb-1", true),
            ("gb-11", "wa-gb-1", false),
            ("wa-gb-12", "wa-gb-1", false),
            ("aab", "aaab", true),
            ("aab", "aAaB", true),
            ("m\u{dc}ller", "m\u{fc}ller@bank.example", true),
            ("bank", "m\u{fc}ller@BANK.example", true),
            ("\u{fc}", "muller", false),
            ("\u{212a}", "k", true),
            ("k", "\u{212a}", true),
            ("\u{3a3}\u{3a3}", "\u{3c3}\u{3c3}", true),
        ] {
            assert_eq!(Needle::new(needle).is_in(text), found, "{needle} in {text}");
        }
    }

    #[test]
    fn phone_number_is_found_however_it_is_written() {
        for (needle, found) in [
            ("+447400123456", true),
            ("447400123456", true),
            ("+44 7400 123456", true),
            ("(7400) 123-456", true),
            ("7400/123.456", true),
            ("123456", true),
            ("12 34", false),
            ("+44 7400 123457", false),
            ("+44 7400 x", false),
        ] {
            assert_eq!(Needle::new(needle).is_in_address("+447400123456"), found, "{needle}");
        }
        assert!(!Needle::new("1234 56").is_in("123456"), "ids have no other forms");
    }

    #[test]
    fn five_digits_in_a_row_may_be_a_phone_number() {
        for (text, may_be) in [
            ("+447400123456", true),
            ("07400 123456", true),
            ("12345", true),
            ("1 2-3.4(5)", true),
            ("wa-123-45", true),
            ("\u{661}\u{662}\u{663}\u{664}\u{665}", true),
            ("1234", false),
            ("wa-gb-1234", false),
            ("12x345", false),
            ("wa-gb", false),
            ("", false),
        ] {
            assert_eq!(may_be_phone(text), may_be, "{text}");
        }
    }
}
