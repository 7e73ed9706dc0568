//! Problems as responses.

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};

use super::{Response, answers};
use switchboard_select::{BadQuery, Code, write_problem};
use switchboard_snapshot::Snapshot;

/// A problem's media type (RFC 9457).
pub(super) const CONTENT_TYPE: &str = "application/problem+json";

/// A problem on its way to becoming a response.
pub(crate) struct Problem {
    code: Code,
    detail: Option<String>,
    generation: Option<u64>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// With the code's own texts. Those that pass come with the time to try again.
    pub(crate) fn new(code: Code) -> Problem {
        let passes = matches!(code, Code::NoSnapshot | Code::Overloaded);
        let header = passes.then_some((header::RETRY_AFTER, HeaderValue::from_static("1")));
        Problem { code, detail: None, generation: None, header }
    }

    /// The route has other methods.
    pub(crate) fn method_not_allowed(allow: &'static str) -> Problem {
        Problem::new(Code::MethodNotAllowed).header(header::ALLOW, allow)
    }

    /// There is no memory for this body or answer now. What waited for it is done with: the peer may try
    /// again at once on another connection.
    pub(crate) fn crowded() -> Problem {
        Problem::new(Code::Overloaded).detail("too many large bodies at a time; try again in a moment")
    }

    /// More is known. The text must not repeat anything a caller sent.
    pub(crate) fn detail(self, detail: impl Into<String>) -> Problem {
        Problem { detail: Some(detail.into()), ..self }
    }

    /// A snapshot was consulted.
    pub(crate) fn generation(self, generation: u64) -> Problem {
        Problem { generation: Some(generation), ..self }
    }

    /// A header says what would be taken instead.
    pub(crate) fn header(self, name: HeaderName, value: &'static str) -> Problem {
        Problem { header: Some((name, HeaderValue::from_static(value))), ..self }
    }

    /// What kind.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// Appends it as a JSON object.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write_problem(out, self.code, self.detail.as_deref(), self.generation);
    }

    /// The response.
    pub(crate) fn respond(self) -> Response {
        let mut bytes = Vec::with_capacity(512);
        self.write(&mut bytes);
        let mut response = answers::respond(self.code.status(), CONTENT_TYPE, Bytes::from(bytes));
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// A problem's JSON alone.
pub(crate) fn body(code: Code, detail: Option<&str>, generation: Option<u64>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    write_problem(&mut bytes, code, detail, generation);
    bytes
}

/// The whole answer to a connection that nobody has time for.
pub(crate) fn overloaded() -> Vec<u8> {
    let body = body(Code::Overloaded, None, None);
    let mut whole = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
        cache-control: no-store\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: "
        .to_vec();
    whole.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
    whole.extend_from_slice(b"\r\n\r\n");
    whole.extend_from_slice(&body);
    whole
}

/// The problem of a query that is no query.
pub(super) fn malformed(bad: BadQuery) -> Problem {
    Problem::new(Code::BadRequest).detail(bad.message)
}

/// The problem of a query that this snapshot has no account for.
pub(super) fn unanswered(code: Code, snapshot: &Snapshot) -> Problem {
    Problem::new(code).generation(snapshot.generation())
}
