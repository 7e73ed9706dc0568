//! Checks a request's head against RFC 9112, for what hyper accepts, or removes before a service sees it.
//!
//! hyper drops the `Content-Length` of a request that has a `Transfer-Encoding` too, takes any coding that ends in
//! `chunked` for `chunked` alone, and requires no `Host`. A proxy in front of us may read such a request differently:
//! what one client sends after it would then count as another's. So a head that can be read in two ways is refused, and
//! its connection closed.

use memchr::{memchr, memchr_iter};

/// The length of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// So many bytes; 0 where there is no body.
    Known(u64),
    /// Chunked: a chunk of size 0 ends it.
    Chunked,
}

/// The longest head of a request.
pub(crate) const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Most header fields of a head: hyper's own limit, beyond which it answers 431.
const MAX_FIELDS: usize = 100;

/// What is wrong with a head. The text is the detail of the problem that the client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("the body's length is stated twice, and differently")]
    TwoLengths,
    #[error("a request has either a Content-Length or a Transfer-Encoding")]
    BothLengths,
    #[error("Content-Length: expected digits")]
    BadLength,
    #[error("Transfer-Encoding: only chunked is taken, in HTTP/1.1")]
    BadCoding,
    #[error("Host: expected exactly one, a name or an address with or without a port")]
    BadHost,
    #[error("a line of the head begins or ends a name with white space, or has a CR or NUL within")]
    BadLine,
    #[error("the request target is neither a path nor an absolute http URL")]
    BadTarget,
    #[error("HTTP/1.1 is spoken here, without TLS; not HTTP/2")]
    OtherVersion,
}

/// Returns where the head that begins with these bytes ends: behind its first empty line. `from` is where the search
/// continues.
///
/// # Errors
/// Where to continue the search when there are more bytes.
pub(crate) fn find_end(bytes: &[u8], from: usize) -> Result<usize, usize> {
    for at in memchr_iter(b'\n', bytes.get(from..).unwrap_or_default()) {
        let at = from + at;
        match bytes.get(at + 1..).unwrap_or_default() {
            [b'\n', ..] => return Ok(at + 2),
            [b'\r', b'\n', ..] => return Ok(at + 3),
            [] | [b'\r'] => return Err(at),
            _ => {}
        }
    }
    Err(bytes.len())
}

/// Checks a whole head and returns the length of the body behind it. A head that hyper itself refuses may pass.
///
/// # Errors
/// What is wrong with the head.
pub(crate) fn check(head: &[u8]) -> Result<BodyLength, HeadError> {
    if has_stray(head) {
        return Err(HeadError::BadLine);
    }
    let (request_line, mut rest) = split_line(head);
    let is_http_1_1 = check_request_line(request_line)?;
    let (mut length, mut chunked, mut hosts, mut fields) = (None, false, 0, 0);
    loop {
        let (field, after) = split_line(rest);
        if field.is_empty() {
            break;
        }
        rest = after;
        fields += 1;
        let colon = memchr(b':', field).ok_or(HeadError::BadLine)?;
        let (name, value) = field.split_at(colon);
        let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        if is_space(name.first()) || is_space(name.last()) {
            return Err(HeadError::BadLine);
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        // By length first, because nearly all fields have another.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                hosts += 1;
                if hosts > 1 || !is_host(value) {
                    return Err(HeadError::BadHost);
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let stated = parse_digits(value).ok_or(HeadError::BadLength)?;
                // RFC 9110, 8.6 lets the same length be stated twice.
                if length.replace(stated).is_some_and(|before| before != stated) {
                    return Err(HeadError::TwoLengths);
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if chunked || !is_http_1_1 || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(HeadError::BadCoding);
                }
                chunked = true;
            }
            _ => {}
        }
    }
    // Beyond the limit hyper refuses the head, with a status that says more.
    if is_http_1_1 && hosts == 0 && fields <= MAX_FIELDS {
        return Err(HeadError::BadHost);
    }
    match (length, chunked) {
        (Some(_), true) => Err(HeadError::BothLengths),
        (_, true) => Ok(BodyLength::Chunked),
        (length, false) => Ok(BodyLength::Known(length.unwrap_or(0))),
    }
}

/// Returns whether there is a NUL, or a CR with no LF behind it. Free of branches, so that the compiler vectorizes it.
fn has_stray(head: &[u8]) -> bool {
    let next = head.get(1..).unwrap_or_default();
    let stray = |bad, (byte, next): (&u8, &u8)| bad | (*byte == 0) | ((*byte == b'\r') & (*next != b'\n'));
    // The last byte of a head is a line feed.
    head.iter().zip(next).fold(false, stray)
}

/// Returns the first line, without its end, and what follows it.
fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    let at = memchr(b'\n', text).unwrap_or(text.len());
    let (line, rest) = text.split_at(at);
    (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..).unwrap_or_default())
}

/// Returns the bytes before the first space, and those behind it.
fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let (word, rest) = text.split_at(memchr(b' ', text).unwrap_or(text.len()));
    (word, rest.get(1..).unwrap_or_default())
}

/// Returns whether the request is of HTTP/1.1.
fn check_request_line(line: &[u8]) -> Result<bool, HeadError> {
    let (method, rest) = split_word(line);
    let (target, rest) = split_word(rest);
    let (version, _) = split_word(rest);
    if version.starts_with(b"HTTP/2") {
        return Err(HeadError::OtherVersion);
    }
    let absolute = || {
        let scheme = memchr(b':', target).and_then(|colon| target.split_at_checked(colon));
        scheme.is_some_and(|(scheme, rest)| {
            rest.starts_with(b"://")
                && (scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https"))
        })
    };
    // RFC 9112, 3.2: authority-form is for CONNECT alone.
    if !(target.starts_with(b"/") || target == b"*" || method == b"CONNECT" || absolute()) {
        return Err(HeadError::BadTarget);
    }
    Ok(version == b"HTTP/1.1")
}

/// Parses decimal digits: no sign, no list, no prefix. Returns `None` for anything else.
pub(crate) fn parse_digits(text: &[u8]) -> Option<u64> {
    let is_plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_plain.then(|| str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// Returns whether this is `uri-host [ ":" port ]` of RFC 9110, 7.2, which may be empty.
pub(crate) fn is_host(text: &[u8]) -> bool {
    let (name, port) = match text.first() {
        Some(b'[') => match text.iter().rposition(|byte| *byte == b']') {
            Some(at) => text.split_at(at + 1),
            None => return false,
        },
        _ => text.split_at(memchr(b':', text).unwrap_or(text.len())),
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte);
    let inner = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]"));
    let is_valid = match inner {
        Some(address) => !address.is_empty() && address.iter().all(|byte| is_name(byte) || *byte == b':'),
        None => name.iter().all(is_name),
    };
    is_valid && (port.is_empty() || port.starts_with(b":") && port.iter().skip(1).all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_ends_with_its_first_empty_line_in_any_pieces() {
        for head in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\nHost: x\n\n", "G\r\n\n", "G\n\r\n"]
        {
            let mut from = 0;
            for cut in 0..head.len() {
                from = find_end(&head.as_bytes()[..cut], from).unwrap_err();
            }
            assert_eq!(find_end(head.as_bytes(), from), Ok(head.len()), "{head:?}");
            assert_eq!(find_end(format!("{head}rest\n\n").as_bytes(), 0), Ok(head.len()), "{head:?}");
        }
    }

    #[test]
    fn host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in ["", "x", "a.b-c", "a:80", "a:", "[::1]", "[::1]:80", "1.2.3.4:5", "%41"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in ["a b", "a:b", "a/b", "a@b", "a:1:2", "[::1", "::1]", "[]", "[::1]x", "a\u{e4}", "[a]:b"]
        {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
