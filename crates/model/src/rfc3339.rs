//! A moment as people write it: an RFC 3339 date, or date and time with its offset.

use jiff::civil::Date;

/// Unix seconds; a date begins at midnight UTC. A fraction is rounded up: nothing begins or ends a
/// moment before its time. A leap second is the first one of the next minute.
pub fn seconds(text: &str) -> Option<i64> {
    parse(text).map(|(seconds, nanoseconds)| seconds + i64::from(nanoseconds > 0))
}

/// The same in Unix milliseconds.
pub fn milliseconds(text: &str) -> Option<i64> {
    let (seconds, nanoseconds) = parse(text)?;
    Some(seconds * 1000 + i64::from(nanoseconds.div_ceil(1_000_000)))
}

/// Unix seconds, and nanoseconds beyond them. Digits beyond the ninth count as one more nanosecond.
fn parse(text: &str) -> Option<(i64, u32)> {
    let (date, rest) = text.split_at_checked(10)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let midnight = date.duration_since(Date::constant(1970, 1, 1)).as_secs();
    if rest.is_empty() {
        return Some((midnight, 0));
    }
    let (clock, rest) = rest.strip_prefix(['T', 't', ' '])?.split_at_checked(8)?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    if second > 60 {
        return None;
    }
    let (nanoseconds, offset) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(rest) => {
            let (digits, offset) = rest.split_at_checked(rest.find(|it: char| !it.is_ascii_digit())?)?;
            if digits.is_empty() {
                return None;
            }
            (fraction(digits), offset)
        }
    };
    let ahead = match offset.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign @ ("+" | "-"), offset) => {
            let [hour, minute] = numbers(offset, ':', [2, 2])?;
            let ahead = minutes(hour, minute)? * 60;
            if sign == "+" { ahead } else { -ahead }
        }
        _ => return None,
    };
    Some((midnight + minutes(hour, minute)? * 60 + i64::from(second) - ahead, nanoseconds))
}

fn fraction(digits: &str) -> u32 {
    let (nine, beyond) = digits.split_at_checked(9).unwrap_or((digits, ""));
    let nanoseconds = nine
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(9)
        .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    nanoseconds + u32::from(beyond.bytes().any(|digit| digit != b'0'))
}

fn minutes(hour: i16, minute: i16) -> Option<i64> {
    (hour <= 23 && minute <= 59).then(|| i64::from(hour) * 60 + i64::from(minute))
}

/// Numbers of so many digits each, with the separator between them.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i16; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != digits || !part.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times() {
        for (text, seconds) in [
            ("1970-01-02", 86_400),
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00z", 0),
            ("1970-01-01T00:00:00.000001Z", 1),
            ("1970-01-01T00:00:00.000Z", 0),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31T23:30:00-00:30", 0),
            ("1969-12-31T23:59:59.5Z", 0),
            ("2026-01-01", 1_767_225_600),
            ("2016-12-31T23:59:60Z", 1_483_228_800),
            ("1970-01-01T23:59:00+23:59", 0),
            ("9999-12-31", 253_402_214_400),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(super::seconds(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn fractions_are_rounded_up() {
        for (text, at) in [
            ("1970-01-01", 0),
            ("1970-01-01T00:00:00.5Z", 500),
            ("1970-01-01T00:00:00.0001Z", 1),
            ("1970-01-01T00:00:00.9999999999Z", 1_000),
            ("1970-01-01T00:00:00.0000000001Z", 1),
            ("1969-12-31T23:59:59.25Z", -750),
        ] {
            assert_eq!(milliseconds(text), Some(at), "{text}");
        }
    }

    #[test]
    fn nothing_else() {
        for bad in [
            "",
            "tomorrow",
            "2026-13-01",
            "2026-02-30",
            "2026-01-01T00:00:00",
            "20260101",
            "2026-W01-1",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00,5Z",
            "2026-01-01T00:00:00+01",
            "2026-01-01T00:00:00+0100",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+01:60",
            "2026-01-01T00:00:00+01:00:00",
            "2026-01-01T00:00:00ZZ",
            "01/02/2026",
            "2026-01-01T00:00:00Z[UTC]",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
