//! Builds responses: values that hyper writes, and bytes for answers without hyper.

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

/// A response with a complete body.
pub type Response = hyper::Response<Full<Bytes>>;

/// Size in bytes up to which an answer is not counted. The [memory budget](super::MemoryBudget) counts larger
/// answers until their peers have read them. 10,000 answers of this size take 160 MB, and twice as much if a
/// fast answer waits before each.
pub const MAX_UNRESERVED_BYTES: usize = 16 * 1024;

/// Returns a response with `cache-control: no-store`, because the next answer may differ. hyper adds the
/// length.
pub fn respond(status: u16, content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Appends the bytes that hyper would write for [`respond`]. `date` is an IMF-fixdate (RFC 9110, 5.6.7).
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

/// Appends the status line of a response.
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

/// Appends the header fields that describe a body. `more` contains complete lines, which precede the length.
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
