//! Checks a request's head against RFC 9112, in addition to hyper's own checks.
//!
//! hyper ignores the `Content-Length` of a request that also has a `Transfer-Encoding`, accepts any coding
//! that ends in `chunked`, and requires no `Host`. A proxy in front of this server may read such a request
//! differently, and then take the rest of one client's bytes for another client's request. For this reason a
//! head with two possible readings is refused, and its connection is closed.

use memchr::{memchr, memchr_iter};

/// The length of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// A body of this many bytes. 0 if there is no body.
    Known(u64),
    /// A chunked body, which ends with a chunk of size 0.
    Chunked,
}

/// Maximum length of a request's head in bytes.
pub(crate) const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Maximum number of header fields. This is hyper's limit; hyper answers 431 beyond it.
const MAX_FIELDS: usize = 100;

/// The fault of a head. Its text is the detail of the problem that the client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("Send one Content-Length. The request has two that differ.")]
    TwoLengths,
    #[error("Send either a Content-Length or a Transfer-Encoding, not both.")]
    BothLengths,
    #[error("Send a Content-Length of decimal digits only.")]
    BadLength,
    #[error("Send no Transfer-Encoding other than chunked, and none in HTTP/1.0.")]
    BadCoding,
    #[error("Send exactly one Host field: a name or an address, with or without a port.")]
    BadHost,
    #[error(
        "Correct the header: a line has white space around the field's name, no colon, or a bare CR or NUL."
    )]
    BadLine,
    #[error("Send a path or an absolute http URL as the request target.")]
    BadTarget,
    #[error("Use HTTP/1.1 without TLS. This listener does not support HTTP/2.")]
    OtherVersion,
}

/// Returns the end of the head that begins with these bytes: the position after its first empty line. The
/// search begins at `from`.
///
/// # Errors
/// Returns the position at which to continue the search when more bytes have arrived.
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

/// Checks a complete head, and returns the length of the body after it. Accepts some heads that hyper
/// refuses.
///
/// # Errors
/// Returns the first fault of the head.
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
        // Compares lengths first, because nearly all names have another length.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                hosts += 1;
                if hosts > 1 || !is_host(value) {
                    return Err(HeadError::BadHost);
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let stated = parse_digits(value).ok_or(HeadError::BadLength)?;
                // RFC 9110, 8.6 allows the same length twice.
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
    // Beyond the limit, hyper refuses the head with a more specific status.
    if is_http_1_1 && hosts == 0 && fields <= MAX_FIELDS {
        return Err(HeadError::BadHost);
    }
    match (length, chunked) {
        (Some(_), true) => Err(HeadError::BothLengths),
        (_, true) => Ok(BodyLength::Chunked),
        (length, false) => Ok(BodyLength::Known(length.unwrap_or(0))),
    }
}

/// Returns whether the head has a NUL, or a CR without an LF after it. Has no branches, so that the compiler
/// vectorizes it.
fn has_stray(head: &[u8]) -> bool {
    let next = head.get(1..).unwrap_or_default();
    let stray = |bad, (byte, next): (&u8, &u8)| bad | (*byte == 0) | ((*byte == b'\r') & (*next != b'\n'));
    // The last byte of a head is a line feed.
    head.iter().zip(next).fold(false, stray)
}

/// Returns the first line without its end, and the bytes after it.
fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    let at = memchr(b'\n', text).unwrap_or(text.len());
    let (line, rest) = text.split_at(at);
    (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..).unwrap_or_default())
}

/// Returns the bytes before the first space, and the bytes after it.
fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let (word, rest) = text.split_at(memchr(b' ', text).unwrap_or(text.len()));
    (word, rest.get(1..).unwrap_or_default())
}

/// Checks the request line. Returns whether the version is HTTP/1.1.
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
    // RFC 9112, 3.2: only CONNECT has a target in authority-form.
    if !(target.starts_with(b"/") || target == b"*" || method == b"CONNECT" || absolute()) {
        return Err(HeadError::BadTarget);
    }
    Ok(version == b"HTTP/1.1")
}

/// Parses decimal digits. Returns `None` for anything else, such as a sign, a list or a prefix.
pub(crate) fn parse_digits(text: &[u8]) -> Option<u64> {
    let is_plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_plain.then(|| str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// Returns whether the text is `uri-host [ ":" port ]` of RFC 9110, 7.2. The text may be empty.
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
