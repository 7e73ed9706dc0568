//! Quotes values in findings: on one line and shortened. Redacts phone numbers where they may be numbers of
//! clients.
//!
//! An official number is no secret, and a finding shows it as it was typed. The queries of `tests.toml` may
//! hold numbers of clients. Every text about that file is redacted, not only the values of its fields for
//! phone numbers, because a mistake can move a phone number into any field.

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

/// Returns the value in backticks for a message. Escapes control characters, and shortens a value of more than
/// 80 characters. Does not redact phone numbers: see [`redacted`].
///
/// ```
/// use switchboard_registry::quoted;
///
/// assert_eq!(quoted("emea-whatsapp"), "`emea-whatsapp`");
/// ```
pub fn quoted(value: &str) -> String {
    let mut out = String::new();
    out.push('`');
    for (count, letter) in value.chars().enumerate() {
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

/// Returns whether the numbers in a file may be numbers of clients.
pub(crate) fn is_confidential(path: &str) -> bool {
    path.ends_with("/tests.toml")
}

/// Replaces every possible phone number in a text by `…` and the last digits of the number.
///
/// ```
/// use switchboard_registry::redacted;
///
/// assert_eq!(redacted("`+447400123456` is no country"), "`+…56` is no country");
/// ```
pub fn redacted(value: &str) -> String {
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
        for (text, wanted) in [
            ("+447400123456", "+…56"),
            ("447400123456", "…56"),
            ("wa-447400123456-x", "wa-…56-x"),
            ("+44 (0) 7400-123456", "+…56"),
            ("+12345", "+…45"),
            ("1234567890", "…90"),
            ("2015-55-0123", "…23"),
        ] {
            assert_eq!(redacted(text), wanted);
            assert_eq!(redacted(&quoted(text)), format!("`{wanted}`"));
            assert_eq!(quoted(text), format!("`{text}`"));
        }
    }

    #[test]
    fn dates_ids_and_short_numbers_are_not_redacted() {
        for text in
            ["2026-13-01", "2026-01-01T25:00:00Z", "wa-emea-gb-1", "1.24.0", "10023412", "123456789", "+1234"]
        {
            assert_eq!(redacted(text), text);
        }
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
