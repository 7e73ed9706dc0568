//! Parses simple requests in place. A simple request can be answered from its target and its body alone.
//!
//! A request is simple if no header field has a meaning for HTTP other than the length of the body, and if
//! the body has arrived. httparse, which hyper uses too, parses the head. hyper handles all other requests,
//! and heads that must be refused.

use std::mem::MaybeUninit;

use super::failpoint;
use super::request_head::{MAX_HEAD_BYTES, is_host, parse_digits};

/// Maximum number of header fields of a simple request. Gateways send a handful.
const MAX_FIELDS: usize = 32;

/// A complete GET or POST request of HTTP/1.1 that hyper need not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimpleRequest<'r> {
    /// The path and the query string. All bytes are allowed unescaped by RFC 3986.
    pub target: &'r str,
    /// The body. Empty if the request has none.
    pub body: &'r [u8],
    /// Length of the request in bytes, including its body.
    pub len: usize,
    /// The value of the header field `Authorization`, if there is one.
    pub authorization: Option<&'r [u8]>,
}

impl<'r> SimpleRequest<'r> {
    /// Parses the request at the start of these bytes. Returns `None` if the request is not simple, if its
    /// body is longer than `max_body_bytes` or incomplete, or if a POST has another media type than
    /// `media_type`.
    #[inline]
    pub fn parse(bytes: &'r [u8], media_type: &str, max_body_bytes: usize) -> Option<SimpleRequest<'r>> {
        let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut head = httparse::Request::new(&mut []);
        let Ok(httparse::Status::Complete(end)) = head.parse_with_uninit_headers(bytes, &mut fields) else {
            return None;
        };
        if head.version != Some(1) || end > MAX_HEAD_BYTES {
            return None;
        }
        let media_type = match head.method? {
            "GET" => None,
            "POST" => Some(media_type),
            _ => return None,
        };
        let (length, authorization) = read_fields(head.headers, media_type)?;
        if length > max_body_bytes {
            return None;
        }
        let target = head.path.filter(|target| target.starts_with('/') && is_plain(target.as_bytes()))?;
        let len = end + length;
        Some(SimpleRequest { target, body: bytes.get(end..len)?, len, authorization })
    }
}

/// Returns the length of the body, and the value of `Authorization`. Returns `None` if a header field has a
/// meaning that hyper must handle.
fn read_fields<'r>(
    fields: &[httparse::Header<'r>],
    media_type: Option<&str>,
) -> Option<(usize, Option<&'r [u8]>)> {
    let (mut hosts, mut length, mut authorization) = (0, None, None);
    for field in fields {
        let (name, value) = (field.name, field.value);
        // Compares lengths first, because most names have another length.
        let is_simple = match name.len() {
            4 if name.eq_ignore_ascii_case("host") => {
                hosts += 1;
                is_host(value)
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                let stated = parse_digits(value).and_then(|stated| usize::try_from(stated).ok());
                length.replace(stated?).is_none()
            }
            10 if name.eq_ignore_ascii_case("connection") => value.eq_ignore_ascii_case(b"keep-alive"),
            12 if name.eq_ignore_ascii_case("content-type") => {
                media_type.is_none_or(|taken| value.eq_ignore_ascii_case(taken.as_bytes()))
            }
            // Two values are ambiguous.
            13 if name.eq_ignore_ascii_case("authorization") => authorization.replace(value).is_none(),
            16 => !name.eq_ignore_ascii_case("content-encoding"),
            17 => !name.eq_ignore_ascii_case("transfer-encoding"),
            6 => !name.eq_ignore_ascii_case("expect"),
            7 => !name.eq_ignore_ascii_case("upgrade"),
            19 if failpoint::ENABLED => {
                !name.eq_ignore_ascii_case(failpoint::HEADER) || value == failpoint::FAST_PATH.as_bytes()
            }
            _ => true,
        };
        if !is_simple {
            return None;
        }
    }
    (hosts == 1).then_some((length.unwrap_or(0), authorization))
}

/// Returns whether all bytes of the target are allowed unescaped by RFC 3986. Has no branches, so that the
/// compiler vectorizes it.
fn is_plain(target: &[u8]) -> bool {
    let plain =
        |byte: u8| matches!(byte, b'!' | b'$'..=b';' | b'=' | b'?'..=b'Z' | b'_' | b'a'..=b'z' | b'~');
    target.iter().fold(true, |all, &byte| all & plain(byte))
}

#[cfg(test)]
mod tests {
    use super::super::framing::Framing;
    use super::*;

    fn parse(bytes: &[u8]) -> Option<SimpleRequest<'_>> {
        SimpleRequest::parse(bytes, "application/json", 1_000)
    }

    #[test]
    fn target_and_body_are_found() {
        let get = b"GET /a?b=c%20d HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\nGET";
        let request =
            SimpleRequest { target: "/a?b=c%20d", body: b"", len: get.len() - 3, authorization: None };
        assert_eq!(parse(get), Some(request));
        let post = b"POST /a HTTP/1.1\r\nhost: a\r\nContent-Length: 2\r\n\r\n{}GET";
        let request = SimpleRequest { target: "/a", body: b"{}", len: post.len() - 3, authorization: None };
        assert_eq!(parse(post), Some(request));
        let with = b"GET /a HTTP/1.1\r\nHost: a\r\nauthorization:  Bearer x \r\n\r\n";
        assert_eq!(parse(with).and_then(|request| request.authorization), Some(&b"Bearer x"[..]));
    }

    #[test]
    fn requests_with_other_meanings_are_not_simple() {
        for request in [
            "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.0\r\nHost: a\r\n\r\n",
            "GET /a?b=\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.1\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nAuthorization: Bearer x\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{",
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\n{}",
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}",
            "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ] {
            assert_eq!(parse(request.as_bytes()), None, "{request}");
        }
        let large =
            [&b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"[..], &[b' '; 1_001]].concat();
        assert_eq!(parse(&large), None);
    }

    /// Both parsers must agree on the start of the next request. The requests are random: cut, doubled,
    /// broken.
    #[test]
    fn simple_request_is_one_whole_request_to_the_framing() {
        let get = b"GET /a?b=c&d=e HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n".as_slice();
        let post = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Type: application/json\r\n\r\n{ }\n";
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
            if let Some(SimpleRequest { len, .. }) = parse(&bytes) {
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
}
