//! Parses the query string of a URL into a query.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use switchboard_model::QueryField;
use switchboard_select::{BadQuery, Query, QueryFields};

/// Parses a query string. Borrows values that need no decoding.
///
/// # Errors
/// Returns the first error in the query.
pub fn parse(text: &str) -> Result<Query<'_>, BadQuery> {
    let mut query = Query::default();
    read(text, &mut query)?;
    Ok(query)
}

/// Parses a query string into an empty query, in place.
///
/// # Errors
/// Returns the first error in the query.
pub fn read<'a>(text: &'a str, into: &mut Query<'a>) -> Result<(), BadQuery> {
    let mut fields = QueryFields::new(into);
    // One search of the whole text replaces a search of every name and value in most queries.
    let plain = !is_encoded(text);
    for (name, value) in pairs(text) {
        if plain {
            fields.set(name, Cow::Borrowed(value));
        } else {
            set_decoded(&mut fields, name, value);
        }
    }
    fields.finish()
}

/// Returns the encoded names and values of a query string. Ignores empty pairs.
#[inline]
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (pair, after) = split(rest, b'&');
            rest = after;
            if !pair.is_empty() {
                return Some(split(pair, b'='));
            }
        }
        None
    })
}

/// Returns the text before the first occurrence of an ASCII byte, and the text after it.
fn split(text: &str, separator: u8) -> (&str, &str) {
    match memchr(separator, text.as_bytes()) {
        Some(found) => (text.get(..found).unwrap_or_default(), text.get(found + 1..).unwrap_or_default()),
        None => (text, ""),
    }
}

/// Sets a field whose name or value may be encoded.
fn set_decoded<'t>(fields: &mut QueryFields<'_, 't>, name: &'t str, value: &'t str) {
    if name == "phone"
        && let Some(digits) = digits_after_plus(value)
    {
        return fields.set_phone_after_plus(digits);
    }
    match (decode(name), decode(value)) {
        (Some(name), Some(value)) => {
            fields.set(&name, if name == "phone" { restore_plus(value) } else { value })
        }
        (Some(name), None) => fields.add_fault(not_encoded(&quoted_name(&name))),
        (None, _) => fields.add_fault(not_encoded("the name of every field")),
    }
}

/// A `+` in a query string: percent-encoded as most clients write it, and bare, which is decoded to a space.
const PLUS: [&str; 4] = ["%2B", "+", "%2b", "%20"];

/// Returns the digits of a phone that is a `+` and digits, as nearly all clients write it. The digits are
/// borrowed.
fn digits_after_plus(value: &str) -> Option<&str> {
    let digits = PLUS.iter().find_map(|plus| value.strip_prefix(plus))?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// Restores the `+` at the front of a decoded text, because a bare `+` in a query string is decoded to a
/// space.
pub(super) fn restore_plus(value: Cow<'_, str>) -> Cow<'_, str> {
    match value.strip_prefix(' ') {
        Some(digits) => Cow::Owned(format!("+{digits}")),
        None => value,
    }
}

fn is_encoded(text: &str) -> bool {
    memchr2(b'%', b'+', text.as_bytes()).is_some()
}

/// Percent-decodes a text of a query string. Returns `None` if the text is not percent-encoded UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !is_encoded(text) {
        return Some(Cow::Borrowed(text));
    }
    // Not the crate `percent-encoding`: it accepts broken escapes, which a query must not have. With a check
    // before it, it takes 1,250 instructions for a value such as `user%40example.com`. This loop takes 580.
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// Percent-decodes a segment of a path. A `+` stays a `+`.
pub(crate) fn decode_path(segment: &str) -> Option<String> {
    decode(&segment.replace('+', "%2B")).map(Cow::into_owned)
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

/// Returns the name of a known field in quotes. An unknown name may contain any data and is not repeated.
fn quoted_name(name: &str) -> Cow<'static, str> {
    QueryField::parse(name).map_or("every field".into(), |field| format!("`{}`", field.as_str()).into())
}

fn not_encoded(what: &str) -> String {
    format!("Percent-encode {what} as UTF-8.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Query<'_>, String> {
        parse(text).map_err(|bad| bad.to_string())
    }

    #[test]
    fn plain_values_are_borrowed() {
        let query = parsed("channel=sms&ou=a&client=x-1").unwrap();
        assert!(matches!(query.channel, Cow::Borrowed("sms")));
        assert!(matches!(query.client, Some(Cow::Borrowed("x-1"))));
    }

    #[test]
    fn plus_of_a_phone_is_restored_in_every_encoding() {
        for (given, phone, follows_plus) in [
            ("+4479", "4479", true),
            ("%2b4479", "4479", true),
            ("%204479", "4479", true),
            ("%2B4479", "4479", true),
            ("4479", "4479", false),
            ("%34479", "4479", false),
            ("%2B", "+", false),
            ("%2B%2B4479", "++4479", false),
            ("%20+4479", "+ 4479", false),
            ("%2B44x", "+44x", false),
            ("%2B4%34", "+44", false),
            ("%204%34", "+44", false),
        ] {
            let query = format!("channel=sms&ou=a&phone={given}");
            let query = parsed(&query).unwrap();
            assert_eq!(
                (query.phone.as_deref(), query.phone_follows_plus),
                (Some(phone), follows_plus),
                "{given}"
            );
        }
        assert_eq!(parsed("channel=sms&ou=a&client=+4479").unwrap().client.as_deref(), Some(" 4479"));
    }

    #[test]
    fn blanks_around_the_ids_of_a_list_and_empty_items_are_ignored() {
        for (given, ids) in [
            ("a,b", &["a", "b"][..]),
            ("a,%20b", &["a", "b"]),
            ("+a+,%09b", &["a", "b"]),
            (",,a,%20,", &["a"]),
            ("%20", &[]),
            (",", &[]),
            ("", &[]),
        ] {
            let query = format!("channel=sms&ou=a&exclude={given}");
            assert_eq!(parsed(&query).unwrap().exclude.ids().collect::<Vec<_>>(), ids, "{given}");
        }
        for bad in ["a%20b", "a,b%2Fc", "a%0A", "%C2%A0a", "a%E2%80%8B", "a;b%20c", "%22a%22", "a'"] {
            let fault = parsed(&format!("channel=sms&ou=a&exclude={bad}")).err().unwrap();
            assert!(fault.contains("of `exclude` is not the id of an account."), "{bad}: {fault}");
        }
    }

    #[test]
    fn lists_in_brackets_are_unknown_fields_with_their_name() {
        for name in ["exclude[]", "exclude%5B%5D", "exclude[0]"] {
            let fault = parsed(&format!("channel=sms&ou=a&{name}=a")).err().unwrap();
            let expected = "The field `exclude[]` is unknown. Send `exclude` once, without brackets. Separate the ids by commas.";
            assert_eq!(fault, expected, "{name}");
        }
        assert!(parsed("channel[]=sms").err().unwrap().starts_with("The field `channel[]` is unknown."));
    }

    #[test]
    fn empty_pairs_are_ignored_and_broken_encoding_is_an_error() {
        assert!(parsed("&channel=sms&&ou=%61&").is_ok());
        assert_eq!(parsed("channel=sms&ou=a&=").err().unwrap(), parsed("channel=sms&ou=a&=x").err().unwrap());
        assert!(parsed("channel=sms&ou=a&=").err().unwrap().starts_with("A field is unknown."));
        assert!(parsed("channel=sms&ou=a&client").err().unwrap().starts_with("The field `client` is empty."));
        for broken in ["ou=%", "ou=%4", "ou=%zz", "ou=%+1", "ou=%ff", "%ff=1"] {
            assert!(parsed(broken).err().unwrap().starts_with("Percent-encode "), "{broken}");
        }
    }
}
