//! Quotes values in findings: on one line, shortened, and without phone numbers.
//!
//! Every value is redacted, not only the values of fields for phone numbers, because a shifted column can
//! move a phone number into any field.

use std::fmt::Write;
use std::ops::Range;

/// The maximum number of characters of a quoted value.
const MAX_QUOTED_CHARS: usize = 80;
/// The minimum number of digits of a possible phone number. Shorter numbers are usually numbers of OUs or
/// employees.
const MIN_NUMBER_DIGITS: usize = 10;
/// The minimum number of digits of a possible phone number that begins with `+`.
const MIN_DIGITS_AFTER_PLUS: usize = 5;
/// The number of digits at the end of a phone number that stay visible. They help to find the line, and do
/// not reveal the number.
const VISIBLE_DIGITS: usize = 2;

/// Returns the value in backticks for a message. Redacts phone numbers, escapes control characters, and
/// shortens a value of more than 80 characters.
///
/// ```
/// use switchboard_registry::quoted;
///
/// assert_eq!(quoted("emea-whatsapp"), "`emea-whatsapp`");
/// assert_eq!(quoted("+447400123456"), "`+…56`");
/// ```
pub fn quoted(value: &str) -> String {
    let masked = if is_date(value) { value.to_owned() } else { shorten_numbers(value) };
    let mut out = String::with_capacity(masked.len() + 2);
    out.push('`');
    for (count, letter) in masked.chars().enumerate() {
        if count == MAX_QUOTED_CHARS {
            out.push('…');
            break;
        }
        if letter == '\'' || letter == '"' {
            out.push(letter);
        } else {
            let _ = write!(out, "{}", letter.escape_debug());
        }
    }
    out.push('`');
    out
}

/// Quotes several values and separates them by commas.
pub(crate) fn quoted_list<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    values.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// Returns whether the value is a date or a date-time of the years 1900 to 2199. A date looks like a phone
/// number to the redaction, but must stay visible because the administrator has to correct it.
fn is_date(value: &str) -> bool {
    let mut letters = value.bytes();
    let shape = [1, 1, 1, 1, 0, 1, 1, 0, 1, 1];
    let fits = shape.iter().all(|&digit| match letters.next() {
        Some(letter) if digit == 1 => letter.is_ascii_digit(),
        other => other == Some(b'-'),
    });
    let this_era = ["19", "20", "21"].iter().any(|century| value.starts_with(century));
    let clock = |letter: u8| letter.is_ascii_digit() || b"TtZz:.+-".contains(&letter);
    fits && this_era
        && value.len() <= 35
        && matches!(letters.next(), None | Some(b'T' | b't'))
        && letters.all(clock)
}

/// Replaces every possible phone number by `…` and the last digits of the number.
fn shorten_numbers(value: &str) -> String {
    let letters: Vec<char> = value.chars().collect();
    let mut out = String::with_capacity(value.len());
    let mut done = 0;
    for run in possible_numbers(&letters) {
        out.extend(letters.get(done..run.start).unwrap_or_default());
        out.push('…');
        let number = letters.get(run.clone()).unwrap_or_default();
        let digits: Vec<&char> = number.iter().filter(|letter| letter.is_numeric()).collect();
        out.extend(digits.iter().skip(digits.len().saturating_sub(VISIBLE_DIGITS)).copied());
        out.extend(number.iter().rev().take_while(|letter| !letter.is_numeric()));
        done = run.end;
    }
    out.extend(letters.get(done..).unwrap_or_default());
    out
}

/// Replaces the digits of every possible phone number by `•`, except the last ones. Keeps the number of
/// characters, because the positions of underlined parts must not change.
pub(crate) fn redact_in_place(letters: &mut [char]) {
    for run in possible_numbers(letters) {
        let number = letters.get_mut(run).unwrap_or_default();
        let digits = number.iter().filter(|letter| letter.is_numeric()).count();
        let hidden = digits.saturating_sub(VISIBLE_DIGITS);
        number.iter_mut().filter(|letter| letter.is_numeric()).take(hidden).for_each(|digit| *digit = '•');
    }
}

/// Finds possible phone numbers. The spaces and signs that people write between digits are part of a number,
/// so two neighbouring numbers count as one.
fn possible_numbers(letters: &[char]) -> Vec<Range<usize>> {
    let mut numbers = Vec::new();
    let mut run = 0..0;
    let mut digits = 0;
    let mut after_plus = false;
    for (at, &letter) in letters.iter().chain(&['\n']).enumerate() {
        if letter.is_numeric() || (digits > 0 && " -.()/\u{a0}".contains(letter)) {
            if digits == 0 {
                run.start = at;
            }
            digits += usize::from(letter.is_numeric());
            run.end = at + 1;
            continue;
        }
        if digits >= if after_plus { MIN_DIGITS_AFTER_PLUS } else { MIN_NUMBER_DIGITS } {
            numbers.push(run.clone());
        }
        digits = 0;
        after_plus = letter == '+';
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers_are_shortened_in_every_position() {
        assert_eq!(quoted("+447400123456"), "`+…56`");
        assert_eq!(quoted("447400123456"), "`…56`");
        assert_eq!(quoted("wa-447400123456-x"), "`wa-…56-x`");
        assert_eq!(quoted("+44 (0) 7400-123456"), "`+…56`");
        assert_eq!(quoted("+12345"), "`+…45`");
        assert_eq!(quoted("1234567890"), "`…90`");
        assert_eq!(quoted("2015-55-0123"), "`…23`");
        assert_eq!(quoted("2015-55-01234567"), "`…67`");
    }

    #[test]
    fn dates_ids_and_short_numbers_are_not_redacted() {
        assert_eq!(quoted("2026-13-01"), "`2026-13-01`");
        assert_eq!(quoted("2026-01-01T25:00:00Z"), "`2026-01-01T25:00:00Z`");
        assert_eq!(quoted("wa-emea-gb-1"), "`wa-emea-gb-1`");
        assert_eq!(quoted("1.24.0"), "`1.24.0`");
        assert_eq!(quoted("10023412"), "`10023412`");
        assert_eq!(quoted("123456789"), "`123456789`");
        assert_eq!(quoted("+1234"), "`+1234`");
    }

    #[test]
    fn redaction_in_place_keeps_every_position() {
        for (line, redacted) in [
            ("phone = \"+44 7400 123456\" }", "phone = \"+•• •••• ••••56\" }"),
            ("a,447400123456,2027-01-01,x", "a,••••••••••56,2027-01-01,x"),
        ] {
            let mut letters: Vec<char> = line.chars().collect();
            redact_in_place(&mut letters);
            assert_eq!(letters.iter().collect::<String>(), redacted);
        }
    }

    #[test]
    fn values_are_quoted_on_one_line_and_cut() {
        assert_eq!(quoted("a\nb"), "`a\\nb`");
        assert_eq!(quoted(&"x".repeat(500)).chars().count(), MAX_QUOTED_CHARS + 3);
    }
}
