//! Problems (RFC 9457): errors as JSON bodies.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};

use super::response::{Response, respond, write_body_fields, write_status_line};

/// The media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// A kind of problem. Its texts need no escaping in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemKind {
    /// The code that programs act on.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The kind, in words for people.
    pub title: &'static str,
    /// What to do, in words for people, where a problem has no detail of its own.
    pub detail: &'static str,
}

/// The request is malformed.
pub const BAD_REQUEST: ProblemKind = ProblemKind {
    code: "bad_request",
    status: 400,
    title: "The query is malformed",
    detail: "not an HTTP/1.1 request",
};
/// The listener has no such route, or the route has nothing of that name.
pub const NOT_FOUND: ProblemKind = ProblemKind {
    code: "not_found",
    status: 404,
    title: "Nothing is here",
    detail: "see the routes of this listener",
};
/// The route has other methods.
pub const METHOD_NOT_ALLOWED: ProblemKind = ProblemKind {
    code: "method_not_allowed",
    status: 405,
    title: "The route has another method",
    detail: "see the Allow header",
};
/// The body is longer than the route's limit.
pub const BODY_TOO_LARGE: ProblemKind = ProblemKind {
    code: "body_too_large",
    status: 413,
    title: "The body is too large",
    detail: "send a smaller body",
};
/// The body is of a type or coding that the route does not take.
pub const UNSUPPORTED_MEDIA_TYPE: ProblemKind = ProblemKind {
    code: "unsupported_media_type",
    status: 415,
    title: "The body is of another type",
    detail: "see the Accept header",
};
/// The request's head is longer than 32 KiB, or has more than 100 fields.
pub const HEADER_TOO_LARGE: ProblemKind = ProblemKind {
    code: "header_too_large",
    status: 431,
    title: "The request head is too large",
    detail: "send fewer or shorter header fields",
};
/// The server panicked, or cannot write what it must.
pub const INTERNAL: ProblemKind = ProblemKind {
    code: "internal",
    status: 500,
    title: "A fault of the server",
    detail: "the server's log says more",
};
/// A limit on connections or memory is reached.
pub const OVERLOADED: ProblemKind = ProblemKind {
    code: "overloaded",
    status: 503,
    title: "Too many connections",
    detail: "try again in a moment, or elsewhere",
};

/// A problem that can become a response.
#[derive(Debug)]
pub struct Problem {
    kind: &'static ProblemKind,
    detail: Option<Cow<'static, str>>,
    number: Option<(&'static str, u64)>,
    header: Option<(HeaderName, &'static str)>,
}

impl Problem {
    /// Returns a problem with the kind's own detail. A status of 503 is sent with the time to try again.
    pub fn new(kind: &'static ProblemKind) -> Problem {
        let is_temporary = kind.status == 503;
        let header = is_temporary.then_some((header::RETRY_AFTER, "1"));
        Problem { kind, detail: None, number: None, header }
    }

    /// Returns a problem for a route that has other methods: those in `allow`.
    pub fn method_not_allowed(allow: &'static str) -> Problem {
        Problem::new(&METHOD_NOT_ALLOWED).with_header(header::ALLOW, allow)
    }

    /// Returns a problem for a body or an answer that there is no memory for now.
    pub fn out_of_memory_budget() -> Problem {
        Problem::new(&OVERLOADED).with_detail("too many large bodies at a time; try again in a moment")
    }

    /// Replaces the kind's detail. The text must not repeat what the caller sent.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem { detail: Some(detail.into()), ..self }
    }

    /// Adds a member that is a number, an extension of RFC 9457, 3.2. `member` is its JSON before the number, such as
    /// `,"generation":`.
    #[must_use]
    pub fn with_number(self, member: &'static str, number: u64) -> Problem {
        Problem { number: Some((member, number)), ..self }
    }

    /// Sets the header that says what would be taken instead.
    #[must_use]
    pub fn with_header(self, name: HeaderName, value: &'static str) -> Problem {
        Problem { header: Some((name, value)), ..self }
    }

    /// Returns the kind.
    pub fn kind(&self) -> &'static ProblemKind {
        self.kind
    }

    /// Appends the problem as a JSON object.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_problem(out, self.kind, self.detail.as_deref(), self.number);
    }

    /// Returns the response.
    pub fn into_response(self) -> Response {
        let mut body = Vec::with_capacity(512);
        self.write(&mut body);
        let mut response = respond(self.kind.status, CONTENT_TYPE, Bytes::from(body));
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Appends a problem as a JSON object. `detail` replaces the kind's own; it must not repeat what the caller sent. `number` is an
/// extension member as [`Problem::with_number`] has it.
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

/// Returns the whole answer to a connection that is rejected before its first request.
pub(crate) fn overloaded_response() -> Vec<u8> {
    let mut body = Vec::with_capacity(512);
    write_problem(&mut body, &OVERLOADED, None, None);
    let mut out = Vec::with_capacity(512);
    write_status_line(&mut out, OVERLOADED.status);
    write_body_fields(&mut out, CONTENT_TYPE, "retry-after: 1\r\nconnection: close\r\n", body.len());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&body);
    out
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
        assert_eq!(
            head,
            format!(
                "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
                 cache-control: no-store\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: {}",
                body.len()
            )
        );
    }
}
