//! Queries as requests of HTTP/1.1.

use crate::http;
use oracle::Query;

/// A field that no query has: what makes one malformed.
const UNKNOWN: (&str, &str) = ("region", "emea");

/// Makes a query malformed, as a gateway of another system would: by a field that there is not.
pub(super) fn garble(query: &mut Query) {
    let (name, value) = UNKNOWN;
    let mut fields = query.fields();
    fields.push(format!("\"{name}\":\"{value}\""));
    query.garbled = Some(format!("{{{}}}", fields.join(",")));
}

/// With the fields in the URL.
pub(super) fn get(query: &Query) -> Vec<u8> {
    format!("GET {} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", target(query)).into_bytes()
}

/// The URL without its host.
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
    let encoded = |text: &str| http::encoded(text).to_string();
    let mut pairs: Vec<String> = fields
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", encoded(value.as_deref()?))))
        .collect();
    if !query.exclude.is_empty() {
        let ids: Vec<String> = query.exclude.iter().map(|id| encoded(id)).collect();
        pairs.push(format!("exclude={}", ids.join(",")));
    }
    if query.garbled.is_some() {
        let (name, value) = UNKNOWN;
        pairs.push(format!("{name}={value}"));
    }
    format!("/v1/select?{}", pairs.join("&"))
}

/// With the fields in the body.
pub(super) fn post(query: &Query) -> Vec<u8> {
    posted("/v1/select", "application/json", &query.text())
}

/// One query a line.
pub(super) fn batch<'q>(queries: impl Iterator<Item = &'q str>) -> Vec<u8> {
    let mut body = String::new();
    for query in queries {
        body.push_str(query);
        body.push('\n');
    }
    posted("/v1/select/batch", "application/x-ndjson", &body)
}

fn posted(target: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
