//! Builds responses: values that hyper writes, bytes for answers without hyper, and problems (RFC 9457), which
//! are errors in the body of an answer, as JSON. The date of an answer and the time of a selection come from one
//! read of the system's clock.

use std::borrow::Cow;
use std::cell::{Cell, Ref, RefCell};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use httpdate::fmt_http_date;
use hyper::StatusCode;
use hyper::header::{self, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use rustix::time::{ClockId, clock_gettime};
use switchboard_model::UnixSeconds;

/// A response with a complete body.
pub type Response = hyper::Response<Full<Bytes>>;

/// Size in bytes up to which an answer is not counted. The [memory budget](super::MemoryBudget) counts larger
/// answers until their peers have read them. 10,000 answers of this size take 160 MB, and twice as much if a
/// fast answer waits before each.
pub const MAX_UNRESERVED_BYTES: usize = 16 * 1024;

/// Time that a peer has to stop sending and to read its last answer.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

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
    write_body_fields(out, content_type, "", date.as_bytes(), body.len());
    out.extend_from_slice(b"\r\n");
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

/// Appends the header fields of an answer with a body, in the order of hyper. `more` contains complete lines,
/// which precede the date.
#[inline]
pub(crate) fn write_body_fields(
    out: &mut Vec<u8>,
    content_type: &str,
    more: &str,
    date: &[u8],
    length: usize,
) {
    out.extend_from_slice(b"content-type: ");
    out.extend_from_slice(content_type.as_bytes());
    out.extend_from_slice(b"\r\ncache-control: no-store\r\n");
    out.extend_from_slice(more.as_bytes());
    out.extend_from_slice(b"date: ");
    out.extend_from_slice(date);
    out.extend_from_slice(b"\r\ncontent-length: ");
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Media type of a problem.
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";

/// A kind of problem. Its texts must not need escaping in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemKind {
    /// Code that programs act on.
    pub code: &'static str,
    /// HTTP status of the answer.
    pub status: u16,
    /// Name of the kind, for people.
    pub title: &'static str,
    /// Cause and remedy for people. A problem may have a more specific detail instead.
    pub detail: &'static str,
}

/// The request or the query is malformed.
pub const BAD_REQUEST: ProblemKind = ProblemKind {
    code: "bad_request",
    status: 400,
    title: "Bad request",
    detail: "Send a valid HTTP/1.1 request.",
};
/// The listener has no such path, or the path names an object that does not exist.
pub const NOT_FOUND: ProblemKind = ProblemKind {
    code: "not_found",
    status: 404,
    title: "Not found",
    detail: "This listener has no such path. GET /openapi.json on the admin listener describes all paths.",
};
/// The route does not have this method.
pub const METHOD_NOT_ALLOWED: ProblemKind = ProblemKind {
    code: "method_not_allowed",
    status: 405,
    title: "Method not allowed",
    detail: "Use one of the methods in the Allow header.",
};
/// The body is longer than the route's limit.
pub const BODY_TOO_LARGE: ProblemKind = ProblemKind {
    code: "body_too_large",
    status: 413,
    title: "Content too large",
    detail: "Send a smaller body.",
};
/// The route does not accept the media type or the encoding of the body.
pub const UNSUPPORTED_MEDIA_TYPE: ProblemKind = ProblemKind {
    code: "unsupported_media_type",
    status: 415,
    title: "Unsupported media type",
    detail: "Send the body in one of the media types in the Accept header.",
};
/// The head of the request is longer than 32 KiB or has more than 100 fields.
pub const HEADER_TOO_LARGE: ProblemKind = ProblemKind {
    code: "header_too_large",
    status: 431,
    title: "Request header fields too large",
    detail: "Send fewer or shorter header fields.",
};
/// The server panicked, or cannot write to the disk.
pub const INTERNAL: ProblemKind = ProblemKind {
    code: "internal",
    status: 500,
    title: "Internal server error",
    detail: "The server could not answer because of an internal error. \
        Retry, or query another replica. The server's log has the cause.",
};
/// A limit on connections or memory is reached.
pub const OVERLOADED: ProblemKind = ProblemKind {
    code: "overloaded",
    status: 503,
    title: "Service unavailable",
    detail: "A limit on connections or memory is reached. \
        Retry after the time in Retry-After, or query another replica.",
};

/// A problem of one request. It can become a response.
#[derive(Debug)]
pub struct Problem {
    kind: &'static ProblemKind,
    detail: Option<Cow<'static, str>>,
    number: Option<(&'static str, u64)>,
    header: Option<(HeaderName, &'static str)>,
}

impl Problem {
    /// Creates a problem with the detail of its kind. A problem with status 503 gets the header
    /// `Retry-After`.
    pub fn new(kind: &'static ProblemKind) -> Problem {
        let is_temporary = kind.status == 503;
        let header = is_temporary.then_some((header::RETRY_AFTER, "1"));
        Problem { kind, detail: None, number: None, header }
    }

    /// Creates a problem for a method that the route does not have. `allow` lists the methods of the route.
    pub fn method_not_allowed(allow: &'static str) -> Problem {
        Problem::new(&METHOD_NOT_ALLOWED).with_header(header::ALLOW, allow)
    }

    /// Creates a problem for a body or an answer that exceeds the memory budget.
    pub fn out_of_memory_budget() -> Problem {
        Problem::new(&OVERLOADED).with_detail(
            "Too many large bodies are in progress. \
            Retry after the time in Retry-After, or query another replica.",
        )
    }

    /// Replaces the detail of the kind. The text must not repeat data of the request.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem { detail: Some(detail.into()), ..self }
    }

    /// Adds an extension member with a number (RFC 9457, 3.2). `member` is the JSON before the number, such
    /// as `,"generation":`.
    #[must_use]
    pub fn with_number(self, member: &'static str, number: u64) -> Problem {
        Problem { number: Some((member, number)), ..self }
    }

    /// Sets a header that names the accepted values, such as `Allow` or `Accept`.
    #[must_use]
    pub fn with_header(self, name: HeaderName, value: &'static str) -> Problem {
        Problem { header: Some((name, value)), ..self }
    }

    /// Returns the kind of the problem.
    pub fn kind(&self) -> &'static ProblemKind {
        self.kind
    }

    /// Appends the problem as a JSON object.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_problem(out, self.kind, self.detail.as_deref(), self.number);
    }

    /// Converts the problem into a response.
    pub fn into_response(self) -> Response {
        let mut body = Vec::with_capacity(512);
        self.write(&mut body);
        let mut response = respond(self.kind.status, PROBLEM_CONTENT_TYPE, Bytes::from(body));
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Appends a problem as a JSON object. `detail` replaces the detail of the kind. It must not repeat data of
/// the request. `number` is an extension member as in [`Problem::with_number`].
#[inline]
pub fn write_problem(
    out: &mut Vec<u8>,
    kind: &ProblemKind,
    detail: Option<&str>,
    number: Option<(&str, u64)>,
) {
    out.extend_from_slice(br#"{"type":"urn:switchboard:problem:"#);
    out.extend_from_slice(kind.code.as_bytes());
    out.extend_from_slice(br#"","title":""#);
    out.extend_from_slice(kind.title.as_bytes());
    out.extend_from_slice(br#"","status":"#);
    out.extend_from_slice(itoa::Buffer::new().format(kind.status).as_bytes());
    out.extend_from_slice(br#","detail":"#);
    match detail {
        Some(detail) => out.extend_from_slice(serde_json::Value::from(detail).to_string().as_bytes()),
        None => {
            out.push(b'"');
            out.extend_from_slice(kind.detail.as_bytes());
            out.push(b'"');
        }
    }
    out.extend_from_slice(br#","code":""#);
    out.extend_from_slice(kind.code.as_bytes());
    out.push(b'"');
    if let Some((member, number)) = number {
        out.extend_from_slice(member.as_bytes());
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
    out.push(b'}');
}

/// Returns the complete response for a connection that is rejected before its first request.
pub(crate) fn overloaded_response() -> Vec<u8> {
    closing_response(&OVERLOADED, None, "retry-after: 1\r\nconnection: close\r\n")
}

/// Returns the complete response for a request without TLS to a port that has TLS.
pub(crate) fn plain_http_response() -> Vec<u8> {
    let detail = "This port has TLS. Send the request with https.";
    closing_response(&BAD_REQUEST, Some(detail), "connection: close\r\n")
}

/// Returns a complete response with a problem. `more` contains complete lines.
fn closing_response(kind: &ProblemKind, detail: Option<&str>, more: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(512);
    write_problem(&mut body, kind, detail, None);
    let mut out = Vec::with_capacity(512);
    write_status_line(&mut out, kind.status);
    write_body_fields(&mut out, PROBLEM_CONTENT_TYPE, more, date_value().as_bytes(), body.len());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&body);
    out
}

/// A clock for the use of one thread.
#[derive(Debug)]
pub struct Clock {
    /// Unix time of the last read, in seconds.
    seconds: Cell<u64>,
    /// The same time as an IMF-fixdate (RFC 9110, 5.6.7). Formatted once per second.
    date: RefCell<String>,
}

impl Default for Clock {
    fn default() -> Clock {
        let clock = Clock { seconds: Cell::new(0), date: RefCell::new(fmt_http_date(UNIX_EPOCH)) };
        clock.read();
        clock
    }
}

impl Clock {
    /// Reads the system's clock, and updates the date.
    #[inline]
    pub fn read(&self) -> UnixSeconds {
        // The coarse clock is at most 4 ms late. It takes a fifth of the exact clock's 25 ns.
        let seconds = u64::try_from(unix_seconds()).unwrap_or_default();
        if self.seconds.replace(seconds) != seconds {
            *self.date.borrow_mut() = fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        }
        UnixSeconds(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    /// Returns the date of the last [`Clock::read`].
    #[inline]
    pub fn date(&self) -> Ref<'_, str> {
        Ref::map(self.date.borrow(), String::as_str)
    }
}

/// Returns the time of day of the `date` field, in seconds.
#[inline]
fn unix_seconds() -> i64 {
    let seconds = clock_gettime(ClockId::RealtimeCoarse).tv_sec;
    #[cfg(test)]
    return seconds + SHIFT.get();
    #[cfg(not(test))]
    seconds
}

thread_local! {
    static CLOCK: Clock = Clock::default();
}

/// Reads the system's clock, and returns the value of the `date` field. For answers that are not on the fast
/// path.
pub(crate) fn date_value() -> HeaderValue {
    CLOCK.with(|clock| {
        clock.read();
        HeaderValue::from_str(&clock.date()).unwrap_or_else(|_| HeaderValue::from_static(""))
    })
}

#[cfg(test)]
thread_local! {
    /// The seconds by which the clock of this thread is ahead of the system's.
    pub(crate) static SHIFT: Cell<i64> = const { Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_is_json_with_and_without_a_detail() {
        for kind in [
            BAD_REQUEST,
            NOT_FOUND,
            METHOD_NOT_ALLOWED,
            BODY_TOO_LARGE,
            UNSUPPORTED_MEDIA_TYPE,
            HEADER_TOO_LARGE,
            INTERNAL,
            OVERLOADED,
        ] {
            for detail in [None, Some("a \"b\" \\ \u{1} c")] {
                let mut out = Vec::new();
                write_problem(&mut out, &kind, detail, Some((r#","number":"#, 7)));
                let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
                assert_eq!(read["type"], format!("urn:switchboard:problem:{}", kind.code));
                assert_eq!(read["title"], kind.title);
                assert_eq!(read["status"], kind.status);
                assert_eq!(read["detail"], detail.unwrap_or(kind.detail));
                assert_eq!(read["code"], kind.code);
                assert_eq!(read["number"], 7);
            }
        }
    }

    #[test]
    fn overloaded_response_states_its_length() {
        let response = String::from_utf8(overloaded_response()).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let (before, date) = head.split_once("date: ").unwrap();
        assert_eq!(
            before,
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
             cache-control: no-store\r\nretry-after: 1\r\nconnection: close\r\n"
        );
        assert!(date.ends_with(&format!(" GMT\r\ncontent-length: {}", body.len())), "{date}");
    }

    #[test]
    fn date_is_of_the_second_that_was_read() {
        let clock = Clock::default();
        let UnixSeconds(seconds) = clock.read();
        let date = httpdate::parse_http_date(&clock.date()).unwrap();
        assert_eq!(date.duration_since(UNIX_EPOCH).unwrap().as_secs(), seconds as u64);
        assert_eq!(clock.date().len(), 29);
    }
}
