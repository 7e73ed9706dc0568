//! Reads values that TOML and CSV write alike: ids and countries. Recognizes what spreadsheets and people make
//! of phone numbers, dates, weights and ids, and names the remedy.

use switchboard_model::{
    E164, MAX_ID_BYTES, MAX_USER_ID_BYTES, Region, UnixSeconds, find_invisible, is_id, is_invisible,
    is_user_id,
};

use crate::redact::quoted;
use crate::{Code, Findings, Place, Span};

/// The texts that a spreadsheet shows in place of the value of a formula.
const FORMULA_ERRORS: [&str; 11] = [
    "#N/A", "#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#ERROR!", "#SPILL!", "#CALC!", "#NV",
];
/// The words that people write in a cell without a value. All are in lower case.
const NO_VALUES: [&str; 14] =
    ["n/a", "na", "n.a.", "none", "null", "nil", "nan", "-", "--", "?", "tbd", "tbc", "unknown", "#"];
/// The words before an extension, the longest one first.
const EXTENSIONS: [&str; 6] = ["extension", "extn", "ext", "x", "#", "w"];
/// Beginnings of addresses that name the kind of the address.
const SCHEMES: [&str; 6] = ["tel:", "sms:", "whatsapp:", "https://wa.me/", "wa.me/", "callto:"];
/// The first digits of the scripts whose digits spreadsheets write.
const ZEROS: [u32; 12] =
    [0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0E50, 0x0ED0, 0xFF10];
/// The day of Excel's calendar on which Unix times begin.
const EXCEL_DAY_OF_1970: i64 = 25_569;
const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

const DATE_HELP: &str = "write a date such as 2026-03-01, or a time with its UTC offset such as \
                         2026-03-01T08:00:00Z";
const AS_TEXT: &str = "format the column as text in the spreadsheet";

/// Reports a text that is not an id. `what` names the id in the message, such as `OU id`.
pub(super) fn require_id(text: &str, what: &str, place: &Place, span: Span, findings: &mut Findings) {
    if is_id(text) {
        return;
    }
    let message = if text.is_empty() {
        format!("{what} is empty")
    } else if text.len() > MAX_ID_BYTES {
        format!("{what} {} is longer than {MAX_ID_BYTES} bytes", quoted(text))
    } else if let Some(fault) = find_invisible(text) {
        format!("{what} {} has {fault}", quoted(text))
    } else {
        let wrong = text.chars().find(|letter| !is_id(letter.encode_utf8(&mut [0; 4])));
        format!("{what} {} has the character {}, which no id has", quoted(text), quoted_character(wrong))
    };
    let help = match without_hidden(text, is_id) {
        Some(meant) => meant_help(text, &meant),
        None => {
            format!("use 1 to {MAX_ID_BYTES} printable ASCII characters without space, comma, slash or quote")
        }
    };
    findings.add(place, Code::InvalidId, message, help).primary(span);
}

/// Reports a text that is not the id of a user.
pub(super) fn require_user_id(text: &str, place: &Place, span: Span, findings: &mut Findings) {
    if is_user_id(text) {
        return;
    }
    let (message, help) = match (find_invisible(text), without_hidden(text, is_user_id)) {
        (Some(fault), Some(meant)) => {
            (format!("user id {} has {fault}", quoted(text)), meant_help(text, &meant))
        }
        (Some(fault), None) => (
            format!("user id {} has {fault}", quoted(text)),
            "delete the character, or type the id again".to_owned(),
        ),
        (None, _) => (
            format!("user id {} is longer than {MAX_USER_ID_BYTES} bytes", quoted(text)),
            format!("use 1 to {MAX_USER_ID_BYTES} bytes of UTF-8"),
        ),
    };
    findings.add(place, Code::InvalidId, message, help).primary(span);
}

fn quoted_character(character: Option<char>) -> String {
    quoted(&character.map(String::from).unwrap_or_default())
}

/// Returns the remedy for a text that is the meant one but for blanks, quotes and invisible characters.
pub(super) fn meant_help(text: &str, meant: &str) -> String {
    match find_invisible(text) {
        Some(_) => format!("delete the character, and write {}", quoted(meant)),
        None => format!("write {}, without other characters", quoted(meant)),
    }
}

/// Returns the text without invisible characters, and without the blanks and quotes around it, if that makes
/// the text valid. A blank inside may stand for any character, so it stays.
pub(super) fn without_hidden(text: &str, is_valid: impl Fn(&str) -> bool) -> Option<String> {
    let visible: String =
        text.chars().filter(|&letter| letter.is_whitespace() || !is_invisible(letter)).collect();
    without_surroundings(&visible, is_valid).map(str::to_owned)
}

/// Parses an assigned country code in upper or lower case. Reports any other text.
pub(super) fn parse_country(
    key: &str,
    text: &str,
    place: &Place,
    span: impl FnOnce() -> Span,
    findings: &mut Findings,
) -> Option<Region> {
    let region = Region::from_alpha2(text);
    if region.is_none() {
        let help = match text.to_ascii_uppercase().as_str() {
            // Some official documents use these two codes instead of the codes of ISO 3166-1.
            "UK" => "did you mean `GB`?",
            "EL" => "did you mean `GR`?",
            _ => "write two letters that ISO 3166-1 assigns to a country, such as `GB`",
        };
        let help = country_help(text).unwrap_or_else(|| help.to_owned());
        let message = format!("{key} {} is not an assigned country code", quoted(text));
        findings.add(place, Code::InvalidCountry, message, help).primary(span());
    }
    region
}

/// A recognized misspelling.
#[derive(Debug, PartialEq)]
pub(super) struct Spelling {
    /// The fault, as the predicate of a sentence about the value.
    pub(super) fault: String,
    pub(super) help: String,
}

/// Recognizes the misspelling of a phone number that is not in E.164.
pub(super) fn phone_spelling(text: &str) -> Option<Spelling> {
    fn found(fault: impl Into<String>, help: String) -> Option<Spelling> {
        Some(Spelling { fault: fault.into(), help })
    }
    if let Some(help) = cell_help(text) {
        return found("is no number", help);
    }
    if NO_VALUES.contains(&&*text.trim().to_ascii_lowercase()) {
        return found("is a word for a missing value", "write the number, or remove the row".to_owned());
    }
    if is_scientific(text) {
        let help = format!("{AS_TEXT}, and type the number again");
        return found("is a rounded number, whose last digits are lost", help);
    }
    if let Some(digits) = text.strip_prefix('+').filter(|digits| is_digits(digits)) {
        return Some(e164_spelling(digits));
    }
    let meant = meant_number(text);
    let write = |otherwise: &str| match &meant {
        Some(number) => format!("write `{number}`"),
        None => otherwise.to_owned(),
    };
    let in_e164 = "write the number with +, calling code and number, without other characters";
    if text.starts_with(['\'', '\u{2018}', '\u{2019}', '`']) {
        let help = format!("{}, and {AS_TEXT} instead", write(in_e164));
        return found("begins with an apostrophe, which a spreadsheet uses to mark a text", help);
    }
    if text.starts_with('=') {
        let help = format!("{}, not a formula, and {AS_TEXT}", write("write the number itself"));
        return found("is a formula", help);
    }
    if text.chars().any(|letter| letter.is_numeric() && !letter.is_ascii()) {
        return found("has other digits than 0 to 9", write("write the number with the digits 0 to 9"));
    }
    if SCHEMES.iter().any(|scheme| text.to_ascii_lowercase().starts_with(scheme)) {
        return found("has a text before the number", write(in_e164));
    }
    if text.split([',', ';', '/', '|']).filter(|part| meant_number(part.trim()).is_some()).count() > 1 {
        let help = "write one number; every account has a row of its own".to_owned();
        return found("has more than one number", help);
    }
    if let Some(number) = without_extension(text).and_then(meant_number) {
        return found(
            "has an extension, which an account on a channel cannot have",
            format!("write `{number}`"),
        );
    }
    let digits = text.replace(['O', 'o'], "0").replace(['I', 'l'], "1");
    if digits != text
        && let Some(number) = meant_number(&digits)
    {
        let help = format!("write `{number}` if that is the number");
        return found("has a letter in place of a digit", help);
    }
    if text.chars().any(|letter| letter.is_ascii_alphabetic()) {
        return None;
    }
    if is_grouped(text) {
        let help = format!("{}, and {AS_TEXT}", write("write + and the number without separators"));
        return found("has separators of thousands, which a spreadsheet writes in numbers", help);
    }
    if text.starts_with("00") && is_digits(text) {
        let help = write("write + and the calling code in place of 00");
        return found("begins with 00 in place of +", help);
    }
    if text.starts_with("011")
        && is_digits(text)
        && let Some(number) = &meant
    {
        let fault = "begins with 011, which people dial in North America, in place of +";
        return found(fault, format!("write `{number}`"));
    }
    if is_digits(text) {
        return match &meant {
            Some(number) => found(
                "has no +, which a spreadsheet removes from a number",
                format!("write `{number}` if that is the number, and {AS_TEXT}"),
            ),
            None if text.starts_with('0') => {
                let help = "write + and the calling code in place of the first 0".to_owned();
                found("is a national number without a calling code", help)
            }
            None => found("has no +", "write + and the calling code before the number".to_owned()),
        };
    }
    if let Some((number, fraction)) = text.split_once(['.', ','])
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte == b'0')
        && number.trim_start_matches('+').bytes().all(|byte| byte.is_ascii_digit())
    {
        return found("has a decimal point, as a spreadsheet writes numbers", write(in_e164));
    }
    let is_between = |letter: char| is_separator(letter) || letter == '+' || letter.is_ascii_digit();
    if text.chars().any(|letter| letter.is_ascii_digit()) && text.chars().all(is_between) {
        let without = "without blanks, hyphens, parentheses and other signs";
        let help = match &meant {
            Some(number) => format!("write `{number}`, {without}"),
            None => format!("write + and the number {without}"),
        };
        return found("has blanks or signs between or around its digits", help);
    }
    if let Some(number) = &meant {
        return found("has other characters than + and digits", format!("write `{number}`"));
    }
    None
}

/// Names the fault of a `+` and digits that are no phone number in E.164.
fn e164_spelling(digits: &str) -> Spelling {
    let (fault, help) = match digits.len() {
        few @ ..5 => (
            format!("has {few} digits, but a phone number has 5 to 15"),
            "write the whole number with its calling code".to_owned(),
        ),
        _ if digits.starts_with('0') => (
            "has a 0 behind the +, and no calling code begins with 0".to_owned(),
            match meant_number(&format!("+{digits}")) {
                Some(number) => format!("write `{number}` if that is the number"),
                None => "write + and the calling code in place of +0".to_owned(),
            },
        ),
        many @ 16.. => (
            format!("has {many} digits, but a phone number has 5 to 15"),
            "remove the digits that do not belong to the number".to_owned(),
        ),
        _ => (
            "begins with no calling code that is assigned".to_owned(),
            "correct the digits behind the +, which are the calling code".to_owned(),
        ),
    };
    Spelling { fault, help }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether the text is a number such as `447,400,123,456`, with a separator before every three digits.
fn is_grouped(text: &str) -> bool {
    [",", ".", "'", "\u{2019}"].into_iter().any(|separator| {
        let mut groups = text.trim_start_matches('+').split(separator);
        let is_first = groups.next().is_some_and(|first| is_digits(first) && first.len() <= 3);
        let rest: Vec<&str> = groups.collect();
        is_first && rest.len() > 1 && rest.iter().all(|group| is_digits(group) && group.len() == 3)
    })
}

/// Returns the text before an extension such as `x12` or `ext. 12`.
fn without_extension(text: &str) -> Option<&str> {
    let rest = text.trim_end().trim_end_matches(|letter: char| letter.is_ascii_digit());
    let rest = rest.trim_end_matches([' ', '.', '=', ':']);
    let has_digits = rest.len() < text.trim_end().len();
    let before = EXTENSIONS.iter().find_map(|word| {
        let at = rest.len().checked_sub(word.len())?;
        rest.get(at..).filter(|end| end.eq_ignore_ascii_case(word)).and_then(|_| rest.get(..at))
    })?;
    let before = before.trim_end_matches([' ', ';', ',', '.']);
    (has_digits && before.ends_with(|letter: char| letter.is_ascii_digit())).then_some(before)
}

/// Returns the remedy for a text that a spreadsheet writes in place of a value of any kind.
pub(super) fn cell_help(text: &str) -> Option<String> {
    let trimmed = text.trim();
    if trimmed.len() > 1 && trimmed.bytes().all(|byte| byte == b'#') {
        return Some(format!(
            "the column was too narrow to show the value: make it wider, or {AS_TEXT}, and type the value again"
        ));
    }
    if FORMULA_ERRORS.iter().any(|error| error.eq_ignore_ascii_case(trimmed)) {
        return Some("the spreadsheet has a formula with an error here: write the value itself".to_owned());
    }
    None
}

/// Returns the text without the blanks and quotes around it, if that makes it valid.
fn without_surroundings(text: &str, is_valid: impl Fn(&str) -> bool) -> Option<&str> {
    let is_around = |letter: char| {
        letter.is_whitespace() || is_invisible(letter) || "'`\"\u{2018}\u{2019}".contains(letter)
    };
    Some(text.trim_matches(is_around)).filter(|inner| is_valid(inner))
}

/// Returns the remedy for a text that is not the code of a country.
pub(super) fn country_help(text: &str) -> Option<String> {
    let inner = without_surroundings(text, |inner| Region::from_alpha2(inner).is_some());
    inner.map(|inner| format!("write `{inner}`, without other characters")).or_else(|| cell_help(text))
}

/// Returns the remedy for a text that is not a date by RFC 3339.
pub(super) fn date_help(text: &str) -> String {
    if let Some(help) = cell_help(text) {
        return help;
    }
    if let Some(inner) = without_surroundings(text, |inner| UnixSeconds::from_rfc3339(inner).is_some()) {
        return format!("write {inner}, without other characters");
    }
    let whole = text.split(['.', ',']).next().unwrap_or_default();
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','));
    // The days of the years 1927 to 2119. The fraction of a day is a time.
    if let Ok(day @ 10_000..=80_000) = whole.parse::<i64>()
        && is_number
        && whole.len() == 5
    {
        let fraction = text.get(whole.len()..).unwrap_or_default().replace(',', ".");
        let fraction: f64 = format!("0{fraction}").parse().unwrap_or(0.0);
        let seconds = (fraction * SECONDS_PER_DAY as f64).round() as i64;
        let date = UnixSeconds((day - EXCEL_DAY_OF_1970) * SECONDS_PER_DAY + seconds);
        return format!("write {date} if the number is a day of Excel's calendar, and {AS_TEXT}");
    }
    let (date, time) = match text.trim().split_once([' ', 'T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text.trim(), None),
    };
    let mut dates = meant_dates(date);
    let mut reason = AS_TEXT;
    if let Some(time) = time {
        let Some((time, has_offset)) = meant_time(time) else { return DATE_HELP.to_owned() };
        dates = dates.into_iter().map(|date| format!("{date}T{time}")).collect();
        dates.retain(|date| UnixSeconds::from_rfc3339(date).is_some());
        if !has_offset {
            reason = "replace Z with the UTC offset of the place, such as +01:00";
        }
    }
    match dates.as_slice() {
        [date] => format!("write {date}, and {reason}"),
        [day_first, month_first] => format!("write {day_first} or {month_first}, and {reason}"),
        _ => DATE_HELP.to_owned(),
    }
}

/// Returns the remedy for a text that is not a weight.
pub(super) fn weight_help(text: &str) -> String {
    if let Some(help) = cell_help(text) {
        return help;
    }
    let is_weight = |text: &str| is_digits(text) && matches!(text.parse(), Ok(1..=1000_u16));
    if let Some(inner) = without_surroundings(text, is_weight) {
        return format!("write {inner}, without other characters");
    }
    match text.split_once(['.', ',']) {
        Some((whole, fraction)) if is_digits(whole) && is_digits(fraction) => {
            match (whole.parse::<u16>(), fraction.bytes().all(|byte| byte == b'0')) {
                (Ok(1..=1000), true) => format!("write {whole}, without a fraction"),
                _ => "a weight has no fraction: multiply all weights of the pool by 10 or 100".to_owned(),
            }
        }
        _ => "write a number from 1 to 1000, or leave the cell empty for 1".to_owned(),
    }
}

/// Returns whether the text is a number such as `4.91511E+12`.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.trim().split_once(['E', 'e']) else { return false };
    let exponent = exponent.trim_start_matches(['+', '-']);
    let mantissa = mantissa.trim_start_matches(['+', '-']);
    let is_digits = |text: &str, others: &str| {
        text.starts_with(|letter: char| letter.is_ascii_digit())
            && text.chars().all(|letter| letter.is_ascii_digit() || others.contains(letter))
    };
    is_digits(mantissa, ".,") && is_digits(exponent, "")
}

/// Returns whether people write the character between or around the digits of a number.
fn is_separator(letter: char) -> bool {
    is_invisible(letter)
        || letter.is_whitespace()
        || "-.()/\u{2010}\u{2011}\u{2012}\u{2013}\u{2212}".contains(letter)
}

/// Returns the number in E.164 that a misspelled number probably means. Returns `None` if the number would
/// not be valid.
fn meant_number(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let text = SCHEMES.iter().find_map(|scheme| lower.strip_prefix(scheme)).unwrap_or(&lower);
    let text = text.trim_end_matches('0').strip_suffix(['.', ',']).unwrap_or(text);
    let grouped;
    let text = if is_grouped(text) {
        grouped = text.replace([',', '.'], "");
        &grouped
    } else {
        text
    };
    let mut number = String::from("+");
    for letter in text.replace("(0)", "").chars() {
        let value = u32::from(letter);
        let zero = ZEROS.into_iter().find(|zero| (*zero..zero + 10).contains(&value));
        let digit = zero.and_then(|zero| char::from_digit(value - zero, 10)).unwrap_or(letter);
        match digit {
            '0'..='9' => number.push(digit),
            '+' | '\u{FF0B}' | '\'' | '"' | '=' | '\u{2018}' | '\u{2019}' | '`' => {}
            other if is_separator(other) => {}
            _ => return None,
        }
    }
    let is_valid = |number: &str| {
        let origin = E164::parse(number).map(|number| number.origin());
        origin.is_ok_and(|origin| !origin.guessed && origin.region.is_some())
    };
    // The prefixes that people dial before a calling code, and a 0 that was put between + and the code.
    let prefixes: &[&str] = if text.starts_with('+') { &["+00", "+0"] } else { &["+00", "+011"] };
    for prefix in prefixes {
        if let Some(rest) = number.strip_prefix(prefix).map(|rest| format!("+{rest}"))
            && is_valid(&rest)
        {
            return Some(rest);
        }
    }
    is_valid(&number).then_some(number)
}

/// Returns the dates that a date in a local notation can mean: none, one, or the one with the day first and
/// the one with the month first.
fn meant_dates(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split(['/', '.', '-']).collect();
    let [first, second, third] = parts[..] else { return Vec::new() };
    if parts
        .iter()
        .any(|part| part.is_empty() || part.len() > 4 || !part.bytes().all(|it| it.is_ascii_digit()))
    {
        return Vec::new();
    }
    let written = |year: &str, month: &str, day: &str| {
        let century = if year.len() == 2 { "20" } else { "" };
        let date = format!("{century}{year}-{month:0>2}-{day:0>2}");
        UnixSeconds::from_rfc3339(&date).map(|_| date)
    };
    if first.len() == 4 {
        return written(first, second, third).into_iter().collect();
    }
    let mut dates: Vec<String> =
        [written(third, second, first), written(third, first, second)].into_iter().flatten().collect();
    dates.dedup();
    dates
}

/// Returns the time of a day that a text can mean, with seconds and an offset, and whether the text has an offset.
/// Without one, the offset is `Z`.
fn meant_time(text: &str) -> Option<(String, bool)> {
    let clock_end = text.find(|it: char| !it.is_ascii_digit() && it != ':').unwrap_or(text.len());
    let (clock, offset) = text.split_at(clock_end);
    let offset = offset.trim();
    let parts: Vec<&str> = clock.split(':').collect();
    if !matches!(parts.len(), 2 | 3) || parts.iter().any(|part| !matches!(part.len(), 1 | 2)) {
        return None;
    }
    let seconds = parts.get(2).copied().unwrap_or("00");
    let time = format!("{:0>2}:{:0>2}:{seconds:0>2}", parts.first()?, parts.get(1)?);
    let written = format!("{time}{}", if offset.is_empty() { "Z" } else { offset });
    UnixSeconds::from_rfc3339(&format!("2026-01-01T{written}")).map(|_| (written, !offset.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each spelling gets a remedy of its own.
    #[test]
    fn misspelled_phone_numbers_are_recognized() {
        for (text, fault, help) in [
            ("4.91511E+12", "rounded", "type the number again"),
            ("4,91511E+12", "rounded", "format the column as text"),
            ("4.91511e12", "rounded", "type the number again"),
            ("+4.47E+11", "rounded", "type the number again"),
            ("'+447400123456", "apostrophe", "write `+447400123456`"),
            ("\u{2019}447400123456", "apostrophe", "write `+447400123456`"),
            ("=\"+447400123456\"", "formula", "write `+447400123456`"),
            ("=A1&B1", "formula", "write the number itself"),
            ("447400123456", "has no +", "write `+447400123456`"),
            ("7400123456", "has no +", "calling code"),
            ("07400123456", "national", "in place of the first 0"),
            ("00447400123456", "00", "write `+447400123456`"),
            ("+44 7400 123456", "blanks", "write `+447400123456`"),
            (" +447400123456", "blanks", "write `+447400123456`"),
            ("+44\u{a0}7400\u{a0}123456", "blanks", "write `+447400123456`"),
            ("+44 (0) 7400-123456", "blanks", "write `+447400123456`"),
            ("(+44) 7400/123456", "blanks", "write `+447400123456`"),
            ("0044 7400 123456", "blanks", "write `+447400123456`"),
            ("+1-202-555-01234567890", "blanks", "write + and the number"),
            ("+12", "has 2 digits", "calling code"),
            ("+1234567890123456", "has 16 digits", "remove the digits"),
            ("+999123456", "no calling code that is assigned", "correct the digits"),
            ("+2101234567", "no calling code that is assigned", "correct the digits"),
            ("+0447400123456", "0 behind the +", "write `+447400123456` if"),
            ("+01234567", "0 behind the +", "in place of +0"),
            ("447,400,123,456", "thousands", "write `+447400123456`"),
            ("447'400'123'456", "thousands", "write `+447400123456`"),
            ("+447.400.123.456", "thousands", "write `+447400123456`"),
            ("+44740012345O", "letter", "write `+447400123450`"),
            ("+4474OOl23456", "letter", "write `+447400123456`"),
            ("+447400123456x12", "extension", "write `+447400123456`"),
            ("+44 7400 123456 ext. 12", "extension", "write `+447400123456`"),
            ("+447400123456;ext=12", "extension", "write `+447400123456`"),
            ("n/a", "missing value", "remove the row"),
            ("-", "missing value", "remove the row"),
            ("011447400123456", "North America", "write `+447400123456`"),
            ("011 44 7400 123456", "blanks", "write `+447400123456`"),
            ("+447400123456'", "other characters", "write `+447400123456`"),
            ("+447400123456/+447400123457", "more than one", "every account has a row"),
            ("447400123456.0", "decimal", "write `+447400123456`"),
            ("447400123456,00", "decimal", "write `+447400123456`"),
            (
                "+\u{664}\u{664}\u{667}\u{664}\u{660}\u{660}\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}",
                "digits",
                "write `+447400123456`",
            ),
            ("\u{FF0B}\u{FF14}\u{FF14}7400123456", "digits", "write `+447400123456`"),
            ("tel:+447400123456", "before the number", "write `+447400123456`"),
            ("https://wa.me/447400123456", "before the number", "write `+447400123456`"),
            ("#######", "no number", "too narrow"),
            ("#N/A", "no number", "formula"),
        ] {
            let found = phone_spelling(text).unwrap_or_else(|| panic!("{text}"));
            assert!(found.fault.contains(fault) && found.help.contains(help), "{text}: {found:?}");
        }
        for other in ["", "service@acme.example", "@acme", "TRUE", "+447400123456 or 57"] {
            assert_eq!(phone_spelling(other), None, "{other}");
        }
    }

    #[test]
    fn dates_of_spreadsheets_are_recognized() {
        for (text, help) in [
            ("31/12/2026", "write 2026-12-31, and"),
            ("12/31/2026", "write 2026-12-31, and"),
            ("31.12.2026", "write 2026-12-31, and"),
            ("31.12.26", "write 2026-12-31, and"),
            ("03/04/2026", "write 2026-04-03 or 2026-03-04"),
            ("1/1/2026", "write 2026-01-01, and"),
            ("2026/12/31", "write 2026-12-31, and"),
            ("2026-1-5", "write 2026-01-05, and"),
            ("2026-12-31 08:00", "write 2026-12-31T08:00:00Z, and replace Z"),
            ("2027-01-01T18:30:00", "write 2027-01-01T18:30:00Z, and replace Z"),
            ("2027-01-01T18:30Z", "write 2027-01-01T18:30:00Z, and"),
            ("2027-01-01 8:30 +02:00", "write 2027-01-01T08:30:00+02:00, and"),
            ("03/04/2026 8:30", "write 2026-04-03T08:30:00Z or 2026-03-04T08:30:00Z, and replace Z"),
            ("2027-01-01T24:00:00Z", DATE_HELP),
            ("2027-01-01T18:30:00+25:00", DATE_HELP),
            ("31/12/2026 6 PM", DATE_HELP),
            ("46387", "write 2026-12-31 if"),
            ("46387.5", "write 2026-12-31T12:00:00Z if"),
            ("46387,25", "write 2026-12-31T06:00:00Z if"),
            ("#####", "too narrow"),
            ("#NAME?", "formula"),
            ("'2026-12-31", "write 2026-12-31, without"),
            ("2026-12-31\u{a0}", "write 2026-12-31, without"),
            ("tomorrow", DATE_HELP),
            ("99/99/2026", DATE_HELP),
            ("31-Dec-26", DATE_HELP),
        ] {
            assert!(date_help(text).contains(help), "{text}: {}", date_help(text));
        }
    }

    #[test]
    fn weights_of_spreadsheets_are_recognized() {
        for (text, help) in [
            ("1,5", "no fraction: multiply"),
            ("0.5", "no fraction: multiply"),
            ("1.0", "write 1, without"),
            ("5,00", "write 5, without"),
            ("1001.0", "multiply"),
            (" 5", "write 5, without"),
            ("'5", "write 5, without"),
            ("#REF!", "formula"),
            ("TRUE", "from 1 to 1000"),
            ("50%", "from 1 to 1000"),
        ] {
            assert!(weight_help(text).contains(help), "{text}: {}", weight_help(text));
        }
    }
}
