//! Builds HTTP/1.1 requests as bytes.

use crate::engine::Media;
use oracle::Query;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde_json::{Map, Value};

/// Every character but the unreserved ones of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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

/// Adds a header, with the end of its line, to a request.
pub(crate) fn add_header(request: &mut Vec<u8>, header: &str) {
    let first_line = memchr::memchr(b'\n', request).map_or(0, |end| end + 1);
    request.splice(first_line..first_line, header.bytes());
}

/// Makes a query malformed by a field that no query has.
pub(super) fn garble(query: &mut Query) {
    let mut fields = query.fields();
    fields.push("\"region\":\"emea\"".to_owned());
    query.garbled = Some(format!("{{{}}}", fields.join(",")));
}

/// Returns the path and the fields of a query as a URL without the host.
pub(super) fn target(query: &Query) -> String {
    let fields: Map<String, Value> = serde_json::from_str(&query.text()).unwrap_or_default();
    let text = |value: &Value| encode(value.as_str().unwrap_or_default()).to_string();
    let pairs = fields.iter().map(|(name, value)| match value.as_array() {
        Some(ids) => format!("{name}={}", ids.iter().map(text).collect::<Vec<_>>().join(",")),
        None => format!("{name}={}", text(value)),
    });
    format!("/v1/select?{}", pairs.collect::<Vec<_>>().join("&"))
}
