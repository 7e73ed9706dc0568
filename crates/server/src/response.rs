//! Responses: for hyper to write, and as bytes where hyper does not.

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

/// A response whose body is complete.
pub type Response = hyper::Response<Full<Bytes>>;

/// Larger answers are counted by the [memory budget](super::MemoryBudget) until their peers have taken them. 10,000 of
/// this size at once come to 160 MB, and as much again where answers of the fast path wait before each.
pub const MAX_UNRESERVED_BYTES: usize = 16 * 1024;

/// Returns a response, whose length hyper states. It may not be cached, because the next answer may differ.
pub fn respond(status: u16, content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Appends the response that hyper would write for [`respond`]. `date` is an IMF-fixdate (RFC 9110, 5.6.7).
#[inline]
pub fn write_response(out: &mut Vec<u8>, status: u16, content_type: &str, body: &[u8], date: &str) {
    out.reserve(256 + body.len());
    write_status_line(out, status);
    write_body_fields(out, content_type, "", body.len());
    out.extend_from_slice(b"date: ");
    out.extend_from_slice(date.as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
}

/// Appends the first line of a response.
#[inline]
pub(crate) fn write_status_line(out: &mut Vec<u8>, status: u16) {
    match status {
        200 => out.extend_from_slice(b"HTTP/1.1 200 OK\r\n"),
        status => {
            let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
            out.extend_from_slice(b"HTTP/1.1 ");
            out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
            out.push(b' ');
            out.extend_from_slice(reason.unwrap_or_default().as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Appends the fields that describe a body. `more` holds whole lines that stand before the length.
#[inline]
pub(crate) fn write_body_fields(out: &mut Vec<u8>, content_type: &str, more: &str, length: usize) {
    out.extend_from_slice(b"content-type: ");
    out.extend_from_slice(content_type.as_bytes());
    out.extend_from_slice(b"\r\ncache-control: no-store\r\n");
    out.extend_from_slice(more.as_bytes());
    out.extend_from_slice(b"content-length: ");
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}
