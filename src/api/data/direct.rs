//! Single selections, answered where their heads are read.
//!
//! Nearly all that gateways send is one kind of request: a small `GET /v1/select?…`, or a `POST` with its
//! body right behind the head. Through hyper such a request takes 8,000 instructions beside its answer, for a
//! `Request`, its header map, its URI, a service's future and a `Response`. Here the same parser that hyper
//! has under it, httparse, reads the head in place, and the answer is written behind a head of our own.
//!
//! Only what hyper would take, and answer with the same bytes, is taken (`tests/http/direct` holds that).
//! Whatever is out of the ordinary in the least - another route, a head to refuse, a body that has not come yet,
//! a field with a meaning to HTTP - goes to hyper, which sees the connection as if the requests answered here
//! had never been on it.

use std::mem::MaybeUninit;
use std::rc::Rc;
use std::time::Instant;

use hyper::StatusCode;

use super::body::{Holds, LARGEST_QUERY};
use super::desk::Desk;
use super::head::{LARGEST_HEAD, digits, is_host};
use super::panics::{self, caught};
use super::problems::Problem;
use super::selecting::{Kind, select_now};
use super::url;
use crate::telemetry::Route;
use switchboard_select::{Code, Query};

/// Most header fields of a head that is taken; gateways send a handful.
const MOST_FIELDS: usize = 32;

/// What answers requests without hyper.
pub(crate) trait Direct {
    /// Answers the request that these bytes begin with, by appending the whole response. `None`, and nothing
    /// appended, where it is one for hyper.
    fn answer(&self, bytes: &[u8], out: &mut Vec<u8>) -> Option<Answered>;
}

/// A request that was answered.
pub(crate) struct Answered {
    /// How many bytes it has.
    pub(crate) len: usize,
    /// When it was.
    pub(crate) at: Instant,
}

/// Everything goes through hyper.
pub(crate) struct Nothing;

impl Direct for Nothing {
    fn answer(&self, _: &[u8], _: &mut Vec<u8>) -> Option<Answered> {
        None
    }
}

impl Direct for Rc<Desk> {
    fn answer(&self, bytes: &[u8], out: &mut Vec<u8>) -> Option<Answered> {
        let started = Instant::now();
        let (asked, len) = read(bytes)?;
        let mut body = self.scratch.borrow_mut();
        body.clear();
        let kind = caught(|| {
            panics::asked_directly(bytes);
            let mut query = Query::default();
            let read = match asked {
                Asked::Url(text) => url::read(text, &mut query),
                Asked::Body(json) => query.read_json(json),
            };
            select_now(self, read.map(|()| &query), &mut body)
        });
        let panicked = kind.is_none();
        let kind = match kind {
            Some(kind) => kind?,
            None => {
                self.telemetry.panicked();
                body.clear();
                Problem::new(Code::Internal).write(&mut body);
                Kind::problem(Code::Internal.status())
            }
        };
        respond(out, kind, &body, self.clock.date().as_bytes());
        let at = Instant::now();
        let took = at.saturating_duration_since(started);
        if !panicked {
            self.counts.timings.record_selection(took);
        }
        self.counts.timings.record_request(Route::Select, kind.status, took);
        Some(Answered { len, at })
    }
}

/// A query, where it lies in the request.
enum Asked<'r> {
    /// The URL's query string.
    Url(&'r str),
    /// The body.
    Body(&'r [u8]),
}

/// The query of the single selection that these bytes begin with, and how many bytes that request has.
fn read(bytes: &[u8]) -> Option<(Asked<'_>, usize)> {
    // Told apart before anything is parsed: a batch is not looked at twice.
    let posted = match (bytes.strip_prefix(b"GET /v1/select"), bytes.strip_prefix(b"POST /v1/select ")) {
        (Some(rest), _) if matches!(rest.first(), Some(b'?' | b' ')) => false,
        (_, Some(_)) => true,
        _ => return None,
    };
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut head = httparse::Request::new(&mut []);
    let Ok(httparse::Status::Complete(end)) = head.parse_with_uninit_headers(bytes, &mut fields) else {
        return None;
    };
    if head.version != Some(1) || end > LARGEST_HEAD {
        return None;
    }
    let length = body_length(head.headers, posted)?;
    if posted {
        let len = end + length;
        return Some((Asked::Body(bytes.get(end..len)?), len));
    }
    let query = head.path?.get("/v1/select".len()..)?;
    let query = query.strip_prefix('?').unwrap_or_default();
    (length == 0 && is_plain(query.as_bytes())).then_some((Asked::Url(query), end))
}

/// The length of the body, where no field says anything else that matters.
fn body_length(fields: &[httparse::Header<'_>], posted: bool) -> Option<usize> {
    let (mut hosts, mut length) = (0, None);
    for field in fields {
        let (name, value) = (field.name, field.value);
        // By length first: most fields are passed over after this one look.
        let plain = match name.len() {
            4 if name.eq_ignore_ascii_case("host") => {
                hosts += 1;
                is_host(value)
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                let stated = digits(value).and_then(|stated| usize::try_from(stated).ok());
                stated.is_some_and(|stated| stated <= LARGEST_QUERY) && length.replace(stated?).is_none()
            }
            10 if name.eq_ignore_ascii_case("connection") => value.eq_ignore_ascii_case(b"keep-alive"),
            12 if posted && name.eq_ignore_ascii_case("content-type") => {
                value.eq_ignore_ascii_case(Holds::Query.types().as_bytes())
            }
            16 => !name.eq_ignore_ascii_case("content-encoding"),
            17 => !name.eq_ignore_ascii_case("transfer-encoding"),
            6 => !name.eq_ignore_ascii_case("expect"),
            7 => !name.eq_ignore_ascii_case("upgrade"),
            // Tests ask for panics by it: here, or in hyper's way.
            19 if cfg!(debug_assertions) => {
                !name.eq_ignore_ascii_case(panics::HEADER) || value == panics::DIRECTLY
            }
            _ => true,
        };
        if !plain {
            return None;
        }
    }
    (hosts == 1).then_some(length.unwrap_or(0))
}

/// Whether a query string has only bytes that need no second thought in a URI: all that RFC 3986 lets stand
/// unescaped. Branch-free, so that many bytes are looked at at once.
fn is_plain(query: &[u8]) -> bool {
    let plain =
        |byte: u8| matches!(byte, b'!' | b'$'..=b';' | b'=' | b'?'..=b'Z' | b'_' | b'a'..=b'z' | b'~');
    query.iter().fold(true, |all, &byte| all & plain(byte))
}

/// Appends a response, as hyper would write it.
fn respond(out: &mut Vec<u8>, kind: Kind, body: &[u8], date: &[u8]) {
    out.reserve(256 + body.len());
    match kind.status {
        200 => out.extend_from_slice(b"HTTP/1.1 200 OK"),
        status => {
            let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
            out.extend_from_slice(b"HTTP/1.1 ");
            out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
            out.push(b' ');
            out.extend_from_slice(reason.unwrap_or_default().as_bytes());
        }
    }
    out.extend_from_slice(b"\r\ncontent-type: ");
    out.extend_from_slice(kind.content_type.as_bytes());
    out.extend_from_slice(b"\r\ncache-control: no-store\r\ncontent-length: ");
    out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
    out.extend_from_slice(b"\r\ndate: ");
    out.extend_from_slice(date);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::super::framing::Framing;
    use super::*;

    /// Whatever is answered directly is one whole request to the framing, too: so both agree on where the next one
    /// begins. Random requests, cut, doubled and spoilt.
    #[test]
    fn what_is_taken_is_one_whole_request() {
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
        let mut below = |most: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % most
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
                assert_eq!(framing.see(all_but_one), Ok(()), "{text}");
                assert!(!framing.is_between(), "{text}");
                assert_eq!(framing.see(last), Ok(()), "{text}");
                assert!(framing.is_between(), "{text}");
                taken += 1;
            }
        }
        assert!((20_000..180_000).contains(&taken), "{taken}: too one-sided to mean much");
    }

    #[test]
    fn what_goes_to_hyper() {
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
