//! An answer's head: as much of HTTP/1.1 as tells where the answer ends.

use super::source::Media;
use httparse::{EMPTY_HEADER, Response, Status};

/// More than the daemon, or a proxy before it, sends.
const HEADERS: usize = 48;

/// What the head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) media: Media,
    /// Bytes of the head, and of the body behind it.
    pub(super) head: usize,
    pub(super) body: usize,
    /// The server closes behind it.
    pub(super) last: bool,
}

/// None while it is not whole.
///
/// # Errors
/// In words, where it is no answer.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head>, String> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut response = Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(Status::Complete(head)) => head,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("no answer in HTTP/1.1: {error}")),
    };
    let status = response.code.unwrap_or_default();
    let (mut length, mut last) = (None, response.version == Some(0));
    let mut media = Media::Other;
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            length = std::str::from_utf8(header.value).ok().and_then(|value| value.trim().parse().ok());
        } else if header.name.eq_ignore_ascii_case("content-type") {
            media = Media::of(header.value);
        } else if header.name.eq_ignore_ascii_case("connection") {
            last |= header.value.eq_ignore_ascii_case(b"close");
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err("a chunked answer; only such with a Content-Length are read".to_owned());
        }
    }
    let body = match (status, length) {
        (204 | 304, _) => 0,
        (_, Some(length)) => length,
        (_, None) => return Err("an answer without a Content-Length".to_owned()),
    };
    Ok(Some(Head { status, media, head, body, last }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let of = |text: &str| head(text.as_bytes());
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(
            of(whole),
            Ok(Some(Head { status: 200, media: Media::Other, head: 38, body: 5, last: false }))
        );
        for cut in 0..38 {
            assert_eq!(of(&whole[..cut]), Ok(None), "{cut}");
        }
        let last = "HTTP/1.1 503 \r\nconnection: Close\r\ncontent-length: 0\r\n\r\n";
        assert!(of(last).unwrap().unwrap().last);
        for (said, media) in [
            ("application/json", Media::Json),
            ("Application/Problem+JSON; charset=utf-8", Media::Problem),
            ("application/x-ndjson", Media::Lines),
            ("application/jsonl", Media::Other),
        ] {
            let whole = format!("HTTP/1.1 200 OK\r\nContent-Type: {said}\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(of(&whole).unwrap().unwrap().media, media, "{said}");
        }
        assert_eq!(of("HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body, 0);
        for broken in [
            "SMTP ready\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        ] {
            assert!(of(broken).is_err(), "{broken}");
        }
    }
}
