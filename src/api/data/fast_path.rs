//! The fast path: single selections that are answered without hyper.
//!
//! Nearly all that gateways send is one kind of request: a small `GET /v1/select?…`, or a `POST` with its body right
//! behind the head. Through hyper such a request takes 8,000 instructions besides its answer, for a `Request`, its header
//! map, its URI, a service's future and a `Response`. Here httparse, hyper's own parser, reads the head in place, and the
//! answer is written behind a head of our own.
//!
//! Only a request that hyper would accept, and answer with the same bytes, is taken (`tests/http/direct.rs`). Any other
//! goes to hyper: another route, a head to refuse, a body that has not arrived, a field with a meaning to HTTP.

use std::mem::MaybeUninit;
use std::time::Instant;

use switchboard_select::Query;
use switchboard_server::problem::INTERNAL;
use switchboard_server::request_head::{MAX_HEAD_BYTES, is_host, parse_digits};
use switchboard_server::response::write_response;
use switchboard_server::{FastAnswer, Problem, catch_panic, failpoint};

use super::body::{BodyKind, MAX_QUERY_BODY_BYTES};
use super::context::WorkerContext;
use super::query_string;
use super::select::{ResponseMeta, select_current};
use crate::telemetry::Route;

/// Most header fields of a head that is taken; gateways send a handful.
const MAX_FIELDS: usize = 32;
/// The failpoint of this path.
const FAILPOINT: &str = "fast_path";

/// Answers the single selection that these bytes begin with. See [`Service::fast_path`].
///
/// [`Service::fast_path`]: switchboard_server::Service::fast_path
pub(super) fn answer(context: &WorkerContext, bytes: &[u8], out: &mut Vec<u8>) -> Option<FastAnswer> {
    let started = Instant::now();
    let (text, len) = read(bytes)?;
    let mut body = context.scratch.borrow_mut();
    body.clear();
    let meta = catch_panic(|| {
        failpoint::panic_if(failpoint::is_named_in(bytes, FAILPOINT));
        let mut query = Query::default();
        let read = match text {
            QueryText::Url(text) => query_string::read(text, &mut query),
            QueryText::Body(json) => query.read_json(json),
        };
        select_current(context, read.map(|()| &query), &mut body)
    });
    let panicked = meta.is_none();
    let meta = match meta {
        Some(meta) => meta?,
        None => {
            context.telemetry.panicked();
            body.clear();
            Problem::new(&INTERNAL).write(&mut body);
            ResponseMeta::problem(INTERNAL.status)
        }
    };
    write_response(out, meta.status, meta.content_type, &body, &context.clock.date());
    let at = Instant::now();
    let took = at.saturating_duration_since(started);
    if !panicked {
        context.metrics.timings.record_selection(took);
    }
    context.metrics.timings.record_request(Route::Select, meta.status, took);
    Some(FastAnswer { len, at })
}

/// The text of a query, in place.
enum QueryText<'r> {
    /// The URL's query string.
    Url(&'r str),
    /// The body.
    Body(&'r [u8]),
}

/// Returns the query of the single selection that these bytes begin with, and how many bytes that request has.
fn read(bytes: &[u8]) -> Option<(QueryText<'_>, usize)> {
    // Decided before anything is parsed, so that other requests are parsed once.
    let is_post = match (bytes.strip_prefix(b"GET /v1/select"), bytes.strip_prefix(b"POST /v1/select ")) {
        (Some(rest), _) if matches!(rest.first(), Some(b'?' | b' ')) => false,
        (_, Some(_)) => true,
        _ => return None,
    };
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut head = httparse::Request::new(&mut []);
    let Ok(httparse::Status::Complete(end)) = head.parse_with_uninit_headers(bytes, &mut fields) else {
        return None;
    };
    if head.version != Some(1) || end > MAX_HEAD_BYTES {
        return None;
    }
    let length = body_length(head.headers, is_post)?;
    if is_post {
        let len = end + length;
        return Some((QueryText::Body(bytes.get(end..len)?), len));
    }
    let query = head.path?.get("/v1/select".len()..)?;
    let query = query.strip_prefix('?').unwrap_or_default();
    (length == 0 && is_plain(query.as_bytes())).then_some((QueryText::Url(query), end))
}

/// Returns the length of the body, or `None` where a field has a meaning that hyper must handle.
fn body_length(fields: &[httparse::Header<'_>], is_post: bool) -> Option<usize> {
    let (mut hosts, mut length) = (0, None);
    for field in fields {
        let (name, value) = (field.name, field.value);
        // By length first, because most fields have another.
        let is_plain = match name.len() {
            4 if name.eq_ignore_ascii_case("host") => {
                hosts += 1;
                is_host(value)
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                let stated = parse_digits(value).and_then(|stated| usize::try_from(stated).ok());
                stated.is_some_and(|stated| stated <= MAX_QUERY_BODY_BYTES)
                    && length.replace(stated?).is_none()
            }
            10 if name.eq_ignore_ascii_case("connection") => value.eq_ignore_ascii_case(b"keep-alive"),
            12 if is_post && name.eq_ignore_ascii_case("content-type") => {
                value.eq_ignore_ascii_case(BodyKind::Query.media_types().as_bytes())
            }
            16 => !name.eq_ignore_ascii_case("content-encoding"),
            17 => !name.eq_ignore_ascii_case("transfer-encoding"),
            6 => !name.eq_ignore_ascii_case("expect"),
            7 => !name.eq_ignore_ascii_case("upgrade"),
            19 if failpoint::ENABLED => {
                !name.eq_ignore_ascii_case(failpoint::HEADER) || value == FAILPOINT.as_bytes()
            }
            _ => true,
        };
        if !is_plain {
            return None;
        }
    }
    (hosts == 1).then_some(length.unwrap_or(0))
}

/// Returns whether a query string has only bytes that RFC 3986 allows unescaped. Free of branches, so that the compiler
/// vectorizes it.
fn is_plain(query: &[u8]) -> bool {
    let plain =
        |byte: u8| matches!(byte, b'!' | b'$'..=b';' | b'=' | b'?'..=b'Z' | b'_' | b'a'..=b'z' | b'~');
    query.iter().fold(true, |all, &byte| all & plain(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_server::framing::Framing;

    /// The fast path and the framing agree on where the next request begins. Requests are random: cut, doubled, broken.
    #[test]
    fn taken_request_is_one_whole_request_to_the_framing() {
        let get = b"GET /v1/select?channel=sms&ou=a HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n".as_slice();
        let post = b"POST /v1/select HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Type: application/json\r\n\r\n{ }\n";
        let pieces: [&[u8]; 14] = [
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b":",
            b"\0",
            b"Host: b\r\n",
            b"Content-Length: 2\r\n",
            b"Content-Length: +4\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Connection: close\r\n",
            b"HTTP/1.1",
            b"?",
            b"{}",
        ];
        let mut random = 7_u64;
        let mut below = |max: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % max
        };
        let mut taken = 0;
        for _ in 0..200_000 {
            let mut bytes = if below(2) == 0 { get.to_vec() } else { post.to_vec() };
            for _ in 0..below(4) {
                let at = below(bytes.len());
                let piece = pieces[below(pieces.len())];
                let to = at + below(2).min(bytes.len() - at) * below(piece.len() + 1).min(bytes.len() - at);
                bytes.splice(at..to, piece.iter().copied());
            }
            bytes.extend_from_slice(get);
            if let Some((_, len)) = read(&bytes) {
                let mut framing = Framing::default();
                let (request, _) = bytes.split_at(len);
                let (all_but_one, last) = request.split_at(len - 1);
                let text = String::from_utf8_lossy(&bytes);
                assert_eq!(framing.read(all_but_one), Ok(()), "{text}");
                assert!(!framing.is_between(), "{text}");
                assert_eq!(framing.read(last), Ok(()), "{text}");
                assert!(framing.is_between(), "{text}");
                taken += 1;
            }
        }
        assert!((20_000..180_000).contains(&taken), "{taken}: too one-sided to mean much");
    }

    #[test]
    fn requests_with_other_meanings_go_to_hyper() {
        let taken = |request: &str| read(request.as_bytes()).is_some();
        assert!(taken("GET /v1/select HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert!(taken("GET /v1/select?a=b%20c HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n"));
        assert!(taken("POST /v1/select HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}GET"));
        for request in [
            "GET /v1/select HTTP/1.0\r\nHost: a\r\n\r\n",
            "GET /v1/selected HTTP/1.1\r\nHost: a\r\n\r\n",
            "HEAD /v1/select HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /v1/select?a=\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /v1/select?a#b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /v1/select HTTP/1.1\r\n\r\n",
            "GET /v1/select HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET /v1/select HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
            "GET /v1/select HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "GET /v1/select HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
            "GET /v1/select HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
            "POST /v1/select?a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
            "POST /v1/select HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{",
            "POST /v1/select HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n{}",
            "POST /v1/select HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\n{}",
            "POST /v1/select HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}",
            "POST /v1/select HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ] {
            assert!(!taken(request), "{request}");
        }
    }
}
