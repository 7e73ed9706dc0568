//! How a value that somebody wrote is shown in a finding: on one line, cut short, and never a phone number.
//!
//! A number can turn up in any field (a shifted column is enough), so every value passes through
//! here, not only the fields that are meant for numbers.

use std::fmt::Write;
use std::ops::Range;

/// Enough to recognize a value by.
const LONGEST: usize = 80;
/// From here on a run of digits may be somebody's number; with a `+` before it, much earlier. Two numbers
/// beside each other are one longer run. Shorter runs are what people number OUs with.
const NUMBER: usize = 10;
const NUMBER_AFTER_PLUS: usize = 5;
/// What is left of a number: enough to find the line, too little to call.
const LEFT: usize = 2;

/// The value between backticks, fit to be printed.
pub fn shown(value: &str) -> String {
    let masked = if is_date(value) { value.to_owned() } else { mask(value) };
    let mut out = String::with_capacity(masked.len() + 2);
    out.push('`');
    for (count, letter) in masked.chars().enumerate() {
        if count == LONGEST {
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

/// Several values, in their order.
pub(super) fn shown_list<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    values.into_iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// Dates are long runs of digits as well, and have to be shown to be corrected.
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

/// Replaces every run of digits that may be a phone number by its end.
fn mask(value: &str) -> String {
    let letters: Vec<char> = value.chars().collect();
    let mut out = String::with_capacity(value.len());
    let mut done = 0;
    for run in numbers(&letters) {
        out.extend(letters.get(done..run.start).unwrap_or_default());
        out.push('…');
        let number = letters.get(run.clone()).unwrap_or_default();
        let digits: Vec<&char> = number.iter().filter(|letter| letter.is_numeric()).collect();
        out.extend(digits.iter().skip(digits.len().saturating_sub(LEFT)).copied());
        out.extend(number.iter().rev().take_while(|letter| !letter.is_numeric()));
        done = run.end;
    }
    out.extend(letters.get(done..).unwrap_or_default());
    out
}

/// Makes the digits of whatever may be a phone number unreadable, and leaves every letter where it stands: for
/// lines that are quoted, with something underlined.
pub(super) fn veil(letters: &mut [char]) {
    for run in numbers(letters) {
        let number = letters.get_mut(run).unwrap_or_default();
        let digits = number.iter().filter(|letter| letter.is_numeric()).count();
        for digit in number.iter_mut().filter(|letter| letter.is_numeric()).take(digits.saturating_sub(LEFT))
        {
            *digit = '•';
        }
    }
}

/// The runs of digits that may be phone numbers. Whatever people put between the digits of a number belongs
/// to the run.
fn numbers(letters: &[char]) -> Vec<Range<usize>> {
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
        if digits >= if after_plus { NUMBER_AFTER_PLUS } else { NUMBER } {
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
    fn numbers_are_masked_wherever_they_stand() {
        assert_eq!(shown("+447400123456"), "`+…56`");
        assert_eq!(shown("447400123456"), "`…56`");
        assert_eq!(shown("wa-447400123456-x"), "`wa-…56-x`");
        assert_eq!(shown("+44 (0) 7400-123456"), "`+…56`");
        assert_eq!(shown("+12345"), "`+…45`");
        assert_eq!(shown("1234567890"), "`…90`");
        assert_eq!(shown("2015-55-0123"), "`…23`");
        assert_eq!(shown("2015-55-01234567"), "`…67`");
    }

    #[test]
    fn what_is_no_number_is_shown_as_it_is() {
        assert_eq!(shown("2026-13-01"), "`2026-13-01`");
        assert_eq!(shown("2026-01-01T25:00:00Z"), "`2026-01-01T25:00:00Z`");
        assert_eq!(shown("wa-emea-gb-1"), "`wa-emea-gb-1`");
        assert_eq!(shown("1.24.0"), "`1.24.0`");
        assert_eq!(shown("10023412"), "`10023412`");
        assert_eq!(shown("123456789"), "`123456789`");
        assert_eq!(shown("+1234"), "`+1234`");
    }

    #[test]
    fn what_is_veiled_keeps_its_length() {
        for (line, veiled) in [
            ("phone = \"+44 7400 123456\" }", "phone = \"+•• •••• ••••56\" }"),
            ("a,447400123456,2027-01-01,x", "a,••••••••••56,2027-01-01,x"),
        ] {
            let mut letters: Vec<char> = line.chars().collect();
            veil(&mut letters);
            assert_eq!(letters.iter().collect::<String>(), veiled);
        }
    }

    #[test]
    fn a_value_stays_on_its_line_and_short() {
        assert_eq!(shown("a\nb"), "`a\\nb`");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), LONGEST + 3);
    }
}
