//! Builds HTTP/1.1 requests as bytes.

use crate::engine::Media;
use oracle::Query;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

/// Every character but the unreserved ones of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A field that makes a query malformed, because no query has it.
const UNKNOWN_FIELD: (&str, &str) = ("region", "emea");

/// Percent-encodes a value, or a segment of a path, for a URL.
pub(crate) fn encode(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, ENCODED)
}

pub(crate) fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").into_bytes()
}

pub(crate) fn post(query: &str) -> Vec<u8> {
    post_to("/v1/select", Media::Json, query)
}

pub(crate) fn post_batch(lines: &str) -> Vec<u8> {
    post_to("/v1/select/batch", Media::Lines, lines)
}

fn post_to(target: &str, media: Media, body: &str) -> Vec<u8> {
    let (media, length) = (media.as_str(), body.len());
    format!(
        "POST {target} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {media}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Adds an unknown field to a query.
pub(super) fn garble(query: &mut Query) {
    let (name, value) = UNKNOWN_FIELD;
    let mut fields = query.fields();
    fields.push(format!("\"{name}\":\"{value}\""));
    query.garbled = Some(format!("{{{}}}", fields.join(",")));
}

/// Returns the path and the fields of a query as a URL without the host.
pub(super) fn target(query: &Query) -> String {
    let fields = [
        ("company", &query.company),
        ("channel", &query.channel),
        ("ou", &query.ou),
        ("phone", &query.phone),
        ("country", &query.country),
        ("client", &query.client),
        ("user", &query.user),
        ("role", &query.role),
        ("current", &query.current),
        ("fallback", &query.fallback),
    ];
    let mut pairs: Vec<String> = fields
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", encode(value.as_deref()?))))
        .collect();
    if !query.exclude.is_empty() {
        let ids: Vec<String> = query.exclude.iter().map(|id| encode(id).to_string()).collect();
        pairs.push(format!("exclude={}", ids.join(",")));
    }
    if query.garbled.is_some() {
        let (name, value) = UNKNOWN_FIELD;
        pairs.push(format!("{name}={value}"));
    }
    format!("/v1/select?{}", pairs.join("&"))
}
