//! Answers of HTTP/1.1 as far as they have arrived.

use httparse::{EMPTY_HEADER, Response, Status};

/// A daemon, or a proxy before it, sends fewer headers.
const MAX_HEADERS: usize = 48;

/// A media type of answers and requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// The type `application/json` of a query or a selection.
    Json,
    /// The type `application/problem+json` of a problem.
    Problem,
    /// The type `application/x-ndjson` of a batch.
    Lines,
    /// Any other type, or a missing one.
    Other,
}

impl Media {
    /// Reads a `Content-Type` without its parameters.
    fn from_header(value: &[u8]) -> Media {
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let known = [Media::Json, Media::Problem, Media::Lines];
        let named = known.into_iter().find(|media| essence.eq_ignore_ascii_case(media.as_str().as_bytes()));
        named.unwrap_or(Media::Other)
    }

    /// Returns the type as a header has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Media::Json => "application/json",
            Media::Problem => "application/problem+json",
            Media::Lines => "application/x-ndjson",
            Media::Other => "another",
        }
    }
}

/// The fields of an answer's head that a client needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// HTTP status of the answer.
    pub status: u16,
    /// Media type of the body.
    pub media: Media,
    /// Number of bytes before the body.
    pub head_bytes: usize,
    /// Number of bytes of the body.
    pub body_bytes: usize,
    /// Whether the server closes the connection after this answer.
    pub last: bool,
}

impl Head {
    /// Parses the head of an answer. Returns `None` if the head is incomplete.
    ///
    /// # Errors
    /// The bytes are not the head of an HTTP/1.1 answer with a `Content-Length`.
    pub fn parse(bytes: &[u8]) -> Result<Option<Head>, String> {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = Response::new(&mut headers);
        let head_bytes = match response.parse(bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(error) => return Err(format!("the answer is not HTTP/1.1: {error}")),
        };
        let status = response.code.unwrap_or_default();
        let (mut length, mut last, mut media) = (None, response.version == Some(0), Media::Other);
        for header in response.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                length = std::str::from_utf8(header.value).ok().and_then(|value| value.trim().parse().ok());
            } else if header.name.eq_ignore_ascii_case("content-type") {
                media = Media::from_header(header.value);
            } else if header.name.eq_ignore_ascii_case("connection") {
                last |= header.value.eq_ignore_ascii_case(b"close");
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                return Err("the answer is chunked, but must have a Content-Length".to_owned());
            }
        }
        let body_bytes = match (status, length) {
            (204 | 304, _) => 0,
            (_, Some(length)) => length,
            (_, None) => return Err("the answer has no Content-Length".to_owned()),
        };
        Ok(Some(Head { status, media, head_bytes, body_bytes, last }))
    }
}

/// An answer as far as it has arrived.
#[derive(Default)]
pub struct PartialAnswer {
    /// First bytes of an answer that arrives in pieces.
    held: Vec<u8>,
    head: Option<Head>,
}

impl PartialAnswer {
    /// Returns the bytes of an answer that arrives in pieces. Empty if an answer arrived in one piece.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// Prepares for the next answer, and keeps the buffer.
    pub fn clear(&mut self) {
        self.held.clear();
        self.head = None;
    }

    /// Returns the head if the bytes that arrived complete the answer. Else keeps the bytes.
    ///
    /// # Errors
    /// The head is malformed, or bytes follow the answer.
    pub fn append(&mut self, arrived: &[u8]) -> Result<Option<Head>, String> {
        let in_one = self.held.is_empty();
        if !in_one {
            self.held.extend_from_slice(arrived);
        }
        let bytes = if in_one { arrived } else { &self.held };
        if self.head.is_none() {
            self.head = Head::parse(bytes)?;
        }
        if let Some(head) = self.head {
            let whole = head.head_bytes + head.body_bytes;
            match bytes.len().checked_sub(whole) {
                Some(0) => return Ok(Some(head)),
                Some(more) => return Err(format!("{more} bytes after the answer")),
                None => {}
            }
        }
        if in_one {
            self.held.extend_from_slice(arrived);
        }
        Ok(None)
    }
}
