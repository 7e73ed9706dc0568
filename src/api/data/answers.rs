//! Bytes as responses.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

/// Larger answers count against the memory for bodies until their peers have taken them. 10,000 of this
/// size at once would come to 160 MB, and as much again where direct answers wait before each.
pub(super) const LARGE: usize = 16 * 1024;

/// A response, whose length hyper states. Nothing here may be cached: the next generation can answer otherwise.
pub(crate) fn respond(status: u16, content_type: &'static str, body: Bytes) -> super::Response {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
